internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import Netfilter
internal import NetlinkCodec
internal import Posix

/// Connects the pod to the node by a veth without a bridge; each pod is routed to. Drop-in for the reference's `ptp`.
struct PointToPoint: BuiltInPlugin {
    static let traits = PluginTraits("ptp", .interface, addresses: .delegated, nodeEnd: .routedVeth)
    static var description: PluginDescription {
        PluginDescription(
            traits, "Joins pod and node by a veth, with addresses from the plugin named by `ipam.type`.",
            Keys.everything
        ) { request throws(Failure) in try PointToPointSettings(request).addressing.refuseBlocks(request) }
    }

    enum Keys {
        static let mtu = ConfigurationKey.mtu("MTU of the veth in octets, 68 to 65535; 0 leaves it to the kernel.")
        @KeyList static var everything: [KeyDescription] {
            BridgeSettings.Keys.ipMasq
            BridgeSettings.Keys.ipMasqBackend
            mtu
        }
    }

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let settings = try PointToPointSettings(request)
        try settings.addressing.refuseBlocks(request)
        let owner = AttachmentName(request)
        let pod = try request.openPod()
        var sockets = try Sockets(pod)
        try owner.requireUnused(&sockets.host)
        return try sockets.allOrNothing { (sockets, undo) throws(Failure) in
            var result = CNIResult()
            if !settings.addressing.needsInterface { result = try settings.addressing.reserve(request, &undo) }
            let veth = VethPair(owner, mac: nil, mtu: settings.mtu, result)
            try veth.create(in: pod, &sockets, &undo)
            try setUpHostEnd(veth, &sockets.host)
            let peer = try veth.peerIndex(in: pod.path, &sockets.inside)
            let interface = podInterface(request)
            if settings.addressing.needsInterface {
                try pod.run { () throws(Failure) in try interface.configure(peer, CNIResult(), &sockets.inside) }
                result = try settings.addressing.reserve(request, &undo)
            }
            result.fillInGateways()
            let link = try PodLink(result)
            try Forwarding.enable(for: link.gateways)
            try link.configureHostEnd(owner.hostName, &sockets.host)
            try pod.run { () throws(Failure) in
                try interface.configure(peer, link.insidePod(result), &sockets.inside)
            }
            // Masquerade.
            try request.apply(rules(settings, result), as: PointToPoint.type, &undo)
            result.describe(veth, pod)
            if let dns = settings.dns { result.dns = dns }
            return result
        }
    }

    func del(_ request: Request) throws(Failure) { try detachment(request).del() }

    func gc(_ request: Request) throws(Failure) { try detachment(request).gc() }

    func check(_ request: Request) throws(Failure) {
        let settings = try PointToPointSettings(request)
        try settings.addressing.check(request)
        let pod = try request.openPod()
        let attached = try request.attachedInterface(in: pod.path)
        var result = attached.result
        result.fillInGateways()
        let link = try PodLink(result)
        var host = try NetlinkSocket()
        var inside = try pod.netlinkSocket()
        let interface = try podInterface(request)
            .check(link.insidePod(result), attached.interface, kind: "veth", in: pod.path, &inside)
        guard let end = try host.link(.index(interface.peer)), end.kind == "veth" else {
            throw Failure(deviation: "host interface of \(interface.name) is missing")
        }
        try link.checkHostEnd(end, &host)
        try request.check(rules(settings, result), as: PointToPoint.type)
    }

    func status(_ request: Request) throws(Failure) {
        let settings = try PointToPointSettings(request)
        do throws(Failure) {
            var host = try NetlinkSocket()
            try host.requireSupport(of: "veth")
        } catch { throw error.coded(.notAvailable) }
        if settings.masquerades { try request.requireNftables() }
        try settings.addressing.requireReady(request)
    }

    private func setUpHostEnd(_ veth: VethPair, _ host: inout NetlinkSocket) throws(Failure) {
        // A router's port must ignore its pod's router advertisements. It must also resolve the pod's MAC from the
        // first packet on, which needs a link-local address that is ready at once.
        for key in ["accept_ra", "accept_dad"] {
            try Sysctl("ipv6/conf/\(veth.owner.hostName)/\(key)").write("0")
        }
        try veth.setUpHostEnd(hasIPv6: true, &host)
    }

    private func podInterface(_ request: Request) -> PodInterface {
        PodInterface(name: request.attachment.ifname, hasConnectedRoutes: false)
    }

    private func rules(_ settings: PointToPointSettings, _ result: CNIResult) -> PodRules {
        guard settings.masquerades else { return PodRules() }
        return PodRules(masquerade: Masquerade(sources: result.ips.map { $0.address }.networks, exceptions: []))
    }

    private func detachment(_ request: Request) -> VethDetachment {
        VethDetachment(request: request, bridge: nil, plugin: PointToPoint.traits) { () throws(Failure) in
            try Addressing(ipamOf: request)
        }
    }
}

