public import PacketRules
public import Posix
public import Presentation

/// The complete result of a walk, by every way that chance may take.
public struct Report: Sendable, Encodable {
    public let from: Endpoint
    public let to: Endpoint
    /// The packet as sent.
    public let packet: Packet
    public let hops: [Hop]
    /// The hops of the answer; empty if the question does not arrive.
    public let answer: [Hop]
    /// Whether both the question and its answer arrive, by every way.
    public let arrives: Bool
    /// What on this machine was not looked at or could not be decided, one line each: arrival is then only as far as seen.
    public let notSeen: [String]
    /// Whether the way goes on outside this machine, where nothing is seen.
    public let endsOutside: Bool
    /// Where it ends, or why it stops.
    public let verdict: String
    /// What a person can do about it.
    public let advice: String
    /// The different ends of all ways, if rules leave more than one to chance; the hops are of one that stops, if any does.
    public let ways: [Way]
    /// In octets.
    public let smallestMTU: UInt32?
    public let limits: [String]
    /// The result of a live probe; nil without one.
    public var live: LiveReport?
    /// Where the smallest MTU is.
    let smallestMTUPlace: String

    /// Ways with the same end.
    public struct Way: Sendable, Encodable {
        public let arrives: Bool
        public let verdict: String
        public fileprivate(set) var count: Int
    }

    /// One walk, there and back.
    private struct Branch {
        let hops: [Hop]
        let answer: [Hop]
        let arrives: Bool
        let endsOutside: Bool
        let verdict: String
        let advice: String
        let notSeen: [String]
        let smallestMTU: (octets: UInt32, place: String)?
        let limits: [String]

        init<TheWorld: World>(_ walk: Walk<TheWorld>, _ way: Ending, _ back: Ending?) {
            let first = walk.answersFrom ?? walk.hops.count
            hops = Array(walk.hops[..<first])
            answer = Array(walk.hops[first...])
            arrives = way.arrives && back?.arrives ?? true
            endsOutside = way.arrives && walk.leftBy != nil
            advice = way.arrives ? back?.advice ?? "" : way.advice
            notSeen = walk.notSeen
            smallestMTU = walk.smallestMTU
            limits = walk.limits
            if !way.arrives {
                verdict = "stops in \(way.namespace): \(way.text)"
            } else if let back, !back.arrives {
                verdict = "\(way.text), but the answer stops in \(back.namespace): \(back.text)"
            } else if let back {
                // Whether there is an answer is another machine's business.
                let end = walk.leftBy == nil ? ", and the answer comes back" : ", and the answer \(back.text)"
                verdict = way.text + (walk.leavesOutside ? "; an answer finds its way back in" : end)
            } else {
                verdict = way.text
            }
        }
    }

    /// More branches than this are not walked.
    static let maximumBranches = 200

    /// Performs the walk.
    ///
    /// - Throws: when the kernel gives no answer, or the two ends have no address family in common.
    public init(_ question: Question, in world: some World) throws(Failure) {
        let packet = try question.packet()
        var branches: [Branch] = []
        var (next, world): (Choices?, _) = (Choices(), world)
        while let choices = next, branches.count < Report.maximumBranches {
            var walk = Walk(packet, in: world, choices)
            let (way, back) = try walk.run(from: question.from, to: question.to)
            branches.append(Branch(walk, way, back))
            // It remembers what it has read.
            world = walk.world
            next = walk.choices.next
        }
        let shown = branches.first { !$0.arrives } ?? branches.first { !$0.notSeen.isEmpty } ?? branches[0]
        (from, to, self.packet) = (question.from, question.to, packet)
        (hops, answer) = (shown.hops, shown.answer)
        smallestMTU = shown.smallestMTU?.octets
        smallestMTUPlace = shown.smallestMTU?.place ?? ""
        limits = shown.limits
        arrives = shown.arrives
        endsOutside = branches.contains { $0.endsOutside }
        var notSeen: [String] = []
        for text in branches.flatMap({ $0.notSeen }) where !notSeen.contains(text) { notSeen.append(text) }
        if next != nil { notSeen.append("only the first \(branches.count) ways that chance may take are walked") }
        self.notSeen = notSeen
        advice = shown.advice
        ways = Report.ends(of: branches)
        let stopping = branches.count { !$0.arrives }
        let prefix =
            branches.count > 1
            ? stopping == 0
                ? "by all \(branches.count) ways that chance may take: "
                : "by \(stopping) of \(branches.count) ways that chance may take: " : ""
        let isCertain = notSeen.isEmpty && !(shown.arrives && shown.endsOutside)
        // Ways that arrive differ in where they do.
        let texts = ways.count > 1 && stopping == 0 ? ways.map { $0.verdict }.joined(separator: "; or ") : shown.verdict
        verdict = (isCertain ? "" : "as far as seen: ") + prefix + texts
    }

    private static func ends(of branches: [Branch]) -> [Way] {
        guard branches.count > 1 else { return [] }
        var ways: [Way] = []
        for branch in branches {
            if let known = ways.firstIndex(where: { $0.verdict == branch.verdict }) {
                ways[known].count += 1
            } else {
                ways.append(Way(arrives: branch.arrives, verdict: branch.verdict, count: 1))
            }
        }
        return ways
    }

    /// What follows from all that was found out.
    public enum Conclusion: Sendable, Hashable {
        /// As far as this machine is concerned.
        case arrives
        /// Something on this machine was not looked at.
        case arrivesAsFarAsSeen
        case stops
    }

    /// What was sent outweighs what was walked, except that one packet takes only one of several ways.
    public var conclusion: Conclusion {
        let walked: Conclusion = !arrives ? .stops : notSeen.isEmpty ? .arrives : .arrivesAsFarAsSeen
        guard let live else { return walked }
        if live.isAnswered { return arrives || !ways.contains { $0.arrives } ? .arrives : .stops }
        return live.mayBeSilent && live.lostAt == nil ? walked : .stops
    }

    /// The report for people.
    public func text(_ style: TextStyle) -> String {
        var lines = ["\(packet.transport.rawValue) from \(from.name) to \(to.name), \(packet.destinationText)", ""]
        lines += Report.table(hops, style)
        if !answer.isEmpty {
            lines += ["", "the answer"] + Report.table(answer, style, firstNumber: hops.count + 1)
        }
        lines.append("")
        let isSeen = notSeen.isEmpty && !endsOutside
        let mark = arrives && !isSeen ? style.warning("?") : Report.mark(arrives, style)
        lines.append("\(mark) \(verdict)")
        if !advice.isEmpty { lines.append("  what to do: \(advice)") }
        if ways.contains(where: { !$0.arrives }) {
            for way in ways.prefix(16) {
                lines.append("  \(way.count)x \(Report.mark(way.arrives, style)) \(way.verdict)")
            }
        }
        for text in notSeen { lines.append("  not seen: \(text)") }
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
