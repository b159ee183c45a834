import Foundation
import Posix
import Synchronization
import Testing

/// What several threads do at once leaves nothing behind and disturbs nobody.
@Suite struct ThreadTests {
    @Test func aLockedValueHasOneUserAtATime() async {
        let value = Locked(0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<1000 { value.withLock { $0 += 1 } } }
            }
        }
        #expect(value.withLock { $0 } == 8000)
    }

    @Test func aDetachedThreadRunsWithAllSignalsBlockedAndItsMakerWithThoseThatItHad() async throws {
        let mask = { @Sendable () -> [Int32] in
            var mask = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &mask)
            return [SIGTERM, SIGCHLD, SIGALRM].map { sigismember(&mask, $0) }
        }
        let before = mask()
        let blocked: [Int32] = await withCheckedContinuation { continuation in
            do {
                try DetachedThread.run { continuation.resume(returning: mask()) }
            } catch { continuation.resume(returning: []) }
            #expect(mask() == before)
        }
        #expect(blocked == [1, 1, 1])
    }

    @Test func aWriteToAClosedPipeFailsWithoutASignalAndChangesNoDisposition() async {
        await #expect(processExitsWith: .success) {
            var ends: [Int32] = [0, 0]
            guard pipe(&ends) == 0 else { fatalError() }
            close(ends[0])
            let writer = FileDescriptor(owning: ends[1])
            for _ in 0..<3 {
                do throws(Errno) {
                    try writer.writeOnce([1])
                    fatalError("it was written")
                } catch { guard error == .brokenPipe else { fatalError("\(error)") } }
            }
            var (action, pending, mask) = (sigaction(), sigset_t(), sigset_t())
            sigaction(SIGPIPE, nil, &action)
            sigpending(&pending)
            pthread_sigmask(SIG_BLOCK, nil, &mask)
            guard unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 0,
                sigismember(&pending, SIGPIPE) == 0, sigismember(&mask, SIGPIPE) == 0
            else { fatalError("something is left") }
        }
    }

    @Test func whatIsLargerThanALimitForFilesIsRefusedWithoutASignal() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 8, rlim_max: 8)
            let path = NSTemporaryDirectory() + "swt-limit-\(getpid())"
            let file = try FileDescriptor.open(path, [.writeOnly, .create, .truncate])
            unlink(path)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            try file.writeOnce([UInt8](repeating: 0, count: 8))
            do throws(Errno) {
                try file.writeOnce([1])
                fatalError("it was written")
            } catch { guard error == .fileTooLarge else { fatalError("\(error)") } }
        }
    }
}
