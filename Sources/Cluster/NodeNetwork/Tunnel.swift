internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import NodeRoutes
internal import Posix

/// The VXLAN device as it should be: its MAC is made from the node's name, it learns nothing, floods nowhere, and has the first
/// address of each of this node's subnets, as the source of what the node itself sends to pods of others.
struct Tunnel: Sendable, Hashable {
    var vxlan: VXLAN
    var mac: MACAddress
    /// Octets.
    var mtu: UInt32
    /// Of full length.
    var addresses: [CIDR]
    /// The underlay's index.
    var family: IPFamily

    /// Outer Ethernet, IP, UDP and VXLAN headers.
    private static func overhead(_ family: IPFamily) -> UInt32 { family == .v4 ? 50 : 70 }

    /// What those headers leave of a packet; at least 68 octets, which IPv4 asks of a link: a smaller one carries no tunnel.
    static func mtu(over lower: UInt32, _ family: IPFamily) -> UInt32 {
        max(lower, 68 + overhead(family)) - overhead(family)
    }

    /// Nil without an address to send from.
    ///
    /// - Parameters:
    ///   - preferred: the family that most of the other nodes have.
    ///   - present: the address that the device has; it stays as long as it is this node's and of that family.
    init?(
        _ settings: NetworkSettings, over underlay: Underlay, subnets: [CIDR], preferred: IPFamily, present: IPAddress?
    ) {
        let all = underlay.interfaces.flatMap { $0.addresses.map { $0.address } }
        let own = all.contains { $0.family == preferred } ? all.filter { $0.family == preferred } : all
        guard settings.routes.mode != .routes, let first = own.first else { return nil }
        let local = present.flatMap { own.contains($0) ? $0 : nil } ?? first
        family = local.family
        // Not bound to the interface: peers may be behind another one, and the device survives when it is made anew.
        vxlan = VXLAN(id: settings.tunnelID, local: local, port: settings.tunnelPort)
        vxlan.sendsZeroChecksum6 = false
        mac = TunnelDevice.mac(of: settings.node)
        mtu = Tunnel.mtu(over: underlay.leastMTU ?? 1500, family)
        addresses = subnets.map { CIDR.host($0.first) }
    }

    /// Makes the device, or changes what differs; one with other settings is made anew.
    ///
    /// - Returns: its index, and how much was changed.
    func ensure(_ socket: inout NetlinkSocket) throws(Failure) -> (index: UInt32, changes: Int) {
        let name = NetworkSettings.tunnelName
        var changes = 0
        var present = try socket.vxlanLinks().first { $0.link.name == name }
        if present == nil, let foreign = try socket.link(.name(name)) { throw taken(by: foreign.kind) }
        if let link = present {
            guard link.link.alias == NetworkSettings.tunnelAlias else { throw taken(by: "VXLAN") }
            if !serves(link) {
                try socket.execute("remove \(name), whose settings have changed") {
                    $0.deleteLink(.index(link.link.index))
                }
                present = nil
            }
        }
        if present == nil {
            try make(&socket)
            changes += 1
            present = try socket.vxlanLinks().first { $0.link.name == name }
        }
        guard let link = present?.link else { throw Failure("find \(name)", .noSuchDevice) }
        return (link.index, changes + (try adjust(link, &socket)))
    }

    private func make(_ socket: inout NetlinkSocket) throws(Failure) {
        let name = NetworkSettings.tunnelName
        do throws(Failure) {
            var changes = Changes()
            changes.append("make \(name)") { $0.createVXLAN(name, vxlan, mac: mac, mtu: mtu) }
            var change = LinkChange()
            change.alias = NetworkSettings.tunnelAlias
            change.makesLinkLocalAddress = false
            changes.append("mark \(name)") { $0.changeLink(.name(name), change) }
            try socket.execute(changes)
        } catch {
            guard error.errno == .fileExists else { throw error }
            throw error.advising(
                "another VXLAN device has identifier \(vxlan.id) and port \(vxlan.port): `ip -d link show type vxlan` names it; choose another vxlan.id or vxlan.port for all nodes"
            )
        }
    }

    private func serves(_ present: VXLANLink) -> Bool {
        let other = present.vxlan
        return other.id == vxlan.id && other.local == vxlan.local && other.port == vxlan.port && !other.isLearning
            && other.underlay == vxlan.underlay && !other.collectsMetadata && present.link.mac == mac
    }

    /// MTU, state and addresses, none of which costs a packet to change.
    private func adjust(_ link: Link, _ socket: inout NetlinkSocket) throws(Failure) -> Int {
        let name = NetworkSettings.tunnelName
        let present = try socket.addresses(of: link.index).map { $0.address }
        var changes = Changes()
        if link.mtu != mtu || !link.isUp {
            var change = LinkChange()
            change.mtu = mtu
            change.isUp = true
            changes.append("set \(name) up with MTU \(mtu)") { $0.changeLink(.index(link.index), change) }
        }
        for address in addresses where !present.contains(address) {
            changes.append("add address \(address) to \(name)") {
                $0.addAddress(address, to: link.index, connectedRoute: false)
            }
        }
        for address in present where !addresses.contains(address) && !address.address.isLinkLocal {
            changes.append("remove address \(address) from \(name)") { $0.deleteAddress(address, from: link.index) }
        }
        try socket.execute(changes)
        return changes.count
    }

    private func taken(by kind: String) -> Failure {
        Failure(
            .conflict,
            "make \(NetworkSettings.tunnelName): there is a link of that name already, of kind \(kind), which is not swiftlet's",
            details: "remove or rename it: ip link set \(NetworkSettings.tunnelName) name other0")
    }

    /// Removes the device, if it is ours.
    static func remove(_ socket: inout NetlinkSocket) throws(Failure) {
        guard let link = try socket.link(.name(NetworkSettings.tunnelName)), link.alias == NetworkSettings.tunnelAlias
        else { return }
        try socket.execute("remove \(link.name)") { $0.deleteLink(.index(link.index)) }
    }
}
