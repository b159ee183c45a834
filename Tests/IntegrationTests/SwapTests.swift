import ContainerRuntime
import Foundation
import Testing

/// The binaries are replaced under running pods: the reference's by ours, and ours by the reference's.
@Suite(.realKernel) struct SwapTests {
    @Test(arguments: SwapChain.allCases) func podsOfTheReferenceGoOnUnderOurs(_ chain: SwapChain) throws {
        let scene = try SwapScene(chain)
        try scene.node.install(pluginsOf: Requirements.referenceBin)
        // What stays of the reference's plugins when their last pod has gone: a bridge, chains that all pods share.
        let first = try scene.attach(hostPort: 8079)
        try scene.detach(first)
        let before = try Snapshot(scene.node)

        let old = [try scene.attach(hostPort: 8080), try scene.attach(hostPort: 8081)]
        for pod in old { try scene.expectServing(pod, "under the reference") }
        let flow =
            chain.publishesPorts
            ? try DatagramFlow(from: scene.outside, port: 40_000, to: Outside.node(.v4), 8080) : nil
        let answer = try flow?.ask()

        try scene.node.install(pluginsOf: Requirements.bin)
        for pod in old {
            try scene.ask(.check, of: pod)
            try scene.expectServing(pod, "after the swap")
        }
        try scene.ask(.status)
        let new = try scene.attach(hostPort: 8082)
        try scene.expectServing(new, "a pod of ours")
        for pod in old { try scene.expectServing(pod, "beside a pod of ours") }
        #expect(try flow?.ask() == answer)

        // Its port, and perhaps its address, are the next one's.
        try scene.detach(old[0])
        let heir = try scene.attach(hostPort: 8080)
        try scene.expectServing(heir, "the port of a pod of the reference")
        try scene.expectServing(old[1], "after another one's DEL")

        for pod in [old[1], new, heir] { try scene.detach(pod) }
        // The bridge has its MAC pinned now, and the store an index.
        let bridge = [" cni7 ", "\"cni7\"", "file net/.swiftlet"]
        expectSame(try Snapshot(scene.node).without(bridge), as: before.without(bridge))
    }
}
