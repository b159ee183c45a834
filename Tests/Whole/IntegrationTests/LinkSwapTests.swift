import ContainerRuntime
import Testing

/// A node switches from Debian's reference plugins to swiftlet and back, with pods that have no bridge.
@Suite(.realKernel) struct LinkSwapTests {
    /// Debian has no reference of the others.
    static let types = LinkPlugin.available.filter {
        Requirements.isExecutable("\(Requirements.referenceBin)/\($0.rawValue)")
    }

    @Test(arguments: types, [true, false])
    func podsOfOneAreCheckedAndDetachedByTheOther(_ plugin: LinkPlugin, _ oursFirst: Bool) throws {
        let node = try Node()
        try plugin.prepare(node)
        let pod = try node.pod()
        let list = try plugin.network(node, version: Requirements.referenceVersion)
        let (ours, theirs) = (node.runtime(), node.runtime(path: [Requirements.referenceBin]))
        let (before, after) = oursFirst ? (ours, theirs) : (theirs, ours)
        let empty = try Snapshot(node, [pod]).withoutStore.without("forward")
        _ = try before.add(list, pod.attachment)
        try after.check(list, pod.attachment)
        try after.del(list, pod.attachment)
        func look() throws -> Snapshot { try Snapshot(node, [pod]).withoutStore.without("forward") }
        // The reference's DEL returns before the kernel has removed a veth's other end.
        try eventually("the host's end is gone") { try node.veths().allSatisfy { !$0.hasPrefix("veth") } }
        // It leaves the name in the device's alias, too.
        if plugin == .hostDevice, oursFirst { try node.set("link", "set", "dev0", "alias", "") }
        expectSame(try look(), as: empty)
    }
}
