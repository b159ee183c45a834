internal import Addresses
public import Posix

/// Pools of one address family. A request gets one unit, from the first pool that has one left.
public struct RangeSet: Sendable, Hashable, CustomStringConvertible {
    public let pools: [Pool]

    /// - Throws: if there is no pool, or pools of both families, or two that overlap.
    public init(_ pools: [Pool]) throws(Failure) {
        guard let family = pools.first?.subnet.family else { throw Failure(.invalidConfiguration, "empty range set") }
        guard pools.allSatisfy({ $0.subnet.family == family }) else {
            throw Failure(.invalidConfiguration, "mixed address families")
        }
        for (position, pool) in pools.enumerated() {
            for other in pools[(position + 1)...] where pool.range.overlaps(other.range) {
                throw Failure(.invalidConfiguration, "subnets \(pool.range) and \(other.range) overlap")
            }
        }
        self.pools = pools
    }

    /// Each pool's range, separated by commas.
    public var description: String { pools.map { $0.range.description }.joined(separator: ",") }

    /// Refuses sets that overlap: one owner would get the same address from either.
    public static func validate(_ sets: [RangeSet]) throws(Failure) {
        guard !sets.isEmpty else { throw Failure(.invalidConfiguration, "no IP ranges specified") }
        for (position, set) in sets.enumerated() {
            for (distance, other) in sets[(position + 1)...].enumerated() where set.overlaps(other) {
                throw Failure(.invalidConfiguration, "range set \(position) overlaps with \(position + 1 + distance)")
            }
        }
    }

    private func overlaps(_ other: RangeSet) -> Bool {
        pools.contains { pool in other.pools.contains { $0.range.overlaps(pool.range) } }
    }

    /// Whether the unit contains one of the set's gateways. Not only its own pool's: two pools may share a subnet.
    func holdsGateway(_ unit: CIDR) -> Bool {
        pools.contains { pool in pool.gateway.map(unit.contains) ?? false }
    }

    /// The unit that contains an address.
    func place(of address: IPAddress) -> Place? {
        for (position, pool) in pools.enumerated() {
            if let number = pool.number(of: address) { return Place(pool: position, number: number) }
        }
        return nil
    }

    func unit(at place: Place) -> CIDR { pools[place.pool].unit(place.number) }

    /// The whole set in search order: starting after the unit handed out last, once around.
    func stretches(after last: IPAddress?) -> [Stretch] {
        let start = last.flatMap { place(of: $0) }.map { ($0.pool, $0.number + 1) } ?? (0, 0)
        var stretches: [Stretch] = []
        for step in 0...pools.count {
            let position = (start.0 + step) % pools.count
            let lower = step == 0 ? start.1 : 0
            let upper = step == pools.count ? start.1 : pools[position].unitCount
            if lower < upper { stretches.append(Stretch(pool: position, lower: lower, upper: upper)) }
        }
        return stretches
    }
}

/// A unit of a range set.
struct Place: Sendable, Hashable {
    let pool: Int
    let number: UInt128
}

/// Consecutive units of one pool.
struct Stretch: Sendable, Hashable {
    let pool: Int
    let lower: UInt128
    /// One more than the last.
    let upper: UInt128
}
