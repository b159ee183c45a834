internal import Addresses
internal import Inventory
internal import NetlinkCodec
internal import PacketRules
internal import Posix

/// The network layer: routes, and the other decisions about a packet there.
extension Walk {
    /// A program in the namespace sends the packet.
    mutating func send(_ place: Int) throws(Failure) -> Position {
        var answer: RouteAnswer
        do throws(Failure) { answer = try world.route(question(), in: place) } catch {
            return try refused(error, place, nil)
        }
        if packet.source.isUnspecified, let source = answer.source { packet.source = source }
        var output = interface(answer.interface, in: place)
        let hopLimit = packet.family == .v4 ? "ipv4/ip_default_ttl" : "ipv6/conf/\(output?.name ?? "all")/hop_limit"
        packet.hopLimit = try world.sysctl(hopLimit, in: place).flatMap { UInt8($0) } ?? 64
        begin(place)
        hop(place, output, routeText(answer, output))
        if let end = try hooks(.output, place, output: output) { return end }
        if isRerouted {
            do throws(Failure) { answer = try world.route(question(), in: place) } catch {
                return try refused(error, place, nil)
            }
            output = interface(answer.interface, in: place)
            hop(place, output, "routed anew: " + routeText(answer, output))
        }
        guard answer.type != RouteAnswer.local else {
            if let output, !output.isUp {
                return stop(
                    place, output, "\(output.name) is down", advice(place, "ip link set \(output.name) up"))
            }
            // Packets to the namespace itself leave and arrive through lo.
            if let end = try hooks(.postrouting, place, output: output) { return end }
            if let end = try hooks(.prerouting, place, input: output) { return end }
            return try deliver(place, output)
        }
        return try depart(place, nil, output, answer)
    }

    /// The packet arrives on an interface.
    mutating func arrive(_ place: Int, _ input: Interface) throws(Failure) -> Position {
        if hasPassedPrerouting {
            hasPassedPrerouting = false
        } else {
            begin(place)
            if let end = try hooks(.prerouting, place, input: input) { return end }
        }
        var question = question()
        question.inputInterface = input.index
        let answer: RouteAnswer
        do throws(Failure) { answer = try world.route(question, in: place) } catch {
            return try refused(error, place, input)
        }
        if answer.type == RouteAnswer.local { return try deliver(place, input) }
        guard answer.type == RouteAnswer.unicast, let output = interface(answer.interface, in: place) else {
            return stop(
                place, input, "the route of \(packet.destination) leads nowhere", "ip route get \(packet.destination)")
        }
        if packet.family == .v6, try world.sysctl("ipv6/conf/all/forwarding", in: place) == "0",
            try world.sysctl("ipv6/conf/\(input.name)/force_forwarding", in: place) ?? "0" == "0"
        {
            return stop(
                place, input, "IPv6 is not forwarded (net.ipv6.conf.all.forwarding = 0)",
                advice(place, "sysctl -w net.ipv6.conf.all.forwarding=1"))
        }
        hop(place, input, "forwarded: " + routeText(answer, output))
        if let limit = packet.hopLimit {
            guard limit > 1 else {
                return stop(
                    place, input, "it has passed too many routers: its TTL has run out",
                    advice(place, "sysctl net.ipv4.ip_default_ttl"))
            }
            packet.hopLimit = limit - 1
        }
        if let end = try hooks(.forward, place, input: input, output: output) { return end }
        return try depart(place, input, output, answer)
    }

    /// The packet leaves the network layer.
    ///
    /// - Parameter input: the interface on which it arrived; nil if it was sent locally.
    private mutating func depart(
        _ place: Int, _ input: Interface?, _ output: Interface?, _ answer: RouteAnswer
    ) throws(Failure) -> Position {
        if let end = try hooks(.postrouting, place, input: input, output: output, answer.gateway) { return end }
        finish()
        if place == 0, let (why, advice) = try strayed(output, answer) {
            return stop(place, output ?? input, why, advice)
        }
        if place == 0, !isAnswer, let output, world.uplinks.contains(output.name), world.wishes.masquerades(packet) {
            return stop(
                place, output,
                "\(packet.source) leaves by \(output.name) under its own address: its network is to be masqueraded (ipMasq), but the rules for that are gone",
                "swiftletctl repair")
        }
        guard let output else {
            return .ended(stopped(place, "the kernel names no interface for \(packet.destination)", ""))
        }
        return .leaving(place, output, nextHop: answer.gateway ?? packet.destination)
    }

