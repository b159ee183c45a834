import Kernel
import Posix
import Synchronization
import Testing

@testable import Plugins

/// A failed ADD leaves nothing: what it has done is undone, the last thing first.
@Suite struct UndoTests {
    /// Runs five steps, of which one may fail, and whose undoing may fail.
    private func run(failingAt failure: Int?, undoingFailsAt stubborn: Set<Int> = []) throws -> (
        error: Failure?, undone: [Int]
    ) {
        let undone = Mutex<[Int]>([])
        // Sockets that nobody uses need neither root nor a pod.
        var sockets = try Sockets(host: NetlinkSocket(), inside: NetlinkSocket())
        do throws(Failure) {
            try sockets.allOrNothing { (_, undo) throws(Failure) in
                for step in 0..<5 {
                    if step == failure { throw Failure(.conflict, "step \(step)") }
                    undo.push { _ throws(Failure) in
                        undone.withLock { $0.append(step) }
                        if stubborn.contains(step) { throw Failure(.kernel, "undo step \(step)") }
                    }
                }
            }
            return (nil, undone.withLock { $0 })
        } catch { return (error, undone.withLock { $0 }) }
    }

    @Test func successUndoesNothing() throws {
        let outcome = try run(failingAt: nil)
        #expect(outcome.error == nil && outcome.undone.isEmpty)
    }

    @Test(arguments: 0..<5) func whatHasSucceededIsUndoneLastThingsFirstAndTheErrorIsThatOfTheStep(_ step: Int) throws {
        let outcome = try run(failingAt: step)
        #expect(outcome.undone == (0..<step).reversed())
        #expect(outcome.error == Failure(.conflict, "step \(step)"))
    }

    @Test func whatCannotBeUndoneDoesNotKeepTheRestFromIt() throws {
        for stubborn in [[0], [4], [1, 3], [0, 1, 2, 3]] as [Set<Int>] {
            for step in 0..<5 {
                let outcome = try run(failingAt: step, undoingFailsAt: stubborn)
                #expect(outcome.undone == (0..<step).reversed())
                #expect(outcome.error == Failure(.conflict, "step \(step)"))
            }
        }
    }
}
