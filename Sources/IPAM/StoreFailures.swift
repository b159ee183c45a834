internal import Posix

// Why the store could not do what was asked. Nothing has been changed by a failed reservation.
extension Failure {
    /// Every unit of a range set is taken.
    static func exhausted(_ message: String) -> Failure {
        Failure(.addressNotAvailable, message, details: "GC frees what belongs to no attachment")
    }

    /// The directory or a file in it could not be used.
    static func storage(_ errno: Errno, _ message: String) -> Failure { Failure(.storage, message, errno: errno) }
}

/// Runs a system call, and says on failure what it was for.
func attempt<Result: ~Copyable>(
    _ action: @autoclosure () -> String, _ body: () throws(Errno) -> Result
) throws(Failure) -> Result {
    do throws(Errno) { return try body() } catch { throw .storage(error, "\(action()): \(error)") }
}
