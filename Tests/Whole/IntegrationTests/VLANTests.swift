import ContainerRuntime
import Foundation
import Testing

/// Whether the kernel's bridges can tell VLANs apart. In the machine of `make test-vm` they must, so nothing is left out.
private let kernelFiltersVLANs: Bool = {
    if ProcessInfo.processInfo.environment["SWIFTLET_VM"] == "1" { return true }
    guard Requirements.problem == nil, let node = try? Node() else { return false }
    return (try? node.set("link", "add", "probe", "type", "bridge", "vlan_filtering", "1")) != nil
}()

/// `vlan`, `vlanTrunk` and `preserveDefaultVlan`, where the kernel has CONFIG_BRIDGE_VLAN_FILTERING: `make test-vm`.
@Suite(.realKernel, .enabled(if: kernelFiltersVLANs, "this kernel's bridges do not filter VLANs; make test-vm has one"))
struct VLANTests {
    /// VLAN IDs of a bridge port, with a `*` for the one of untagged packets.
    func vlans(_ node: Node, _ port: String) throws -> [String] {
        let text = try node.exec("bridge", "-j", "-compressvlans", "vlan", "show", "dev", port)
        return (try JSONValue(parsing: text)[0]?["vlans"]?.array ?? []).map { entry in
            let first = entry["vlan"]?.integer ?? 0
            let last = entry["vlanEnd"]?.integer.map { "-\($0)" } ?? ""
            let flags = entry["flags"]?.array ?? []
            return "\(first)\(last)\(flags.contains("PVID") ? "*" : "")"
        }
    }

    @Test func podsOfOneVlanReachEachOtherAndNobodyElse() throws {
        let node = try Node()
        let pods = try node.pods(3)
        for (pod, vlan) in zip(pods, [100, 100, 200]) {
            let plugin = node.bridge(["vlan": .integer(Int64(vlan))], ipam: ["subnet": "10.44.0.0/24"])
            let list = try node.network(plugin)
            let result = try node.runtime().add(list, pod.attachment).result
            #expect(try vlans(node, result["interfaces"]?[1]?["name"]?.string ?? "") == ["\(vlan)*"])
            try node.runtime().check(list, pod.attachment)
        }
        try pods[0].ping("10.44.0.3")
        #expect(pods[0].cannotPing("10.44.0.4"))
    }

    @Test func theGatewayOfAVlanIsAnInterfaceOfItsOwn() throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try node.network(node.gatewayBridge(["vlan": 100]))
        for pod in pods {
            let result = try node.runtime().add(list, pod.attachment).result
            // As with the reference: bridge, both ends of the pod's veth, and what carries the gateway.
            #expect(result["interfaces"]?.array?.count == 4 && result["ips"]?[0]?["interface"] == 2)
            let described = try #require(result.interface("cni0.100"))
            #expect(described["mac"] == (try node.link("cni0.100")?["address"]) && described["sandbox"] == nil)
            try pod.ping("10.44.0.1")
            try node.runtime().check(list, pod.attachment)
        }
        #expect(try node.addresses("cni0.100") == ["10.44.0.1/24"])
        #expect(try node.addresses("cni0") == [])
    }

    /// Traffic between them passes the node as a router, by their gateways' interfaces.
    @Test(arguments: [false, true]) func isolatedVlansOfOneBridgeAreKeptApart(_ isChained: Bool) throws {
        let node = try Node()
        let pods = try node.pods(2)
        for (number, pod) in pods.enumerated() {
            let vlan = Int64(100 * (number + 1))
            let ipam: [String: JSONValue] = ["subnet": .string("10.\(number + 44).0.0/24")]
            let keys: [String: JSONValue] = ["vlan": .integer(vlan), "isDefaultGateway": true]
            let list =
                isChained
                ? try node.network(
                    node.bridge(keys, ipam: ipam), ["type": "firewall", "ingressPolicy": "same-bridge"],
                    name: "net-\(number)")
                : try node.network(
                    node.swiftlet(keys.merging(ipam) { $1 }.merging(["ingressPolicy": "same-bridge"]) { $1 }),
                    name: "net-\(number)")
            _ = try node.runtime().add(list, pod.attachment)
            try node.runtime().check(list, pod.attachment)
            try pod.ping("10.\(number + 44).0.1")
        }
        #expect(pods[0].cannotPing("10.45.0.2") && pods[1].cannotPing("10.44.0.2"))
        try node.nft("flush set inet swiftlet_isolation bridges")
        try pods[0].ping("10.45.0.2")
    }

    @Test(arguments: [false, true]) func vlanOneStaysWhereItIsToBePreserved(_ preserved: Bool) throws {
        let node = try Node()
        let pod = try node.pod()
        let plugin = node.bridge(["vlan": 100, "preserveDefaultVlan": .bool(preserved)], ipam: nil)
        let result = try node.runtime().add(node.network(plugin), pod.attachment).result
        #expect(
            try vlans(node, result["interfaces"]?[1]?["name"]?.string ?? "") == (preserved ? ["1", "100*"] : ["100*"]))
    }

    @Test func trunksReachThePodTagged() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugin = node.bridge(["vlanTrunk": [["minID": 200, "maxID": 202], ["id": 300]]], ipam: nil)
        let list = try node.network(plugin)
        let result = try node.runtime().add(list, pod.attachment).result
        #expect(try vlans(node, result["interfaces"]?[1]?["name"]?.string ?? "") == ["1*", "200-202", "300"])
        try node.runtime().check(list, pod.attachment)
    }

    @Test func aBridgeThatDoesNotFilterIsRefused() throws {
        let node = try Node()
        let pod = try node.pod()
        try node.set("link", "add", "cni0", "type", "bridge")
        let error = try failure {
            _ = try node.runtime().add(node.network(node.bridge(["vlan": 100], ipam: nil)), pod.attachment)
        }
        #expect(error.msg.contains("bridge cni0 does not filter VLANs"))
        #expect(try isUntouched(pod))
    }
}

@Suite(.realKernel, .disabled(if: kernelFiltersVLANs)) struct NoVLANTests {
    @Test(arguments: [#"{"vlan":100}"#, #"{"vlanTrunk":[{"id":7}]}"#])
    func aKernelWithoutVlanFilteringIsNamedAndNothingIsLeft(_ keys: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let before = try Snapshot(node, [pod])
        let plugin = node.bridge(try JSONValue(parsing: keys).object ?? [:], ipam: ["subnet": "10.44.0.0/24"])
        let error = try failure { _ = try node.runtime().add(node.network(plugin), pod.attachment) }
        #expect(error.code == 100)
        expectSame(try Snapshot(node, [pod]).without("file"), as: before, "\(error)")
        #expect(try node.reservations() == [])
    }
}
