internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import EventLog
internal import NetlinkCodec
internal import Posix

/// Puts the pod's interface into a VRF, which gives it a routing table of its own. Drop-in for the reference's `vrf`:
/// chained, after the plugin that makes the interface.
struct VRF: BuiltInPlugin {
    static let traits = PluginTraits("vrf", .chained, services: .routingTables)
    static var description: PluginDescription {
        PluginDescription(
            traits, "Chained after the plugin that makes the interface.", VRFSettings.Keys.everything
        ) { request throws(Failure) in _ = try VRFSettings(request) }
    }

    /// The search for a free table starts here.
    private static let firstTable: UInt32 = 1

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let settings = try VRFSettings(request)
        let result = try chainedResult(request)
        let pod = try request.openPodAlone()
        var inside = try pod.netlinkSocket()
        let link = try inside.chainedInterface(request.attachment.ifname, in: pod.path)
        guard link.master == 0 else {
            let master = try inside.link(.index(link.master))?.name ?? "number \(link.master)"
            throw Failure(
                .conflict, "interface \(link.name) already has a master set: \(master)",
                details: "DEL it first, or choose another CNI_IFNAME")
        }
        let present = try vrf(settings, &inside)
        var table = present?.vrfTable ?? settings.table ?? 0
        if table == 0 { table = try firstFreeTable(&inside) }
        let before = try InterfaceState(of: link, &inside)
        do throws(Failure) {
            if present == nil { try make(settings.name, table, &inside) }
            guard let vrf = try inside.link(.name(settings.name)) else {
                throw Failure("look up VRF \(settings.name)", .noSuchDevice)
            }
            try setMaster(vrf.index, of: link, &inside)
            try before.restore(in: table, &inside)
            return result
        } catch {
            surviving { () throws(Failure) in try setMaster(0, of: link, &inside) }
            if present == nil {
                surviving { () throws(Failure) in
                    try inside.execute("delete VRF") { $0.deleteLink(.name(settings.name)) }
                }
            }
            surviving { () throws(Failure) in try before.restore(in: Route.mainTable, &inside) }
            throw error
        }
    }

    /// The VRF of that name; nil if it does not exist yet.
    ///
    /// - Throws: code 103 if another kind of link has the name, or the VRF has another table.
    private func vrf(_ settings: VRFSettings, _ inside: inout NetlinkSocket) throws(Failure) -> Link? {
        guard let link = try inside.link(.name(settings.name)) else { return nil }
        guard let table = link.vrfTable else {
            throw Failure(
                .conflict, "Netlink \(link.name) is not a VRF",
                details: "its kind is \(link.kind); choose another vrfname")
        }
        guard settings.table == nil || settings.table == table else {
            throw Failure(
                .conflict, "VRF \(link.name) already exist with different routing table \(table)",
                details: "table says \(settings.table ?? 0)")
        }
        return link
    }

    private func firstFreeTable(_ inside: inout NetlinkSocket) throws(Failure) -> UInt32 {
        var tables = try RoutingTables(&inside)
        return tables.takeFirstFree(from: VRF.firstTable)
    }

    private func make(_ name: String, _ table: UInt32, _ inside: inout NetlinkSocket) throws(Failure) {
        var up = LinkChange()
        up.isUp = true
        var changes = Changes()
        changes.append("create VRF \(name)") { $0.createLink(NewLink(name: name, kind: .vrf(table: table))) }
        changes.append("set VRF \(name) up") { $0.changeLink(.name(name), up) }
        try inside.execute(changes)
    }

    private func setMaster(_ master: UInt32, of link: Link, _ inside: inout NetlinkSocket) throws(Failure) {
        var change = LinkChange()
        change.master = master
        try inside.execute("set the VRF of \(link.name)") { $0.changeLink(.index(link.index), change) }
    }

    /// Removes the interface from its VRF, and deletes the VRF if it has no interface left. The configured name matters
    /// only if the interface is gone.
    func del(_ request: Request) throws(Failure) {
        guard case .present(let pod) = try PodPresence(request) else { return }
        try pod.lockForRequest()
        var inside = try pod.netlinkSocket(linkNotifications: true)
        let link = try inside.link(.name(request.attachment.ifname))
        var vrf: Link?
        if let link, link.master != 0 { vrf = try inside.link(.index(link.master)) }
        let name = (try? request.configuration[VRFSettings.Keys.vrfname]) ?? ""
        if vrf == nil, Attachment.isInterfaceName(name) { vrf = try inside.link(.name(name)) }
        guard let vrf, vrf.vrfTable != nil else { return }
        if let link, link.master == vrf.index { try setMaster(0, of: link, &inside) }
        guard try inside.links(master: vrf.index).isEmpty else { return }
        try inside.removeLink(vrf.index, named: "\(vrf.name) in \(pod.path)", sentBy: .child)
    }

    func check(_ request: Request) throws(Failure) {
        let settings = try VRFSettings(request)
        let result = try chainedResult(request)
        let pod = try request.openPod()
        var inside = try pod.netlinkSocket()
        let ifname = request.attachment.ifname
        guard let vrf = try inside.link(.name(settings.name)), let table = vrf.vrfTable else {
            throw Failure(deviation: "VRF \(settings.name) is missing in \(pod.path)")
        }
        guard vrf.isUp else { throw Failure(deviation: "VRF \(vrf.name) in \(pod.path) is down") }
        guard settings.table == nil || settings.table == table else {
            throw Failure(deviation: "VRF \(vrf.name) has the routing table \(table), not \(settings.table ?? 0)")
        }
        guard let link = try inside.link(.name(ifname)), link.master == vrf.index else {
            throw Failure(deviation: "Failed to find \(ifname) associated to vrf \(vrf.name) in \(pod.path)")
        }
        let ips = result.ips(of: ifname)
        let present = try inside.addresses(of: link.index).map { $0.address }
        for ip in ips where !present.contains(ip.address) {
            throw Failure(deviation: "address \(ip.address) is missing from \(ifname) in \(pod.path)")
        }
        var routes: [Route] = []
        for family in IPFamily.allCases where ips.contains(where: { $0.address.family == family }) {
            routes += try inside.routes(family)
        }
        for var route in Route.expected(after: result, ips, link.index) {
            route.table = table
            guard routes.contains(where: { $0.serves(route) }) else {
                throw Failure(deviation: "route \(route) of \(ifname) is missing from table \(table) in \(pod.path)")
            }
        }
    }

    private func chainedResult(_ request: Request) throws(Failure) -> CNIResult {
        try request.chainedResult("missing prevResult from earlier plugin")
    }

    /// Nothing outlives the pod's namespace.
    func gc(_ request: Request) throws(Failure) {}

    /// - Throws: code 50 if the kernel does not support VRFs.
    func status(_ request: Request) throws(Failure) {
        do throws(Failure) {
            var socket = try NetlinkSocket()
            try socket.requireSupport(of: "vrf")
        } catch { throw error.coded(.notAvailable) }
    }
}

