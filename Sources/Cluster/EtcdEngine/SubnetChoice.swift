internal import Addresses

/// Which subnets a node asks for next.
///
/// What it had comes first. Otherwise the first attempt begins at a place that follows from its name, so a thousand
/// nodes that start at once seldom meet, and a node whose claim has ended gets the same again if it is free. After a
/// lost race the place is random among the free ones.
struct SubnetChoice: Sendable {
    private let ranges: [SubnetRange]
    /// One of each range.
    private(set) var chosen: [CIDR]

    /// - Parameter wishes: the earlier, the more wanted. What is no subnet of a range does not count.
    init(_ ranges: [SubnetRange], node: String, wishes: [CIDR]) {
        self.ranges = ranges
        chosen = ranges.map { range in
            wishes.first { range.index(of: $0) != nil }
                ?? range.free(from: fnv1a("\(node) \(range.range)"), taken: [])!
        }
    }

    /// The range that a chosen subnet is of.
    func range(of subnet: CIDR) -> SubnetRange? { ranges.first { $0.index(of: subnet) != nil } }

    /// Chooses another one for a subnet that is taken.
    ///
    /// - Parameter taken: all subnets that are taken, of any range.
    /// - Returns: false if the range is full.
    mutating func replace(_ subnet: CIDR, taken: Set<CIDR>) -> Bool {
        guard let position = chosen.firstIndex(of: subnet) else { return true }
        let range = ranges[position]
        let indices = Set(taken.compactMap { range.index(of: $0) })
        guard let free = range.free(from: .random(in: .min ... .max), taken: indices) else { return false }
        chosen[position] = free
        return true
    }
}
