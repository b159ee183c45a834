public import PacketRules
public import Posix
public import Presentation

/// The complete result of a walk.
public struct Report: Sendable, Encodable {
    public let from: Endpoint
    public let to: Endpoint
    /// The packet as sent.
    public let packet: Packet
    public let hops: [Hop]
    /// The hops of the answer; empty if the question does not arrive.
    public let answer: [Hop]
    /// Whether both the question and its answer arrive.
    public let arrives: Bool
    /// Where it ends, or why it stops.
    public let verdict: String
    /// What a person can do about it.
    public let advice: String
    /// In octets.
    public let smallestMTU: UInt32?
    public let limits: [String]
    /// The result of a live probe; nil without one.
    public var live: LiveReport?
    /// Where the smallest MTU is.
    let smallestMTUPlace: String

    /// Performs the walk.
    ///
    /// - Throws: when the kernel gives no answer, or the two ends have no address family in common.
    public init(_ question: Question, in world: some World) throws(Failure) {
        let packet = try question.packet()
        var walk = Walk(packet, in: world)
        let (way, back) = try walk.run(from: question.from, to: question.to)
        let first = walk.answersFrom ?? walk.hops.count
        (from, to, self.packet) = (question.from, question.to, packet)
        hops = Array(walk.hops[..<first])
        answer = Array(walk.hops[first...])
        smallestMTU = walk.smallestMTU?.octets
        smallestMTUPlace = walk.smallestMTU?.place ?? ""
        limits = walk.limits
        arrives = way.arrives && back?.arrives ?? true
        advice = way.arrives ? back?.advice ?? "" : way.advice
        if !way.arrives {
            verdict = "stops in \(way.namespace): \(way.text)"
        } else if let back, !back.arrives {
            verdict = "\(way.text), but the answer stops in \(back.namespace): \(back.text)"
        } else {
            verdict = way.text + (back == nil ? "" : ", and the answer comes back")
        }
    }

    /// The report for people.
    public func text(_ style: TextStyle) -> String {
        var lines = ["\(packet.transport.rawValue) from \(from.name) to \(to.name), \(packet.destinationText)", ""]
        lines += Report.table(hops, style)
        if !answer.isEmpty {
            lines += ["", "the answer"] + Report.table(answer, style, firstNumber: hops.count + 1)
        }
        lines.append("")
        lines.append(Report.mark(arrives, style) + " " + verdict)
        if !advice.isEmpty { lines.append("  what to do: \(advice)") }
        if let smallestMTU { lines.append("  smallest MTU on the way: \(smallestMTU), \(smallestMTUPlace)") }
        for limit in limits { lines.append("  limited by \(limit)") }
        if let live { lines += [""] + live.lines(expected: arrives, style) }
        return lines.joined(separator: "\n")
    }

    static func mark(_ isGood: Bool, _ style: TextStyle) -> String {
        isGood ? style.good("✓") : style.bad("✗")
    }

    private static func table(_ hops: [Hop], _ style: TextStyle, firstNumber: Int = 1) -> [String] {
        let width = (hops.map { $0.namespace.count }.max() ?? 0, hops.map { $0.interface.count }.max() ?? 0)
        return hops.enumerated().flatMap { position, hop in
            let number = String(position + firstNumber)
            let start = String(repeating: " ", count: max(0, 2 - number.count)) + number
            let places = "\(Words.padded(hop.namespace, to: width.0))  \(Words.padded(hop.interface, to: width.1))"
            return ["\(start) \(mark(hop.isPassed, style)) \(places)  \(hop.text)"]
                + hop.remarks.map { "     ! \($0)" }
        }
    }
}
