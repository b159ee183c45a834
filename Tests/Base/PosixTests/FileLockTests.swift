import Foundation
import Posix
import Testing

/// A lock is had in the end or given up in time.
@Suite struct FileLockTests {
    /// A file whose lock this test holds.
    private final class Held {
        let path = NSTemporaryDirectory() + "swt-lock-\(UUID())"
        private var descriptor: Int32?

        init() throws {
            let file = try FileDescriptor.open(path, [.readWrite, .create])
            try file.lockExclusively(milliseconds: 0)
            descriptor = file.release()
        }

        deinit {
            letGo()
            unlink(path)
        }

        func letGo() {
            if let descriptor { close(descriptor) }
            descriptor = nil
        }

        /// Starts a process of one thread that waits for it in the kernel's queue.
        func waiter(milliseconds: Int) throws -> Process {
            let process = Process()
            process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
                .deletingLastPathComponent().appending(path: "lock-driver")
            process.arguments = [path, "\(milliseconds)"]
            try process.run()
            return process
        }

        /// Whether somebody is in the queue: the kernel's list has a line with an arrow for each (proc_locks(5)).
        func isWaitedFor() throws -> Bool {
            let inode = try FileStatus.of(path).inode
            return try String(contentsOfFile: "/proc/locks", encoding: .utf8).split(separator: "\n").contains {
                $0.contains("-> FLOCK") && $0.contains(":\(inode) ")
            }
        }
    }

    private static let polling: [LockWait] = [.polling(), .polling(firstPause: 0, longestPause: 0)]

    @Test(arguments: polling) func whoeverPollsTooLongGivesUpWhenTheTimeIsOver(_ wait: LockWait) throws {
        let held = try Held()
        let second = try FileDescriptor.open(held.path, .readWrite)
        let start = MonotonicClock.milliseconds
        #expect(throws: Errno.tryAgain) { try second.lockExclusively(milliseconds: 60, waiting: wait) }
        #expect(MonotonicClock.milliseconds - start >= 59)
        #expect(throws: Errno.tryAgain) { try second.lockShared(milliseconds: 0, waiting: wait) }
        held.letGo()
        try second.lockExclusively(milliseconds: 10_000, waiting: wait)
    }

    /// It also sees that SIGALRM and the timer are afterwards as they were before.
    @Test func whoeverQueuesTooLongGivesUpWhenTheTimeIsOver() throws {
        let held = try Held()
        let waiter = try held.waiter(milliseconds: 60)
        waiter.waitUntilExit()
        #expect(waiter.terminationStatus == EAGAIN)
    }

    @Test func aLockThatIsLetGoIsHadByWhoeverQueues() throws {
        let held = try Held()
        let waiter = try held.waiter(milliseconds: 60_000)
        while try !held.isWaitedFor() {
            try #require(waiter.isRunning, "it gave up: \(waiter.terminationStatus)")
            sched_yield()
        }
        held.letGo()
        waiter.waitUntilExit()
        #expect(waiter.terminationStatus == 0)
    }
}
