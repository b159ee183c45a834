internal import Addresses
internal import Attachments
internal import CNI
internal import IPAM
internal import Kernel
internal import Netfilter
internal import NetlinkCodec
internal import Posix

/// Attaches pods to a bridge: nearly everything that `bridge` and `swiftlet` do is common to both.
struct BridgeNetwork {
    let settings: BridgeSettings
    let addressing: Addressing
    /// Whether this plugin also sets up the pod's `lo`.
    let setsLoopbackUp: Bool
    let request: Request
    /// The plugin that owns the recorded rules.
    let type: String
    /// Host ports, if this plugin handles them too.
    var ports: PortMappingSettings?
    /// Isolation, if this plugin handles it too.
    var isolation: FirewallSettings?
    /// Bandwidth limits, if this plugin handles them too.
    var limits: BandwidthSettings?

    private var owner: AttachmentName { AttachmentName(request) }

    func vethPair(_ result: CNIResult) -> VethPair {
        VethPair(owner, mac: settings.mac, mtu: settings.mtu, gso: settings.gso, result)
    }

    var podInterface: PodInterface {
        PodInterface(
            name: request.attachment.ifname, detectsDuplicates: settings.detectsDuplicates,
            isSetUp: !settings.disablesContainerInterface, setsLoopbackUp: setsLoopbackUp)
    }

    func add() throws(Failure) -> CNIResult {
        try addressing.refuseBlocks(request)
        let pod = try request.openPod()
        var sockets = try Sockets(pod)
        try BigTCP.requireSupport(of: settings.gso, &sockets.host)
        if case .plugin = addressing {
            // Another IPAM plugin might react to a failed ADD by freeing what the first ADD reserved.
            try owner.requireUnused(&sockets.host)
        }
        return try sockets.allOrNothing { (sockets, undo) throws(Failure) in try attach(pod, &sockets, &undo) }
    }

    private func attach(
        _ pod: borrowing NetworkNamespace, _ sockets: inout Sockets, _ undo: inout UndoStack
    ) throws(Failure) -> CNIResult {
        var reserved = CNIResult()
        if !addressing.needsInterface { reserved = try addressing.reserve(request, &undo) }
        var gateways = try GatewayPlan(reserved, settings)

        let bridge = try BridgeDevice.ensure(settings, &sockets.host)
        var missing = try gateways.missing(on: bridge, for: owner.network, &sockets.host)
        try BridgeDevice.prepare(bridge, settings, &sockets.host)

        let veth = vethPair(reserved)
        let port = BridgePort(name: owner.hostName, settings: settings)
        try veth.create(in: pod, on: bridge, &sockets, &undo)
        try port.setUp(veth, &sockets.host)
        let peer = try veth.peerIndex(in: pod.path, &sockets.inside)

        if addressing.needsInterface {
            try pod.run { () throws(Failure) in try podInterface.configure(peer, CNIResult(), &sockets.inside) }
            try port.awaitActive(&sockets.host)
            gateways = try GatewayPlan(addressing.reserve(request, &undo), settings)
            missing = try gateways.missing(on: bridge, for: owner.network, &sockets.host)
        }
        var result = gateways.result
        let gatewayInterface = try BridgeDevice.gatewayInterface(for: gateways, bridge, settings, &sockets.host)
        if let gso = settings.gso { try BigTCP.raise(settings.nodeInterfaceName, to: gso, &sockets.host) }
        try Forwarding.enable(for: gateways.addresses)
        try pod.run { () throws(Failure) in try podInterface.configure(peer, result, &sockets.inside) }
        try port.awaitActive(&sockets.host)

        // Masquerade, host ports, isolation.
        try request.apply(try rules(result, veth), as: type, &undo)
        let ifb = try limit(&sockets.host, &undo)
        if !missing.isEmpty {
            // Checked again, because another network may have been added to this bridge meanwhile.
            let missing = try gateways.missing(on: bridge, for: owner.network, &sockets.host)
            undo.push { (sockets) throws(Failure) in
                try missing.undo(on: gatewayInterface, of: bridge.index, but: port.name, &sockets.host)
            }
            try missing.make(on: gatewayInterface, &sockets.host)
        }

        result.describe(bridge, veth, in: pod.path, gatewayInterface)
        if let ifb { result.interfaces.append(CNIResult.Interface(ofNode: ifb)) }
        if let dns = settings.dns { result.dns = dns }
        return result
    }

    /// Limits the pod's bandwidth.
    ///
    /// - Returns: the ifb, if the limits need one.
    private func limit(_ host: inout NetlinkSocket, _ undo: inout UndoStack) throws(Failure) -> Link? {
        guard let limits, !limits.isEmpty else { return nil }
        guard let port = try host.link(.name(owner.hostName)) else {
            throw Failure("look up \(owner.hostName)", .noSuchDevice)
        }
        guard let ifb = try Shaper(owner: owner, settings: limits).add(to: port, &host) else { return nil }
        // Everything else is deleted with the veth.
        undo.push { [index = ifb.index, name = ifb.name] (sockets) throws(Failure) in
            try sockets.host.execute("delete link \(name)") { $0.deleteLink(.index(index)) }
        }
        return ifb
    }

    func status() throws(Failure) {
        let bridge: Link?
        do throws(Failure) {
            var host = try NetlinkSocket()
            for kind in ["bridge", "veth"] { try host.requireSupport(of: kind) }
            bridge = try host.link(.name(settings.bridge))
        } catch {
            throw error.coded(.notAvailable)
        }
        if let bridge, bridge.kind != "bridge" {
            throw Failure(.notAvailable, "\"\(bridge.name)\" already exists but is not a bridge")
        }
        if settings.gso != nil {
            var host = try NetlinkSocket()
            try BigTCP.requireSupport(of: settings.gso, &host)
        }
        if settings.masquerades || settings.guardsMAC || settings.guardsAddresses { try request.requireNftables() }
        if isolation != nil { try request.requireNothingBlocks() }
        if let limits, !limits.isEmpty { try Shaper.requireSupport() }
        try addressing.requireReady(request)
        guard settings.isGateway, let bridge else { return }
        let sets = try addressing.rangeSets(request)
        do throws(Failure) {
            var host = try NetlinkSocket()
            try GatewayPlan.requireRoom(
                for: sets, of: request.configuration.name, settings, on: bridge, &host)
        } catch { throw error.coded(.notAvailable) }
    }
}

extension CNIResult {
    /// Describes what was made: the bridge, the host side, the pod's side, and with a VLAN the interface that has the gateway.
    mutating func describe(_ bridge: Link, _ veth: VethPair, in path: String, _ gatewayInterface: Link) {
        interfaces = [Interface(ofNode: bridge), veth.hostInterface, veth.podInterface(in: path)]
        if gatewayInterface.index != bridge.index { interfaces.append(Interface(ofNode: gatewayInterface)) }
        for index in ips.indices { ips[index].interface = 2 }
    }
}
