public import Addresses
public import NetlinkCodec

/// Routes, neighbours and forwarding entries by the kernel's own keys: what it should have, or what it has.
public struct RouteTable: Sendable, Hashable {
    public private(set) var routes: [RouteKey: RouteEntry] = [:]
    public private(set) var neighbours: [NeighbourKey: Neighbour] = [:]
    public private(set) var tunnels: [TunnelKey: TunnelEntry] = [:]

    /// Two routes with the same are one for the kernel.
    public struct RouteKey: Sendable, Hashable {
        public let destination: CIDR
        public let table: UInt32
        public let priority: UInt32

        public init(_ entry: RouteEntry) {
            destination = entry.route.destination
            table = entry.route.table
            priority = entry.route.priority ?? 0
        }
    }

    public struct NeighbourKey: Sendable, Hashable {
        public let interface: UInt32
        public let address: IPAddress

        public init(_ neighbour: Neighbour) {
            interface = neighbour.interface
            address = neighbour.address
        }
    }

    public struct TunnelKey: Sendable, Hashable {
        public let interface: UInt32
        public let mac: MACAddress

        public init(_ entry: TunnelEntry) {
            interface = entry.interface
            mac = entry.mac
        }
    }

    public var count: Int { routes.count + neighbours.count + tunnels.count }

    public init() {}

    public init(routes: [RouteEntry], neighbours: [Neighbour] = [], tunnels: [TunnelEntry] = []) {
        for route in routes { self.routes[RouteKey(route)] = route }
        for neighbour in neighbours { self.neighbours[NeighbourKey(neighbour)] = neighbour }
        for tunnel in tunnels { self.tunnels[TunnelKey(tunnel)] = tunnel }
    }

    public init(_ way: PeerWay) { self.init(routes: way.routes, neighbours: way.neighbours, tunnels: way.tunnels) }

    /// Packets to pods' addresses that nobody has are rejected.
    public init(rejecting settings: RouteSettings) {
        self.init(
            routes: settings.clusterRanges.map {
                RouteEntry(.unreachable, $0.network, priority: RouteTable.rejectingPriority, origin: settings.origin)
            })
    }

    /// The metric of our routes: behind those of the kernel (0, 256) and of administrators (0, 1024), which are never replaced.
    public static let priority: UInt32 = 8300

    /// Behind any route to the same destination: a cluster of one node has its subnet as range.
    static let rejectingPriority: UInt32 = 0xffff_fff0

    public mutating func merge(_ other: RouteTable) {
        routes.merge(other.routes) { $1 }
        neighbours.merge(other.neighbours) { $1 }
        tunnels.merge(other.tunnels) { $1 }
    }

    /// Follows a change.
    public mutating func apply(_ change: RouteChange) {
        for route in change.deletedRoutes { routes[RouteKey(route)] = nil }
        for neighbour in change.deletedNeighbours { neighbours[NeighbourKey(neighbour)] = nil }
        for tunnel in change.deletedTunnels { tunnels[TunnelKey(tunnel)] = nil }
        merge(RouteTable(routes: change.routes, neighbours: change.neighbours, tunnels: change.tunnels))
    }
}

/// What leads from one table to another, in the order in which it is sent: a route appears when the entries that it needs are
/// there, and goes before them.
public struct RouteChange: Sendable, Hashable {
    /// Added, or put in the place of what has the same key.
    public var tunnels: [TunnelEntry] = []
    public var neighbours: [Neighbour] = []
    public var routes: [RouteEntry] = []
    public var deletedRoutes: [RouteEntry] = []
    public var deletedNeighbours: [Neighbour] = []
    public var deletedTunnels: [TunnelEntry] = []

    public var isEmpty: Bool { count == 0 }

    public var count: Int {
        tunnels.count + neighbours.count + routes.count + deletedRoutes.count + deletedNeighbours.count
            + deletedTunnels.count
    }

    public init(from present: RouteTable, to wanted: RouteTable) {
        tunnels = wanted.tunnels.values.filter { present.tunnels[.init($0)] != $0 }
        neighbours = wanted.neighbours.values.filter { present.neighbours[.init($0)] != $0 }
        routes = wanted.routes.values.filter { present.routes[.init($0)] != $0 }
        deletedRoutes = present.routes.values.filter { wanted.routes[.init($0)] == nil }
        deletedNeighbours = present.neighbours.values.filter { wanted.neighbours[.init($0)] == nil }
        deletedTunnels = present.tunnels.values.filter { wanted.tunnels[.init($0)] == nil }
    }
}
