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
        var ordeal = Ordeal(node: node, pod: pod, list: try node.network(node.swiftlet(Node.dualStack)))
        if withoutBridge {
            ordeal.reset = { _ = try? node.set("link", "del", "cbr0") }
            // The bridge and its gateway stay, as after any ADD and DEL.
            ordeal.ignoring = ["cbr0"]
        }
        try ordeal.kill(command, at: call, cleaning: cleaning)
        try pod.ping("10.44.0.1")
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
