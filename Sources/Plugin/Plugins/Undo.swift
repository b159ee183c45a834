internal import Kernel
internal import EventLog
internal import Posix

/// The netlink sockets of an attachment: one in the node's network namespace, one in the pod's.
struct Sockets: ~Copyable {
    var host: NetlinkSocket
    var inside: NetlinkSocket

}

extension Sockets {
    /// Opens both sockets; they can be used from any namespace.
    init(_ pod: borrowing NetworkNamespace) throws(Failure) {
        self.init(host: try NetlinkSocket(), inside: try pod.netlinkSocket())
    }
}

/// The steps that undo what has been done so far: each step that succeeds pushes its undo.
struct UndoStack {
    private var steps: [(inout Sockets) throws(Failure) -> Void] = []

    mutating func push(_ undo: @escaping (inout Sockets) throws(Failure) -> Void) { steps.append(undo) }

    /// Undoes everything in reverse order. Failures are only logged, so that the rest is undone as well.
    mutating func unwind(_ sockets: inout Sockets) {
        while let undo = steps.popLast() {
            surviving { () throws(Failure) in try undo(&sockets) }
        }
    }
}

extension Sockets {
    /// Makes something as a whole or not at all: if the steps fail, those that succeeded are undone.
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
