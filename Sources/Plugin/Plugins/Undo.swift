internal import Kernel
internal import Logging
internal import Posix

/// How an attachment talks to the kernel: in the node's network namespace, and in the pod's.
struct Sockets: ~Copyable {
    var host: NetlinkSocket
    var inside: NetlinkSocket

}

extension Sockets {
    /// Opens both; they can be used from anywhere.
    init(_ pod: borrowing NetworkNamespace) throws(Failure) {
        self.init(host: try NetlinkSocket(), inside: try pod.netlinkSocket())
    }
}

/// How what has been done so far is undone: each step that succeeds puts its own undoing on top.
struct UndoStack {
    private var steps: [(inout Sockets) throws(Failure) -> Void] = []

    mutating func push(_ undo: @escaping (inout Sockets) throws(Failure) -> Void) { steps.append(undo) }

    /// Undoes everything, last things first. What cannot be undone does not keep the rest from it: only the log hears.
    mutating func unwind(_ sockets: inout Sockets) {
        while let undo = steps.popLast() {
            surviving { () throws(Failure) in try undo(&sockets) }
        }
    }
}

extension Sockets {
    /// Makes something that is there as a whole or not at all: when the steps fail, those that have succeeded are undone.
    mutating func allOrNothing<Value>(
        _ steps: (inout Sockets, inout UndoStack) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        var undo = UndoStack()
        do throws(Failure) { return try steps(&self, &undo) } catch {
            undo.unwind(&self)
            throw error
        }
    }
}
