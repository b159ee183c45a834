internal import Addresses
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// A pod's interface on a network, whatever its kind: parameters, addresses, routes.
struct PodInterface {
    let name: String
    /// Identifies the owner; nil leaves it unchanged.
    var alias: String?
    /// Whether the pod may accept router advertisements on the link; otherwise it gets everything from IPAM.
    var hearsRouters = false
    /// Whether IPv6 addresses undergo duplicate address detection.
    var detectsDuplicates = false
    /// Whether IPv6 addresses are announced to neighbours, as IPv4 addresses always are.
    var announcesIPv6 = false
    /// Whether its addresses' prefixes are on-link.
    var hasConnectedRoutes = true
    /// Whether it is set up and gets routes.
    var isSetUp = true
    var setsLoopbackUp = false

    /// Gives it addresses and routes, and sets it up. Call in the pod's namespace.
    func configure(_ index: UInt32, _ result: CNIResult, _ inside: inout NetlinkSocket) throws(Failure) {
        try setParameters(hasIPv6: result.ips.contains { $0.address.family == .v6 })
        var routes =
            isSetUp ? result.routes.map { Route($0, fallbackGateways: result.ips, interface: index) } : []
        var gatewayRoutes: [Route] = []
        if hasConnectedRoutes {
            for position in routes.indices where routes[position].replacesConnected(of: result.ips) {
                routes[position].priority = Route.aheadOfConnected
                // The kernel takes no gateway that is itself reached by one.
                guard let gateway = routes[position].gateway else { continue }
                gatewayRoutes.append(Route(to: .host(gateway), interface: index))
            }
        }
        routes = gatewayRoutes + routes
        var changes = Changes()
        var announcing = LinkChange()
        announcing.announcesAddresses = true
        announcing.alias = alias
        changes.append("set arp_notify of \(name)") { $0.changeLink(.index(index), announcing) }
        for ip in result.ips {
            changes.append("add address \(ip.address) to \(name)") {
                $0.addAddress(
                    ip.address, to: index, detectDuplicates: detectsDuplicates, connectedRoute: hasConnectedRoutes)
            }
        }
        if setsLoopbackUp { changes.append("set lo up") { Loopback.setUp(&$0, true) } }
        if isSetUp {
            var up = LinkChange()
            up.isUp = true
            changes.append("set \(name) up") { $0.changeLink(.index(index), up) }
            for route in routes {
                changes.append("add route \(route) to \(name)", as: .route) { $0.addRoute(route) }
            }
        }
        do throws(Failure) { try inside.execute(changes) } catch {
            if error.errno == .invalidArgument, error.change == .route { try requireKnownGateways(result.routes) }
            guard error.errno == .fileExists, error.change == .route else { throw error }
            for route in routes { try inside.addRoute(route, of: index, named: name) }
        }
    }

    /// - Throws: code 7 if an IPv4 route has an IPv6 gateway, which kernels before 5.2 refuse as an invalid argument.
    private func requireKnownGateways(_ routes: [CNIResult.Route]) throws(Failure) {
        for (position, route) in routes.enumerated() {
            guard let gateway = route.gateway, gateway.family != route.destination.family else { continue }
            throw Failure(
                .invalidConfiguration,
                "routes[\(position)].gw: the kernel has no routes to \(route.destination) by \(gateway), of the other family",
                details: "Linux has IPv4 routes by IPv6 gateways since 5.2")
        }
    }

    /// Parameters that exist only in /proc/sys, set before the link is up and could receive router advertisements.
    private func setParameters(hasIPv6: Bool) throws(Failure) {
        let parameter = { (key: String) in Sysctl("ipv6/conf/\(name)/\(key)") }
        // Without IPv6 in the kernel there is nothing to set.
        if !hearsRouters {
            guard try parameter("accept_ra").write("0") else { return }
        }
        if announcesIPv6 { try parameter("ndisc_notify").write("1") }
        // A link-local address alone may take its time; its packets may follow after ADD has returned.
        guard hasIPv6 || detectsDuplicates else { return }
        guard try parameter("accept_dad").write(detectsDuplicates ? "1" : "0") else { return }
        if detectsDuplicates { try parameter("enhanced_dad").write("1") }
        guard hasIPv6 else { return }
        try parameter("keep_addr_on_down").write("1")
        // Runtimes often disable IPv6 in new namespaces, but an IPv6 address was requested.
        for name in [name, "lo"] { try Sysctl("ipv6/conf/\(name)/disable_ipv6").ensure("0") }
    }

    /// ADD's error if the pod already has an interface of that name.
    static func taken(_ name: String, kind: String, in path: String) -> Failure {
        Failure(
            .conflict, "container \(kind) name provided (\(name)) already exists in \(path)",
            details: "choose another CNI_IFNAME, or remove the interface")
    }
}

extension ChangeTag {
    /// A route, which may exist already.
    fileprivate static var route: ChangeTag { ChangeTag(2) }
}

extension Route {
    /// A result's route as the kernel gets it. Without its own gateway it uses the first one of its family, unless its
    /// scope says that the destination is on the link (RT_SCOPE_LINK, linux/rtnetlink.h) or nearer.
    init(_ route: CNIResult.Route, fallbackGateways: [CNIResult.IP], interface: UInt32) {
        let family = route.destination.family
        let gateways = route.scope ?? 0 < 253 ? fallbackGateways : []
        let gateway = route.gateway ?? gateways.first { $0.address.family == family && $0.gateway != nil }?.gateway
        // 0 means unset for each of these; the kernel reduces the other two to what fits into a packet.
        let given = { (value: UInt32?) in value == 0 ? nil : value }
        self.init(
            to: route.destination, via: gateway, interface: interface, table: given(route.table) ?? Route.mainTable,
            scope: route.scope.map { UInt8(truncatingIfNeeded: $0) }, priority: given(route.priority),
            mtu: given(route.mtu).map { min($0, 65535 - 15) }, advmss: given(route.advmss).map { min($0, 65535 - 40) })
    }

    /// Lower than that of the kernel's own routes of IPv6 (IP6_RT_PRIO_ADDRCONF, 256).
    fileprivate static let aheadOfConnected: UInt32 = 255

    /// Whether it is by a gateway to the network of one of the addresses, of IPv6.
    fileprivate func replacesConnected(of ips: [CNIResult.IP]) -> Bool {
        destination.family == .v6 && gateway != nil && priority == nil && table == Route.mainTable
            && ips.contains { $0.address.network == destination.network }
    }

    /// Whether this kernel route does what the other one asked for.
    ///
    /// - Parameter inAnyTable: whether it may be in another table, because later plugins of a chain may have moved it.
    func serves(_ wanted: Route, inAnyTable: Bool = false) -> Bool {
        destination.network == wanted.destination.network && (inAnyTable || table == wanted.table)
            && interface == wanted.interface
            && (wanted.gateway == nil || gateway == wanted.gateway)
            && (wanted.priority == nil || priority == wanted.priority)
            && (wanted.mtu == nil || mtu == wanted.mtu) && (wanted.advmss == nil || advmss == wanted.advmss)
    }

    /// Whether both lead to the same destination in the same table.
    func competes(with other: Route) -> Bool {
        destination.network == other.destination.network && table == other.table
    }
}
