/// An address with a prefix length, such as `10.1.0.5/16`.
///
/// It represents an interface's address (host bits kept) or, if `isNetwork`, a subnet.
public struct CIDR: Sendable, Hashable {
    public let address: IPAddress
    /// 0...32 for IPv4, 0...128 for IPv6.
    public let prefixLength: Int

    /// - Precondition: `prefixLength` is within the family's width.
    public init(_ address: IPAddress, _ prefixLength: Int) {
        precondition((0...address.family.bitWidth).contains(prefixLength), "prefix length out of range")
        self.address = address
        self.prefixLength = prefixLength
    }

    /// The address alone: `/32` or `/128`.
    public static func host(_ address: IPAddress) -> CIDR { CIDR(address, address.family.bitWidth) }

    public var family: IPFamily { address.family }

    /// IPv4-mapped IPv6 becomes IPv4, as in ``IPAddress/unmapped``, with the prefix length adjusted. Nil for a prefix that
    /// extends beyond the mapped addresses.
    public var unmapped: CIDR? {
        guard address.unmapped.family != family else { return self }
        return prefixLength >= 96 ? CIDR(address.unmapped, prefixLength - 96) : nil
    }

    /// The number of bits after the prefix.
    public var hostBits: Int { family.bitWidth - prefixLength }

    /// The bits after the prefix, all set.
    private var hostMask: UInt128 { hostBits == 128 ? .max : (UInt128(1) << UInt128(hostBits)) - 1 }

    /// The same prefix with the host bits cleared.
    public var network: CIDR { CIDR(first, prefixLength) }

    public var isNetwork: Bool { address.value & hostMask == 0 }

    /// The lowest address of the subnet: the network address.
    public var first: IPAddress { IPAddress(family, address.value & ~hostMask) }

    /// The highest address of the subnet: the broadcast address of an IPv4 subnet.
    public var last: IPAddress { IPAddress(family, address.value & ~hostMask | hostMask) }

    public var range: AddressRange { AddressRange(first, last) }

    public func contains(_ other: IPAddress) -> Bool { range.contains(other) }

    public func overlaps(_ other: CIDR) -> Bool { range.overlaps(other.range) }

    /// The prefix as a netmask, such as 255.255.0.0.
    public var mask: IPAddress { IPAddress(family, family.maximum & ~hostMask) }
}

extension CIDR: LosslessStringConvertible {
    /// Reads `ADDRESS/LENGTH`; the length is required.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let address = IPAddress(String(parts[0])),
            let length = decimal(Array(parts[1].utf8)[...], maximumDigits: 3), length <= address.family.bitWidth
        else { return nil }
        self.init(address, length)
    }

    public var description: String { "\(address)/\(prefixLength)" }
}

/// All addresses from `first` to `last`, both included, of one family.
public struct AddressRange: Sendable, Hashable, CustomStringConvertible {
    public let first: IPAddress
    public let last: IPAddress

    /// - Precondition: both of one family, and `first <= last`.
    public init(_ first: IPAddress, _ last: IPAddress) {
        precondition(first.family == last.family && first <= last, "a range goes upwards within one family")
        self.first = first
        self.last = last
    }

    public var family: IPFamily { first.family }

    /// The number of addresses; for the whole IPv6 space, one less than the true count.
    public var count: UInt128 {
        let distance = last.value - first.value
        return distance == .max ? .max : distance + 1
    }

    public func contains(_ address: IPAddress) -> Bool {
        first <= address && address <= last
    }

    public func overlaps(_ other: AddressRange) -> Bool {
        family == other.family && first <= other.last && other.first <= last
    }

    public var description: String { "\(first)-\(last)" }
}

extension [CIDR] {
    /// The subnets of these addresses, without duplicates.
    public var networks: [CIDR] {
        var networks: [CIDR] = []
        for address in self where !networks.contains(address.network) { networks.append(address.network) }
        return networks
    }
}
