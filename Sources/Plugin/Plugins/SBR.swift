internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// Source based routing: packets from an interface's address leave by that interface. Drop-in for the reference's
/// `sbr`: chained, after the plugin that makes the interface.
struct SBR: BuiltInPlugin {
    static let traits = PluginTraits("sbr", .chained, services: .routingTables)
    static var description: PluginDescription {
        PluginDescription(
            traits, "Chained after the plugin that makes the interface.", SBRSettings.Keys.everything
        ) { request throws(Failure) in _ = try SBRSettings(request.configuration) }
    }

    /// The search for a free table starts here.
    private static let firstTable: UInt32 = 100

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let settings = try SBRSettings(request.configuration)
        let result = try chainedResult(request)
        let ips = try addresses(of: request, in: result)
        let pod = try request.openPodAlone()
        var inside = try pod.netlinkSocket()
        let link = try inside.chainedInterface(request.attachment.ifname, in: pod.path)
        try plan(settings, ips, link, &inside).set(link.name, &inside)
        return result
    }

    private func plan(
        _ settings: SBRSettings, _ ips: [CNIResult.IP], _ link: Link, _ inside: inout NetlinkSocket
    ) throws(Failure) -> SourceRouting {
        guard let table = settings.table else {
            var tables = try RoutingTables(&inside)
            var main: [Route] = []
            for family in Set(ips.map { $0.address.family }) {
                main += try inside.routes(family).filter { $0.isMain(of: link.index) }
            }
            return SourceRouting(ips, interface: link.index, main: main, settings) { _ in
                tables.takeFirstFree(from: SBR.firstTable)
            }
        }
        var plan = SourceRouting(withRulesTo: table, ips)
        // Rules left by an earlier ADD without DEL already do what is wanted.
        for family in IPFamily.allCases {
            let present = try inside.rules(family)
            plan.entries.removeAll { entry in present.contains { $0.serves(entry.rule) } }
        }
        return plan
    }

    /// Removes the rules of the interface's addresses, and the contents of the tables that they select. The main
    /// table's routes are not restored: the interface is about to be removed.
    func del(_ request: Request) throws(Failure) {
        guard case .present(let pod) = try PodPresence(request) else { return }
        try pod.lockForRequest()
        // A broken configuration or result must not stop DEL.
        let table = try? request.configuration[SBRSettings.Keys.table]
        let previous = try? request.configuration.previousResult()
        var inside = try pod.netlinkSocket()
        let link = try inside.link(.name(request.attachment.ifname))
        var addresses = previous?.addresses(of: request.attachment.ifname).map { $0.address } ?? []
        if let link { addresses += try inside.addresses(of: link.index).map { $0.address.address } }
        var cleanup = Cleanup()
        for family in IPFamily.allCases {
            let rules = try inside.rules(family).filter { rule in
                addresses.contains { rule.isOnly(from: $0) } && (table == nil || rule.table == table)
            }
            for rule in rules {
                cleanup.attempt { () throws(Failure) in
                    try inside.execute("remove rule from \(rule.source.map { "\($0)" } ?? "all")") {
                        $0.deleteRule(rule)
                    }
                }
            }
            // A configured table is filled and emptied by others.
            guard let link, table == nil else { continue }
            let own = Set(rules.map { $0.table }).subtracting(RoutingTables.reserved)
            for route in try inside.routes(family) where route.interface == link.index && own.contains(route.table) {
                cleanup.attempt { () throws(Failure) in
                    try inside.execute("remove route \(route) from table \(route.table)") { $0.deleteRoute(route) }
                }
            }
        }
        try cleanup.finish()
    }

    /// Compares rules and tables with what ADD would make from the same result.
    func check(_ request: Request) throws(Failure) {
        let settings = try SBRSettings(request.configuration)
        let result = try chainedResult(request)
        let ips = try addresses(of: request, in: result)
        let pod = try request.openPod()
        var inside = try pod.netlinkSocket()
        let ifname = request.attachment.ifname
        guard let link = try inside.link(.name(ifname)) else {
            throw Failure(deviation: "interface \(ifname) is missing in \(pod.path)")
        }
        var rules: [RoutingRule] = []
        var routes: [Route] = []
        for family in IPFamily.allCases where ips.contains(where: { $0.address.family == family }) {
            rules += try inside.rules(family)
            routes += try inside.routes(family)
        }
        for ip in ips {
            let found = rules.contains { rule in
                rule.isOnly(from: ip.address.address) && (settings.table == nil || rule.table == settings.table)
            }
            guard found else { throw Failure(deviation: "rule from \(ip.address.address) is missing in \(pod.path)") }
        }
        guard settings.table == nil else { return }
        let expected = SourceRouting(
            ips, interface: link.index, main: Route.expected(after: result, ips, link.index), settings
        ) { ip in rules.first { $0.isOnly(from: ip.address.address) }?.table ?? 0 }
        for var route in expected.entries.flatMap({ $0.routes }) {
            // With configured gateways, default routes have metrics that only ADD knew.
            if !settings.gateways.isEmpty, route.destination.prefixLength == 0 { route.priority = nil }
            guard routes.contains(where: { $0.serves(route) }) else {
                throw Failure(
                    deviation: "route \(route) of \(ifname) in table \(route.table) is missing in \(pod.path)")
            }
        }
        let tables = Set(expected.entries.map { $0.rule.table })
        for route in expected.added
        where !routes.contains(where: { $0.serves(route) && $0.source == route.source }) {
            // With ptp even neighbours are behind the gateway, so that the route has moved into a table like others.
            if routes.contains(where: {
                $0.destination == route.destination && $0.gateway != nil && tables.contains($0.table)
            }) {
                continue
            }
            let source = route.source.map { "\($0)" } ?? "none"
            throw Failure(deviation: "route \(route) with source \(source) is missing in \(pod.path)")
        }
    }

    private func chainedResult(_ request: Request) throws(Failure) -> CNIResult {
        try request.chainedResult("This plugin must be called as chained plugin")
    }

    private func addresses(of request: Request, in result: CNIResult) throws(Failure) -> [CNIResult.IP] {
        let ips = result.ips(of: request.attachment.ifname)
        guard !ips.isEmpty else {
            throw Failure(
                .invalidConfiguration, "No IP addresses supplied on interface: \(request.attachment.ifname)",
                details: "sbr routes by source address, and prevResult has none")
        }
        return ips
    }

    /// Nothing outlives the pod's namespace.
    func gc(_ request: Request) throws(Failure) {}

    func status(_ request: Request) throws(Failure) {
        _ = try SBRSettings(request.configuration)
        _ = try NetlinkSocket()
    }
}

extension SourceRouting {
    /// Only rules, for a table that others fill.
    fileprivate init(withRulesTo table: UInt32, _ ips: [CNIResult.IP]) {
        entries = ips.map { Entry(ip: $0, rule: RoutingRule(from: $0.address.address, table: table), routes: []) }
    }
}

extension RoutingRule {
    /// Whether this kernel rule does what the other one asks for.
    fileprivate func serves(_ wanted: RoutingRule) -> Bool {
        !hasOtherConditions && source == wanted.source && table == wanted.table
    }
}
