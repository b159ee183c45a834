internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import Logging
internal import NetlinkCodec
internal import Posix

/// Puts the pod's interface into a VRF, whose routing table it has to itself then. Drop-in for the reference's `vrf`:
/// chained, behind the plugin that makes the interface.
struct VRF: BuiltInPlugin {
    static let traits = PluginTraits("vrf", .chained, services: .routingTables)
    static var description: PluginDescription {
        PluginDescription(
            traits, "Chained, behind the plugin that makes the interface.", VRFSettings.Keys.everything
        ) { request throws(Failure) in _ = try VRFSettings(request) }
    }

    /// Where looking for a free table begins.
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
                .conflict, "interface \(link.name) has already a master set: \(master)",
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

    /// The VRF of that name; nil when there is none yet.
    ///
    /// - Throws: code 103 when the name is another link's, or the table another one.
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

    /// Takes the interface out of its VRF, and the VRF away when nobody is left in it. What is configured counts only where
    /// the interface is gone.
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

    /// - Throws: code 50 when the kernel has no VRFs.
    func status(_ request: Request) throws(Failure) {
        do throws(Failure) {
            var socket = try NetlinkSocket()
            try socket.requireSupport(of: "vrf")
        } catch { throw error.coded(.notAvailable) }
    }
}

/// What an interface loses when it goes into a VRF or out of it: the kernel takes it down and up again, and moves only
/// the routes to its own networks.
private struct InterfaceState {
    let link: Link
    /// Those of IPv6: IPv4's stay.
    let addresses: [CIDR]
    /// Of the main table.
    let routes: [Route]

    init(of link: Link, _ inside: inout NetlinkSocket) throws(Failure) {
        self.link = link
        // The kernel makes a link-local one by itself.
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
            // IPv6's own default metric (IP6_RT_PRIO_USER) was nobody's wish.
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
