internal import Addresses
internal import Inventory
internal import NetlinkCodec
public import PacketRules
public import Posix

/// Walks a packet through the namespaces of a node, hop by hop, as their kernel would send it.
///
/// It changes and sends nothing: each step is a question to the ``World``.
public struct Walk<TheWorld: World> {
    public internal(set) var hops: [Hop] = []
    /// The rate limits on the way; they do not stop the packet.
    public internal(set) var limits: [String] = []
    /// The smallest MTU on the way, in octets, and where it is.
    public internal(set) var smallestMTU: (octets: UInt32, place: String)?
    public var world: TheWorld
    /// The packet in its current state.
    public internal(set) var packet: Packet
    var isAnswer = false
    /// Whether the way ends beyond the node's uplinks.
    var endsOutside = false
    /// The connections that namespaces track after the first packet has passed them.
    var connections: [(place: Int, connection: TrackedConnection)] = []
    /// The connection in the namespace that the packet is passing.
    var current: (place: Int, connection: TrackedConnection)?
    /// Whether rules have changed something that the route depends on.
    var isRerouted = false
    /// Whether br_netfilter has shown the packet to the chains at prerouting, which then do not see it again.
    var hasPassedPrerouting = false
    /// The branch that is taken where rules leave a decision to chance.
    public internal(set) var choices: Choices
    /// What was not looked at, or could not be decided, one line each: it may stop the packet, or lead it elsewhere.
    public internal(set) var notSeen: [String] = []
    private var isStarted = false

    /// Where the packet is between two steps.
    enum Position {
        case sending(Int)
        case arriving(Int, Interface)
        case leaving(Int, Interface, nextHop: IPAddress)
        case crossing(Int, Interface, Frame)
        case bridging(Int, bridge: Interface, from: Interface?, Frame)
        case ended(Ending)

        /// The namespace that the packet is in.
        var place: Int? {
            switch self {
            case .sending(let place), .arriving(let place, _), .leaving(let place, _, _): place
            case .crossing(let place, _, _), .bridging(let place, _, _, _): place
            case .ended: nil
            }
        }
    }

    /// A frame on a link, with its source and destination.
    struct Frame {
        let source: MACAddress?
        var destination: MACAddress?
        /// The owner of the destination address, if known.
        var target: Member?
    }

    /// An interface of a namespace.
    struct Member {
        let place: Int
        let interface: Interface
    }

    public init(_ packet: Packet, in world: TheWorld, _ choices: Choices = Choices()) {
        self.packet = packet
        self.world = world
        self.choices = choices
    }

    /// Stops a packet that goes in circles.
    private static var maximumSteps: Int { 100 }

    /// Sends the packet from one end to the other, and the answer back.
    ///
    /// - Returns: how both ways end; nil if no answer is expected.
    /// - Throws: when the world gives no answer.
    public mutating func run(
        from start: Endpoint, to end: Endpoint
    ) throws(Failure) -> (way: Ending, answer: Ending?) {
        let asked = packet
        endsOutside = end.place == nil
        let way = try follow(from: start)
        leavesOutside = leftBy != nil
        guard way.arrives else { return (way, nil) }
        guard !endsOutside || way.place >= 0 else { return (way, nil) }
        let first = hops.count
        let firstPacket = packet
        packet = packet.reversed
        isAnswer = true
        endsOutside = start.place == nil
        let outside = Endpoint(.internet, name: end.name, place: nil, addresses: [])
        let place = Endpoint(.address, name: end.name, place: way.place, addresses: [])
        let isOutside = end.place == nil && leftBy != nil
        if !isOutside { packet = firstPacket.reversed }
        var answer = try follow(from: isOutside ? outside : place)
        if answer.arrives, !isBack(asked) {
            answer = stopped(
                answer.place,
                "the answer comes from \(packet.sourceText) to \(packet.destinationText), but \(asked.destinationText) was asked: the client discards it",
                try adviceOnAnswerPastRules(answer.place))
        }
        answersFrom = first
        return (way, answer)
    }

    /// The first hop of the answer.
    public private(set) var answersFrom: Int?
    /// Whether the question left this machine.
    private(set) var leavesOutside = false
    /// The interface by which the packet left this machine.
    var leftBy: Member?

    private func isBack(_ asked: Packet) -> Bool {
        let ends = packet.reversed
        // A source that the kernel chose was unspecified at first.
        return ends.destination == asked.destination && ends.destinationPort == asked.destinationPort
            && (asked.source.isUnspecified || ends.source == asked.source)
    }

