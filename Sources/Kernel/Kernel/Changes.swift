public import NetlinkCodec

/// Changes that are sent together, each with what to call it when it fails.
public struct Changes: ~Copyable {
    var builder = MessageBuilder()
    private var attempts: [() -> String] = []
    /// Whether all are made or none.
    let isBatch: Bool

    public init() { isBatch = false }

    private init(isBatch: Bool) { self.isBatch = isBatch }

    /// A batch of nf_tables: all changes are made or none, and no packet sees half of them.
    ///
    /// - Parameter generation: of the ruleset from which the changes were worked out; `ERESTART` if it is another by then.
    public static func batch(generation: NftGeneration? = nil) -> Changes {
        var changes = Changes(isBatch: true)
        changes.builder.beginBatch(generation: generation?.number)
        return changes
    }

    public mutating func append(
        _ attempt: @escaping @autoclosure () -> String, _ build: (inout MessageBuilder) -> Void
    ) {
        build(&builder)
        attempts.append(attempt)
    }

    /// Makes anonymous sets, before the rule that looks something up in them.
    public mutating func append(_ sets: [NftAnonymousSet], to table: NftTable) {
        for set in sets {
            append("make an anonymous set in table \(table)") { $0.addSet(set, to: table) }
            append("fill an anonymous set of table \(table)") { $0.addElements(of: set, in: table) }
        }
    }

    /// How many there are.
    public var count: Int { attempts.count }

    /// What the message of that number was for.
    borrowing func describe(_ message: Int) -> String {
        guard isBatch else { return attempts[message]() }
        return message == 0 ? "change the nf_tables ruleset" : attempts[message - 1]()
    }
}
