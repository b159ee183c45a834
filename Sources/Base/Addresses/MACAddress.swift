/// A 48-bit Ethernet address.
public struct MACAddress: Sendable, Hashable {
    /// Six octets in transmission order.
    public let bytes: [UInt8]

    /// Takes exactly six octets.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 6 else { return nil }
        self.bytes = Array(bytes)
    }

    /// A locally administered unicast address (IEEE 802) made from the low 48 bits of `seed`, except the two bits that mark it as
    /// such.
    public init(locallyAdministered seed: UInt64) {
        var bytes = (0..<6).reversed().map { UInt8(truncatingIfNeeded: seed >> UInt64($0 * 8)) }
        bytes[0] = bytes[0] & 0xfc | 0x02
        self.bytes = bytes
    }

    /// Group addresses have several receivers; an interface never has one as its own.
    public var isMulticast: Bool { bytes[0] & 1 == 1 }

    public var isZero: Bool { bytes.allSatisfy { $0 == 0 } }
}

extension MACAddress: LosslessStringConvertible {
    /// Reads six pairs of hexadecimal digits separated by colons or by hyphens.
    public init?(_ text: String) {
        let characters = Array(text.utf8)
        guard characters.count == 17, let separator = characters[2...].first,
            separator == UInt8(ascii: ":") || separator == UInt8(ascii: "-")
        else { return nil }
        var bytes: [UInt8] = []
        for position in stride(from: 0, to: 17, by: 3) {
            guard let high = hexDigit(characters[position]), let low = hexDigit(characters[position + 1]),
                position == 15 || characters[position + 2] == separator
            else { return nil }
            bytes.append(high << 4 | low)
        }
        self.bytes = bytes
    }

    public var description: String { bytes.map { base16([$0]) }.joined(separator: ":") }
}
