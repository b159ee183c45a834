public import Addresses

/// This node, as far as Services depend on it.
public struct ServiceNode: Sendable, Hashable {
    public var name: String
    /// Label `topology.kubernetes.io/zone`.
    public var zone: String?
    /// Its own, preferred ones first.
    public var addresses: [IPAddress]
    /// On which of these node ports are open. Never on loopback: answers could not get back without `route_localnet`, which opens
    /// 127.0.0.0/8 to neighbours.
    public var nodePorts: NodePortAddresses
    /// All pods of the cluster have addresses from these.
    public var podRanges: [CIDR]
    /// spec.cidrs of the ServiceCIDR objects; may be empty if they are not known.
    public var serviceRanges: [CIDR]

    public enum NodePortAddresses: Sendable, Hashable {
        /// The first address of each family.
        case primary
        case within([CIDR])
    }

    public init(
        _ name: String, zone: String? = nil, addresses: [IPAddress], nodePorts: NodePortAddresses = .primary,
        podRanges: [CIDR], serviceRanges: [CIDR] = []
    ) {
        self.name = name
        self.zone = zone
        self.addresses = addresses
        self.nodePorts = nodePorts
        self.podRanges = podRanges
        self.serviceRanges = serviceRanges
    }

    var nodePortAddresses: [IPAddress] {
        let candidates = addresses.filter(\.canServe)
        switch nodePorts {
        case .primary: return IPFamily.allCases.compactMap { family in candidates.first { $0.family == family } }
        case .within(let ranges): return candidates.filter { address in ranges.contains { $0.contains(address) } }
        }
    }

    func isPod(_ address: IPAddress) -> Bool { podRanges.contains { $0.contains(address) } }
}
