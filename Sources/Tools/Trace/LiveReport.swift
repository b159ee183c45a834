internal import NetlinkCodec
internal import Presentation

/// What became of a packet that was really sent.
public struct LiveReport: Sendable, Encodable {
    /// Whether an answer came, a refusal included.
    public let isAnswered: Bool
    /// Whether silence says nothing: a service need not answer an empty datagram.
    public let mayBeSilent: Bool
    /// What came, or that nothing did.
    public let outcome: String
    /// What rules saw of it on the node, in order.
    public let seen: [String]
    /// What the interfaces on its way and on that of the answer have counted meanwhile.
    public private(set) var counted: [Counted] = []

    /// Packets of an interface, other people's included.
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
    ///   - hops: whose interfaces are compared.
    ///   - before: as they were just before it was sent.
    ///   - after: as they were when its answer had come, or none.
    public mutating func compare(_ hops: [Hop], _ before: KernelWorld, _ after: KernelWorld) {
        for hop in hops
        where !counted.contains(where: { $0.namespace == hop.namespace && $0.interface == hop.interface }) {
            guard let old = before.counters(of: hop.interface, in: hop.namespace),
                let new = after.counters(of: hop.interface, in: hop.namespace)
            else { continue }
            // One that was made anew begins at zero.
            func more(_ count: (LinkCounters) -> UInt64) -> UInt64 { count(new) - min(count(old), count(new)) }
            counted.append(
                Counted(
                    namespace: hop.namespace, interface: hop.interface, received: more { $0.receivedPackets },
                    sent: more { $0.sentPackets }, dropped: more { $0.receiveDrops + $0.sendDrops }))
        }
    }

    /// Whether it does not contradict what the walk says.
    public func agrees(with expected: Bool) -> Bool { isAnswered == expected || (expected && mayBeSilent) }

    func lines(expected: Bool, _ style: TextStyle) -> [String] {
        let agreement =
            isAnswered == expected
            ? "as the walk says" : agrees(with: expected) ? "which says nothing" : "not what the walk says"
        return ["sent: " + Report.mark(isAnswered, style) + " \(outcome), \(agreement)"]
            + seen.map { "  rules saw: \($0)" } + counted.map { "  counted: \($0.text)" }
    }
}
