internal import EventLog
public import Posix

/// How a lock is held.
public enum LockHold: Sendable {
    /// By one holder only.
    case exclusive
    /// Together with other shared holders.
    case shared
}

extension FileDescriptor {
    /// Takes the lock of this file or directory (flock(2)), waiting at most `milliseconds`. The kernel releases it when the last
    /// descriptor closes.
    ///
    /// - Parameters:
    ///   - path: the file's path, for the log.
    ///   - waiting: how to wait; a plugin waits in the kernel's queue.
    /// - Returns: whether the file still has a name. If it was removed while this process waited, its lock protects nothing,
    ///   because the next process creates and locks another file: release it and open the file again.
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
