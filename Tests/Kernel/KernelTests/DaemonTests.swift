import Addresses
import Foundation
import Kernel
import EventLog
import NetlinkCodec
import Posix
import Synchronization
import TestSupport
import Testing

/// How often, and by how many.
private let (threadCount, roundCount) = (4, 25)

private func descriptors() throws -> Int {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
}

private func children() -> [String] {
    let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? []
    return tasks.compactMap { try? String(contentsOfFile: "/proc/self/task/\($0)/children", encoding: .utf8) }
        .filter { !$0.isEmpty }
}

/// What the process does on each signal.
private func dispositions() -> [Int] {
    (1..<65).map { number in
        var action = sigaction()
        sigaction(Int32(number), nil, &action)
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
    }
}

/// Looks until it is so, for 10 s at most.
private func eventually(_ condition: () throws -> Bool) throws -> Bool {
    for _ in 0..<2000 {
        if try condition() { return true }
        usleep(5000)
    }
    return false
}

/// What a process may do that runs for months, with many threads.
@Suite struct DaemonTests {
    @Test func threadsLockRemoveLinksAndLogAtOnceAndLeaveNothingBehind() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            let (lockPath, logPath) = (temporaryPath("lock"), temporaryPath("log"))
            try FileDescriptor.open(lockPath, [.readWrite, .create]).close()
            Log.begin(.lasting(.file(logPath), eventsPerSecond: 100_000), .info, [("of", "daemon")]) { _ in 0 }
            Log.note(.info, "begin")
            let before = (try descriptors(), dispositions())
            let holders = Atomic<Int>(0)
            let failures = Locked<[String]>([])
            let done = DispatchSemaphore(value: 0)
            for thread in 0..<threadCount {
                // It begins in the namespace of its maker.
                Thread {
                    do {
                        var socket = try NetlinkSocket(linkNotifications: true)
                        let lock = try FileDescriptor.open(lockPath, .readWrite)
                        for round in 0..<roundCount {
                            try lock.lockExclusively(lockPath, milliseconds: 60_000)
                            let others = holders.wrappingAdd(1, ordering: .sequentiallyConsistent).oldValue
                            if others > 0 { failures.withLock { $0.append("\(others + 1) have the lock") } }
                            holders.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                            try FileDescriptor.open(lockPath, .readWrite).lockShared(milliseconds: 0, unless: .tryAgain)
                            try lock.unlock()
                            let names = ["a", "b"].map { "d\($0)\(thread)-\(round)" }
                            for name in names {
                                try socket.execute("make \(name)") {
                                    $0.createVeth(
                                        VethEnd(name: name), peer: VethEnd(name: "p\(name)"), mtu: nil, master: nil)
                                }
                            }
                            let links = try names.map { (index: try socket.link(.name($0))!.index, name: $0) }
                            try socket.removeLinks(links, sentBy: .thread)
                            for name in names where try socket.link(.name(name)) != nil {
                                failures.withLock { $0.append("\(name) is still there") }
                            }
                            Log.note(.info, "round", [("number", "\(thread)-\(round)")])
                        }
                    } catch { failures.withLock { $0.append("\(error)") } }
                    done.signal()
                }.start()
            }
            for _ in 0..<threadCount { done.wait() }
            try require(failures.withLock { $0 }.isEmpty, "\(failures.withLock { $0 })")
            let lines = try String(contentsOfFile: logPath, encoding: .utf8).split(separator: "\n")
            let rounds = Set(lines.compactMap { $0.firstMatch(of: /event=round number=(\d+-\d+)$/)?.1 })
            try require(rounds.count == threadCount * roundCount, "\(rounds.count) rounds were logged")
            try require(lines.filter { $0.contains("what=\"delete link ") }.count == 2 * rounds.count, "removals")
            try require(dispositions() == before.1, "a signal does something else than before")
            var status: Int32 = 0
            try require(waitpid(-1, &status, WNOHANG | __WALL) == -1 && errno == ECHILD, "there is a child")
            try require(children().isEmpty, "there are children: \(children())")
            // Those who send have ended when the kernel has freed what they have deleted.
            try require(try eventually { try descriptors() <= before.0 }, "\(try descriptors()) files, not \(before.0)")
            unlink(lockPath)
            unlink(logPath)
        }
    }

    @Test func whatTheKernelRefusesIsToldWhoeverSends() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            for sender in [RemovalSender.caller, .thread] {
                var socket = try NetlinkSocket(linkNotifications: true)
                do {
                    try socket.removeLink(1, named: "lo", sentBy: sender)
                    throw UnexpectedState("lo was removed")
                } catch let error as Failure {
                    try require(error.errno == .notSupported, "\(error)")
                }
                // Gone is what was wanted.
                try socket.removeLink(4711, named: "nothing", sentBy: sender)
            }
        }
    }

    @Test func aDaemonsSocketOfNetfilterLeavesNoChildWhenItIsClosed() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            for _ in 0..<3 {
                var socket = try NetlinkSocket(.netfilter)
                _ = try socket.generation()
            }
            var status: Int32 = 0
            try require(waitpid(-1, &status, WNOHANG | __WALL) == -1 && errno == ECHILD, "there is a child")
        }
    }

    @Test func aSocketThatIsLeftToAChildIsHeldForAsLongAsTheKernelNeedsAndNoLonger() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            let start = MonotonicClock.milliseconds
            for _ in 0..<3 {
                var socket = try NetlinkSocket(.netfilter, closing: .leftToChild)
                _ = try socket.generation()
            }
            var status: Int32 = 0
            var ended = 0
            while waitpid(-1, &status, __WALL) > 0 { ended += 1 }
            let time = MonotonicClock.milliseconds - start
            try require(ended == 3 && time >= 20, "\(ended) children, \(time) ms")
        }
    }
}

extension FileDescriptor {
    /// For when somebody else has it.
    fileprivate func lockShared(milliseconds: UInt32, unless expected: Errno) throws {
        do throws(Errno) { try lockShared(milliseconds: milliseconds) } catch {
            guard error == expected else { throw error }
            return
        }
        throw UnexpectedState("a lock that is held was to be had")
    }

    fileprivate func unlock() throws { flock(rawValue, LOCK_UN) }
}