    /// The packet is for the namespace itself.
    private mutating func deliver(_ place: Int, _ input: Interface?) throws(Failure) -> Position {
        if let end = try hooks(.input, place, input: input) { return end }
        finish()
        let name = world.name(of: place)
        if !isAnswer, let end = try unpublished(place, input) { return end }
        if !isAnswer, let end = try unanswered(place, input) { return end }
        hop(place, input, "delivered to \(name) (\(packet.destinationText))")
        if !isAnswer, packet.transport != .icmp, try world.isHeard(packet, by: input, in: place) == nil {
            doubt("whether something listens on port \(packet.destinationPort) of \(packet.destination) is not known")
        }
        return .ended(
            Ending(
                arrives: true, namespace: name, text: "delivered to \(name) (\(packet.destinationText))", advice: "",
                place: place))
    }

    /// Where the way ends if the node keeps a packet that is meant for a pod: the rules that lead there are gone.
    private mutating func unpublished(_ place: Int, _ input: Interface?) throws(Failure) -> Position? {
        guard place == 0, packet.destination != IPAddress(.v6, 1), let pod = world.wishes.pod(publishing: packet) else {
            return nil
        }
        return stop(
            place, input,
            "port \(packet.destinationPort) of the node is published for \(pod), but no rule leads there: its rules are gone",
            "swiftletctl repair")
    }

    /// Where the way ends if nothing answers the delivered packet.
    private mutating func unanswered(_ place: Int, _ input: Interface?) throws(Failure) -> Position? {
        guard packet.transport == .icmp else {
            guard try world.isHeard(packet, by: input, in: place) == false else { return nil }
            return stop(
                place, input,
                "nothing listens on \(packet.transport.rawValue) port \(packet.destinationPort) of \(packet.destination)",
                "start the service, or let it listen on \(packet.destination), for its family and on all interfaces")
        }
        let (path, name) =
            packet.family == .v4
            ? ("ipv4/icmp_echo_ignore_all", "net.ipv4.icmp_echo_ignore_all")
            : ("ipv6/icmp/echo_ignore_all", "net.ipv6.icmp.echo_ignore_all")
        guard try world.sysctl(path, in: place) == "1" else { return nil }
        return stop(
            place, input, "echo requests are not answered (\(name) = 1)", advice(place, "sysctl -w \(name)=0"))
    }

    func question() -> RouteQuestion {
        var question = RouteQuestion(
            to: packet.destination, from: packet.source.isUnspecified ? nil : packet.source)
        question.mark = packet.mark
        question.protocolNumber = packet.transport.number(packet.family)
        if packet.transport != .icmp {
            question.sourcePort = packet.sourcePort
            question.destinationPort = packet.destinationPort
        }
        return question
    }

    private func routeText(_ answer: RouteAnswer, _ output: Interface?) -> String {
        guard answer.type != RouteAnswer.local else {
            return "\(packet.sourceText) → \(packet.destinationText), to itself"
        }
        let way = answer.gateway.map { "via \($0)" } ?? "on the link"
        let table = answer.table == Route.mainTable ? "" : ", table \(answer.table)"
        return "\(packet.sourceText) → \(packet.destinationText) \(way) by \(output?.name ?? "?")\(table)"
    }

    // Connection tracking.

    /// The packet enters the namespace's network layer.
    mutating func begin(_ place: Int) {
        let known =
            isAnswer
            ? connections.last { $0.place == place && $0.connection.final.reversed.hasSameEnds(as: packet) } : nil
        var connection = known?.connection ?? TrackedConnection(packet)
        connection.tracking = .invalid
        // The question did not come through here, so the answer starts a connection only if the protocol allows that.
        let isBeginning = !isAnswer || packet.transport == .udp
        connection.finding = known != nil ? .established : isBeginning ? .new : .invalid
        current = (place, connection)
    }

    /// The packet leaves it.
    mutating func finish() {
        guard !isAnswer, let place = current?.place, var connection = current?.connection else { return }
        connection.final = packet
        if connection.tracking.isTracked { connections.append((place, connection)) }
        current = nil
    }

