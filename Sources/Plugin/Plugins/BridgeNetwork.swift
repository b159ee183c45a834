internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import Netfilter
internal import NetlinkCodec
internal import Posix

/// Attaches pods to a bridge: what `bridge` and `swiftlet` have in common, which is nearly all.
struct BridgeNetwork {
    let settings: BridgeSettings
    let addressing: Addressing
    /// Whether the pod's `lo` is this plugin's business too.
    let setsLoopbackUp: Bool
    let request: Request
    /// As whose its rules are recorded.
    let type: String
    /// Host ports, if they are this plugin's business too.
    var ports: PortMappingSettings?
    /// Isolation, if it is this plugin's business too.
    var isolation: FirewallSettings?
    /// How fast the pod may be, if that is this plugin's business too.
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
            // Another IPAM plugin might take a failed ADD for a reason to free what the first one has reserved.
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
        var missing = try gateways.missing(on: bridge, &sockets.host)
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
            missing = try gateways.missing(on: bridge, &sockets.host)
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
            // Looked at again: another network may have come to this bridge meanwhile.
            let missing = try gateways.missing(on: bridge, &sockets.host)
            undo.push { (sockets) throws(Failure) in
                try missing.undo(on: gatewayInterface, of: bridge.index, but: port.name, &sockets.host)
            }
            try missing.make(on: gatewayInterface, &sockets.host)
        }

        result.describe(bridge, veth, pod)
        if let ifb { result.interfaces.append(CNIResult.Interface(ofNode: ifb)) }
        if !settings.dns.isEmpty { result.dns = settings.dns }
        return result
    }

    /// Limits the pod's bandwidth.
    ///
    /// - Returns: the ifb for it, if it needs one.
    private func limit(_ host: inout NetlinkSocket, _ undo: inout UndoStack) throws(Failure) -> Link? {
        guard let limits, !limits.isEmpty else { return nil }
        guard let port = try host.link(.name(owner.hostName)) else {
            throw Failure("look up \(owner.hostName)", .noSuchDevice)
        }
        guard let ifb = try Shaper(owner: owner, settings: limits).add(to: port, &host) else { return nil }
        // All else goes with the veth.
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
    }
}

extension CNIResult {
    /// Says what was made: the bridge, the host's end, the pod's.
    fileprivate mutating func describe(_ bridge: Link, _ veth: VethPair, _ pod: borrowing NetworkNamespace) {
        interfaces = [
            Interface(name: bridge.name, mac: bridge.mac?.description, mtu: bridge.mtu),
            veth.hostInterface, veth.podInterface(in: pod.path),
        ]
        for index in ips.indices { ips[index].interface = 2 }
    }
}
