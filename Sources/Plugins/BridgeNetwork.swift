internal import CNI
internal import Kernel
internal import Net
internal import Wire

/// Attaches pods to a bridge: what `bridge` and `swiftlet` have in common, which is nearly all.
struct BridgeNetwork {
    let settings: BridgeSettings
    let addressing: Addressing
    /// Whether the pod's `lo` is this plugin's business too.
    let setsLoopbackUp: Bool
    let request: Request

    private var owner: LinkOwner { LinkOwner(request) }

    func add() throws -> CNIResult {
        let pod = try request.openPod()
        var host = try NetlinkSocket()
        var result = try addressing.reserve(request)
        var veth: VethPair?
        do {
            let gateways = try Gateways(&result, settings)
            let bridge = try BridgeDevice.ensure(settings, &host)
            let missing = try gateways.missing(on: bridge, settings, &host)
            try gateways.enableForwarding()
            let pair = VethPair(owner, settings, result)
            try pod.run {
                var inside = try NetlinkSocket()
                let index = try pair.create(in: pod, on: bridge, &host, &inside)
                veth = pair
                try pair.configure(index, result, setsLoopbackUp: setsLoopbackUp, &inside)
            }
            try pair.awaitPort(&host)
            try missing.add(&host)
            result.describe(bridge, pair, pod)
            if !settings.dns.isEmpty { result.dns = settings.dns }
            return result
        } catch {
            try? veth?.remove(&host)
            try? addressing.release(request)
            throw error
        }
    }

    func del() throws {
        var cleanup = Cleanup()
        cleanup.attempt { try removeVeth() }
        // Only now that nobody uses it any more does the address become free.
        cleanup.attempt { try addressing.release(request) }
        try cleanup.finish()
    }

    /// Removes the veth by the name that follows from its owner, whether or not the namespace is still there.
    private func removeVeth() throws {
        var host = try NetlinkSocket(linkNotifications: true)
        if let link = try host.link(.name(owner.hostName)) {
            guard link.alias.isEmpty || link.alias == owner.alias else {
                throw CNIError(.conflict, "link \(link.name) belongs to \(link.alias), not to \(owner.alias)")
            }
            return try host.removeLink(link.index, named: link.name)
        }
        // Made by another plugin, before the node was switched to this one: its own end is known by name.
        guard case .present(let pod) = try PodPresence(request) else { return }
        var inside = try pod.run { try NetlinkSocket(linkNotifications: true) }
        guard let link = try inside.link(.name(request.attachment.ifname)), link.kind == "veth" else { return }
        try inside.removeLink(link.index, named: "\(link.name) in \(pod.path)")
    }

    func gc() throws {
        let kept = try request.configuration.validAttachments()
        var cleanup = Cleanup()
        cleanup.attempt { try removeVeths(exceptOf: kept) }
        cleanup.attempt { try addressing.collectGarbage(request) }
        try cleanup.finish()
    }

    private func removeVeths(exceptOf kept: Set<Attachment>) throws {
        let network = request.configuration.name
        let keptNames = Set(kept.map { LinkOwner(network: network, $0).hostName })
        var host = try NetlinkSocket(linkNotifications: true)
        let bridge = try host.link(.name(settings.bridge))?.index
        var cleanup = Cleanup()
        for link in try host.links(kind: "veth") where !keptNames.contains(link.name) {
            // Without an alias it was killed while it was made; then its name and its bridge say whose it is.
            let isOurs =
                link.alias.isEmpty
                ? link.name.hasPrefix(LinkOwner.namePrefix(network)) && link.name.utf8.count == 15
                    && link.master == bridge
                : link.alias.hasPrefix(LinkOwner.aliasPrefix(network)) && !isKept(link.alias, kept)
            if isOurs { cleanup.attempt { try host.removeLink(link.index, named: link.name) } }
        }
        try cleanup.finish()
    }

    private func isKept(_ alias: String, _ kept: Set<Attachment>) -> Bool {
        LinkOwner(alias: alias).map { kept.contains($0.attachment) } ?? true
    }

    func status() throws {
        do throws(KernelError) {
            var host = try NetlinkSocket()
            for kind in ["bridge", "veth"] { try host.requireSupport(of: kind) }
        } catch {
            throw CNIError(.notAvailable, "\(error)", details: error.advice)
        }
        try addressing.requireReady(request)
    }
}

extension CNIResult {
    /// Says what was made: the bridge, the host's end, the pod's.
    fileprivate mutating func describe(_ bridge: Link, _ veth: VethPair, _ pod: borrowing NetworkNamespace) {
        interfaces = [
            Interface(name: bridge.name, mac: bridge.mac?.description, mtu: bridge.mtu),
            Interface(name: veth.owner.hostName, mac: veth.owner.hostMAC.description, mtu: veth.mtu),
            Interface(name: veth.owner.attachment.ifname, mac: veth.mac.description, mtu: veth.mtu, sandbox: pod.path),
        ]
        for index in ips.indices { ips[index].interface = 2 }
    }
}
