public import NetlinkCodec

/// What becomes of a packet at a hook.
public enum Fate: Sendable, Hashable {
    case passes
    /// Whatever is not known of it.
    case dropped(Drop)
    /// It depends on something that cannot be known from here, or on rules that are not understood.
    case notKnown
}

/// Who has taken a packet away.
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

/// What may come of a chain.
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
        /// The packet goes on behind what led to the chain.
        static let end = Kinds(rawValue: 4)
        static let anything: Kinds = [.accept, .drop, .end]
    }

    /// Where every rule that may match or not is taken as not matching.
    let assumed: Outcome
    /// Where such a rule matches.
    var others: Kinds = []

    var all: Kinds { others.union(assumed.kind) }
}
