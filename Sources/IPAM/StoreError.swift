public import Posix

/// Why the store could not do what was asked. Nothing has been changed by a failed reservation.
public struct StoreError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Kind: Sendable, Hashable {
        /// Every unit of a range set is taken.
        case exhausted
        /// Another process kept the lock for the whole of the time allowed: worth trying again (CNI error 11).
        case busy
        /// The owner has a reservation already.
        case duplicate
        /// A requested address is a gateway, taken, or in none of the range sets.
        case unavailable
        /// A name or an owner that cannot be stored.
        case invalid
        /// The directory or a file in it could not be used.
        case storage(Errno)
    }

    public let kind: Kind
    /// What was attempted, on what, and why it failed.
    public let message: String

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }

    /// The same error, with what it was part of in front.
    func during(_ action: String) -> StoreError { StoreError(kind, "\(action): \(message)") }
}

/// Runs a system call, and says on failure what it was for.
func attempt<Result: ~Copyable>(
    _ action: @autoclosure () -> String, _ body: () throws(Errno) -> Result
) throws(StoreError) -> Result {
    do throws(Errno) { return try body() } catch { throw StoreError(.storage(error), "\(action()): \(error)") }
}
