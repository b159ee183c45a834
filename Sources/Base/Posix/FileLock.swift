internal import CKernel

/// How a lock that somebody else holds is waited for; flock(2) itself knows no limit.
public enum LockWait: Sendable, Hashable {
    /// In the kernel's queue, which is fair, until SIGALRM ends the wait. That signal and its timer (ITIMER_REAL) are the whole
    /// process's: only for one that has a single thread and no other use for them.
    case queued
    /// By trying again, after pauses that double from the first to the longest, in microseconds. Nothing but the calling thread
    /// is touched; whoever waits in the kernel's queue comes before.
    case polling(firstPause: UInt32 = 500, longestPause: UInt32 = 20_000)
}

extension FileDescriptor {
    /// flock(2), exclusive, waited for at most `milliseconds`; 0 does not wait. The kernel frees it when its last descriptor
    /// closes.
    ///
    /// - Throws: `EAGAIN` when the time is over.
    public func lockExclusively(milliseconds: UInt32, waiting: LockWait = .polling()) throws(Errno) {
        try lock(LOCK_EX, milliseconds, waiting)
    }

    /// The same, shared with others who hold it so. What is held exclusively becomes shared by it, and the other way
    /// round, but not at one stroke: others may hold it in between.
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

/// SIGALRM, which interrupts a system call of this process when a time is over, and again every 10 ms: one that arrives just
/// before the call is not the last.
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
        // Whoever started this process may have left it blocked.
        unsafe sigprocmask(SIG_UNBLOCK, &alarm, &mask)
        var timer = itimerval(
            it_interval: timeval(tv_sec: 0, tv_usec: 10_000),
            it_value: timeval(tv_sec: Int(milliseconds / 1000), tv_usec: Int(milliseconds % 1000) * 1000))
        do throws(Errno) { try once { unsafe setitimer(Int32(ITIMER_REAL.rawValue), &timer, nil) } } catch {
            stop()
            throw error
        }
    }

    /// Leaves the timer off and the signal as it was.
    func stop() {
        var (noTimer, action, mask) = (itimerval(), action, mask)
        unsafe setitimer(Int32(ITIMER_REAL.rawValue), &noTimer, nil)
        unsafe sigaction(SIGALRM, &action, nil)
        unsafe sigprocmask(SIG_SETMASK, &mask, nil)
    }
}
