import ContainerRuntime
import Foundation
import Testing

/// `vlan`: pods in a VLAN of the node's cable. `make test-vm` where this kernel has none.
@Suite(.realKernel, .enabled(if: LinkPlugin.vlan.isInKernel, "this kernel has no vlan; make test-vm has one"))
struct VLANInterfaceTests {
    func plugin(_ node: Node, _ id: Int64, _ keys: [String: JSONValue] = [:]) -> JSONValue {
        let own: [String: JSONValue] = ["master": "uplink", "vlanId": .integer(id)]
        return node.plugin(
            "vlan", own.merging(keys) { $1 }, ipam: ["subnet": "10.44.0.0/24", "rangeStart": "10.44.0.9"])
    }

    @Test func aPodHearsItsOwnVlanOnly() throws {
        let node = try Node()
        let outside = try Outside(node)
        try outside.set("link", "add", "link", "eth0", "name", "tagged", "type", "vlan", "id", "100")
        try outside.set("addr", "add", "10.44.0.1/24", "dev", "tagged")
        try outside.set("link", "set", "tagged", "up")
        let pods = try node.pods(2)
        let results = try zip(pods, [100, 200] as [Int64]).map { pod, id in
            let list = try node.network(plugin(node, id, ["mtu": 1400]))
            let result = try node.runtime().add(list, pod.attachment).result
            try node.runtime().check(list, pod.attachment)
            return result
        }
        try expectConnected(pods[0], "10.44.0.9", outside, "10.44.0.1")
        #expect(pods[1].cannotPing("10.44.0.1"))
        let link = try #require(try pods[0].link("eth0"))
        #expect(link["linkinfo"]?["info_data"]?["id"] == 100 && link["mtu"] == 1400)
        #expect(results[0].interface("eth0")?["mac"] == link["address"])
        // A VLAN of a link is there once.
        try expectRefused(node.network(plugin(node, 100)), node.pod(), code: 103, "vlan")
    }

    @Test func checkFindsAnotherVlan() throws {
        let node = try Node()
        try node.addUplink()
        let pod = try node.pod()
        let damage = CheckTests.Damage("its VLAN is another", "is vlan 200, not vlan 100") { node, pod in
            try pod.set("link", "del", "eth0")
            try node.set("link", "add", "link", "uplink", "eth0", "netns", pod.netns, "type", "vlan", "id", "200")
            try pod.set("addr", "add", "10.44.0.9/24", "dev", "eth0")
            try pod.set("link", "set", "eth0", "up")
        }
        try CheckTests.expectFound(damage, of: pod, on: node, node.network(plugin(node, 100)))
    }

    @Test func delDoesNotMindThatTheMasterIsGone() throws {
        let node = try Node()
        try node.addUplink()
        let pod = try node.pod()
        let list = try node.network(plugin(node, 100))
        _ = try node.runtime().add(list, pod.attachment)
        try node.set("link", "del", "uplink")
        try node.runtime().del(list, pod.attachment)
        #expect(try node.reservations() == [])
    }

    @Test(arguments: [
        (#"{"vlanId":4095}"#, "invalid VLAN ID 4095 (must be between 0 and 4095 inclusive)"),
        (#"{"vlanId":-1}"#, "invalid VLAN ID -1"), (#"{"master":""}"#, #""master" field is required"#),
        (#"{"mtu":1501}"#, "invalid MTU 1501, must be [0, master MTU(1500)]"),
    ])
    func aWrongConfigurationIsNamedAndNothingIsLeft(_ keys: String, _ text: String) throws {
        let node = try Node()
        try node.addUplink()
        let pod = try node.pod()
        let list = try node.network(plugin(node, 100, try JSONValue(parsing: keys).object ?? [:]))
        try expectRefused(list, pod, code: 7, text)
    }
}
