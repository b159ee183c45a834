internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

extension BridgeNetwork {
    /// Compares what ADD set up with the current state, ignoring what others have added since.
    func check() throws(Failure) {
        try addressing.check(request)
        let pod = try request.openPod()
        let (result, described) = try request.attachedInterface(in: pod.path)
        var host = try NetlinkSocket()
        let bridge = try checkBridge(result, &host)
        let port = try checkPort(of: bridge, &host)
        var inside = try pod.netlinkSocket()
        let interface = try podInterface.check(result, described, kind: "veth", in: pod.path, &inside)
        if let gso = settings.gso {
            // A VLAN without a gateway has no interface on the node.
            let node = try host.link(.name(settings.nodeInterfaceName))
            try BigTCP.check([interface, port] + (node.map { [$0] } ?? []), gso)
        }
        if let limits { try Shaper(owner: AttachmentName(request), settings: limits).check(port, &host) }
        try request.check(try rules(result, vethPair(result)), as: type)
    }

    private func checkBridge(_ result: CNIResult, _ host: inout NetlinkSocket) throws(Failure) -> Link {
        guard let bridge = try host.link(.name(settings.bridge)), bridge.kind == "bridge" else {
            throw Failure(deviation: "bridge \(settings.bridge) is missing")
        }
        guard bridge.isUp else { throw Failure(deviation: "bridge \(bridge.name) is down") }
        if let mac = result.interfaces.first(where: { $0.name == bridge.name && $0.sandbox == nil })?.mac {
            guard mac.lowercased() == bridge.mac?.description else {
                throw Failure(
                    deviation: "bridge \(bridge.name) has MAC \(bridge.mac?.description ?? "none"), not \(mac)")
            }
        }
        if settings.promiscuous, bridge.flags & InterfaceFlag.promiscuous == 0, bridge.promiscuity == 0 {
            throw Failure(deviation: "bridge \(bridge.name) is not promiscuous")
        }
        // ADD filled in every gateway; an address without one comes from another plugin.
        var own = result
        own.ips.removeAll { $0.gateway == nil }
        let gateways = try GatewayPlan(own, settings)
        if !gateways.addresses.isEmpty {
            guard let interface = try host.link(.name(gateways.interface)) else {
                throw Failure(deviation: "gateway interface \(gateways.interface) is missing")
            }
            let present = try host.addresses(of: interface.index).map { $0.address }
            for address in gateways.addresses where !present.contains(address) {
                throw Failure(deviation: "gateway address \(address) is missing from \(interface.name)")
            }
        }
        try Forwarding.check(for: gateways.addresses)
        return bridge
    }

    /// The host side: ours by its name, or the one named in the result if another plugin attached the pod.
    private func checkPort(of bridge: Link, _ host: inout NetlinkSocket) throws(Failure) -> Link {
        let names =
            [AttachmentName(request).hostName] + (try request.requiredPreviousResult().hostVethNames(bridge.name))
        var found: Link?
        for name in names where found == nil { found = try host.link(.name(name)) }
        guard let port = found else {
            throw Failure(deviation: "host interface \(names[0]) is missing")
        }
        guard port.isUp else { throw Failure(deviation: "host interface \(port.name) is down") }
        guard port.master == bridge.index else {
            throw Failure(deviation: "\(port.name) is not a port of bridge \(bridge.name)")
        }
        guard port.isActivePort || settings.disablesContainerInterface else {
            throw Failure(deviation: "bridge port \(port.name) has no carrier")
        }
        guard port.isHairpin || !settings.hairpin else {
            throw Failure(deviation: "hairpin mode of \(port.name) is off")
        }
        guard port.isIsolated || !settings.isolatesPort else {
            throw Failure(deviation: "isolation of \(port.name) is off")
        }
        guard settings.usesVLANs else { return port }
        let present = try host.vlans(ofPort: port.index)
        for vlan in settings.portVLANs where !present.contains(where: { $0.covers(vlan) }) {
            throw Failure(deviation: "VLAN \(vlan.first) is missing from \(port.name)")
        }
        return port
    }
}

extension CNIResult {
    /// The host sides of veths in a result of any program.
    fileprivate func hostVethNames(_ bridge: String) -> [String] {
        interfaces.filter { $0.sandbox == nil && $0.name != bridge }.map { $0.name }
    }
}

extension PortVLAN {
    fileprivate func covers(_ other: PortVLAN) -> Bool {
        first <= other.first && other.last <= last && (isPVID || !other.isPVID)
    }
}
