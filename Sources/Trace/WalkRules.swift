internal import Net
internal import Node
internal import Posix
internal import Wire

/// What rules do with the packet.
extension Walk {
    /// Runs the packet through the rules of a hook of the network layer, connection tracking among them.
    ///
    /// - Returns: where it stops; nil if it goes on.
    mutating func hooks(
        _ point: NftChain.Point, _ place: Int, input: Interface? = nil, output: Interface? = nil
    ) throws(Failure) -> Position? {
        let ruleset = try world.ruleset(in: place)
        var context = HookContext(point: point, families: packet.family == .v4 ? [.ip, .inet] : [.ip6, .inet])
        context.input = input
        context.output = output
        context.isAnswer = isAnswer
        context.rewritten = current?.rewritten ?? 0
        if !ruleset.chains.isEmpty {
            for address in [packet.source, packet.destination] where !address.isUnspecified {
                context.addressTypes[address] = try addressType(address, place)
            }
            if point == .postrouting, let output {
                var question = RouteQuestion(to: packet.destination)
                question.outputInterface = output.index
                context.masqueradeSource = (try? world.route(question, in: place))?.source
            }
            if point == .prerouting, !packet.source.isUnspecified {
                context.sourceInterface =
                    (try? world.route(RouteQuestion(to: packet.source), in: place))?.interface ?? 0
            }
        }
        let isFirst = point == .prerouting || point == .output
        if isFirst { undo(place, input ?? output, destination: true) }
        var machine = NftMachine(ruleset, packet, context)
        machine.run()
        packet = machine.packet
        current?.rewritten = machine.context.rewritten
        for rewrite in machine.rewrites { hop(place, input ?? output, rewrite) }
        for text in machine.remarks { remark(text) }
        for table in ruleset.unread { remark("rules of iptables-legacy (table \(table)) are not looked at") }
        if let drop = machine.drop { return dropped(drop, place, input ?? output) }
        if point == .postrouting || point == .input { undo(place, output ?? input, destination: false) }
        if point == .postrouting { finish() }
        return nil
    }

    /// Of an answer, puts back what was rewritten of the question: the destination first, the source last.
    private mutating func undo(_ place: Int, _ interface: Interface?, destination: Bool) {
        guard isAnswer, let current, !current.original.hasSameEnds(as: current.final) else { return }
        let wanted = current.original.reversed
        if destination {
            guard packet.destination != wanted.destination || packet.destinationPort != wanted.destinationPort else {
                return
            }
            packet.destination = wanted.destination
            packet.destinationPort = wanted.destinationPort
            hop(place, interface, "destination becomes \(packet.destinationText) again (connection tracking)")
        } else {
            guard packet.source != wanted.source || packet.sourcePort != wanted.sourcePort else { return }
            packet.source = wanted.source
            packet.sourcePort = wanted.sourcePort
            hop(place, interface, "source becomes \(packet.sourceText) again (connection tracking)")
        }
    }

    /// Runs a frame through the rules of a bridge.
    mutating func bridgeHooks(
        _ point: NftChain.Point, _ place: Int, _ bridge: Interface, input: Interface?, output: Interface?,
        _ frame: Frame
    ) throws(Failure) -> Position? {
        var context = HookContext(point: point, families: [.bridge])
        context.input = input
        context.output = output
        context.macs = (frame.source, frame.destination)
        context.bridge = bridge.name
        context.isAnswer = isAnswer
        var machine = NftMachine(try world.ruleset(in: place), packet, context)
        machine.run()
        packet.mark = machine.packet.mark
        for text in machine.remarks { remark(text) }
        return machine.drop.map { dropped($0, place, input ?? output) }
    }

    private mutating func dropped(_ drop: NftMachine.Drop, _ place: Int, _ interface: Interface?) -> Position {
        let by = drop.rule.map { "rule \($0)" } ?? "the policy"
        let comment = drop.comment.isEmpty ? "" : " (\(drop.comment))"
        let what = drop.isRejected ? "rejected" : "dropped"
        return stop(
            place, interface,
            "\(what) by \(by) of chain \(drop.chain) in table \(drop.table)\(comment): \(packet)",
            advice(of: drop, place))
    }

    private func advice(of drop: NftMachine.Drop, _ place: Int) -> String {
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
        let family = packet.family == .v4 ? "ip" : "ip6"
        return advice(
            place,
            "another program's rule; if it is to let this through: nft insert rule \(drop.table) \(drop.chain) \(family) saddr \(packet.source) \(family) daddr \(packet.destination) accept"
        )
    }
}
