internal import Addresses
internal import Inventory
internal import NetlinkCodec
internal import PacketRules
internal import Posix

/// The link layer: neighbours, veths and bridges.
extension Walk {
    /// Sends a routed packet: determines the frame's destination and the link.
    mutating func leave(_ place: Int, _ interface: Interface, _ nextHop: IPAddress) throws(Failure) -> Position {
        measure(place, interface)
        try pass(place, interface)
        guard interface.isUp else {
            return stop(
                place, interface, "\(interface.name) is down", advice(place, "ip link set \(interface.name) up"))
        }
        let frame: Frame
        switch try resolve(place, interface, nextHop) {
        case .found(let found): frame = found
        case .nobody(let why, let advice): return stop(place, interface, why, advice)
        }
        if endsOutside, place == 0, world.uplinks.contains(interface.name) { return left(place, interface) }
        return interface.kind == "bridge"
            ? .bridging(place, bridge: interface, from: nil, frame) : .crossing(place, interface, frame)
    }

    /// Notes the interface's rate limit.
    private mutating func pass(_ place: Int, _ interface: Interface) throws(Failure) {
        guard let limit = try world.limit(of: interface.index, in: place) else { return }
        add(limit, interface, place)
    }

    mutating func add(_ limit: Limit, _ interface: Interface, _ place: Int) {
        limits.append("\(interface.name) in \(world.name(of: place)): \(limit.rate) bit/s")
    }

    /// The packet leaves this machine.
    mutating func left(_ place: Int, _ interface: Interface) -> Position {
        let name = place == 0 ? "the node" : world.name(of: place)
        let text = "leaves \(name) by \(interface.name): \(packet)"
        guard interface.hasCarrier else {
            return stop(
                place, interface,
                "\(interface.name) has no carrier: no cable is plugged in, or no program has opened it",
                advice(place, "ip link show \(interface.name)"))
        }
        guard endsOutside else {
            return stop(
                place, interface,
                "\(text); what is behind \(interface.name) is not seen from here, nor whether it leads to \(packet.destination)",
                advice(place, "ip route get \(packet.destination)"))
        }
        leftBy = Member(place: place, interface: interface)
        if !isAnswer, isUnknownOutside(packet.source, place) {
            return stop(
                place, interface,
                "\(text); nobody outside knows \(packet.source), so no answer comes back",
                "masquerade the network (\"ipMasq\": true), or let the world's routers know a route to it")
        }
        hop(place, interface, text)
        return .ended(Ending(arrives: true, namespace: world.name(of: place), text: text, advice: "", place: place))
    }

    /// Hosts with public addresses cannot reach private ones.
    private func isUnknownOutside(_ address: IPAddress, _ place: Int) -> Bool {
        let own = world.interfaces(in: place).flatMap { $0.addresses }
        guard !own.contains(where: { $0.address == address }), !packet.destination.isPrivate else { return false }
        return address.isPrivate
    }

    /// Whether hosts outside may have a route to an address: to all but private ones. Private addresses of the uplink's own
    /// network count as reachable, because a router in front of it may let packets in.
    func isKnownOutside(_ address: IPAddress, by uplink: Interface) -> Bool {
        !address.isPrivate || uplink.addresses.contains { $0.contains(address) }
    }

    /// A frame that leaves through an interface.
    mutating func cross(_ place: Int, _ interface: Interface, _ frame: Frame) throws(Failure) -> Position {
        switch interface.kind {
        case "veth": break
        case "macvlan", "ipvlan": return try crossParent(place, interface, frame)
        case "dummy":
            return stop(
                place, interface, "\(interface.name) is a dummy: it leads nowhere", "ip route get \(packet.destination)"
            )
        default: return left(place, interface)
        }
        guard let other = try otherEnd(place, interface) else { return left(place, interface) }
        let peer = other.interface
        let theirs = world.name(of: other.place)
        guard peer.isUp else {
            return stop(
                place, interface, "\(interface.name) has no carrier: its other end, \(peer.name) in \(theirs), is down",
                advice(other.place, "ip link set \(peer.name) up"))
        }
        measure(other.place, peer)
        if peer.master != 0, let master = self.interface(peer.master, in: other.place), master.kind == "bridge" {
            hop(other.place, peer, "through the veth \(interface.name) → \(peer.name), into bridge \(master.name)")
            if let limit = world.limitComingIn(by: peer, in: other.place) { add(limit, peer, other.place) }
            return .bridging(other.place, bridge: master, from: peer, frame)
        }
        if let target = frame.target, !target.isSame(as: other),
            try children(of: other).contains(where: { $0.isSame(as: target) })
        {
            hop(target.place, target.interface, "by \(peer.name) in \(theirs) to \(target.interface.name)")
            return .arriving(target.place, target.interface)
        }
        guard frame.destination == nil || frame.destination == peer.mac else {
            return stop(
                other.place, peer,
                "the frame is for \(frame.destination.map { "\($0)" } ?? ""), which is not the MAC of \(peer.name)",
                advice(place, "ip neigh flush dev \(interface.name)"))
        }
        hop(other.place, peer, "through the veth \(interface.name) → \(peer.name)")
        if let limit = world.limitComingIn(by: peer, in: other.place) { add(limit, peer, other.place) }
        return .arriving(other.place, peer)
    }

