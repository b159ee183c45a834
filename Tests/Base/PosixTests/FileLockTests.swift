import Foundation
import Posix
import Testing

/// A lock is had in the end or given up in time, and nothing of the process is another afterwards.
@Suite struct FileLockTests {
    static let waits: [LockWait] = [.queued, .polling(), .polling(firstPause: 0, longestPause: 0)]

    static func newPath() -> String { NSTemporaryDirectory() + "swt-lock-\(UUID())" }

    /// In a process of their own: the timer of the first kind is the whole process's.
    @Test func whoeverComesTooLateGivesUpWhenTheTimeIsOver() async {
        await #expect(processExitsWith: .success) {
            for wait in FileLockTests.waits {
                let path = FileLockTests.newPath()
                let first = try FileDescriptor.open(path, [.readWrite, .create])
                let second = try FileDescriptor.open(path, .readWrite)
                try first.lockExclusively(milliseconds: 0)
                let start = MonotonicClock.milliseconds
                try second.lockExclusively(milliseconds: 60, waiting: wait, expecting: .tryAgain)
                let waited = MonotonicClock.milliseconds - start
                guard waited >= 59 else { fatalError("gave up after \(waited) ms, \(wait)") }
                try second.lockShared(milliseconds: 0, waiting: wait, expecting: .tryAgain)
                unlink(path)
                _ = first.rawValue
            }
        }
    }

    @Test func aLockThatIsLetGoIsHadByWhoeverWaits() async {
        await #expect(processExitsWith: .success) {
            for wait in FileLockTests.waits {
                let path = FileLockTests.newPath()
                let first = try FileDescriptor.open(path, [.readWrite, .create])
                let second = try FileDescriptor.open(path, .readWrite)
                try first.lockExclusively(milliseconds: 0)
                let raw = first.release()
                let thread = Thread {
                    usleep(5000)
                    close(raw)
                }
                // SIGALRM is for the thread that waits.
                var alarm = sigset_t()
                var before = sigset_t()
                sigemptyset(&alarm)
                sigaddset(&alarm, SIGALRM)
                pthread_sigmask(SIG_BLOCK, &alarm, &before)
                thread.start()
                pthread_sigmask(SIG_SETMASK, &before, nil)
                try second.lockExclusively(milliseconds: 10_000, waiting: wait)
                unlink(path)
            }
        }
    }

    @Test func signalAndTimerAreAsBefore() async {
        await #expect(processExitsWith: .success) {
            for wait in FileLockTests.waits {
                signal(SIGALRM) { _ in }
                var before = sigaction()
                sigaction(SIGALRM, nil, &before)
                let path = FileLockTests.newPath()
                let first = try FileDescriptor.open(path, [.readWrite, .create])
                let second = try FileDescriptor.open(path, .readWrite)
                try first.lockExclusively(milliseconds: 0)
                try second.lockExclusively(milliseconds: 20, waiting: wait, expecting: .tryAgain)
                var (after, timer) = (sigaction(), itimerval())
                sigaction(SIGALRM, nil, &after)
                getitimer(__itimer_which_t(ITIMER_REAL.rawValue), &timer)
                let handlers = [before, after].map {
                    unsafeBitCast($0.__sigaction_handler.sa_handler, to: Int.self)
                }
                guard handlers[0] == handlers[1], timer.it_value.tv_sec == 0, timer.it_value.tv_usec == 0 else {
                    fatalError("\(wait)")
                }
                unlink(path)
                _ = first.rawValue
            }
        }
    }
}

extension FileDescriptor {
    fileprivate func lockExclusively(milliseconds: UInt32, waiting: LockWait, expecting expected: Errno) throws {
        do throws(Errno) { try lockExclusively(milliseconds: milliseconds, waiting: waiting) } catch {
            guard error == expected else { throw error }
            return
        }
        fatalError("it was to be had, \(waiting)")
    }

    fileprivate func lockShared(milliseconds: UInt32, waiting: LockWait, expecting expected: Errno) throws {
        do throws(Errno) { try lockShared(milliseconds: milliseconds, waiting: waiting) } catch {
            guard error == expected else { throw error }
            return
        }
        fatalError("it was to be had, \(waiting)")
    }
}
