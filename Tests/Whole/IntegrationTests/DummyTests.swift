import ContainerRuntime
import Foundation
import Testing

/// `dummy`: an address on a link that leads nowhere. `make test-vm` where this kernel has none.
@Suite(.realKernel) struct DummyTests {
    @Test(.enabled(if: LinkPlugin.dummy.isInKernel, "this kernel has no dummy; make test-vm has one"))
    func theAddressIsThePodsOwn() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.plugin("dummy", ipam: Node.dualStack))
        let result = try node.runtime().add(list, pod.attachment).result
        let link = try #require(try pod.link("eth0"))
        #expect(link["linkinfo"]?["info_kind"] == "dummy")
        #expect(result.interface("eth0")?["mac"] == link["address"])
        // Whatever is one's own is on lo, which is another plugin's business.
        try pod.set("link", "set", "lo", "up")
        #expect(result.hosts.count == 2)
        for address in result.hosts { try expectConnected(pod, address, pod, address) }
        try node.runtime().check(list, pod.attachment)
        try pod.set("link", "set", "eth0", "down")
        #expect(try failure { try node.runtime().check(list, pod.attachment) }.code == 104)
        try node.runtime().del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    @Test func withoutIpamItIsRefused() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(["type": "dummy"])
        try expectRefused(list, pod, code: 7, "dummy interface requires an IPAM configuration")
        #expect(try failure { try node.runtime().status(list) }.code == 7)
    }
}
