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

    /// Makes both ends in one request, the pod's straight in its namespace, the host's a port of the bridge and up.
    ///
    /// - Returns: the index of the pod's end.
    /// - Throws: code 103 when either name is taken. Nothing is left of it then.
    func create(
        in pod: borrowing NetworkNamespace, on bridge: Link, _ host: inout NetlinkSocket, _ inside: inout NetlinkSocket
    ) throws -> UInt32 {
        do throws(KernelError) {
            try make(pod.descriptor, bridge, &host)
        } catch {
            // Only the first step makes anything.
            guard error.step == 0 else { throw withdrawn(error, &host) }
            throw error.errno == .fileExists ? try conflict(pod.path, &host) : error
        }
        do {
            try setVLANs(&host)
            guard let link = try inside.link(.name(ifname)) else {
                throw KernelError("look up \(ifname) in \(pod.path)", .noSuchDevice)
            }
            return link.index
        } catch { throw withdrawn(error, &host) }
    }

    private func make(_ namespace: Int32, _ bridge: Link, _ host: inout NetlinkSocket) throws(KernelError) {
        var changes = Changes()
        changes.append("create veth \(ifname) of \(owner.attachment.containerID) on bridge \(bridge.name)") {
            $0.createVeth(
                VethEnd(name: owner.hostName, mac: owner.hostMAC),
                peer: VethEnd(name: ifname, mac: mac, namespace: namespace),
                mtu: settings.mtu, master: bridge.index)
        }
        var port = LinkChange()
        port.alias = owner.alias
        port.isUp = true
        // A bridge port speaks for nobody: no link-local address, no solicitations.
        port.makesLinkLocalAddress = false
        if settings.hairpin { port.hairpin = true }
        if settings.isolatesPort { port.isolated = true }
        changes.append("set up bridge port \(owner.hostName)") { $0.changeLink(.name(owner.hostName), port) }
        try host.execute(changes)
    }

    private func setVLANs(_ host: inout NetlinkSocket) throws {
        guard settings.usesVLANs else { return }
        guard let port = try host.link(.name(owner.hostName)) else {
            throw KernelError("look up \(owner.hostName)", .noSuchDevice)
        }
        var changes = Changes()
        if settings.vlan != nil, !settings.preservesDefaultVLAN {
            changes.append("remove VLAN 1 from \(port.name)") {
                $0.changePortVLANs(port: port.index, adding: false, [PortVLAN(1)])
            }
        }
        let vlans = settings.portVLANs
        changes.append("add VLANs \(vlans) to \(port.name)") {
            $0.changePortVLANs(port: port.index, adding: true, vlans)
        }
        try host.execute(changes)
    }

    /// Tells apart what EEXIST does not: the host's name (this attachment is there already) or the pod's.
    private func conflict(_ path: String, _ host: inout NetlinkSocket) throws -> CNIError {
        if try host.link(.name(owner.hostName)) != nil {
            return CNIError(
                .conflict,
                "container \(owner.attachment.containerID) is attached to network \(owner.network) as \(ifname) already",
                details: "its host interface is \(owner.hostName); DEL it first")
        }
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
            for route in result.routes {
                let route = Route(route, fallbackGateways: result.ips, interface: index)
                changes.append("add route \(route) to \(ifname)") { $0.addRoute(route) }
            }
        }
        try inside.execute(changes)
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
        self.init(
            to: route.destination, via: gateway, interface: interface, table: route.table ?? Route.mainTable,
            scope: route.scope.map { UInt8(truncatingIfNeeded: $0) }, priority: route.priority, mtu: route.mtu,
            advmss: route.advmss)
    }
}