    /// Leaves through the interface below a macvlan or ipvlan.
    private mutating func crossParent(_ place: Int, _ interface: Interface, _ frame: Frame) throws(Failure) -> Position
    {
        guard let parent = try otherEnd(place, interface) else { return left(place, interface) }
        guard parent.interface.isUp else {
            return stop(
                parent.place, parent.interface, "\(parent.interface.name), which \(interface.name) sits on, is down",
                advice(parent.place, "ip link set \(parent.interface.name) up"))
        }
        measure(parent.place, parent.interface)
        lookForPrograms(parent.place, parent.interface)
        if endsOutside, parent.place == 0, world.uplinks.contains(parent.interface.name) {
            return left(parent.place, parent.interface)
        }
        guard let target = frame.target else {
            return .crossing(parent.place, parent.interface, frame)
        }
        if target.place == parent.place, target.interface.index == parent.interface.index {
            return stop(
                parent.place, parent.interface,
                "a \(interface.kind) does not reach the node by the interface that it sits on",
                "ask another address of the node, or give the pod a second interface on a bridge")
        }
        if let sibling = try otherEnd(target.place, target.interface), target.interface.kind == interface.kind,
            sibling.place == parent.place, sibling.interface.index == parent.interface.index
        {
            let modes = try [
                world.settings(of: interface, in: place), world.settings(of: target.interface, in: target.place),
            ].map { $0.macvlanMode ?? .bridge }
            // The kernel passes frames directly between two macvlans in bridge mode; everything else goes out to the wire.
            if let mode = modes.first(where: { $0 != .bridge }) {
                return stop(
                    parent.place, parent.interface,
                    "a macvlan of mode \(mode) does not reach others on \(parent.interface.name)"
                        + (mode == .vepa
                            ? ", unless the switch behind it sends frames back, which is not seen from here" : ""),
                    "\"mode\": \"bridge\" of plugin macvlan, where pods are to meet")
            }
            hop(
                target.place, target.interface,
                "from \(interface.kind) to \(interface.kind) on \(parent.interface.name)")
            return .arriving(target.place, target.interface)
        }
        return .crossing(parent.place, parent.interface, frame)
    }

    /// The peer of a veth, or the interface below a macvlan or ipvlan; nil if it is not visible from here.
    func otherEndIfKnown(_ place: Int, _ interface: Interface, _ other: Int?) -> Member? {
        guard interface.peer != 0, let other, let peer = self.interface(interface.peer, in: other) else { return nil }
        return Member(place: other, interface: peer)
    }

    mutating func otherEnd(_ place: Int, _ interface: Interface) throws(Failure) -> Member? {
        otherEndIfKnown(place, interface, try world.place(numbered: interface.peerNamespaceID, from: place))
    }
}

extension Interface {
    /// Whether it has the address; link-local IPv6 addresses are derived from the MAC (RFC 4291, appendix A).
    func has(_ address: IPAddress) -> Bool {
        if address.family == .v6, address.isLinkLocal, let b = mac?.bytes {
            let identifier: [UInt8] = [b[0] ^ 0x02, b[1], b[2], 0xff, 0xfe, b[3], b[4], b[5]]
            return address.value == identifier.reduce(0xfe80 << 48) { $0 << 8 | UInt128($1) }
        }
        return addresses.contains { $0.address == address }
    }
}

extension IPAddress {
    /// RFC 1918, RFC 6598 and RFC 4193: not routed on the internet.
    var isPrivate: Bool {
        switch family {
        case .v4: value >> 24 == 10 || value >> 20 == 0xac1 || value >> 16 == 0xc0a8 || value >> 22 == 0x191
        case .v6: value >> 121 == 0x7e
        }
    }
}