    private mutating func follow(from start: Endpoint) throws(Failure) -> Ending {
        var position: Position
        if let place = start.place { position = .sending(place) } else { position = try enter(start) }
        var place = position.place
        for _ in 0..<Walk.maximumSteps {
            // The kernel clears the mark of a packet that enters another namespace.
            if position.place != place { packet.mark = 0 }
            place = position.place
            switch position {
            case .sending(let place): position = try send(place)
            case .arriving(let place, let interface): position = try arrive(place, interface)
            case .leaving(let place, let interface, let nextHop):
                position = try leave(place, interface, nextHop)
            case .crossing(let place, let interface, let frame): position = try cross(place, interface, frame)
            case .bridging(let place, let bridge, let port, let frame):
                position = try cross(place, bridge, from: port, frame)
            case .ended(let ending): return ending
            }
        }
        return stopped(0, "the packet goes in a circle", "look at the routes of the hops above")
    }

    /// A packet that arrives from outside.
    private mutating func enter(_ start: Endpoint) throws(Failure) -> Position {
        guard let entry = leftBy ?? uplink().map({ Member(place: 0, interface: $0) }) else {
            return .ended(
                stopped(
                    0, "no interface of the node leads to the world: it has no default route",
                    "ip route add default via ADDRESS"))
        }
        packet.hopLimit = nil
        hop(entry.place, entry.interface, "comes in from outside: \(packet)")
        if !isAnswer, !isKnownOutside(packet.destination, by: entry.interface) {
            guard start.kind != .internet else {
                return stop(
                    entry.place, entry.interface,
                    "nobody outside knows the way to \(packet.destination): it is a private address",
                    "give the pod a host port (portMappings), and ask node:PORT; or let the world's routers know a route"
                )
            }
            remark("whether \(packet.source) has a route to \(packet.destination), a private address, is not known")
        }
        // Pods directly on the outside link have their own MAC.
        let children = try children(of: entry)
        guard let pod = children.first(where: { $0.interface.has(packet.destination) }) else {
            return .arriving(entry.place, entry.interface)
        }
        hop(pod.place, pod.interface, "by \(entry.interface.name) to the \(pod.interface.kind) on it")
        return .arriving(pod.place, pod.interface)
    }

    private func uplink() -> Interface? {
        let all = world.interfaces(in: 0)
        return world.uplinks.compactMap { name in all.first { $0.name == name } }
            .first { $0.addresses.contains { $0.family == packet.family } }
            ?? world.uplinks.first.flatMap { name in all.first { $0.name == name } }
    }

    // Reporting.

    mutating func hop(_ place: Int, _ interface: Interface?, _ text: String, remarks: [String] = []) {
        var hop = Hop(
            namespace: world.name(of: place), interface: interface?.name ?? "", text: text,
            source: packet.sourceText, destination: packet.destinationText)
        hop.remarks = remarks
        hops.append(hop)
        if let interface { lookForPrograms(place, interface) }
    }

    /// Notes what sees the packets of an interface without being read.
    mutating func lookForPrograms(_ place: Int, _ interface: Interface) {
        // What cannot be listed is not there, or the kernel lacks it.
        let rules = (try? world.ruleset(in: place))?.unread(on: interface.name) ?? []
        let programs = (try? world.programs(on: interface, in: place)) ?? []
        for what in rules + programs {
            doubt("\(what) on \(interface.name) in \(world.name(of: place)) is not looked at")
        }
    }

    mutating func remark(_ text: String) {
        guard !hops.isEmpty, !hops[hops.count - 1].remarks.contains(text) else { return }
        hops[hops.count - 1].remarks.append(text)
    }

    /// Remarks once on something that is not looked at, or not known, and may change the result.
    mutating func doubt(_ text: String) {
        guard !notSeen.contains(text) else { return }
        notSeen.append(text)
        remark(text)
    }

    /// Remarks once on rules that are not read.
    mutating func unread(_ rules: String, _ place: Int) {
        doubt("rules of \(rules) in \(world.name(of: place)) are not looked at")
    }

    /// Adds the hop at which the packet stops.
    mutating func stop(_ place: Int, _ interface: Interface?, _ why: String, _ advice: String) -> Position {
        hop(place, interface, why)
        hops[hops.count - 1].isPassed = false
        return .ended(stopped(place, why, advice))
    }

    func stopped(_ place: Int, _ why: String, _ advice: String) -> Ending {
        Ending(arrives: false, namespace: world.name(of: place), text: why, advice: advice, place: place)
    }

    /// Takes an interface's MTU into account.
    mutating func measure(_ place: Int, _ interface: Interface) {
        guard interface.mtu > 0, interface.mtu < smallestMTU?.octets ?? .max else { return }
        smallestMTU = (interface.mtu, "\(interface.name) in \(world.name(of: place))")
    }

    func interface(_ index: UInt32, in place: Int) -> Interface? {
        world.interfaces(in: place).first { $0.index == index }
    }
}
