internal import Posix

/// Why rules could not be set up, checked or removed.
public struct RulesError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// What is asked for makes no sense here.
        case invalid
        /// Somebody else has it.
        case conflict
        /// Something is not as it was set up.
        case deviation
        /// A record could not be read or written.
        case storage
    }

    public let kind: Kind
    public let message: String
    /// What a person can do about it; may be empty.
    public let advice: String

    public init(_ kind: Kind, _ message: String, advice: String = "") {
        self.kind = kind
        self.message = message
        self.advice = advice
    }

    public var description: String { advice.isEmpty ? message : "\(message) (\(advice))" }
}

/// Runs a system call on the records and says in its error what it was for.
func recording<Value: ~Copyable>(
    _ attempt: @autoclosure () -> String, _ body: () throws(Errno) -> Value
) throws(RulesError) -> Value {
    do throws(Errno) { return try body() } catch { throw RulesError(.storage, "\(attempt()): \(error)") }
}
