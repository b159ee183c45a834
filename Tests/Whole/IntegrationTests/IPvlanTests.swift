import ContainerRuntime
import Foundation
import Testing

/// `ipvlan`: pods on the node's cable, under the node's own MAC. `make test-vm` where this kernel has none.
@Suite(.realKernel, .enabled(if: LinkPlugin.ipvlan.isInKernel, "this kernel has no ipvlan; make test-vm has one"))
struct IPvlanTests {
    func plugin(_ node: Node, _ keys: [String: JSONValue] = [:], ipam: [String: JSONValue]? = Outside.neighbours)
        -> JSONValue
    {
        node.plugin("ipvlan", ["master": "uplink"].merging(keys) { $1 }, ipam: ipam)
    }

    @Test(arguments: ["l2", "l3", "l3s"]) func podsReachEachOtherInEveryMode(_ mode: String) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pods = try node.pods(2)
        let ipam: [String: JSONValue] = ["subnet": "192.0.2.0/24", "rangeStart": "192.0.2.100"]
        let list = try node.network(plugin(node, ["mode": .string(mode), "mtu": 1400], ipam: ipam))
        let results = try pods.map { try node.runtime().add(list, $0.attachment).result }
        try expectConnected(pods[0], "192.0.2.100", pods[1], "192.0.2.101")
        if mode == "l2" { try expectConnected(pods[0], "192.0.2.100", outside, Outside.host(.v4)) }
        let mac = try node.link("uplink")?["address"]
        for (pod, result) in zip(pods, results) {
            let link = try #require(try pod.link("eth0"))
            #expect(link["address"] == mac && link["mtu"] == 1400)
            #expect(link["linkinfo"]?["info_data"]?["mode"]?.string == mode)
            #expect(result.interface("eth0")?["mac"] == mac && result.interface("eth0")?["mtu"] == 1400)
            try node.runtime().check(list, pod.attachment)
        }
        // The mode belongs to the master.
        try pods[0].set("link", "set", "eth0", "type", "ipvlan", "mode", mode == "l2" ? "l3" : "l2")
        let error = try failure { try node.runtime().check(list, pods[1].attachment) }
        #expect(error.code == 104 && error.msg.contains("is ipvlan of mode"), "\(error)")
    }

    @Test func behindAPluginThatMadeALinkThatIsTheMaster() throws {
        let node = try Node()
        try node.addUplink()
        let pod = try node.pod()
        try node.link(plugin: "ipvlan", from: Requirements.bin)
        let plugins = try node.script(
            "maker",
            """
            [ $CNI_COMMAND = ADD ] || exit 0
            echo '{"cniVersion":"1.1.0","interfaces":[{"name":"uplink"}],"ips":[{"address":"192.0.2.100/24"}]}'
            """)
        // Not where the default route leads.
        try node.set("route", "del", "default")
        try node.set("-6", "route", "del", "default")
        let runtime = node.runtime(path: [plugins])
        let list = try node.network(["type": "maker"], ["type": "ipvlan"])
        try runtime.status(list)
        let result = try runtime.add(list, pod.attachment).result
        #expect(result.addresses == ["192.0.2.100/24"])
        #expect(try pod.addresses("eth0") == ["192.0.2.100/24"])
        try runtime.check(list, pod.attachment)
        try runtime.del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    @Test(arguments: [
        (#"{"mode":"l4"}"#, 7, #"unknown ipvlan mode: "l4""#), (#"{"mtu":1501}"#, 7, "invalid MTU 1501"),
        (#"{"master":"nosuch"}"#, 7, #"failed to lookup master "nosuch""#),
    ])
    func aWrongConfigurationIsNamedAndNothingIsLeft(_ keys: String, _ code: Int, _ text: String) throws {
        let node = try Node()
        try node.addUplink()
        let list = try node.network(plugin(node, try JSONValue(parsing: keys).object ?? [:]))
        try expectRefused(list, node.pod(), code: code, text)
    }
}