/// What an interface loses when it enters or leaves a VRF: the kernel takes it down and up again, and moves only the
/// routes to its own networks.
private struct InterfaceState {
    let link: Link
    /// IPv6 addresses only: those of IPv4 stay.
    let addresses: [CIDR]
    /// Routes of the main table.
    let routes: [Route]

    init(of link: Link, _ inside: inout NetlinkSocket) throws(Failure) {
        self.link = link
        // The kernel creates the link-local address itself.
        addresses = try inside.addresses(of: link.index).map { $0.address }
            .filter { $0.family == .v6 && !$0.address.isLinkLocal }
        var routes: [Route] = []
        for family in IPFamily.allCases {
            routes += try inside.routes(family).filter { route in
                route.isMain(of: link.index) && !route.destination.address.isLinkLocal
            }
        }
        self.routes = routes.filter { $0.gateway == nil } + routes.filter { $0.gateway != nil }
    }

    func restore(in table: UInt32, _ inside: inout NetlinkSocket) throws(Failure) {
        let present = try inside.addresses(of: link.index).map { $0.address }
        for address in addresses where !present.contains(address) {
            try inside.addAddressEnablingIPv6(address, to: link.index, named: link.name)
        }
        for var route in routes {
            route.table = table
            // The kernel's default metric for IPv6 (IP6_RT_PRIO_USER) was not asked for.
            if route.destination.family == .v6, route.priority == 1024 { route.priority = nil }
            try inside.addRoute(route, of: link.index, named: link.name)
        }
    }
}

extension Link {
    /// The routing table of a VRF; nil for any other link.
    fileprivate var vrfTable: UInt32? {
        if case .vrf(let table) = details { table } else { nil }
    }
}
