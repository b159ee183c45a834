internal import Posix

/// Runs a system call on the records and says in its error what it was for.
func recording<Value: ~Copyable>(
    _ attempt: @autoclosure () -> String, _ body: () throws(Errno) -> Value
) throws(Failure) -> Value {
    do throws(Errno) { return try body() } catch { throw Failure(.storage, "\(attempt()): \(error)", errno: error) }
}
