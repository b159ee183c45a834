import ContainerRuntime
import Foundation
import Testing

/// Limits survive the change from the reference's `bandwidth` to ours and back: either removes what the other has made.
@Suite(.realKernel) struct BandwidthSwitchTests {
    func runtimes(_ node: Node, oursFirst: Bool) -> (before: CNIRuntime, after: CNIRuntime) {
        let (ours, theirs) = (node.runtime(), node.runtime(path: [Requirements.referenceBin]))
        return oursFirst ? (ours, theirs) : (theirs, ours)
    }

    @Test(arguments: [true, false], [LimitedBy.chain, .capability])
    func theOtherChecksAndRemovesThem(_ oursFirst: Bool, _ way: LimitedBy) throws {
        let node = try Node()
        let pod = try node.pod()
        let ipam: [String: JSONValue] = ["subnet": "10.44.0.0/24"]
        let list = try way.network(node, limits(megabits: 50), ipam: ipam, version: Requirements.referenceVersion)
        let attachment = way.attachment(pod, limits(megabits: 50))
        let (before, after) = runtimes(node, oursFirst: oursFirst)
        _ = try before.add(list, attachment)
        #expect(try node.shaping().count == 4)
        try after.check(list, attachment)
        try after.del(list, attachment)
        try eventually("all is gone") { try node.shaping() == [] && node.veths() == [] }
    }

    /// Also what the reference makes of kubelet's burst, and of one that is too small for a frame.
    @Test(arguments: [2_147_483_647, 4_294_967_295, 34_359_738_359, 8000] as [Int64])
    func checkAcceptsTheReferencesBursts(_ burst: Int64) throws {
        let node = try Node()
        let pod = try node.pod()
        let limits: [String: JSONValue] = [
            "ingressRate": 10_000_000, "ingressBurst": .integer(burst), "egressRate": 10_000_000,
            "egressBurst": .integer(burst),
        ]
        let list = try LimitedBy.chain.network(
            node, limits, ipam: ["subnet": "10.44.0.0/24"], version: Requirements.referenceVersion)
        let (before, after) = runtimes(node, oursFirst: false)
        _ = try before.add(list, pod.attachment)
        try after.check(list, pod.attachment)
        try pod.end()
        try after.del(list, pod.with(netns: .some("")))
        try eventually("all is gone") { try node.shaping() == [] }
    }

    @Test func swiftletRemovesTheReferencesToo() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try LimitedBy.chain.network(
            node, limits(megabits: 50), ipam: ["subnet": "10.44.0.0/24"], version: Requirements.referenceVersion)
        _ = try runtimes(node, oursFirst: false).before.add(list, pod.attachment)
        try node.runtime().del(node.network(node.swiftlet(), version: Requirements.referenceVersion), pod.attachment)
        #expect(try node.shaping() == [])
    }
}
