internal import Addresses
internal import Inventory
internal import NetlinkCodec
internal import PacketRules
internal import Posix

/// Bridges, and the members of a link.
extension Walk {
    /// A frame on a bridge.
    ///
    /// - Parameter port: the ingress port; nil if the node itself sends the frame.
    mutating func cross(
        _ place: Int, _ bridge: Interface, from port: Interface?, _ frame: Frame
    ) throws(Failure) -> Position {
        guard bridge.isUp else {
            return stop(place, bridge, "\(bridge.name) is down", advice(place, "ip link set \(bridge.name) up"))
        }
        measure(place, bridge)
        if let port, let end = try blocked(place, bridge, port) { return end }
        let first: NftChain.Point = port == nil ? .output : .prerouting
        if let end = try bridgeHooks(first, place, bridge, input: port, output: nil, frame) { return end }
        let entry = try frame.destination.flatMap { mac throws(Failure) in
            try world.forwardingEntry(mac, ofBridge: bridge.index, in: place)
        }
        let isForBridge = frame.destination == bridge.mac || entry?.isLocal == true
        if port != nil, isForBridge {
            hop(place, bridge, "for the bridge itself, the gateway")
            return try bridgeHooks(.input, place, bridge, input: port, output: nil, frame) ?? .arriving(place, bridge)
        }
        guard let (out, how) = try way(place, bridge, entry, frame) else {
            return stop(
                place, bridge, "no port of \(bridge.name) leads to \(frame.destination.map { "\($0)" } ?? "anybody")",
                advice(place, "bridge fdb show br \(bridge.name)"))
        }
        if let port {
            if out.index == port.index, !port.isHairpin {
                return stop(
                    place, port, "it would have to leave by the port it came in by, and hairpin is off there",
                    advice(place, "bridge link set dev \(port.name) hairpin on"))
            }
            if port.isIsolated, out.isIsolated {
                return stop(
                    place, port, "the ports \(port.name) and \(out.name) are isolated from each other",
                    "their network keeps its pods apart (ingressPolicy \"isolated\" of plugin firewall)")
            }
        }
        hop(place, out, "\(bridge.name) sends it out of \(out.name)" + how)
        if port != nil, let end = try seenByIP(place, bridge) { return end }
        if port != nil, let end = try bridgeHooks(.forward, place, bridge, input: port, output: out, frame) {
            return end
        }
        if let end = try bridgeHooks(.postrouting, place, bridge, input: nil, output: out, frame) { return end }
        if let limit = try world.limit(of: out.index, in: place) {
            add(limit, out, place)
        }
        guard out.isUp else {
            return stop(place, out, "the port \(out.name) is down", advice(place, "ip link set \(out.name) up"))
        }
        return try blocked(place, bridge, out) ?? .crossing(place, out, frame)
    }

    /// The end of the way if a port with a carrier does not forward, because of the spanning tree protocol or by configuration.
    private mutating func blocked(_ place: Int, _ bridge: Interface, _ port: Interface) throws(Failure) -> Position? {
        // BR_STATE_FORWARDING, linux/if_bridge.h.
        guard port.isUp, port.hasCarrier, let state = try world.settings(of: port, in: place).portState, state != 3
        else { return nil }
        let name =
            ["disabled", "listening", "learning", "forwarding", "blocking"].dropFirst(Int(state)).first ?? "\(state)"
        return stop(
            place, port, "the port \(port.name) of \(bridge.name) does not forward: its state is \(name)",
            advice(place, "bridge link show dev \(port.name); bridge link set dev \(port.name) state 3"))
    }

