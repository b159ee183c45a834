import Files
import Posix
import Testing

/// Of locks that are held here in one process: each open file has one of its own (flock(2)).
@Suite struct LockingTests {
    private func open(_ scratch: ScratchDirectory) throws -> FileDescriptor {
        try scratch.open().open("lock", [.readOnly, .create])
    }

    @Test(arguments: [LockHold.exclusive, .shared], [LockHold.exclusive, .shared])
    func onlySharedLocksAreHeldTogether(_ first: LockHold, _ second: LockHold) throws {
        let scratch = ScratchDirectory()
        let one = try open(scratch)
        #expect(try one.lock("lock", first, milliseconds: 0, waiting: .polling()))
        let other = try open(scratch)
        let refusal = failure { () throws(Errno) in try other.lock("lock", second, milliseconds: 0, waiting: .polling())
        }
        #expect(refusal == (first == .shared && second == .shared ? nil : .tryAgain))
        one.close()
        #expect(try other.lock("lock", second, milliseconds: 0, waiting: .polling()))
    }

    @Test(arguments: [LockHold.exclusive, .shared]) func theLockOfAFileThatIsGoneIsNone(_ hold: LockHold) throws {
        let scratch = ScratchDirectory()
        let file = try open(scratch)
        try scratch.open().unlink("lock")
        #expect(try !file.lock("lock", hold, milliseconds: 0, waiting: .polling()))
        let directory = try scratch.open()
        try FileDescriptor.removeDirectory(scratch.path)
        #expect(try !directory.lock(scratch.path, hold, milliseconds: 0, waiting: .polling()))
    }
}
