internal import NetlinkCodec
internal import Presentation

/// What became of a real packet.
public struct LiveReport: Sendable, Encodable {
    /// Whether an answer came; a refusal is none.
    public let isAnswered: Bool
    /// Whether silence proves nothing: a service need not answer an empty datagram.
    public let mayBeSilent: Bool
    /// The answer, or that there was none.
    public let outcome: String
    /// What the node's rules did with it, in order.
    public let seen: [String]
    /// What the interfaces on the way there and back counted in the meantime.
    public private(set) var counted: [Counted] = []
    /// How far the packet or its answer came, by what was counted; nil if it is not known to be lost.
    public private(set) var lostAt: String?

    public init(isAnswered: Bool, mayBeSilent: Bool, outcome: String, seen: [String]) {
        self.isAnswered = isAnswered
        self.mayBeSilent = mayBeSilent
        self.outcome = outcome
        self.seen = seen
    }

    /// Packets counted by an interface, including those of other connections.
    public struct Counted: Sendable, Encodable {
        public let namespace: String
        public let interface: String
        public let received: UInt64
        public let sent: UInt64
        /// In either direction.
        public let dropped: UInt64

        public init(namespace: String, interface: String, received: UInt64, sent: UInt64, dropped: UInt64 = 0) {
            self.namespace = namespace
            self.interface = interface
            self.received = received
            self.sent = sent
            self.dropped = dropped
        }

        var text: String {
            "\(namespace) \(interface): \(received) in, \(sent) out" + (dropped == 0 ? "" : ", \(dropped) dropped")
        }

        fileprivate func isOf(_ hop: Hop) -> Bool { namespace == hop.namespace && interface == hop.interface }
    }

    /// - Parameters:
    ///   - hops: of the walk there.
    ///   - answer: of the walk back.
    ///   - before: the state just before the packet was sent.
    ///   - after: the state after its answer or the timeout.
    public mutating func compare(_ hops: [Hop], _ answer: [Hop], _ before: KernelWorld, _ after: KernelWorld) {
        for hop in hops + answer where !counted.contains(where: { $0.isOf(hop) }) {
            guard let old = before.counters(of: hop.interface, in: hop.namespace),
                let new = after.counters(of: hop.interface, in: hop.namespace)
            else { continue }
            // The counters of a recreated interface begin at zero.
            func more(_ count: (LinkCounters) -> UInt64) -> UInt64 { count(new) - min(count(old), count(new)) }
            counted.append(
                Counted(
                    namespace: hop.namespace, interface: hop.interface, received: more { $0.receivedPackets },
                    sent: more { $0.sentPackets }, dropped: more { $0.receiveDrops + $0.sendDrops }))
        }
        conclude(hops, answer, counted)
    }

    /// Concludes from counters how far the packet came. An interface that has counted nothing at all has not seen it; one that has
    /// counted something may have counted others' packets.
    mutating func conclude(_ hops: [Hop], _ answer: [Hop], _ counted: [Counted]) {
        guard !isAnswered else { return }
        func count(_ hop: Hop) -> Counted? { counted.first { $0.isOf(hop) } }
        var last: Counted?
        func lost(_ what: String, at here: Counted) -> String {
            guard let last else { return "\(what) does not leave \(here.interface) in \(here.namespace)" }
            return
                "\(what) comes as far as \(last.interface) in \(last.namespace), but not to \(here.interface) in \(here.namespace)"
        }
        for hop in hops {
            guard let here = count(hop) else { continue }
            guard here.received + here.sent > 0 else { return lostAt = lost("the packet", at: here) }
            last = here
        }
        guard let first = answer.lazy.compactMap(count).first, !mayBeSilent else { return }
        guard first.sent > 0 else {
            return lostAt = "the packet comes to \(first.interface) in \(first.namespace), which sends nothing back"
        }
        last = nil
        for hop in answer {
            guard let here = count(hop) else { continue }
            // What the packet has passed too has counted both.
            let isWayThere = hops.contains { $0.namespace == hop.namespace && $0.interface == hop.interface }
            let isSeen = isWayThere ? here.received > 0 && here.sent > 0 : here.received + here.sent > 0
            guard isSeen else { return lostAt = lost("the answer", at: here) }
            last = here
        }
    }

    /// Whether it is consistent with the walk's result.
    public func agrees(with expected: Bool) -> Bool {
        isAnswered == expected || (expected && mayBeSilent && lostAt == nil)
    }

    func lines(expected: Bool, _ style: TextStyle) -> [String] {
        let agreement =
            isAnswered == expected
            ? "as the walk says" : agrees(with: expected) ? "which says nothing" : "not what the walk says"
        return ["sent: " + Report.mark(isAnswered, style) + " \(outcome), \(agreement)"]
            + seen.map { "  rules saw: \($0)" } + counted.map { "  counted: \($0.text)" }
            + (lostAt.map { ["  so \($0)"] } ?? [])
    }
}
