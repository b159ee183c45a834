public import Addresses
public import ClusterState
public import Posix

/// How it stands with this node's ways to the others.
public struct NetworkStatus: Sendable {
    /// All nodes of the cluster, this one among them.
    public internal(set) var nodes = 0
    /// This node as the engine describes it.
    public internal(set) var own: ClusterNode?
    /// This node's subnets that no older node claims.
    public internal(set) var subnets: [CIDR] = []
    /// This node's addresses on the interfaces to the others.
    public internal(set) var addresses: [IPAddress] = []
    /// What the way to any peer leaves of a packet, octets.
    public internal(set) var podMTU: UInt32?
    /// How many routes, neighbours and forwarding entries the kernel should have.
    public internal(set) var wantedEntries = 0
    /// Whether the kernel has everything, as far as it has said.
    public internal(set) var isComplete = false
    /// How many routes, neighbours and forwarding entries were put back or removed because somebody else had changed them.
    public internal(set) var repairs = 0
    /// From the engine's last change to the kernel's answer.
    public internal(set) var lastChange = Duration.zero
    /// Why the kernel does not have everything.
    public internal(set) var failure: Failure?

    public init() {}
}
