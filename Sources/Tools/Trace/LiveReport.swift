internal import NetlinkCodec
internal import Presentation

/// What became of a real packet.
public struct LiveReport: Sendable, Encodable {
    /// Whether an answer came; a refusal counts.
    public let isAnswered: Bool
    /// Whether silence proves nothing: a service need not answer an empty datagram.
    public let mayBeSilent: Bool
    /// The answer, or that there was none.
    public let outcome: String
    /// What the node's rules did with it, in order.
    public let seen: [String]
    /// What the interfaces on the way there and back counted in the meantime.
    public private(set) var counted: [Counted] = []

    /// Packets counted by an interface, including those of other connections.
    public struct Counted: Sendable, Encodable {
        public let namespace: String
        public let interface: String
        public let received: UInt64
        public let sent: UInt64
        /// In either direction.
        public let dropped: UInt64

        var text: String {
            "\(namespace) \(interface): \(received) in, \(sent) out" + (dropped == 0 ? "" : ", \(dropped) dropped")
        }
    }

    /// - Parameters:
    ///   - hops: the interfaces to compare.
    ///   - before: the state just before the packet was sent.
    ///   - after: the state after its answer or the timeout.
    public mutating func compare(_ hops: [Hop], _ before: KernelWorld, _ after: KernelWorld) {
        for hop in hops
        where !counted.contains(where: { $0.namespace == hop.namespace && $0.interface == hop.interface }) {
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
    }

    /// Whether it is consistent with the walk's result.
    public func agrees(with expected: Bool) -> Bool { isAnswered == expected || (expected && mayBeSilent) }

    func lines(expected: Bool, _ style: TextStyle) -> [String] {
        let agreement =
            isAnswered == expected
            ? "as the walk says" : agrees(with: expected) ? "which says nothing" : "not what the walk says"
        return ["sent: " + Report.mark(isAnswered, style) + " \(outcome), \(agreement)"]
            + seen.map { "  rules saw: \($0)" } + counted.map { "  counted: \($0.text)" }
    }
}
