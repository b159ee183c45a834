public import Addresses

/// All nodes of the cluster, and who has which subnet.
///
/// Claims that overlap are settled in the same way on every node and in any order of events: a claim is in force unless an older
/// node claims any of its addresses. A change costs what it changes: the number of nodes counts only logarithmically, and in
/// moving entries of one array.
public struct ClusterNodes: Sendable {
    private var nodes: [String: ClusterNode] = [:]
    private var claims = Claims()

    public init() {}

    public var count: Int { nodes.count }

    public var names: some Collection<String> { nodes.keys }

    public subscript(name: String) -> ClusterNode? { nodes[name] }

    /// Adds a node, or replaces the one with its name.
    ///
    /// - Returns: the names of the nodes whose description or subnets in force may have changed; empty if nothing has changed.
    @discardableResult
    public mutating func set(_ node: ClusterNode) -> Set<String> {
        let old = nodes[node.name]
        guard old != node else { return [] }
        var concerned = old.map { withdraw($0) } ?? []
        nodes[node.name] = node
        for subnet in node.subnets { claims.insert(Claim(subnet, of: node.name)) }
        concerned.formUnion(rivals(of: node))
        concerned.insert(node.name)
        return concerned
    }

    /// - Returns: as ``set(_:)``.
    @discardableResult
    public mutating func remove(_ name: String) -> Set<String> {
        guard let node = nodes.removeValue(forKey: name) else { return [] }
        return withdraw(node).union([name])
    }

    /// Makes these the cluster's nodes: a complete list of the engine.
    ///
    /// - Returns: as ``set(_:)``.
    @discardableResult
    public mutating func replaceAll(_ list: [ClusterNode]) -> Set<String> {
        let listed = Set(list.map { $0.name })
        var concerned: Set<String> = []
        for name in nodes.keys where !listed.contains(name) { concerned.formUnion(remove(name)) }
        for node in list { concerned.formUnion(set(node)) }
        return concerned
    }

    /// The subnets of a node that no older node claims.
    public func subnetsInForce(of name: String) -> [CIDR] {
        guard let node = nodes[name] else { return [] }
        return node.subnets.filter { winner(over: node, $0) == nil }
    }

    /// What a node claims in vain, each with the node that has it.
    public func refusedClaims(of name: String) -> [(subnet: CIDR, holder: String)] {
        guard let node = nodes[name] else { return [] }
        return node.subnets.compactMap { subnet in winner(over: node, subnet).map { (subnet, $0) } }
    }

    private func winner(over node: ClusterNode, _ subnet: CIDR) -> String? {
        claims.overlapping(subnet).lazy.compactMap { nodes[$0.node] }
            .filter { $0.name != node.name && $0.precedes(node) }
            .min { $0.precedes($1) }?.name
    }

    private func rivals(of node: ClusterNode) -> Set<String> {
        Set(node.subnets.flatMap { claims.overlapping($0) }.map { $0.node })
    }

    /// Takes a node's claims away; the rivals may get what it had.
    private mutating func withdraw(_ node: ClusterNode) -> Set<String> {
        for subnet in node.subnets { claims.remove(Claim(subnet, of: node.name)) }
        return rivals(of: node)
    }
}

private struct Claim: Sendable, Hashable, Comparable {
    let subnet: CIDR
    let node: String

    init(_ subnet: CIDR, of node: String) {
        self.subnet = subnet
        self.node = node
    }

    static func < (a: Claim, b: Claim) -> Bool {
        if a.subnet.first != b.subnet.first { return a.subnet.first < b.subnet.first }
        return (a.subnet.prefixLength, a.node) < (b.subnet.prefixLength, b.node)
    }
}

/// Claims in the order of their first address: those inside a subnet stand together, and those around it begin at addresses that
/// follow from it.
private struct Claims: Sendable {
    private var sorted: [Claim] = []
    /// How many claims have this prefix length, of either family.
    private var lengths: [Int: Int] = [:]

    mutating func insert(_ claim: Claim) {
        let position = position { $0 < claim }
        guard position == sorted.count || sorted[position] != claim else { return }
        sorted.insert(claim, at: position)
        lengths[claim.subnet.prefixLength, default: 0] += 1
    }

    mutating func remove(_ claim: Claim) {
        let position = position { $0 < claim }
        guard position < sorted.count, sorted[position] == claim else { return }
        sorted.remove(at: position)
        let left = lengths[claim.subnet.prefixLength, default: 1] - 1
        lengths[claim.subnet.prefixLength] = left == 0 ? nil : left
    }

    func overlapping(_ subnet: CIDR) -> [Claim] {
        var found: [Claim] = []
        var position = position { $0.subnet.first < subnet.first }
        while position < sorted.count, sorted[position].subnet.first <= subnet.last {
            found.append(sorted[position])
            position += 1
        }
        // Those around it that begin before it; the ones that begin with it have been found.
        for length in lengths.keys where length < subnet.prefixLength {
            let around = CIDR(subnet.first, length).network
            guard around.first != subnet.first else { continue }
            let least = Claim(around, of: "")
            position = self.position { $0 < least }
            while position < sorted.count, sorted[position].subnet == around {
                found.append(sorted[position])
                position += 1
            }
        }
        return found
    }

    /// The first position whose claim is not before.
    private func position(_ isBefore: (Claim) -> Bool) -> Int {
        var low = 0
        var high = sorted.count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(sorted[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
