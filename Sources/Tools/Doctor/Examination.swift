internal import Addresses
public import Inventory
internal import Reclaiming

/// Everything that checks look at.
public struct Examination: Sendable {
    public let snapshot: Snapshot
    public let facts: Facts
    /// Networks that the node routes for, including those without pods.
    let routed: [RoutedNetwork]
    /// What is left of pods that are gone.
    let reclaim: Reclaim
    let grace: Int

    /// - Parameter grace: in seconds; anything younger may belong to an ADD in progress.
    public init(_ snapshot: Snapshot, _ facts: Facts, grace: Int = 60) {
        self.snapshot = snapshot
        self.facts = facts
        self.grace = grace
        reclaim = Reclaim(snapshot, grace: grace)
        routed = snapshot.networks.compactMap { network in
            let file = facts.files.first { $0.network == network.name && $0.problem == nil }
            let pods = snapshot.attachments(of: network.name).filter { $0.hostInterface != nil }
            let isRouted = file?.isRouted ?? !(network.gateways.isEmpty && pods.allSatisfy { $0.bridge != nil })
            return isRouted ? RoutedNetwork(network, pods: pods) : nil
        }
    }

    /// The second look, but with only those leftovers and remarks that the first one also found.
    public func confirmed(by second: Examination) -> Examination {
        var facts = second.facts
        facts.remarks.removeAll { !self.facts.remarks.contains($0) }
        return Examination(snapshot.confirmed(by: second.snapshot), facts, grace: grace)
    }

    /// What could not be examined, one line each.
    public var remarks: [String] {
        (snapshot.remarks + facts.remarks).reduce(into: []) { seen, remark in
            if !seen.contains(remark) { seen.append(remark) }
        }
    }

    func parameter(_ name: String) -> String? { facts.parameters[name] }

    func number(_ name: String) -> Int? { parameter(name).flatMap { Int($0) } }

    /// The route that the node's packets to an address take: the longest prefix, then the smallest metric.
    func route(to address: IPAddress) -> NodeRoute? {
        snapshot.routes.filter { $0.destination.contains(address) }.min { a, b in
            (-a.destination.prefixLength, a.priority ?? 0) < (-b.destination.prefixLength, b.priority ?? 0)
        }
    }

    /// The kernel uses the larger of the interface's own value and the value for all.
    func strictReversePath(_ interface: String) -> Bool {
        max(number("ipv4/conf/all/rp_filter") ?? 0, number("ipv4/conf/\(interface)/rp_filter") ?? 0) == 1
    }

    /// The interfaces of the default routes of a family.
    func uplinks(_ family: IPFamily) -> [String] {
        var found: [String] = []
        for route in snapshot.routes where route.isDefault && route.destination.family == family {
            if let name = route.interface, !found.contains(name) { found.append(name) }
        }
        return found
    }
}

/// A network whose pods reach other networks through the node's routes.
struct RoutedNetwork: Sendable {
    let network: Network
    /// Pods with a veth on the node.
    let pods: [Attachment]

    init(_ network: Network, pods: [Attachment]) {
        self.network = network
        self.pods = pods
    }

    var name: String { network.name }

    var subnets: [CIDR] { network.pools.flatMap { $0.subnets } }

    /// The node's interfaces on which its pods' packets arrive.
    var interfaces: [String] {
        let others = pods.filter { network.bridge == nil || network.isEarlier($0) }
        return ([network.bridge] + others.map { $0.bridge ?? $0.hostInterface }).compactMap { $0 }
            .reduce(into: []) { seen, name in if !seen.contains(name) { seen.append(name) } }
    }

    func addresses(_ family: IPFamily) -> [IPAddress] {
        pods.flatMap { $0.addresses }.map { $0.address }.filter { $0.family == family }
    }
}

extension IPFamily {
    /// The usual spelling.
    var title: String { self == .v4 ? "IPv4" : "IPv6" }
}

/// A list of words, shortened if there are many.
func list(_ words: [String], limit: Int = 5, separator: String = ", ") -> String {
    let shown = words.prefix(limit).joined(separator: separator)
    return words.count > limit ? "\(shown) and \(words.count - limit) more" : shown
}
