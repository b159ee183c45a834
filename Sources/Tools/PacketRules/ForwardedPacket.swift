public import Addresses
public import Inventory
public import NetlinkCodec

/// A packet that a node forwards, of a TCP connection to an arbitrary port.
public struct ForwardedPacket: Sendable {
    public var source: IPAddress
    public var destination: IPAddress
    /// Nil if unknown.
    public var input: Interface?
    public var output: Interface?
    /// Whether it answers the packet that started the connection.
    public var isAnswer: Bool

    /// - Precondition: both addresses have the same family.
    public init(
        from source: IPAddress, to destination: IPAddress, input: Interface?, output: Interface?, isAnswer: Bool = false
    ) {
        precondition(source.family == destination.family, "a packet has one family")
        self.source = source
        self.destination = destination
        self.input = input
        self.output = output
        self.isAnswer = isAnswer
    }
}

extension Ruleset {
    /// Spread evenly, so that a range of ports contains its share of them. Rules do not usually name these ports.
    private static let ports = stride(from: UInt16(2957), to: .max, by: 1 << 13)

    /// What becomes of a packet at a hook, for most ports: accepting a few ports does not count as passing.
    ///
    /// The packet's mark, its MACs and the rewriting of its connection are unknown.
    ///
    /// - Parameters:
    ///   - point: prerouting, forward or postrouting.
    ///   - isBridged: whether it passes the rules of bridges rather than those of routers; its interfaces are bridge ports then.
    public func fate(
        of forwarded: ForwardedPacket, at point: NftChain.Point = .forward, isBridged: Bool = false
    ) -> Fate {
        var (drops, passing, unknown): ([Drop], Int, Int) = ([], 0, 0)
        for port in Ruleset.ports {
            switch machine(forwarded, port, point, isBridged).fate {
            case .dropped(let drop): drops.append(drop)
            case .passes: passing += 1
            case .notKnown: unknown += 1
            }
            // A small range may contain one of the eight ports; more than one makes a difference.
            let counts = [drops.count, passing, unknown]
            guard counts.reduce(0, +) - (counts.max() ?? 0) < 2, unknown < 2 else { return .notKnown }
        }
        if let drop = drops.first, drops.count > 1 { return .dropped(drop) }
        return .passes
    }

    /// Whether rules at prerouting keep connection tracking from most such packets (`notrack`), so that nothing rewrites them.
    public func isUntracked(_ forwarded: ForwardedPacket) -> Bool {
        let answers = Ruleset.ports.map { machine(forwarded, $0, .prerouting, false).context.connection.tracking }
        return answers.filter { $0 == .untracked }.count > 1
    }

    /// The number of a rule in its chain, from 1, by its handle; nil if there is no such rule.
    public func position(of drop: Drop) -> Int? {
        rules[Place(table: drop.table, name: drop.chain)]?.firstIndex { $0.handle == drop.rule }.map { $0 + 1 }
    }

    private func machine(
        _ forwarded: ForwardedPacket, _ port: UInt16, _ point: NftChain.Point, _ isBridged: Bool
    ) -> NftMachine {
        let client: UInt16 = 45_871
        var packet =
            forwarded.isAnswer
            ? Packet(.tcp, from: forwarded.source, port, to: forwarded.destination, client)
            : Packet(.tcp, from: forwarded.source, client, to: forwarded.destination, port)
        packet.hopLimit = nil
        var connection = TrackedConnection(forwarded.isAnswer ? packet.reversed : packet)
        let tracking: Tracking = forwarded.isAnswer ? .established : .new
        // Connection tracking looks at it at the first hook only.
        if point == .prerouting { connection.finding = tracking } else { connection.tracking = tracking }
        // The connection began before this hook; an answer's question was rewritten at hooks that are not evaluated here.
        connection.isRewritingKnown = !forwarded.isAnswer
        connection.isMarkKnown = false
        var context = HookContext(
            point: point,
            families: isBridged ? [.bridge] : packet.family == .v4 ? [.ip, .inet] : [.ip6, .inet],
            connection: connection)
        if point != .postrouting { context.input = forwarded.input }
        if point != .prerouting { context.output = forwarded.output }
        context.isAnswer = forwarded.isAnswer
        context.isMarkKnown = false
        // RTN_UNICAST, linux/rtnetlink.h: forwarded packets are from and to hosts elsewhere.
        context.addressTypes = [packet.source: 1, packet.destination: 1]
        var machine = NftMachine(self, packet, context)
        machine.run()
        return machine
    }
}
