internal import Kernel
internal import NetlinkCodec
public import NodeRoutes
public import Posix

/// Brings the kernel's routes to other nodes to what is wanted. Only routes that bear our origin, and entries of our own VXLAN
/// device, are read or changed; others' stay as they are.
///
/// Belongs to one thread, in the network namespace in which it was made.
public struct RouteReconciler: ~Copyable {
    private var socket: NetlinkSocket
    private let origin: UInt8

    public init(origin: UInt8 = RouteSettings.usualOrigin) throws(Failure) {
        socket = try NetlinkSocket()
        self.origin = origin
    }

    /// What the kernel has.
    ///
    /// - Parameter tunnel: the VXLAN device's index.
    public mutating func present(tunnel: UInt32?) throws(Failure) -> RouteTable {
        var routes = try socket.routes(.v4, origin: origin)
        routes += try socket.routes(.v6, origin: origin)
        guard let tunnel else { return RouteTable(routes: routes) }
        return RouteTable(
            routes: routes,
            // Those that the kernel makes itself, for groups, are NUD_NOARP.
            neighbours: try socket.neighbours(of: tunnel).filter { $0.state == Neighbour.permanent },
            tunnels: try socket.tunnelEntries(of: tunnel))
    }

    /// Reads what is there and changes the difference: at start, and whenever something may have been missed.
    ///
    /// - Returns: what was changed.
    @discardableResult
    public mutating func reconcile(to wanted: RouteTable, tunnel: UInt32?) throws(Failure) -> RouteChange {
        let change = RouteChange(from: try present(tunnel: tunnel), to: wanted)
        try apply(change)
        return change
    }

    /// Sends a change in one go. What fails does not keep the rest from being tried; then ``reconcile(to:tunnel:)`` finds what is
    /// missing.
    ///
    /// - Throws: the first failure.
    public mutating func apply(_ change: RouteChange) throws(Failure) {
        var changes = Changes(isLogged: false)
        for entry in change.tunnels {
            changes.append("lead \(entry.mac) to \(entry.destination?.description ?? "its node")") {
                $0.setTunnelEntry(entry)
            }
        }
        for neighbour in change.neighbours {
            changes.append("set neighbour \(neighbour.address)") { $0.setNeighbour(neighbour) }
        }
        for route in change.routes { changes.append("set route \(route.route)") { $0.replaceRoute(route) } }
        for route in change.deletedRoutes { changes.append("delete route \(route.route)") { $0.deleteRoute(route) } }
        for neighbour in change.deletedNeighbours {
            changes.append("delete neighbour \(neighbour.address)") { $0.deleteNeighbour(neighbour) }
        }
        for entry in change.deletedTunnels {
            changes.append("delete the forwarding entry of \(entry.mac)") { $0.deleteTunnelEntry(entry) }
        }
        try socket.execute(changes)
    }
}
