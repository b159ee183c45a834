internal import Addresses
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// The routing tables in use in a namespace: by a route, a rule or a VRF.
struct RoutingTables {
    /// RT_TABLE_DEFAULT, _MAIN and _LOCAL, which are never free.
    static let reserved: Set<UInt32> = [253, 254, 255]

    private var taken = RoutingTables.reserved

    init(_ inside: inout NetlinkSocket) throws(Failure) {
        for family in IPFamily.allCases {
            taken.formUnion(try inside.rules(family).map { $0.table })
            taken.formUnion(try inside.routes(family).map { $0.table })
        }
        for link in try inside.links(kind: "vrf") {
            if case .vrf(let table) = link.details { taken.insert(table) }
        }
    }

    /// Takes the first free table from that number on.
    mutating func takeFirstFree(from first: UInt32) -> UInt32 {
        var table = first
        while !taken.insert(table).inserted { table += 1 }
        return table
    }
}

extension CNIResult.IP {
    /// Whether a route may belong to the network of this address: it is for its family or, with a gateway, by one of it.
    func isConcerned(_ destination: CIDR, by gateway: IPAddress?) -> Bool {
        gateway.map(address.contains) ?? (address.family == destination.family)
    }
}

extension Route {
    /// Whether it is by a gateway to the network for which the other one is the kernel's own route, of IPv4. That one's metric
    /// is 0, so that only the order of the two decides.
    func goesAhead(of other: Route) -> Bool {
        // RTPROT_KERNEL.
        gateway != nil && destination.family == .v4 && competes(with: other) && other.origin == 2
            && other.gateway == nil && other.interface == interface
    }

    /// Whether it is in the main table and leaves by the interface.
    func isMain(of interface: UInt32) -> Bool { self.interface == interface && table == Route.mainTable }

    /// The main table's routes of an interface after the plugins that made the result, as far as it describes them.
    static func expected(after result: CNIResult, _ ips: [CNIResult.IP], _ interface: UInt32) -> [Route] {
        let connected = ips.filter { $0.address.hostBits > 0 }.map {
            var route = Route(to: $0.address.network, interface: interface)
            // With IPv4 the kernel's own routes are for their address only.
            if $0.address.family == .v4 { route.source = $0.address.address }
            return route
        }
        let configured = result.routes.map { Route($0, fallbackGateways: ips, interface: interface) }
        return connected
            + configured.filter { route in
                // A gateway on none of the networks belongs to another interface.
                route.isMain(of: interface) && ips.contains { $0.isConcerned(route.destination, by: route.gateway) }
            }
    }
}

extension NetlinkSocket {
    /// Adds a route even if another interface of the pod has one to the same destination. It then gets a higher metric,
    /// so that the network that came first keeps its flows. A route by a gateway to the interface's own network goes before
    /// the kernel's.
    mutating func addRoute(_ route: Route, of index: UInt32, named ifname: String) throws(Failure) {
        let present = try routes(route.destination.family)
        guard !present.contains(where: { $0.serves(route) }) else { return }
        var route = route
        let rivals = route.priority == nil ? present.filter { $0.competes(with: route) } : []
        let isAhead = !rivals.isEmpty && rivals.allSatisfy { route.goesAhead(of: $0) }
        // IPv6's own default metric is 1024.
        if !rivals.isEmpty, !isAhead { route.priority = 2048 + index }
        try execute("add route \(route) to \(ifname)") { $0.addRoute(route, ahead: isAhead) }
    }
}