    /// The egress port, and how the bridge knows it.
    private mutating func way(
        _ place: Int, _ bridge: Interface, _ entry: ForwardingEntry?, _ frame: Frame
    ) throws(Failure) -> (Interface, String)? {
        let ports = world.interfaces(in: place).filter { $0.master == bridge.index }
        if let entry, let port = ports.first(where: { $0.index == entry.interface }) {
            return (port, ": it has learnt where \(entry.mac) is")
        }
        guard let target = frame.target else {
            return ports.first { $0.kind != "veth" }.map { ($0, ", as out of all") }
        }
        for port in ports where try across(place, port, 0).members.contains(where: { $0.isSame(as: target) }) {
            return (
                port,
                ", as out of all ports: it has not learnt yet where \(frame.destination.map { "\($0)" } ?? "it") is"
            )
        }
        return nil
    }

    /// br_netfilter passes bridged packets through the rules of the network layer as well.
    private mutating func seenByIP(_ place: Int, _ bridge: Interface) throws(Failure) -> Position? {
        let name = "bridge/bridge-nf-call-\(packet.family == .v4 ? "iptables" : "ip6tables")"
        guard try world.sysctl(name, in: place) == "1" else { return nil }
        begin(place)
        let before = packet.destination
        if let end = try hooks(.prerouting, place, input: bridge) { return end }
        guard packet.destination == before else {
            return stop(
                place, bridge, "a rule rewrites the destination of what the bridge only passes on (\(name) = 1)",
                "sysctl -w net.bridge.bridge-nf-call-iptables=0, or ask the node's address")
        }
        if let end = try hooks(.forward, place, input: bridge, output: bridge) { return end }
        if let end = try hooks(.postrouting, place, output: bridge) { return end }
        finish()
        return nil
    }

    /// The other members of an interface's link. The link is open if it leads to something unknown.
    func segment(_ place: Int, _ interface: Interface) throws(Failure) -> (members: [Member], isOpen: Bool) {
        var copy = self
        switch interface.kind {
        case "bridge": return try copy.onBridge(place, interface, except: 0, 0)
        case "macvlan", "ipvlan":
            guard let parent = try copy.otherEnd(place, interface) else { return ([], true) }
            var beyond = try copy.across(parent.place, parent.interface, 0)
            beyond.members +=
                [parent]
                + (try copy.children(of: parent))
                .filter { !$0.isSame(as: Member(place: place, interface: interface)) }
            return beyond
        default: return try copy.across(place, interface, 0)
        }
    }

    private static var maximumDepth: Int { 4 }

    /// The members reached through an interface.
    private mutating func across(
        _ place: Int, _ interface: Interface, _ depth: Int
    ) throws(Failure) -> (members: [Member], isOpen: Bool) {
        guard depth < Walk.maximumDepth, interface.kind == "veth", let other = try otherEnd(place, interface) else {
            return ([], interface.kind != "dummy")
        }
        let peer = other.interface
        if peer.master != 0, let bridge = self.interface(peer.master, in: other.place), bridge.kind == "bridge" {
            var beyond = try onBridge(other.place, bridge, except: peer.index, depth + 1)
            beyond.members.append(Member(place: other.place, interface: bridge))
            return beyond
        }
        return ([other] + (try children(of: other)), false)
    }

    private mutating func onBridge(
        _ place: Int, _ bridge: Interface, except port: UInt32, _ depth: Int
    ) throws(Failure) -> (members: [Member], isOpen: Bool) {
        var result: (members: [Member], isOpen: Bool) = ([], false)
        for other in world.interfaces(in: place) where other.master == bridge.index && other.index != port {
            let beyond = try across(place, other, depth)
            result.members += beyond.members
            result.isOpen = result.isOpen || beyond.isOpen
        }
        return result
    }

    /// Macvlans and ipvlans on top of an interface.
    mutating func children(of parent: Member) throws(Failure) -> [Member] {
        var found: [Member] = []
        for place in 0..<world.count {
            for interface in world.interfaces(in: place)
            where ["macvlan", "ipvlan"].contains(interface.kind) && interface.peer == parent.interface.index {
                guard try otherEnd(place, interface)?.isSame(as: parent) == true else { continue }
                found.append(Member(place: place, interface: interface))
            }
        }
        return found
    }
}

extension Walk.Member {
    func isSame(as other: Self) -> Bool { place == other.place && interface.index == other.interface.index }
}
