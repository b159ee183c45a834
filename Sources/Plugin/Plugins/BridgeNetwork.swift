internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import Logging
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
        var host = try NetlinkSocket()
        try BigTCP.requireSupport(of: settings.gso, &host)
        if case .plugin = addressing {
            // Another IPAM plugin might take a failed ADD for a reason to free what the first one has reserved.
            try owner.requireUnused(&host)
        }
        var addresses = Reservation(addressing, request)
        if !addressing.needsInterface { try addresses.make() }
        var veth: VethPair?
        var ifb: Link?
        var changed: (bridge: Link, MissingGateways)?
        do throws(Failure) {
            var gateways = try Gateways(&addresses.result, settings)
            let bridge = try BridgeDevice.ensure(settings, &host)
            var missing = try gateways.missing(on: bridge, settings, &host)
            try BridgeDevice.prepare(bridge, settings, &host)
            let pair = vethPair(addresses.result)
            let port = BridgePort(name: owner.hostName, settings: settings)
            var inside = try pod.netlinkSocket()
            let index = try pair.create(in: pod, on: bridge, &host, &inside) { socket throws(Failure) in
                try port.setUp(pair, &socket)
            }
            veth = pair
            if addressing.needsInterface {
                try pod.run { () throws(Failure) in try podInterface.configure(index, CNIResult(), &inside) }
                try port.awaitActive(&host)
                try addresses.make()
                gateways = try Gateways(&addresses.result, settings)
                missing = try gateways.missing(on: bridge, settings, &host)
            }
            var result = addresses.result
            try gateways.enableForwarding()
            try pod.run { () throws(Failure) in try podInterface.configure(index, result, &inside) }
            try port.awaitActive(&host)
            try request.apply(try rules(result, pair), as: type)
            ifb = try limit(&host)
            if !missing.isEmpty {
                // Looked at again: another network may have come to this bridge meanwhile.
                let missing = try gateways.missing(on: bridge, settings, &host)
                changed = (bridge, missing)
                try missing.add(&host)
            }
            if let gso = settings.gso { try BigTCP.raise(settings.nodeInterfaceName, to: gso, &host) }
            result.describe(bridge, pair, pod)
            if let ifb { result.interfaces.append(CNIResult.Interface(ofNode: ifb)) }
            if !settings.dns.isEmpty { result.dns = settings.dns }
            return result
        } catch {
            addresses.undo {
                guard let veth else { return }
                surviving { () throws(Failure) in try NodeRules.remove(RulesOwner(request, type)) }
                if let ifb {
                    surviving { () throws(Failure) in
                        try host.execute("delete link \(ifb.name)") { $0.deleteLink(.index(ifb.index)) }
                    }
                }
                surviving { () throws(Failure) in try veth.remove(&host) }
                if let (bridge, gateways) = changed {
                    surviving { () throws(Failure) in try gateways.undo(bridge, &host) }
                }
            }
            throw error
        }
    }

    private func limit(_ host: inout NetlinkSocket) throws(Failure) -> Link? {
        guard let limits, !limits.isEmpty else { return nil }
        guard let port = try host.link(.name(owner.hostName)) else {
            throw Failure("look up \(owner.hostName)", .noSuchDevice)
        }
        return try Shaper(owner: owner, settings: limits).add(to: port, &host)
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
