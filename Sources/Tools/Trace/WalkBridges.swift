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
        var frame = frame
        if let port, let end = try preroute(place, bridge, port, &frame) { return end }
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
        if let entry, let end = try misled(place, bridge, entry, out, frame) { return end }
        if port != nil, let end = try postroute(place, bridge, out) { return end }
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

    /// The end of the way if the bridge has learnt, or was told, to send frames for a host to a port that does not lead to it.
    private mutating func misled(
        _ place: Int, _ bridge: Interface, _ entry: ForwardingEntry, _ out: Interface, _ frame: Frame
    ) throws(Failure) -> Position? {
        guard let target = frame.target else { return nil }
        let beyond = try across(place, out, 0)
        guard !beyond.isOpen, !beyond.members.contains(where: { $0.isSame(as: target) }) else { return nil }
        let (name, mac) = ("\(target.interface.name) in \(world.name(of: target.place))", entry.mac)
        if let twin = beyond.members.first(where: { $0.interface.mac == mac && $0.place != place }) {
            // The MAC of a pod follows its address.
            let wrong = ownMAC(of: twin.interface) == "\(mac)" ? target : twin
            return stop(
                place, out,
                "\(bridge.name) sends what is for \(mac) to \(twin.interface.name) in \(world.name(of: twin.place)), which has the same MAC as \(name) and has spoken last",
                advice(wrong.place, "ip link set \(wrong.interface.name) address \(ownMAC(of: wrong.interface))")
                    + "; bridge fdb del \(mac) dev \(out.name) master")
        }
        return stop(
            place, out,
            "the forwarding table of \(bridge.name) has \(mac), which is \(name), at \(out.name), which does not lead there",
            advice(place, "bridge fdb del \(mac) dev \(out.name) master"))
    }

    /// The MAC that follows an interface's address, or any other.
    private func ownMAC(of interface: Interface) -> String {
        guard let address = interface.addresses.first?.address, address.family == .v4 else { return "ANOTHER" }
        return MACAddress(bytes: [0x0a, 0x58] + address.bytes).map { "\($0)" } ?? "ANOTHER"
    }

    /// br_netfilter shows frames that come in by a bridge's port to the rules of the network layer, even if they are for the bridge
    /// itself. What gets another destination is routed at once: if that is on the same bridge, the frame goes on across it, and
    /// otherwise to the bridge itself (br_nf_pre_routing_finish, net/bridge/br_netfilter_hooks.c).
    private mutating func preroute(
        _ place: Int, _ bridge: Interface, _ port: Interface, _ frame: inout Frame
    ) throws(Failure) -> Position? {
        let name = "bridge/bridge-nf-call-\(packet.family == .v4 ? "iptables" : "ip6tables")"
        guard try world.sysctl(name, in: place) == "1" else { return nil }
        begin(place)
        let before = packet.destination
        if let end = try hooks(.prerouting, place, input: bridge, shown: port) { return end }
        hasPassedPrerouting = true
        guard packet.destination != before else { return nil }
        var question = question()
        question.inputInterface = bridge.index
        var answer: RouteAnswer?
        do throws(Failure) { answer = try world.route(question, in: place) } catch {
            // Without forwarding, it still finds its way across the bridge.
            question.inputInterface = 0
            if error.errno == .hostUnreachable { answer = try? world.route(question, in: place) }
            guard answer?.interface == bridge.index else { return try refused(error, place, bridge) }
        }
        guard let answer, answer.type == RouteAnswer.unicast, answer.interface == bridge.index else {
            (frame.destination, frame.target) = (bridge.mac, nil)
            return nil
        }
        switch try resolve(place, bridge, answer.gateway ?? packet.destination) {
        case .found(let found): (frame.destination, frame.target) = (found.destination, found.target)
        case .nobody(let why, let advice): return stop(place, bridge, why, advice)
        }
        remark("it goes on across \(bridge.name), as its new destination is there (\(name) = 1)")
        return nil
    }

    /// The rest of what br_netfilter shows to the rules of the network layer: of frames that go on across the bridge.
    private mutating func postroute(
        _ place: Int, _ bridge: Interface, _ out: Interface
    ) throws(Failure) -> Position? {
        guard hasPassedPrerouting else { return nil }
        hasPassedPrerouting = false
        if let end = try hooks(.forward, place, input: bridge, output: bridge, shown: out) { return end }
        if let end = try hooks(.postrouting, place, output: bridge, shown: out) { return end }
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