    // Reasons why the kernel refuses a packet.

    mutating func refused(_ failure: Failure, _ place: Int, _ input: Interface?) throws(Failure) -> Position {
        guard let errno = failure.errno else { throw failure }
        let destination = packet.destination
        if place == 0, let (why, advice) = try strayed(nil, nil) { return stop(place, input, why, advice) }
        if let route = try route(to: destination, place), route.type.rawValue >= RouteEntry.Kind.blackhole.rawValue {
            return stop(
                place, input, "the route \(text(route, place)) takes what is for \(destination)",
                advice(place, deletion(of: route, place)))
        }
        if let input {
            let family = packet.family == .v4 ? "ipv4" : "ipv6"
            if packet.family == .v4, try world.sysctl("\(family)/conf/\(input.name)/forwarding", in: place) == "0",
                errno == .hostUnreachable
            {
                return stop(
                    place, input, "IPv4 is not forwarded (net.ipv4.conf.\(input.name).forwarding = 0)",
                    advice(place, "sysctl -w net.ipv4.ip_forward=1"))
            }
            if errno == .invalidArgument || errno == .crossDeviceLink { return try martian(place, input) }
        } else if let down = world.interfaces(in: place).first(where: { !$0.isUp && !isLoopback($0) }) {
            return stop(
                place, down, "no route to \(destination): \(down.name) is down",
                advice(place, "ip link set \(down.name) up"))
        }
        switch errno {
        case .networkUnreachable:
            return stop(
                place, input, "no route to \(destination)",
                advice(place, "ip route add \(destination.isPrivate ? "\(destination)" : "default") via ADDRESS"))
        case .accessDenied:
            return stop(place, input, "a route prohibits \(destination)", advice(place, "ip route get \(destination)"))
        case .hostUnreachable:
            return stop(
                place, input, "a route says that \(destination) is unreachable",
                advice(place, "ip route get \(destination)"))
        case .invalidArgument:
            return stop(
                place, input, "the kernel takes no packet from \(packet.source) to \(destination) (a blackhole route?)",
                advice(place, "ip route get \(destination)"))
        default:
            return stop(place, input, "\(failure)", "")
        }
    }

    /// The kernel rejects its own address as source and, with `rp_filter`, one that it would answer by another interface.
    private mutating func martian(_ place: Int, _ input: Interface) throws(Failure) -> Position {
        let source = packet.source
        let types = try addressType(source, place)
        if types == RouteAnswer.local {
            return stop(
                place, input, "the source \(source) is an address of \(world.name(of: place)) itself",
                "give the pod an address of its own")
        }
        let all = try world.sysctl("ipv4/conf/all/rp_filter", in: place) ?? "0"
        let own = try world.sysctl("ipv4/conf/\(input.name)/rp_filter", in: place) ?? "0"
        guard max(all, own) != "0" else {
            return stop(
                place, input, "the kernel takes no packet from \(source) to \(packet.destination) by \(input.name)",
                advice(place, "ip route get \(packet.destination) from \(source) iif \(input.name)"))
        }
        let back = try? world.route(RouteQuestion(to: source), in: place)
        let name = back.flatMap { interface($0.interface, in: place)?.name } ?? "no interface"
        return stop(
            place, input,
            "rp_filter = \(max(all, own)) on \(input.name): \(source) is reached by \(name), so packets from it may not come in here",
            advice(
                place,
                "mend the route to \(source), or sysctl -w net.ipv4.conf.\(all == "0" ? input.name : "all").rp_filter=2"
            ))
    }

    private func isLoopback(_ interface: Interface) -> Bool { interface.name == "lo" }

    /// A command to run in that namespace.
    func advice(_ place: Int, _ command: String) -> String {
        place == 0 ? command : "\(command)  (in \(world.name(of: place)))"
    }

    /// The RTN_* type of an address in the namespace.
    mutating func addressType(_ address: IPAddress, _ place: Int) throws(Failure) -> UInt8 {
        do throws(Failure) { return try world.route(RouteQuestion(to: address), in: place).type } catch {
            // RTN_UNREACHABLE.
            guard error.errno != nil else { throw error }
            return 7
        }
    }
}
