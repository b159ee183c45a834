/// The two versions of the Internet Protocol.
public enum IPFamily: Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case v4, v6

    /// Address length in bits: 32 or 128.
    public var bitWidth: Int { self == .v4 ? 32 : 128 }

    /// Address length in octets: 4 or 16.
    public var byteWidth: Int { bitWidth / 8 }

    public var description: String { self == .v4 ? "v4" : "v6" }
}

/// An IPv4 or IPv6 address: a number with its family.
///
/// Ordered by family (IPv4 first), then by value, so that a sorted list reads as people expect.
public struct IPAddress: Sendable, Hashable, Comparable {
    public let family: IPFamily
    /// The address as a number; an IPv4 address occupies the low 32 bits.
    public let value: UInt128

    /// - Precondition: `value` fits into the family's width.
    public init(_ family: IPFamily, _ value: UInt128) {
        precondition(value <= family.maximum, "address value exceeds its family's width")
        self.family = family
        self.value = value
    }

    /// Reads 4 or 16 octets in network byte order; nil for any other length.
    public init?(bytes: ArraySlice<UInt8>) {
        switch bytes.count {
        case 4: family = .v4
        case 16: family = .v6
        default: return nil
        }
        var value: UInt128 = 0
        for octet in bytes { value = value << 8 | UInt128(octet) }
        self.value = value
    }

    /// Reads 4 or 16 octets in network byte order.
    public init?(bytes: [UInt8]) { self.init(bytes: bytes[...]) }

    /// The address in network byte order: 4 or 16 octets.
    public var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(family.byteWidth)
        for position in 1...family.byteWidth {
            bytes.append(UInt8(truncatingIfNeeded: value >> UInt128((family.byteWidth - position) * 8)))
        }
        return bytes
    }

    /// The address `distance` steps on, or nil if that leaves the family's address space.
    public func advanced(by distance: UInt128) -> IPAddress? {
        let (sum, overflow) = value.addingReportingOverflow(distance)
        return overflow || sum > family.maximum ? nil : IPAddress(family, sum)
    }

    public var isUnspecified: Bool { value == 0 }

    /// 127.0.0.0/8 or ::1.
    public var isLoopback: Bool { family == .v4 ? value >> 24 == 127 : value == 1 }

    /// 224.0.0.0/4 or ff00::/8.
    public var isMulticast: Bool { family == .v4 ? value >> 28 == 0xe : value >> 120 == 0xff }

    /// 169.254.0.0/16 (RFC 3927) or fe80::/10 (RFC 4291).
    public var isLinkLocal: Bool { family == .v4 ? value >> 16 == 0xa9fe : value >> 118 == 0x3fa }

    /// The IPv4 address that an IPv4-mapped one (::ffff:0:0/96, RFC 4291 section 2.5.5.2) stands for; any other address
    /// unchanged.
    ///
    /// People and Go programs that write this form mean IPv4. No link carries such an address.
    public var unmapped: IPAddress {
        family == .v6 && value >> 32 == 0xffff ? IPAddress(.v4, value & 0xffff_ffff) : self
    }

    public static func < (a: IPAddress, b: IPAddress) -> Bool {
        a.family == b.family ? a.value < b.value : a.family == .v4
    }
}

extension IPFamily {
    /// The highest address of the family, as a number.
    public var maximum: UInt128 { self == .v4 ? UInt128(UInt32.max) : UInt128.max }
}

extension IPAddress: LosslessStringConvertible {
    /// Reads dotted-quad IPv4 (without leading zeros, which some programs take for octal) or RFC 4291 IPv6.
    ///
    /// A zone (`fe80::1%eth0`) is not part of an address. IPv4-mapped IPv6 (`::ffff:10.0.0.1`) stays IPv6.
    public init?(_ text: String) {
        let octets = Array(text.utf8)
        guard octets.count <= 45 else { return nil }
        if octets.contains(UInt8(ascii: ":")) {
            guard let value = IPAddress.parseV6(octets[...]) else { return nil }
            self.init(.v6, value)
        } else {
            guard let value = IPAddress.parseV4(octets[...]) else { return nil }
            self.init(.v4, UInt128(value))
        }
    }

    private static func parseV4(_ text: ArraySlice<UInt8>) -> UInt32? {
        let fields = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard fields.count == 4 else { return nil }
        var value: UInt32 = 0
        for field in fields {
            guard let octet = decimal(field, maximumDigits: 3), octet <= 255 else { return nil }
            value = value << 8 | UInt32(octet)
        }
        return value
    }

    private static func parseV6(_ text: ArraySlice<UInt8>) -> UInt128? {
        let colon = UInt8(ascii: ":")
        var head: [UInt16] = []
        var tail: [UInt16] = []
        var seenGap = false
        var rest = text
        if rest.starts(with: [colon, colon]) {
            seenGap = true
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            guard head.count + tail.count < 8 else { return nil }
            let field = rest.prefix { $0 != colon }
            var groups: [UInt16]
            if field.count == rest.count, field.contains(UInt8(ascii: ".")) {
                guard let quad = parseV4(field) else { return nil }
                groups = [UInt16(quad >> 16), UInt16(truncatingIfNeeded: quad)]
            } else {
                guard let group = hexadecimal(field) else { return nil }
                groups = [group]
            }
            if seenGap { tail += groups } else { head += groups }
            rest = rest.dropFirst(field.count)
            guard !rest.isEmpty else { break }
            rest = rest.dropFirst()
            if rest.first == colon {
                guard !seenGap else { return nil }
                seenGap = true
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        let known = head.count + tail.count
        guard seenGap ? known < 8 : known == 8 else { return nil }
        let groups = head + Array(repeating: 0, count: 8 - known) + tail
        return groups.reduce(0) { $0 << 16 | UInt128($1) }
    }

    private static func hexadecimal(_ field: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(field.count) else { return nil }
        var value: UInt16 = 0
        for character in field {
            guard let digit = hexDigit(character) else { return nil }
            value = value << 4 | UInt16(digit)
        }
        return value
    }

    /// RFC 5952 for IPv6: lower case, the longest run of two or more zero groups shortened.
    public var description: String {
        switch family {
        case .v4:
            let octets = bytes
            return "\(octets[0]).\(octets[1]).\(octets[2]).\(octets[3])"
        case .v6:
            let groups = (0..<8).map { UInt16(truncatingIfNeeded: value >> UInt128((7 - $0) * 16)) }
            if groups[0...4].allSatisfy({ $0 == 0 }), groups[5] == 0xffff {
                return "::ffff:\(IPAddress(.v4, value & 0xffff_ffff))"
            }
            var gap = 0..<0
            var start = 0
            while start < 8 {
                let end = groups[start...].firstIndex { $0 != 0 } ?? 8
                if end - start > max(gap.count, 1) { gap = start..<end }
                start = max(end, start + 1)
            }
            let text = { (part: Range<Int>) in part.map { String(groups[$0], radix: 16) }.joined(separator: ":") }
            return gap.isEmpty ? text(0..<8) : "\(text(0..<gap.lowerBound))::\(text(gap.upperBound..<8))"
        }
    }
}

/// Reads a decimal number without sign or leading zeros.
func decimal(_ field: ArraySlice<UInt8>, maximumDigits: Int) -> Int? {
    guard (1...maximumDigits).contains(field.count), field.count == 1 || field.first != UInt8(ascii: "0") else {
        return nil
    }
    var value = 0
    for character in field {
        guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(character) else { return nil }
        value = value * 10 + Int(character - UInt8(ascii: "0"))
    }
    return value
}

func hexDigit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
}
