internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// The bridge itself. All pods of a node share it, and no pod removes it.
enum BridgeDevice {
    /// Finds or creates the bridge. A new bridge is still down.
    ///
    /// Many calls may do this at once on a fresh node; a later one finds the bridge that the first has created.
    static func ensure(_ settings: BridgeSettings, _ host: inout NetlinkSocket) throws(Failure) -> Link {
        let name = settings.bridge
        var link = try host.link(.name(name))
        if link == nil {
            let mac = MACAddress(locallyAdministered: UInt64.random(in: 0...UInt64.max))
            do throws(Failure) {
                try host.execute("create bridge \(name)") {
                    $0.createBridge(name, mac: mac, mtu: settings.mtu, vlanFiltering: settings.usesVLANs)
                }
            } catch {
                guard error.errno == .fileExists else { throw error }
            }
            link = try host.link(.name(name))
        }
        guard let bridge = link else {
            throw Failure(.tryAgainLater, "bridge \(name) vanished while it was set up")
        }
        guard bridge.kind == "bridge" else {
            let kind = bridge.kind.isEmpty ? "a device" : "a \(bridge.kind)"
            throw Failure(
                .conflict, "\"\(name)\" already exists but is not a bridge",
                details: "it is \(kind); choose another name")
        }
        guard !settings.usesVLANs || bridge.hasVLANFiltering else {
            throw Failure(
                .kernel, "bridge \(name) does not filter VLANs",
                details: "vlan and vlanTrunk need CONFIG_BRIDGE_VLAN_FILTERING, and a bridge made with vlan_filtering 1"
            )
        }
        return bridge
    }

    /// The alias of a prepared bridge. Any program may have created the bridge.
    static let mark = "swiftlet bridge"

    /// Configures the bridge as pods rely on it, unless that has been done.
    static func prepare(
        _ bridge: Link, _ settings: BridgeSettings, _ host: inout NetlinkSocket
    ) throws(Failure) {
        let isPromiscuous = bridge.flags & InterfaceFlag.promiscuous != 0
        guard bridge.alias != mark || !bridge.isUp || (settings.promiscuous && !isPromiscuous) else { return }
        // A router's own port must not take addresses and routes from its pods' advertisements.
        try Sysctl("ipv6/conf/\(bridge.name)/accept_ra").write("0")
        // Without an address that is ready at once, the first packets to the first pod would wait for seconds.
        try Sysctl("ipv6/conf/\(bridge.name)/accept_dad").write("0")
        var change = LinkChange()
        change.isUp = true
        if settings.promiscuous { change.isPromiscuous = true }
        // Once it has been set, a bridge's MAC no longer follows its ports.
        change.mac = bridge.mac
        // An alias set by someone else stays.
        if bridge.alias.isEmpty { change.alias = mark }
        try host.execute("set up bridge \(bridge.name)") { $0.changeLink(.index(bridge.index), change) }
    }

    /// The interface that carries the gateway addresses: the bridge or, with a VLAN, a veth into it, which is created
    /// if it is missing.
    static func gatewayInterface(
        for gateways: GatewayPlan, _ bridge: Link, _ settings: BridgeSettings, _ host: inout NetlinkSocket
    ) throws(Failure) -> Link {
        guard let vlan = settings.vlan, !gateways.addresses.isEmpty else { return bridge }
        let name = gateways.interface
        if let link = try host.link(.name(name)) { return link }
        let port = "vlan" + base32(fnv1a(name), characters: 8)
        var changes = Changes()
        changes.append("create gateway interface \(name)") {
            $0.createVeth(
                VethEnd(name: port, gso: bridge.limitsOfPorts), peer: VethEnd(name: name, mac: bridge.mac),
                mtu: settings.mtu, master: bridge.index
            )
        }
        for end in [port, name] {
            var up = LinkChange()
            up.isUp = true
            changes.append("set \(end) up") { $0.changeLink(.name(end), up) }
        }
        do throws(Failure) { try host.execute(changes) } catch {
            guard error.errno == .fileExists else { throw error }
        }
        guard let portLink = try host.link(.name(port)), let link = try host.link(.name(name)) else {
            throw Failure(.tryAgainLater, "gateway interface \(name) vanished while it was set up")
        }
        try host.setVLANs(of: portLink, [PortVLAN(vlan, isPVID: true, isUntagged: true)], removingDefault: true)
        return link
    }
}

extension NetlinkSocket {
    /// Adds VLANs to a bridge port, and removes it from VLAN 1, which every new port is in.
    mutating func setVLANs(of port: Link, _ vlans: [PortVLAN], removingDefault: Bool) throws(Failure) {
        var changes = Changes()
        if removingDefault {
            changes.append("remove VLAN 1 from \(port.name)") {
                $0.changePortVLANs(port: port.index, adding: false, [PortVLAN(1)])
            }
        }
        changes.append("add VLANs \(vlans.map { $0.description }.joined(separator: ", ")) to \(port.name)") {
            $0.changePortVLANs(port: port.index, adding: true, vlans)
        }
        try execute(changes)
    }
}