struct PointToPointSettings {
    let addressing: Addressing
    /// Octets; nil leaves it to the kernel.
    let mtu: UInt32?
    let masquerades: Bool
    let dns: CNIResult.DNS?

    init(_ request: Request) throws(Failure) {
        addressing = try Addressing(ipamOf: request)
        if case .none = addressing {
            throw Failure(
                .invalidConfiguration, "ptp requires an IPAM configuration", details: "ipam.type is missing")
        }
        let mtu = try request.configuration[PointToPoint.Keys.mtu]
        self.mtu = mtu == 0 ? nil : UInt32(mtu)
        masquerades = try request.configuration[BridgeSettings.Keys.ipMasq]
        dns = try request.configuration.dnsOverride()
        try Backend.note(BridgeSettings.Keys.ipMasqBackend, request)
    }
}

/// The routes and addresses of the veth: the pod's addresses are reached one by one, and the pod reaches everything,
/// including its own subnet, through the gateway, which is the host side.
private struct PodLink {
    private let pairs: [(address: IPAddress, gateway: IPAddress)]

    /// - Throws: code 7 if an address has no gateway.
    init(_ result: CNIResult) throws(Failure) {
        pairs = try result.ips.map { ip throws(Failure) in
            guard let gateway = ip.gateway, gateway.family == ip.address.family else {
                throw Failure(
                    .invalidConfiguration, "address \(ip.address) has no gateway", details: "ipam must give one to ptp")
            }
            return (ip.address.address, gateway)
        }
    }

    private func hostRoutes(_ interface: UInt32) -> [Route] {
        pairs.map { Route(to: .host($0.address), interface: interface) }
    }

    var gateways: [CIDR] {
        pairs.reduce(into: []) { list, pair in
            if !list.contains(.host(pair.gateway)) { list.append(.host(pair.gateway)) }
        }
    }

    func configureHostEnd(_ name: String, _ host: inout NetlinkSocket) throws(Failure) {
        guard let link = try host.link(.name(name)) else { throw Failure("look up \(name)", .noSuchDevice) }
        for gateway in gateways { try host.addAddressEnablingIPv6(gateway, to: link.index, named: name) }
        var changes = Changes()
        for route in hostRoutes(link.index) {
            changes.append("add route \(route) to \(name)") { $0.addRoute(route) }
        }
        try host.execute(changes)
    }

    func checkHostEnd(_ link: Link, _ host: inout NetlinkSocket) throws(Failure) {
        guard link.isUp else { throw Failure(deviation: "host interface \(link.name) is down") }
        let addresses = try host.addresses(of: link.index).map { $0.address }
        if let missing = gateways.first(where: { !addresses.contains($0) }) {
            throw Failure(deviation: "gateway address \(missing) is missing from \(link.name)")
        }
        for family in IPFamily.allCases {
            let wanted = hostRoutes(link.index).filter { $0.destination.family == family }
            guard !wanted.isEmpty else { continue }
            let present = try host.routes(family)
            if let missing = wanted.first(where: { route in !present.contains { $0.serves(route) } }) {
                throw Failure(deviation: "route \(missing) by \(link.name) is missing")
            }
        }
        try Forwarding.check(for: gateways)
    }

    /// The result for the pod's side: with routes to the gateway, and through it to the subnet.
    func insidePod(_ result: CNIResult) -> CNIResult {
        var inside = result
        inside.routes = gateways.map { .init(destination: $0, scope: UInt32(Route.linkScope)) }
        for ip in result.ips where ip.address.hostBits > 0 {
            let subnet = CNIResult.Route(destination: ip.address.network, gateway: ip.gateway)
            if !inside.routes.contains(subnet) { inside.routes.append(subnet) }
        }
        inside.routes += result.routes
        return inside
    }
}

extension CNIResult {
    /// Describes what was made: the host side, then the pod's side.
    fileprivate mutating func describe(_ veth: VethPair, _ pod: borrowing NetworkNamespace) {
        interfaces = [veth.hostInterface, veth.podInterface(in: pod.path)]
        for index in ips.indices { ips[index].interface = 1 }
    }
}
