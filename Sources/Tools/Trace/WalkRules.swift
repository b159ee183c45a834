internal import Addresses
internal import Inventory
internal import NetlinkCodec
internal import PacketRules
internal import Posix

/// The effect of rules on the packet.
extension Walk {
    /// Runs the packet through a hook of the network layer, with its rules and connection tracking.
    ///
    /// - Parameters:
    ///   - gateway: nil if the destination is on the link.
    ///   - shown: the interface to show in hops, if it is not the rules' own.
    /// - Returns: where the packet stops; nil if it continues.
    mutating func hooks(
        _ point: NftChain.Point, _ place: Int, input: Interface? = nil, output: Interface? = nil,
        _ gateway: IPAddress? = nil, shown: Interface? = nil
    ) throws(Failure) -> Position? {
        let ruleset = try world.ruleset(in: place)
        var context = HookContext(
            point: point, families: packet.family == .v4 ? [.ip, .inet] : [.ip6, .inet],
            connection: current?.connection ?? TrackedConnection(packet))
        context.input = input
        context.output = output
        context.isAnswer = isAnswer
        context.choices = choices
        if !ruleset.chains.isEmpty {
            for address in [packet.source, packet.destination] where !address.isUnspecified {
                context.addressTypes[address] = try addressType(address, place)
            }
            if point == .postrouting, let output {
                context.masqueradeSource = masqueradeSource(place, output, gateway ?? packet.destination)
            }
            if point == .prerouting, !packet.source.isUnspecified {
                context.sourceInterface =
                    (try? world.route(RouteQuestion(to: packet.source), in: place))?.interface ?? 0
            }
        }
        var machine = NftMachine(ruleset, packet, context)
        machine.run()
        packet = machine.packet
        current = (place, machine.context.connection)
        isRerouted = machine.isRerouted
        choices = machine.context.choices ?? choices
        let shown = shown ?? (point == .postrouting ? output : input ?? output)
        for rewrite in machine.rewrites { hop(place, shown, rewrite) }
        for text in machine.remarks { remark(text) }
        noteDoubts(machine, place)
        for what in ruleset.unread where what.hasPrefix("ip6") == (packet.family == .v6) { unread(what, place) }
        return machine.drop.map { dropped($0, place, shown) }
    }

    private mutating func noteDoubts(_ machine: NftMachine, _ place: Int) {
        let node = world.name(of: place)
        if let drop = machine.drop {
            if !machine.isDropCertain { doubt("rules in \(node) before \(drop) are not understood") }
        } else if machine.isNotUnderstood {
            doubt("rules in \(node) that may drop or change the packet are not understood")
        }
    }

    /// The source address that `masquerade` sets. For IPv4, it is the outgoing interface's address in the next hop's subnet, or
    /// else its first one, whatever the route prefers (inet_select_addr, net/ipv4/devinet.c).
    private mutating func masqueradeSource(_ place: Int, _ output: Interface, _ nextHop: IPAddress) -> IPAddress? {
        func usable(_ interface: Interface) -> [CIDR] {
            interface.addresses.filter {
                $0.address.family == packet.family && !$0.address.isLinkLocal && !$0.address.isLoopback
            }
        }
        let own = usable(output)
        var question = RouteQuestion(to: packet.destination)
        question.outputInterface = output.index
        let preferred = (try? world.route(question, in: place))?.source
        guard packet.family == .v4 else {
            return own.contains { $0.address == preferred } ? preferred : own.first?.address ?? preferred
        }
        // An interface without an address, such as lo, uses another interface's.
        let others = world.interfaces(in: place).sorted { $0.index < $1.index }.compactMap { usable($0).first }
        return (own.first { $0.contains(nextHop) } ?? own.first ?? others.first)?.address ?? preferred
    }

    /// Runs a frame through the rules of a bridge.
    mutating func bridgeHooks(
        _ point: NftChain.Point, _ place: Int, _ bridge: Interface, input: Interface?, output: Interface?,
        _ frame: Frame
    ) throws(Failure) -> Position? {
        // Bridges track connections separately, if rules ask for it.
        var connection = TrackedConnection(packet)
        connection.finding = isAnswer ? .established : .new
        connection.tracking = point == .prerouting ? .invalid : connection.finding
        var context = HookContext(point: point, families: [.bridge], connection: connection)
        context.input = input
        context.output = output
        context.macs = (frame.source, frame.destination)
        context.bridge = bridge.name
        context.isAnswer = isAnswer
        context.choices = choices
        var machine = NftMachine(try world.ruleset(in: place), packet, context)
        machine.run()
        packet.mark = machine.packet.mark
        choices = machine.context.choices ?? choices
        for text in machine.remarks { remark(text) }
        noteDoubts(machine, place)
        return machine.drop.map { dropped($0, place, input ?? output) }
    }

    private mutating func dropped(_ drop: Drop, _ place: Int, _ interface: Interface?) -> Position {
        let what = drop.isRejected ? "rejected" : "dropped"
        return stop(place, interface, "\(what) by \(drop): \(packet)", advice(of: drop, place))
    }

    private func advice(of drop: Drop, _ place: Int) -> String {
        switch "\(drop.table) \(drop.chain)" {
        case "inet swiftlet_isolation forward":
            return "both networks are isolated (ingressPolicy of plugin firewall): leave it out where pods are to meet"
        case "ip swiftlet prerouting":
            return "127.0.0.0/8 is for a node's own programs: ask another address"
        case "ip filter FORWARD", "ip6 filter FORWARD":
            return "plugin firewall lets a network's pods through; where it is configured: swiftletctl repair"
        default: break
        }
        guard drop.table.name != "swiftlet" else {
            return
                "the pod speaks from a MAC or an address that is not its own (antiSpoof, macspoofchk): ip address, in the pod"
        }
        // Whoever made it makes it anew at any time: a change there does not last.
        if drop.table.name == "kube-proxy" || drop.chain.hasPrefix("KUBE-") {
            return
                "kube-proxy's rule for Services: see that the Service has this port, and an endpoint that is ready (kubectl get endpointslices)"
        }
        return
            "let \(packet.source) to \(packet.destination) through in the configuration of the program that made the rule; "
            + advice(place, "nft list chain \(drop.table) \(drop.chain)") + " shows it"
    }

    /// What to do about an answer whose source nothing has put back.
    mutating func adviceOnAnswerPastRules(_ place: Int) throws(Failure) -> String {
        let name = "bridge/bridge-nf-call-\(packet.family == .v4 ? "ip" : "ip6")tables"
        let isBridged = hops.contains { $0.text.contains("sends it out of") }
        guard isBridged, try world.sysctl(name, in: 0) != "1" else {
            return "the answer has to come back through the namespace that rewrote the question: look at its route"
        }
        return
            "the bridge passes the answer on past the rules that rewrote the question: modprobe br_netfilter; sysctl -w net.\(name.replacing("/", with: "."))=1"
    }
}
