/// One event in the format of systemd's journal: a datagram of fields ("Native Journal Protocol", systemd's docs).
public struct JournalEntry: Sendable {
    /// Where systemd-journald listens.
    public static let socket = "/run/systemd/journal/socket"

    /// Values are cut at this size: a pod's name must not make an entry so large that the journal refuses it.
    static let maximumValueSize = 4096

    public private(set) var bytes: [UInt8] = []

    public init() {}

    /// Adds a field.
    ///
    /// - Parameter name: `[A-Z_]`.
    public mutating func append(_ name: String, _ value: some Collection<UInt8>) {
        let value = Array(value.prefix(JournalEntry.maximumValueSize))
        bytes += name.utf8
        if value.contains(UInt8(ascii: "\n")) {
            // A value with newlines needs its length in front; otherwise its other lines would be read as fields.
            bytes.append(UInt8(ascii: "\n"))
            for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: value.count >> (shift * 8))) }
        } else {
            bytes.append(UInt8(ascii: "="))
        }
        bytes += value
        bytes.append(UInt8(ascii: "\n"))
    }

    /// The journal field for a key: `SWIFTLET_CONTAINER` for `container`.
    static func name(of key: String) -> String {
        "SWIFTLET_"
            + String(
                decoding: key.utf8.map { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) ? $0 - 0x20 : $0 },
                as: UTF8.self)
    }
}
