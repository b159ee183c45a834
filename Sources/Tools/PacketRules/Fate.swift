public import NetlinkCodec

/// What becomes of a packet at a hook.
public enum Fate: Sendable, Hashable {
    case passes
    /// Whatever the unknown facts are.
    case dropped(Drop)
    /// It depends on unknown facts, or on rules that are not understood.
    case notKnown
}

/// The rule or policy that drops a packet.
public struct Drop: Sendable, Hashable, CustomStringConvertible {
    public let table: NftTable
    public let chain: String
    /// Its handle; nil for the chain's policy.
    public let rule: UInt64?
    public let comment: String
    public let isRejected: Bool

    /// `rule 7 of chain forward in table inet filter (its comment)`.
    public var description: String {
        (rule.map { "rule \($0)" } ?? "the policy") + " of chain \(chain) in table \(table)"
            + (comment.isEmpty ? "" : " (\(comment))")
    }
}

/// The possible outcomes of a chain.
struct Outcomes {
    enum Outcome {
        case accept, end
        case drop(Drop)

        fileprivate var kind: Kinds {
            switch self {
            case .accept: .accept
            case .end: .end
            case .drop: .drop
            }
        }
    }

    struct Kinds: OptionSet {
        let rawValue: Int
        static let accept = Kinds(rawValue: 1)
        static let drop = Kinds(rawValue: 2)
        /// The packet continues after the rule that led to the chain.
        static let end = Kinds(rawValue: 4)
        static let anything: Kinds = [.accept, .drop, .end]
    }

    /// The outcome if every rule whose match is unknown does not match.
    let assumed: Outcome
    /// The further outcomes if such a rule matches.
    var others: Kinds = []

    var all: Kinds { others.union(assumed.kind) }
}
