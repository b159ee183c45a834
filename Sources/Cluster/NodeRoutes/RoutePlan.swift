public import ClusterState

/// From the cluster's nodes to the routes that this node should have. Each change of a node costs what it changes; the same nodes
/// give the same routes, whatever happened before.
public struct RoutePlan: Sendable {
    /// This node's name.
    public let node: String
    public let settings: RouteSettings
    public private(set) var nodes = ClusterNodes()
    public private(set) var underlay: Underlay
    public private(set) var tunnel: TunnelDevice?
    /// By the peer's name.
    public private(set) var ways: [String: PeerWay] = [:]
    public private(set) var wanted: RouteTable

    public init(node: String, settings: RouteSettings, underlay: Underlay, tunnel: TunnelDevice? = nil) {
        self.node = node
        self.settings = settings
        self.underlay = underlay
        self.tunnel = tunnel
        wanted = RouteTable(rejecting: settings)
    }

    /// A node was added or changed.
    ///
    /// - Returns: what changes in the kernel.
    public mutating func set(_ node: ClusterNode) -> RouteChange { plan(nodes.set(node)) }

    public mutating func remove(_ name: String) -> RouteChange { plan(nodes.remove(name)) }

    /// The engine has sent a complete list.
    public mutating func replaceAll(_ list: [ClusterNode]) -> RouteChange { plan(nodes.replaceAll(list)) }

    /// This node's interfaces have changed, or its VXLAN device was made anew.
    public mutating func set(underlay: Underlay, tunnel: TunnelDevice?) -> RouteChange {
        guard underlay != self.underlay || tunnel != self.tunnel else { return RouteChange(from: wanted, to: wanted) }
        self.underlay = underlay
        self.tunnel = tunnel
        return plan(Set(nodes.names))
    }

    private mutating func plan(_ concerned: Set<String>) -> RouteChange {
        // Compared as a whole: what one peer loses and another one gets in the same moment is replaced, not deleted.
        var old = RouteTable()
        var new = RouteTable()
        for name in concerned where name != node {
            if let way = ways[name] { old.merge(RouteTable(way)) }
            ways[name] = nodes[name].map {
                PeerWay(
                    to: name, at: $0.addresses, subnets: nodes.subnetsInForce(of: name), over: underlay, settings,
                    tunnel: tunnel)
            }
            if let way = ways[name] { new.merge(RouteTable(way)) }
        }
        let change = RouteChange(from: old, to: new)
        wanted.apply(change)
        return change
    }
}
