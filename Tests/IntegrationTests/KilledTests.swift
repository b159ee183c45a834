import ContainerRuntime
import Foundation
import Testing

/// ADD may be killed anywhere: the next DEL, or GC, leaves nothing of it. DEL may be killed too, and be run again.
@Suite(.realKernel) struct KilledTests {
    static let calls = ["sendto", "recvmsg", "openat", "symlinkat", "write", "setns", "utimensat"]

    /// Kills the command at each of its calls of one kind, and looks at what the cleaning leaves.
    func killEverywhere(
        _ command: Command, at call: String, withoutBridge: Bool = false,
        cleaning: (CNIRuntime, NetworkList, Pod) throws -> Void
    ) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet(Node.dualStack))
        let (runtime, strace) = (node.runtime(), Strace(node))
        func perform(_ runtime: CNIRuntime) throws {
            if command == .add {
                _ = try runtime.add(list, pod.attachment)
            } else {
                try runtime.del(list, pod.attachment)
            }
        }
        func prepare() throws {
            if withoutBridge { _ = try? node.set("link", "del", "cbr0") }
            if command == .del { _ = try runtime.add(list, pod.attachment) }
        }
        _ = try runtime.add(list, pod.attachment)
        try runtime.del(list, pod.attachment)
        try prepare()
        try perform(node.runtime(wrapper: strace.tracing(call)))
        let count = try strace.count(call)
        if command == .add { try runtime.del(list, pod.attachment) }
        // The bridge and its gateway stay, as after any ADD and DEL.
        func snapshot() throws -> Snapshot {
            let snapshot = try Snapshot(node, [pod])
            return withoutBridge ? snapshot.without("cbr0") : snapshot
        }
        let before = try snapshot()
        try #require(count > 0)
        for number in 1...count {
            try prepare()
            do {
                try perform(node.runtime(wrapper: strace.killing(at: call, number)))
                // Another of its processes has made that many calls, not this one.
                #expect(number > 1)
            } catch let error as PluginError {
                #expect(error.code == nil, "not killed, but: \(error)")
            }
            try cleaning(runtime, list, pod)
            expectSame(try snapshot(), as: before, "\(call) number \(number) of \(count)")
        }
        // And it still works.
        _ = try runtime.add(list, pod.attachment)
        try pod.ping("10.44.0.1")
        try runtime.check(list, pod.attachment)
    }

    @Test(arguments: calls) func addThenDel(_ call: String) throws {
        try killEverywhere(.add, at: call) { try $0.del($1, $2.attachment) }
    }

    @Test(arguments: ["sendto", "recvmsg"]) func theFirstAddThenDel(_ call: String) throws {
        try killEverywhere(.add, at: call, withoutBridge: true) { try $0.del($1, $2.attachment) }
    }

    @Test(arguments: ["sendto", "symlinkat", "write"]) func addThenGC(_ call: String) throws {
        try killEverywhere(.add, at: call) { runtime, list, _ in try runtime.gc(list, valid: []) }
    }

    @Test(arguments: ["sendto", "unlinkat", "recvmsg"]) func delThenDel(_ call: String) throws {
        try killEverywhere(.del, at: call) { try $0.del($1, $2.attachment) }
    }

    @Test func addAtAnyMomentThenDel() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet(Node.dualStack))
        _ = try node.runtime().add(list, pod.attachment)
        try node.runtime().del(list, pod.attachment)
        let before = try Snapshot(node, [pod])
        for step in 0..<40 {
            let delay = Double(step) * 0.00015
            let killing = node.runtime(wrapper: ["timeout", "--signal=KILL", "\(delay + 0.0001)"])
            _ = try? killing.add(list, pod.attachment)
            try node.runtime().del(list, pod.attachment)
            expectSame(try Snapshot(node, [pod]), as: before, "killed after \(delay) s")
        }
    }
}
