import ContainerRuntime
import Testing

/// ADD fails with this code and text, and everything is as before, but for what an IPAM store keeps for itself.
func expectRefused(
    _ list: NetworkList, _ pod: Pod, attachment: PodAttachment? = nil, runtime: CNIRuntime? = nil, code: Int,
    _ text: String, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let node = pod.node
    let before = try Snapshot(node, [pod]).withoutStore.without("forward")
    let error = try failure(sourceLocation: sourceLocation) {
        _ = try (runtime ?? node.runtime()).add(list, attachment ?? pod.attachment)
    }
    #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    #expect((error.msg + error.details).contains(text), "\(error)", sourceLocation: sourceLocation)
    expectSame(
        try Snapshot(node, [pod]).withoutStore.without("forward"), as: before, "\(error)",
        sourceLocation: sourceLocation)
}
