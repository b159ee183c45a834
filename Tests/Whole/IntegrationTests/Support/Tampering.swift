import ContainerRuntime
import Testing

/// A pod and a network that it is attached to again and again, while something goes wrong.
struct RepeatedAttachment {
    let node: Node
    let pod: Pod
    let list: NetworkList
    /// Brings the node into the state in which an ADD has most to do.
    var reset: () throws -> Void = {}
    /// What of the node may stay: words of a snapshot's lines.
    var ignoring: [String] = []

    private func perform(_ command: Command, _ runtime: CNIRuntime) throws {
        if command == .add {
            _ = try runtime.add(list, pod.attachment)
        } else {
            try runtime.del(list, pod.attachment)
        }
    }

    private func prepare(for command: Command) throws {
        try reset()
        if command == .del { _ = try node.runtime().add(list, pod.attachment) }
    }

    private func snapshot() throws -> Snapshot { try Snapshot(node, [pod]).without(ignoring) }

    /// Kills the command at each of its calls of one kind, and looks at what the cleaning leaves; then it must still work.
    func kill(
        _ command: Command, at call: String, cleaning: (CNIRuntime, NetworkList, Pod) throws -> Void
    ) throws {
        let (runtime, strace) = (node.runtime(), Strace(node))
        _ = try runtime.add(list, pod.attachment)
        try runtime.del(list, pod.attachment)
        try prepare(for: command)
        try perform(command, node.runtime(wrapper: strace.tracing(call)))
        let count = try strace.count(call)
        if command == .add { try runtime.del(list, pod.attachment) }
        let before = try snapshot()
        try #require(count > 0)
        for number in 1...count {
            try prepare(for: command)
            do {
                try perform(command, node.runtime(wrapper: strace.killing(at: call, number)))
                // Another of its processes has made that many calls, not this one.
                #expect(number > 1)
            } catch let error as PluginError {
                #expect(error.code == nil, "not killed, but: \(error)")
            }
            try cleaning(runtime, list, pod)
            expectSame(try snapshot(), as: before, "\(call) number \(number) of \(count)")
        }
        _ = try runtime.add(list, pod.attachment)
        try runtime.check(list, pod.attachment)
    }

    /// Makes each of ADD's calls of one kind fail, one at a time: nothing is left, or the pod is whole.
    ///
    /// - Parameter examine: called after each, with how many there were and whether ADD failed.
    func fail(
        _ call: String, with error: String, examine: (_ description: String, _ hasFailed: Bool) throws -> Void
    ) throws {
        let strace = Strace(node)
        _ = try node.runtime(wrapper: strace.tracing(call)).add(list, pod.attachment)
        let count = try strace.count(call)
        try node.runtime().del(list, pod.attachment)
        try #require(count > 0)
        let before = try snapshot()
        for number in 1...count {
            try reset()
            let description = "\(call) number \(number) of \(count)"
            var hasFailed = false
            do {
                _ = try node.runtime(wrapper: strace.failing(call, error, number)).add(list, pod.attachment)
                // Not every call is needed; what was made then is whole.
                try node.runtime().check(list, pod.attachment)
                try node.runtime().del(list, pod.attachment)
            } catch is PluginError { hasFailed = true }
            expectSame(try snapshot(), as: before, description)
            try examine(description, hasFailed)
        }
    }
}
