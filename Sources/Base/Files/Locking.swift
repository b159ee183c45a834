internal import Logging
public import Posix

/// How a lock is held.
public enum LockHold: Sendable {
    /// By nobody else.
    case exclusive
    /// Together with others who hold it so.
    case shared
}

extension FileDescriptor {
    /// Takes the lock of this file or directory (flock(2)), and waits for it at most `milliseconds`. The kernel frees it when
    /// its last descriptor closes.
    ///
    /// - Parameters:
    ///   - path: the file's, for the log.
    ///   - waiting: how; a plugin waits in the kernel's queue.
    /// - Returns: whether the file still has a name. One that was removed while this process waited protects nothing, because
    ///   whoever comes next makes and locks another: let go of it, and open anew.
    /// - Throws: `EAGAIN` when the time is over.
    public func lock(
        _ path: @autoclosure () -> String, _ hold: LockHold = .exclusive, milliseconds: UInt32,
        waiting: LockWait
    ) throws(Errno) -> Bool {
        switch hold {
        case .exclusive: try lockExclusively(path(), milliseconds: milliseconds, waiting: waiting)
        case .shared: try lockShared(milliseconds: milliseconds, waiting: waiting)
        }
        return try status().linkCount > 0
    }
}
