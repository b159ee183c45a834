public import Addresses
public import ClusterEngine

/// Addresses that are divided into subnets of one size, of which each node gets one: `10.244.0.0/16` into 256 of `/24`.
public struct SubnetRange: Sendable, Hashable, CustomStringConvertible {
    /// Host bits are clear.
    public let range: CIDR
    /// The prefix length of a node's subnet.
    public let subnetLength: Int

    /// - Throws: `.configuration` if the range has host bits, or cannot be divided in this way.
    public init(_ range: CIDR, subnetLength: Int) throws(EngineFailure) {
        guard range.isNetwork else {
            throw EngineFailure(
                .configuration, "range \(range): bits are set after the prefix", advice: "write \(range.network)")
        }
        guard (range.prefixLength...range.family.bitWidth).contains(subnetLength) else {
            throw EngineFailure(
                .configuration, "range \(range): a node's subnet cannot have length \(subnetLength)",
                advice: "choose \(range.prefixLength) to \(range.family.bitWidth)")
        }
        // The whole IPv6 space in single addresses could not be counted.
        guard subnetLength - range.prefixLength <= 64 else {
            throw EngineFailure(
                .configuration, "range \(range): more than 2^64 subnets of length \(subnetLength)",
                advice: "choose at most \(range.prefixLength + 64)")
        }
        self.range = range
        self.subnetLength = subnetLength
    }

    /// How many subnets there are: 1 to 2^64.
    public var count: UInt128 { 1 << UInt128(subnetLength - range.prefixLength) }

    public var description: String { "\(range) in /\(subnetLength)" }

    /// - Precondition: `index` is less than ``count``.
    func subnet(_ index: UInt128) -> CIDR {
        precondition(index < count, "subnet index out of range")
        let step = UInt128(range.family.bitWidth - subnetLength)
        return CIDR(IPAddress(range.family, range.first.value | index << step), subnetLength)
    }

    /// The inverse of ``subnet(_:)``; nil for what is none of this range's subnets.
    func index(of subnet: CIDR) -> UInt128? {
        guard subnet.prefixLength == subnetLength, subnet.isNetwork, range.contains(subnet.first) else { return nil }
        return (subnet.first.value - range.first.value) >> UInt128(range.family.bitWidth - subnetLength)
    }

    /// The first free subnet from a starting point on, which nodes choose differently so that they do not compete.
    ///
    /// - Parameter start: any number.
    /// - Returns: nil if all are taken. Takes at most one step more than `taken` has elements.
    func free(from start: UInt64, taken: Set<UInt128>) -> CIDR? {
        guard UInt128(taken.count) < count else { return nil }
        var index = UInt128(start) % count
        while taken.contains(index) { index = (index + 1) % count }
        return subnet(index)
    }
}
