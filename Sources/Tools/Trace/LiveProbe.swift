internal import Addresses
internal import Kernel
internal import NetlinkCodec
public import PacketRules
public import Posix

/// Sends one real packet and records what the node's rules do with it.
///
/// The rules that select the packet are in tables of their own, which the kernel deletes together with their socket, however
/// this process ends.
public struct LiveProbe {
    /// How long to wait for an answer, in milliseconds: twice the time until a lost SYN is resent.
    private static let patience = 2000

    /// - Parameters:
    ///   - place: the namespace that sends the packet.
    ///   - packet: the packet as sent; the kernel chooses its source port.
    /// - Throws: when the packet cannot be sent.
    public static func send(_ packet: Packet, from place: Int, in world: KernelWorld) throws(Failure) -> LiveReport {
        let number = packet.transport.number(packet.family)
        let attempt = "send \(packet.transport.rawValue) from \(world.name(of: place)) to \(packet.destinationText)"
        let source = packet.source.bytes
        func probe() throws(Failure) -> Probe {
            try attempting(attempt) { () throws(Errno) in try Probe(protocolNumber: number, source: source) }
        }
        let probe = place == 0 ? try probe() : try NetworkNamespace(world.path(of: place)).run(probe)
        var socket = try NetlinkSocket.forTracing()
        let tables = [NftFamily.inet, .bridge].map { NftTable($0, "swiftlet_trace_\(ProcessEnvironment.processID)") }
        var made: [NftTable] = []
        for table in tables {
            do throws(Failure) {
                try socket.execute(rules(table, packet, probe.port))
                made.append(table)
            } catch {
                // A kernel may not support rules of the bridge family.
                guard table.family == .bridge else { throw error }
            }
        }
        var outcome: (isAnswered: Bool, text: String)
        var isSilent = false
        do throws(Errno) {
            try probe.send(to: packet.destination.bytes, port: packet.destinationPort)
            let isAnswered = try probe.waitForAnswer(milliseconds: patience)
            let silence =
                "no answer within \(patience / 1000) s"
                + (packet.transport == .udp ? "; a service may not answer an empty datagram" : "")
            outcome = (isAnswered, isAnswered ? "an answer came" : silence)
            isSilent = !isAnswered && packet.transport == .udp
        } catch {
            outcome = (false, error == .connectionRefused ? "refused: nothing listens there" : "\(error)")
        }
        let events = try socket.traceEvents().filter { !tables.contains($0.table) }
        for table in made { try? socket.execute("delete table \(table)") { $0.deleteTable(table) } }
        return LiveReport(
            isAnswered: outcome.isAnswered, mayBeSilent: isSilent, outcome: outcome.text,
            seen: LiveProbe.lines(events))
    }

    /// Rules that trace all packets with these ends, at the very beginning of both ways in.
    private static func rules(_ table: NftTable, _ packet: Packet, _ port: UInt16) -> Changes {
        func octets(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xff)] }
        let isEcho = packet.transport == .icmp
        // The ports, or the type and the identifier of an echo request.
        let ends: [NftExpression] =
            isEcho
            ? [
                .payload(.transport, offset: 0, length: 1), .compare(.equal, [packet.family == .v4 ? 8 : 128]),
                .payload(.transport, offset: 4, length: 2), .compare(.equal, octets(port)),
            ]
            : [
                .payload(.transport, offset: 0, length: 4),
                .compare(.equal, octets(port) + octets(packet.destinationPort)),
            ]
        let rule = NftRule(
            [.meta(.transportProtocol), .compare(.equal, [packet.transport.number(packet.family)])] + ends
                + [.value([1]), .setMeta(.trace)])
        var changes = Changes.batch()
        changes.append("make table \(table)") { $0.addOwnedTable(table) }
        for (name, point) in [("prerouting", NftChain.Point.prerouting), ("output", .output)] {
            // This runs before all other chains, and before connection tracking.
            let chain = NftChain(name, NftChain.Hook("filter", point, priority: -500))
            changes.append("make chain \(name) of table \(table)") { $0.addChain(chain, to: table) }
            changes.append("make the rule of table \(table)") { $0.addRule(rule, to: name, of: table) }
        }
        return changes
    }

    private static func lines(_ events: [NftTraceEvent]) -> [String] {
        var lines: [String] = []
        for event in events {
            let what =
                switch event.verdict {
                case .accept: "accept"
                case .drop: "drop"
                case .return: "return"
                case .jump(let chain): "to chain \(chain)"
                case .other(let code): "verdict \(code)"
                case .goesOn: "matches"
                }
            guard event.rule != nil || event.verdict != .goesOn else { continue }
            let by = event.rule.map { "rule \($0)" } ?? "policy"
            let line = "table \(event.table), chain \(event.chain), \(by): \(what)"
            // A packet that is resent takes the same way.
            if !lines.contains(line) { lines.append(line) }
        }
        return lines
    }
}
