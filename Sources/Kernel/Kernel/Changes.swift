public import NetlinkCodec
public import Posix

/// Changes that are sent together, each with a description for its error.
public struct Changes: ~Copyable {
    var builder = MessageBuilder()
    private var attempts: [(tag: ChangeTag?, text: () -> String)] = []
    /// Whether the changes are atomic: all or none.
    let isBatch: Bool

    /// Whether each change is worth a line in the log.
    let isLogged: Bool

    /// - Parameter isLogged: false for a caller that changes much and often, and logs sums.
    public init(isLogged: Bool = true) { (isBatch, self.isLogged) = (false, isLogged) }

    private init(isBatch: Bool, isLogged: Bool) { (self.isBatch, self.isLogged) = (isBatch, isLogged) }

    /// A batch of nf_tables: all changes are made or none, and no packet sees a part of them.
    ///
    /// - Parameter generation: of the ruleset that the changes are based on; `ERESTART` if the ruleset has changed since.
    public static func batch(generation: NftGeneration? = nil, isLogged: Bool = true) -> Changes {
        var changes = Changes(isBatch: true, isLogged: isLogged)
        changes.builder.beginBatch(generation: generation?.number)
        return changes
    }

    /// - Parameter tag: the value of ``Failure/change`` if this change is refused.
    public mutating func append(
        _ attempt: @escaping @autoclosure () -> String, as tag: ChangeTag? = nil,
        _ build: (inout MessageBuilder) -> Void
    ) {
        build(&builder)
        attempts.append((tag, attempt))
    }

    /// Adds anonymous sets; call it before the rule that refers to them.
    public mutating func append(_ sets: [NftAnonymousSet], to table: NftTable) {
        for set in sets {
            append("make an anonymous set in table \(table)") { $0.addSet(set, to: table) }
            append("fill an anonymous set of table \(table)") { $0.addElements(of: set, in: table) }
        }
    }

    /// The number of changes.
    public var count: Int { attempts.count }

    /// What the message of this number was for.
    borrowing func describe(_ message: Int) -> String {
        position(of: message).map { attempts[$0].text() } ?? "change the nf_tables ruleset"
    }

    /// The tag of the change that the message of this number makes.
    borrowing func tag(_ message: Int) -> ChangeTag? { position(of: message).flatMap { attempts[$0].tag } }

    /// Nil for the message that begins a batch.
    private borrowing func position(of message: Int) -> Int? {
        guard isBatch else { return message }
        return message == 0 ? nil : message - 1
    }
}
