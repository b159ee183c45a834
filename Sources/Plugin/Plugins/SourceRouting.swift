internal import Addresses
internal import CNI
internal import Kernel
internal import EventLog
internal import NetlinkCodec
internal import Posix

/// What makes a pod reply from each address by the interface that has it: a rule and table for each address, with the
/// interface's routes, which leave the main table.
struct SourceRouting {
    /// An address, with the table that routes packets from it.
    struct Entry {
        let ip: CNIResult.IP
        let rule: RoutingRule
        let routes: [Route]
    }

    var entries: [Entry] = []
    /// The routes removed from the main table, and their replacements.
    private(set) var removed: [Route] = []
    private(set) var added: [Route] = []

    /// - Parameters:
    ///   - main: the interface's routes of the main table.
    ///   - table: the table's number for an address.
    init(
        _ ips: [CNIResult.IP], interface: UInt32, main: [Route], _ settings: SBRSettings,
        table: (CNIResult.IP) -> UInt32
    ) {
        for ip in ips {
            let table = table(ip)
            let routes = main.filter { SourceRouting.concerns($0, ip, ips) }
            entries.append(
                Entry(
                    ip: ip, rule: RoutingRule(from: ip.address.address, table: table),
                    routes: SourceRouting.routes(of: ip, routes, interface, settings, table)))
        }
        for route in main where ips.contains(where: { SourceRouting.concerns(route, $0, ips) }) {
            // Link-local destinations are reached by this route whatever the source.
            guard !route.destination.address.isLinkLocal else { continue }
            guard settings.addsSourceHints, route.gateway == nil else {
                removed.append(route)
                continue
            }
            let own = ips.first { $0.address.network == route.destination.network }?.address.address
            guard let own, route.source == nil else { continue }
            removed.append(route)
            var hinting = route
            hinting.source = own
            added.append(hinting)
        }
    }

    /// Whether packets from an address may use a route: it is for that source, its gateway is on the address's network,
    /// or it is for all sources.
    private static func concerns(_ route: Route, _ ip: CNIResult.IP, _ ips: [CNIResult.IP]) -> Bool {
        guard route.destination.family == ip.address.family else { return false }
        if let source = route.source, ips.contains(where: { $0.address.address == source }) {
            return ip.address.network.contains(source)
        }
        if let gateway = route.gateway, gateway.family == ip.address.family,
            ips.contains(where: { $0.address.contains(gateway) })
        {
            return ip.address.contains(gateway)
        }
        return true
    }

    private static func routes(
        of ip: CNIResult.IP, _ main: [Route], _ interface: UInt32, _ settings: SBRSettings, _ table: UInt32
    ) -> [Route] {
        let everywhere = CIDR(IPAddress(ip.address.family, 0), 0)
        let configured = settings.gateways.first { $0.family == ip.address.family }
        var routes = main
        if configured != nil {
            // The route gets a higher metric from now on; the plugin that set it up still finds it.
            for index in routes.indices where routes[index].destination == everywhere {
                routes[index].priority = (routes[index].priority ?? 0) + 1
            }
        }
        let hasDefault = routes.contains { $0.destination == everywhere }
        if let gateway = configured ?? (hasDefault ? nil : ip.gateway) {
            routes.append(Route(to: everywhere, via: gateway, interface: interface))
        }
        for index in routes.indices { routes[index].table = table }
        // The kernel accepts a gateway only once it is reachable.
        return routes.filter { $0.gateway == nil } + routes.filter { $0.gateway != nil }
    }

    /// - Throws: the first failure; nothing is left behind.
    func set(_ ifname: String, _ inside: inout NetlinkSocket) throws(Failure) {
        var changes = Changes()
        for entry in entries {
            for route in entry.routes {
                changes.append("add route \(route) of \(ifname) to table \(route.table)") {
                    $0.addRoute(route, ahead: entry.routes.contains(where: route.goesAhead))
                }
            }
        }
        for route in removed { changes.append("remove route \(route) of \(ifname)") { $0.deleteRoute(route) } }
        for route in added { changes.append("add route \(route) of \(ifname)") { $0.addRoute(route) } }
        // Rules come last, so that no packet is sent to a table that is still empty.
        for rule in entries.map({ $0.rule }) {
            changes.append("add rule from \(rule.source.map { "\($0)" } ?? "all") to table \(rule.table)") {
                $0.addRule(rule)
            }
        }
        do throws(Failure) { try inside.execute(changes) } catch {
            undo(&inside)
            throw error
        }
    }

    private func undo(_ inside: inout NetlinkSocket) {
        for entry in entries {
            surviving { () throws(Failure) in try inside.execute("remove rule") { $0.deleteRule(entry.rule) } }
            for route in entry.routes.reversed() { remove(route, &inside) }
        }
        for route in added { remove(route, &inside) }
        for route in removed.filter({ $0.gateway == nil }) + removed.filter({ $0.gateway != nil }) {
            // It is fine if the route still exists.
            try? inside.execute("put back route") {
                $0.addRoute(route, ahead: removed.contains(where: route.goesAhead))
            }
        }
    }

    private func remove(_ route: Route, _ inside: inout NetlinkSocket) {
        surviving { () throws(Failure) in try inside.execute("remove route \(route)") { $0.deleteRoute(route) } }
    }
}
