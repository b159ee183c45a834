public import NetlinkCodec
public import Posix

/// Changes that are sent together, each with what to call it when it fails.
public struct Changes: ~Copyable {
    var builder = MessageBuilder()
    private var attempts: [(tag: ChangeTag?, text: () -> String)] = []
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

    /// - Parameter tag: what ``Failure/change`` is when this one is refused.
    public mutating func append(
        _ attempt: @escaping @autoclosure () -> String, as tag: ChangeTag? = nil,
        _ build: (inout MessageBuilder) -> Void
    ) {
        build(&builder)
        attempts.append((tag, attempt))
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
        position(of: message).map { attempts[$0].text() } ?? "change the nf_tables ruleset"
    }

    /// The tag of the change that the message of that number makes.
    borrowing func tag(_ message: Int) -> ChangeTag? { position(of: message).flatMap { attempts[$0].tag } }

    /// Nil for the message that begins a batch.
    private borrowing func position(of message: Int) -> Int? {
        guard isBatch else { return message }
        return message == 0 ? nil : message - 1
    }
}
