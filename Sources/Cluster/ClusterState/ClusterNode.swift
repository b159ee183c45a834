public import Addresses

/// A node as the engine (the Kubernetes API or etcd) describes it, reduced to what routes are made from.
public struct ClusterNode: Sendable, Hashable {
    /// Unique in the cluster.
    public let name: String
    /// Its own addresses, preferred ones first: the other ends of routes and tunnels.
    public var addresses: [IPAddress]
    /// The subnets of its pods: Node.spec.podCIDRs, or what it has claimed in etcd. Host bits are clear.
    public var subnets: [CIDR]
    /// Orders nodes that claim the same addresses: seconds since 1970 of its creation, or the revision of its claim.
    public var age: Int64

    /// Label `topology.kubernetes.io/zone`.
    public var zone: String?

    public init(_ name: String, addresses: [IPAddress], subnets: [CIDR], age: Int64 = 0) {
        self.name = name
        self.addresses = addresses
        self.subnets = subnets
        self.age = age
    }

    /// Whether its claim counts where both claim the same addresses: the older node's stays, and names decide between equals.
    func precedes(_ other: ClusterNode) -> Bool { (age, name) < (other.age, other.name) }
}
