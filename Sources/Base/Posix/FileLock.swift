internal import CKernel

/// How to wait for a lock that another process holds; flock(2) itself has no time limit.
public enum LockWait: Sendable, Hashable {
    /// In the kernel's queue, which is fair, until SIGALRM ends the wait. That signal and its timer (ITIMER_REAL) belong to the
    /// whole process. So use this only in a process with a single thread that does not use them otherwise.
    case queued
    /// By retrying after pauses that double from the first to the longest, in microseconds. It affects only the calling thread;
    /// waiters in the kernel's queue come first.
    case polling(firstPause: UInt32 = 500, longestPause: UInt32 = 20_000)
}

extension FileDescriptor {
    /// flock(2), exclusive, waiting at most `milliseconds`; 0 does not wait. The kernel releases the lock when its last
    /// descriptor closes.
    ///
    /// - Throws: `EAGAIN` when the time is over.
    public func lockExclusively(milliseconds: UInt32, waiting: LockWait = .polling()) throws(Errno) {
        try lock(LOCK_EX, milliseconds, waiting)
    }

    /// The same, shared with other shared holders. It converts an exclusive lock to a shared one and vice versa, but not
    /// atomically: another process may hold the lock in between.
    public func lockShared(milliseconds: UInt32, waiting: LockWait = .polling()) throws(Errno) {
        try lock(LOCK_SH, milliseconds, waiting)
    }

    private func lock(_ operation: Int32, _ milliseconds: UInt32, _ waiting: LockWait) throws(Errno) {
        do throws(Errno) { return try lockAtOnce(operation) } catch {
            guard error == .tryAgain, milliseconds > 0 else { throw error }
        }
        switch waiting {
        case .queued: try lockInQueue(operation, milliseconds)
        case .polling(let first, let longest): try lockByPolling(operation, milliseconds, first, longest)
        }
    }

    private func lockAtOnce(_ operation: Int32) throws(Errno) {
        try retrying { flock(rawValue, operation | LOCK_NB) }
    }

    private func lockByPolling(
        _ operation: Int32, _ milliseconds: UInt32, _ firstPause: UInt32, _ longestPause: UInt32
    ) throws(Errno) {
        let end = MonotonicClock.microseconds + Int(milliseconds) * 1000
        // usleep(3) takes less than a second.
        let longest = min(max(longestPause, 1), 500_000)
        var pause = min(max(firstPause, 1), longest)
        while true {
            let left = end - MonotonicClock.microseconds
            guard left > 0 else { throw .tryAgain }
            Pause.microseconds(min(pause, UInt32(clamping: left)))
            do throws(Errno) { return try lockAtOnce(operation) } catch {
                guard error == .tryAgain else { throw error }
            }
            pause = min(pause * 2, longest)
        }
    }

    private func lockInQueue(_ operation: Int32, _ milliseconds: UInt32) throws(Errno) {
        let end = MonotonicClock.milliseconds + Int(milliseconds)
        let alarm = try Alarm(milliseconds: milliseconds)
        defer { alarm.stop() }
        while true {
            do throws(Errno) {
                try once { flock(rawValue, operation) }
                return
            } catch {
                guard error == .interrupted else { throw error }
                guard MonotonicClock.milliseconds < end else { throw .tryAgain }
            }
        }
    }
}

/// SIGALRM, which interrupts a system call of this process when the time is over, and again every 10 ms, in case one arrives just
/// before the call.
private struct Alarm {
    private var action = sigaction()
    private var mask = sigset_t()

    init(milliseconds: UInt32) throws(Errno) {
        var interrupting = sigaction()
        // Without SA_RESTART.
        unsafe interrupting.__sigaction_handler.sa_handler = { _ in }
        try once { unsafe sigaction(SIGALRM, &interrupting, &action) }
        var alarm = sigset_t()
        unsafe sigemptyset(&alarm)
        unsafe sigaddset(&alarm, SIGALRM)
        // The parent process may have left it blocked.
        unsafe sigprocmask(SIG_UNBLOCK, &alarm, &mask)
        var timer = itimerval(
            it_interval: timeval(tv_sec: 0, tv_usec: 10_000),
            it_value: timeval(tv_sec: Int(milliseconds / 1000), tv_usec: Int(milliseconds % 1000) * 1000))
        do throws(Errno) { try once { unsafe setitimer(Int32(ITIMER_REAL.rawValue), &timer, nil) } } catch {
            stop()
            throw error
        }
    }

    /// Stops the timer and restores the signal's handler and mask.
    func stop() {
        var (noTimer, action, mask) = (itimerval(), action, mask)
        unsafe setitimer(Int32(ITIMER_REAL.rawValue), &noTimer, nil)
        unsafe sigaction(SIGALRM, &action, nil)
        unsafe sigprocmask(SIG_SETMASK, &mask, nil)
    }
}
