internal import CNI
internal import Kernel
internal import Net
internal import Posix
internal import Wire

/// The pod's interface and the bridge port behind it.
struct VethPair {
    let owner: LinkOwner
    /// Of the pod's end.
    let mac: MACAddress
    /// Octets; the kernel's default of 1500 where nothing is configured (ETH_DATA_LEN).
    let mtu: UInt32
    private let settings: BridgeSettings

    init(_ owner: LinkOwner, _ settings: BridgeSettings, _ result: CNIResult) {
        self.owner = owner
        self.settings = settings
        mac = settings.mac ?? owner.podMAC(result.ips.first?.address.address)
        mtu = settings.mtu ?? 1500
    }

    private var ifname: String { owner.attachment.ifname }

    /// Makes both ends in one request, the pod's straight in its namespace, the host's a port of the bridge; then sets the
    /// port up.
    ///
    /// - Returns: the index of the pod's end.
    /// - Throws: code 103 when either name is taken. Nothing is left of it then.
    func create(
        in pod: borrowing NetworkNamespace, on bridge: Link, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws -> UInt32 {
        do throws(KernelError) {
            try make(pod.descriptor, bridge, &host)
        } catch {
            guard !error.isAnswerLost else { throw withdrawn(error, &host) }
            throw error.errno == .fileExists ? try conflict(pod.path, &host) : error
        }
        do {
            // Only now: by its name, this would change the port of an attachment that was there already.
            try setUpPort(&host)
            try setVLANs(&host)
            guard let link = try inside.link(.name(ifname)) else {
                throw KernelError("look up \(ifname) in \(pod.path)", .noSuchDevice)
            }
            return link.index
        } catch { throw withdrawn(error, &host) }
    }

    private func make(_ namespace: Int32, _ bridge: Link, _ host: inout NetlinkSocket) throws(KernelError) {
        try host.execute("create veth \(ifname) of \(owner.attachment.containerID) on bridge \(bridge.name)") {
            $0.createVeth(
                VethEnd(name: owner.hostName, mac: owner.hostMAC),
                peer: VethEnd(name: ifname, mac: mac, namespace: namespace),
                mtu: settings.mtu, master: bridge.index)
        }
    }

    private func setUpPort(_ host: inout NetlinkSocket) throws(KernelError) {
        var port = LinkChange()
        port.alias = owner.alias
        port.isUp = true
        if settings.hairpin { port.hairpin = true }
        if settings.isolatesPort { port.isolated = true }
        // A bridge port speaks for nobody: no link-local address, no solicitations.
        var quiet = LinkChange()
        quiet.makesLinkLocalAddress = false
        var changes = Changes()
        changes.append("set up bridge port \(owner.hostName)") { $0.changeLink(.name(owner.hostName), port) }
        changes.append("keep IPv6 off bridge port \(owner.hostName)") { $0.changeLink(.name(owner.hostName), quiet) }
        do throws(KernelError) { try host.execute(changes) } catch {
            // A node without IPv6, or an MTU below IPv6's least: it is off already.
            guard error.step == 1, error.errno == .addressFamilyNotSupported else { throw error }
        }
    }

    private func setVLANs(_ host: inout NetlinkSocket) throws {
        guard settings.usesVLANs else { return }
        guard let port = try host.link(.name(owner.hostName)) else {
            throw KernelError("look up \(owner.hostName)", .noSuchDevice)
        }
        try host.setVLANs(
            of: port, settings.portVLANs, removingDefault: settings.vlan != nil && !settings.preservesDefaultVLAN)
    }

    /// Tells apart what EEXIST does not: the host's name (this attachment is there already) or the pod's.
    private func conflict(_ path: String, _ host: inout NetlinkSocket) throws -> CNIError {
        try owner.requireUnused(&host)
        return CNIError(
            .conflict, "container veth name provided (\(ifname)) already exists in \(path)",
            details: "choose another CNI_IFNAME, or remove the interface")
    }

    /// Takes the pair away again, for an error that came after it was made.
    private func withdrawn(_ error: any Error, _ host: inout NetlinkSocket) -> any Error {
        try? remove(&host)
        return error
    }

    /// Removes the pair, waiting for the kernel: for undoing, where nobody is in a hurry.
    func remove(_ host: inout NetlinkSocket) throws(KernelError) {
        try host.execute("delete link \(owner.hostName)") { $0.deleteLink(.name(owner.hostName)) }
    }

    /// Gives the pod's end its addresses and routes, and sets it up. Called in the pod's namespace.
    func configure(
        _ index: UInt32, _ result: CNIResult, setsLoopbackUp: Bool, _ inside: inout NetlinkSocket
    ) throws {
        try setParameters(hasIPv6: result.ips.contains { $0.address.family == .v6 })
        let routes =
            settings.disablesContainerInterface
            ? [] : result.routes.map { Route($0, fallbackGateways: result.ips, interface: index) }
        var changes = Changes()
        var announcing = LinkChange()
        announcing.announcesAddresses = true
        changes.append("set arp_notify of \(ifname)") { $0.changeLink(.index(index), announcing) }
        for ip in result.ips {
            changes.append("add address \(ip.address) to \(ifname)") {
                $0.addAddress(ip.address, to: index, detectDuplicates: settings.detectsDuplicates)
            }
        }
        if setsLoopbackUp { changes.append("set lo up") { Loopback.setUp(&$0, true) } }
        if !settings.disablesContainerInterface {
            var up = LinkChange()
            up.isUp = true
            changes.append("set \(ifname) up") { $0.changeLink(.index(index), up) }
            for route in routes {
                changes.append("add route \(route) to \(ifname)") { $0.addRoute(route) }
            }
        }
        do throws(KernelError) { try inside.execute(changes) } catch {
            guard error.errno == .fileExists, error.step >= changes.count - routes.count else { throw error }
            for route in routes { try add(route, beside: index, &inside) }
        }
    }

    /// Adds a route even if another interface of the pod has one to the same destination: as a second choice then, so
    /// that the network that came first keeps its flows.
    private func add(_ route: Route, beside index: UInt32, _ inside: inout NetlinkSocket) throws {
        let present = try inside.routes(route.destination.family)
        guard !present.contains(where: { $0.serves(route) }) else { return }
        var route = route
        if route.priority == nil, present.contains(where: { $0.competes(with: route) }) {
            // IPv6's own default metric is 1024.
            route.priority = 2048 + index
        }
        try inside.execute("add route \(route) to \(ifname)") { $0.addRoute(route) }
    }

    /// Waits until the bridge takes frames from the pod, so that the pod's first packet is not lost.
    ///
    /// Both ends are up by now; the kernel tells the bridge from a work queue (linkwatch), usually before anybody asks.
    func awaitPort(_ host: inout NetlinkSocket) throws(KernelError) {
        guard !settings.disablesContainerInterface else { return }
        var pause: UInt32 = 50
        var waited: UInt32 = 0
        while true {
            guard let port = try host.link(.name(owner.hostName)) else {
                throw KernelError("wait for bridge port \(owner.hostName)", .noSuchDevice)
            }
            if port.isActivePort { return }
            guard waited < VethPair.longestWait else {
                throw KernelError(
                    "wait for bridge port \(owner.hostName)", .timedOut, advice: "is \(ifname) set down in the pod?")
            }
            Pause.microseconds(pause)
            waited += pause
            pause = min(pause * 2, 10_000)
        }
    }

    /// Microseconds.
    private static let longestWait: UInt32 = 2_000_000

    /// What only /proc/sys can say, before the link is up and could hear a router.
    private func setParameters(hasIPv6: Bool) throws(KernelError) {
        let parameter = { (name: String) in Sysctl("ipv6/conf/\(ifname)/\(name)") }
        // Without IPv6 in the kernel there is nothing to set.
        guard try parameter("accept_ra").write("0") else { return }
        try parameter("accept_dad").write(settings.detectsDuplicates ? "1" : "0")
        if settings.detectsDuplicates { try parameter("enhanced_dad").write("1") }
        guard hasIPv6 else { return }
        try parameter("keep_addr_on_down").write("1")
        // Runtimes like to switch IPv6 off in new namespaces; an address was asked for.
        for name in [ifname, "lo"] { try Sysctl("ipv6/conf/\(name)/disable_ipv6").ensure("0") }
    }
}

extension LinkOwner {
    /// - Throws: code 103 when the attachment has an interface already.
    func requireUnused(_ host: inout NetlinkSocket) throws {
        guard try host.link(.name(hostName)) != nil else { return }
        throw CNIError(
            .conflict,
            "container \(attachment.containerID) is attached to network \(network) as \(attachment.ifname) already",
            details: "its host interface is \(hostName); DEL it first")
    }
}

extension BridgeSettings {
    /// The VLANs of the pod's bridge port.
    var portVLANs: [PortVLAN] {
        (vlan.map { [PortVLAN($0, isPVID: true, isUntagged: true)] } ?? []) + trunk
    }
}

extension Route {
    /// A result's route as the kernel gets it. Without a gateway of its own it leads to the first one of its family,
    /// unless its scope says that what it leads to is on the link (RT_SCOPE_LINK, linux/rtnetlink.h) or nearer.
    init(_ route: CNIResult.Route, fallbackGateways: [CNIResult.IP], interface: UInt32) {
        let family = route.destination.family
        let gateways = route.scope ?? 0 < 253 ? fallbackGateways : []
        let gateway = route.gateway ?? gateways.first { $0.address.family == family && $0.gateway != nil }?.gateway
        // 0 says nothing of each of these, and the kernel lowers the other two to what fits into a packet.
        let given = { (value: UInt32?) in value == 0 ? nil : value }
        self.init(
            to: route.destination, via: gateway, interface: interface, table: given(route.table) ?? Route.mainTable,
            scope: route.scope.map { UInt8(truncatingIfNeeded: $0) }, priority: given(route.priority),
            mtu: given(route.mtu).map { min($0, 65535 - 15) }, advmss: given(route.advmss).map { min($0, 65535 - 40) })
    }

    /// Whether this route of the kernel does what the other one asked for.
    func serves(_ wanted: Route) -> Bool {
        competes(with: wanted) && interface == wanted.interface
            && (wanted.gateway == nil || gateway == wanted.gateway)
            && (wanted.priority == nil || priority == wanted.priority)
            && (wanted.mtu == nil || mtu == wanted.mtu) && (wanted.advmss == nil || advmss == wanted.advmss)
    }

    /// Whether both lead to the same destination in the same table.
    func competes(with other: Route) -> Bool {
        destination.network == other.destination.network && table == other.table
    }
}
