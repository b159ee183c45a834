public import NodeRoutes

/// What the agent is told about this node's ways to the others.
public struct NetworkSettings: Sendable, Hashable {
    /// This node's name in the cluster.
    public var node: String
    public var routes: RouteSettings
    /// Names or patterns (`eth*`) of the interfaces to the other nodes; empty: those that have this node's addresses in the
    /// cluster, else those with a default route, else all with a global address.
    public var interfaces: [String] = []
    /// Whether this node's addresses in the cluster are somebody else's word, which chooses the interfaces; false if they are what
    /// this node itself has announced.
    public var followsOwnNode = true
    /// The VXLAN network identifier, 1...16777215.
    public var tunnelID: UInt32 = NetworkSettings.usualTunnelID
    /// The UDP port of tunnelled packets; 4789 by IANA.
    public var tunnelPort: UInt16 = 4789

    /// Not flannel's 1, so that both can run while a cluster moves from one to the other.
    public static let usualTunnelID: UInt32 = 83
    /// The VXLAN device.
    public static let tunnelName = "vxlan.swiftlet"
    /// Marks the device as ours, as others' aliases do.
    static let tunnelAlias = "swiftlet tunnel"

    public init(node: String, routes: RouteSettings) {
        self.node = node
        self.routes = routes
    }
}
