import Kernel
import Posix

/// Writes down what a plugin and the kernel say to each other. For one thread.
final class Recorder: KernelStandIn, @unchecked Sendable {
    private(set) var conversation = Conversation()
    /// Where the pod's namespace is in this process.
    private let pod: String

    init(pod: String) { self.pod = pod }

    private func name(_ path: String) -> String { path == pod ? Conversation.pod : "home" }

    override func openSocket(
        _ subsystem: NetlinkSocket.Subsystem, groups: UInt32, _ real: () throws(Errno) -> Void
    ) throws(Errno) -> Int {
        try real()
        let number = conversation.subsystems.count + 1
        conversation.steps.append(.open(number, subsystem: subsystem.rawValue, groups: groups))
        return number
    }

    override func send(_ request: [UInt8], on socket: Int, _ real: () throws(Errno) -> Void) throws(Errno) {
        conversation.steps.append(
            .send(socket, Conversation.words(request, conversation.subsystems[socket]!)))
        try real()
    }

    override func receive(on socket: Int, _ real: () throws(Errno) -> [UInt8]) throws(Errno) -> [UInt8] {
        let outcome = Conversation.Outcome(real)
        conversation.steps.append(.receive(socket, outcome))
        return try outcome.get()
    }

    override func openNamespace(
        _ path: String, _ real: () throws(Errno) -> FileDescriptor
    ) throws(Errno) -> FileDescriptor {
        conversation.steps.append(.namespace(name(path)))
        return try real()
    }

    override func enterNamespace(_ path: String, _ real: () throws(Errno) -> Void) throws(Errno) {
        conversation.steps.append(.enter(name(path)))
        try real()
    }

    override func readSysctl(_ name: String, _ real: () throws(Errno) -> String) throws(Errno) -> String {
        let outcome = Conversation.Outcome(real)
        conversation.steps.append(.read(name, outcome))
        return try outcome.get()
    }

    override func writeSysctl(_ value: String, _ name: String, _ real: () throws(Errno) -> Void) throws(Errno) {
        let outcome = Conversation.Outcome { () throws(Errno) in
            try real()
            return ""
        }
        conversation.steps.append(.write(name, value, outcome))
        _ = try outcome.get()
    }

    /// - Parameter output: what the plugin printed.
    func finished(_ output: String) -> Conversation {
        var whole = conversation
        whole.output = output.replacing(pod, with: Conversation.pod)
        return whole
    }
}
