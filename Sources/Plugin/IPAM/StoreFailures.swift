internal import Posix

// Why a store operation failed. A failed reservation has changed nothing.
extension Failure {
    /// Every unit of a range set is taken.
    static func exhausted(_ message: String) -> Failure {
        Failure(.addressNotAvailable, message, details: "GC frees what belongs to no attachment")
    }

    /// The directory or a file in it could not be used.
    static func storage(_ errno: Errno, _ message: String) -> Failure { Failure(.storage, message, errno: errno) }
}
