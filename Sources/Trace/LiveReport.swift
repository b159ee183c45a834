internal import Node

/// What became of a packet that was really sent.
public struct LiveReport: Sendable, Encodable {
    /// Whether an answer came, a refusal included.
    public let isAnswered: Bool
    /// What came, or that nothing did.
    public let outcome: String
    /// What rules saw of it on the node, in order.
    public let seen: [String]

    func lines(expected: Bool, _ style: TextStyle) -> [String] {
        let agreement = isAnswered == expected ? "as the walk says" : "not what the walk says"
        return ["sent: " + Report.mark(isAnswered, style) + " \(outcome), \(agreement)"]
            + seen.map { "  rules saw: \($0)" }
    }
}
