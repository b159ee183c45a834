public import Posix

/// One event as text: `key=value` pairs separated by blanks (logfmt). journalctl and grep show it as it is; Loki and Vector can
/// parse it.
///
/// A line is printable ASCII up to its end: no value can start a new line or pair.
public struct LogLine: Sendable {
    /// PIPE_BUF, linux/limits.h: up to this size a write is atomic, even to a pipe.
    public static let maximumSize = 4096

    private static let cutMark = Array(" truncated=true".utf8)
    /// The space for pairs; the mark and the line end follow them.
    private static let room = maximumSize - cutMark.count - 1

    private var octets: [UInt8] = []
    private var isCut = false

    public init() { octets.reserveCapacity(512) }

    /// The line with its end.
    public var bytes: [UInt8] { octets + (isCut ? LogLine.cutMark : []) + [UInt8(ascii: "\n")] }

    /// Adds a pair. A value that is too long is cut and later pairs are left out; the line is then marked as truncated.
    ///
    /// - Parameter key: `[a-z_]`.
    public mutating func append(_ key: String, _ value: String) {
        guard !isCut else { return }
        let start = octets.count
        if start > 0 { octets.append(UInt8(ascii: " ")) }
        octets += key.utf8
        octets.append(UInt8(ascii: "="))
        let isBare = !value.isEmpty && value.utf8.allSatisfy(LogLine.isPlain)
        if isBare, octets.count + value.utf8.count <= LogLine.room {
            octets += value.utf8
            return
        }
        guard octets.count + 2 <= LogLine.room else {
            octets.removeSubrange(start...)
            isCut = true
            return
        }
        octets.append(UInt8(ascii: "\""))
        for scalar in value.unicodeScalars {
            let piece = LogLine.escaped(scalar)
            guard octets.count + piece.count < LogLine.room else {
                isCut = true
                break
            }
            octets += piece
        }
        octets.append(UInt8(ascii: "\""))
    }

    private static func isPlain(_ octet: UInt8) -> Bool {
        octet > 0x20 && octet < 0x7f && octet != UInt8(ascii: "\"") && octet != UInt8(ascii: "=")
            && octet != UInt8(ascii: "\\")
    }

    /// As in a JSON string (RFC 8259, section 7), with everything escaped that is not printable ASCII.
    private static func escaped(_ scalar: Unicode.Scalar) -> [UInt8] {
        switch scalar {
        case "\"", "\\": return [UInt8(ascii: "\\"), UInt8(truncatingIfNeeded: scalar.value)]
        case "\n": return Array(#"\n"#.utf8)
        case "\t": return Array(#"\t"#.utf8)
        case " "..."~": return [UInt8(truncatingIfNeeded: scalar.value)]
        default:
            return UTF16.encode(scalar)!.flatMap { unit in
                [UInt8(ascii: "\\"), UInt8(ascii: "u")] + [12, 8, 4, 0].map { digit(UInt8(unit >> $0 & 0xf)) }
            }
        }
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

extension Timestamp {
    /// RFC 3339, in UTC, with microseconds.
    public var text: String {
        // Years begin in March, so that the leap day is the last one (H. Hinnant's days_from_civil).
        let days = (seconds >= 0 ? seconds : seconds - 86399) / 86400
        let second = seconds - days * 86400
        let shifted = days + 719468
        let era = (shifted >= 0 ? shifted : shifted - 146096) / 146097
        let dayOfEra = shifted - era * 146097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let year = yearOfEra + era * 400 + (month >= 10 ? 1 : 0)
        let date = [
            Timestamp.padded(year, 4), Timestamp.padded(month < 10 ? month + 3 : month - 9, 2),
            Timestamp.padded(dayOfYear - (153 * month + 2) / 5 + 1, 2),
        ]
        let time = [second / 3600, second / 60 % 60, second % 60].map { Timestamp.padded($0, 2) }
        return
            "\(date.joined(separator: "-"))T\(time.joined(separator: ":")).\(Timestamp.padded(nanoseconds / 1000, 6))Z"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let digits = "\(number)"
        return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
    }
}
