public import Addresses
public import Posix

/// Part of a subnet, from which single addresses or whole blocks are handed out.
///
/// An address or block that is handed out as a whole is a *unit*. Units are numbered from 0 upwards.
public struct Pool: Sendable, Hashable {
    public let subnet: CIDR
    /// The first and the last address that may be handed out, or be part of a block that is.
    public let range: AddressRange
    /// Never handed out. A pool of blocks has one only if it was specified.
    public let gateway: IPAddress?
    /// The prefix length of the blocks; nil if single addresses are handed out.
    public let blockLength: Int?
    /// The number of units, including those with a gateway.
    let unitCount: UInt128
    /// The lowest address of unit 0.
    private let firstUnit: UInt128

    /// Fills in missing values. For addresses, as in the reference plugin: from the subnet's second address (which is also the
    /// gateway) to its last (IPv4: the last but one). For blocks: the whole subnet and no gateway.
    ///
    /// - Parameter blockLength: from the subnet's prefix length to the family's width.
    public init(
        subnet: CIDR, rangeStart: IPAddress? = nil, rangeEnd: IPAddress? = nil, gateway: IPAddress? = nil,
        blockLength: Int? = nil
    ) throws(Failure) {
        if blockLength == nil {
            guard subnet.hostBits >= 2 else {
                throw Failure(.invalidConfiguration, "Network \(subnet) too small to allocate from")
            }
        }
        guard subnet.isNetwork else {
            throw Failure(
                .invalidConfiguration,
                "Network has host bits set. For a subnet mask of length \(subnet.prefixLength) "
                    + "the network address is \(subnet.first)")
        }
        let width = subnet.family.bitWidth
        if let blockLength, !(max(subnet.prefixLength, 1)...width).contains(blockLength) {
            throw Failure(
                .invalidConfiguration,
                "block length \(blockLength) not between \(subnet.prefixLength) of \(subnet) and \(width)")
        }
        let inset: UInt128 = blockLength == nil ? 1 : 0
        let first = rangeStart ?? IPAddress(subnet.family, subnet.first.value + inset)
        let last = rangeEnd ?? IPAddress(subnet.family, subnet.last.value - (subnet.family == .v4 ? inset : 0))
        guard subnet.contains(first), first <= last || rangeStart == nil else {
            throw Failure(
                .invalidConfiguration,
                "RangeStart \(first) not in network \(subnet)\(subnet.contains(first) ? " up to \(last)" : "")")
        }
        guard subnet.contains(last), first <= last else {
            throw Failure(
                .invalidConfiguration,
                "RangeEnd \(last) not in network \(subnet)\(subnet.contains(last) ? " from \(first)" : "")")
        }
        if let gateway, gateway.family != subnet.family {
            throw Failure(.invalidConfiguration, "gateway \(gateway) is not of the address family of \(subnet)")
        }
        self.subnet = subnet
        self.range = AddressRange(first, last)
        self.blockLength = blockLength
        self.gateway = gateway ?? (blockLength == nil ? IPAddress(subnet.family, subnet.first.value + 1) : nil)
        if let blockLength, blockLength < width {
            let bits = UInt128(width - blockLength)
            let inside = (UInt128(1) << bits) - 1
            let lowest = (first.value >> bits) + (first.value & inside == 0 ? 0 : 1)
            let end = (last.value >> bits) + (last.value & inside == inside ? 1 : 0)
            guard lowest < end else {
                throw Failure(
                    .invalidConfiguration,
                    "Network \(subnet) too small to allocate from: no /\(blockLength) in \(range)")
            }
            firstUnit = lowest << bits
            unitCount = end - lowest
        } else {
            firstUnit = first.value
            unitCount = range.count
        }
    }

    /// The prefix length of a unit; the family's width for single addresses.
    var unitLength: Int { blockLength ?? subnet.family.bitWidth }

    private var unitBits: UInt128 { UInt128(subnet.family.bitWidth - unitLength) }

    /// - Precondition: `number < unitCount`.
    func unit(_ number: UInt128) -> CIDR {
        precondition(number < unitCount, "unit number out of range")
        return CIDR(IPAddress(subnet.family, firstUnit + number << unitBits), unitLength)
    }

    /// The number of the unit that contains `address`.
    func number(of address: IPAddress) -> UInt128? {
        guard address.family == subnet.family, address.value >= firstUnit else { return nil }
        let number = (address.value - firstUnit) >> unitBits
        return number < unitCount ? number : nil
    }

    /// The numbers of the units that overlap `other`.
    func numbers(overlapping other: AddressRange) -> ClosedRange<UInt128>? {
        let whole = AddressRange(unit(0).first, unit(unitCount - 1).last)
        guard whole.overlaps(other) else { return nil }
        let lower = (max(other.first, whole.first).value - firstUnit) >> unitBits
        let upper = (min(other.last, whole.last).value - firstUnit) >> unitBits
        return lower...upper
    }

    /// What the requester gets for this unit.
    func allocation(of unit: CIDR) -> Allocation {
        let address = blockLength == nil ? CIDR(unit.address, subnet.prefixLength) : unit
        return Allocation(address: address, gateway: gateway)
    }
}

/// What was handed out.
public struct Allocation: Sendable, Hashable {
    /// An address with its subnet's prefix length, or a whole block.
    public let address: CIDR
    public let gateway: IPAddress?

    public init(address: CIDR, gateway: IPAddress?) {
        self.address = address
        self.gateway = gateway
    }
}
