import ContainerRuntime
import Foundation
import Testing

/// The main job: a pod on the bridge, with an address, a default route and a working `lo`, and away again without a trace.
@Suite(.realKernel) struct AttachmentTests {
    @Test func aSubnetIsACompletePluginObject() throws {
        let node = try Node()
        let pod = try node.pod()
        // Reservations at their default place, which here is this node's directory.
        let runtime = node.runtime(wrapper: node.withOwnVarLib)
        let list = try node.network(["type": "swiftlet", "subnet": "10.44.0.0/24"])
        let result = try runtime.add(list, pod.attachment).result
        #expect(result.addresses == ["10.44.0.2/24"])
        #expect(try pod.addresses("eth0") == ["10.44.0.2/24"])
        #expect(try pod.route("default")?["gateway"] == "10.44.0.1")
        #expect(try pod.isUp("lo") && pod.isUp("eth0"))
        #expect(try node.addresses("cbr0") == ["10.44.0.1/24"])
        #expect(try node.ports(of: "cbr0").count == 1)
        try runtime.check(list, pod.attachment)
        try expectConnected(pod, "10.44.0.2", node, "10.44.0.1")
        try runtime.del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    @Test func theProcessesOfAPodReachEachOtherOverLocalhost() throws {
        let node = try Node()
        let pod = try node.pod()
        _ = try node.runtime().add(node.network(node.swiftlet()), pod.attachment)
        for address in ["127.0.0.1", "::1", "10.44.0.2"] {
            #expect(try pod.fetch(from: pod, at: address).client == address)
        }
    }

    @Test(arguments: ["swiftlet", "bridge"]) func podsAndNodeReachEachOtherInBothFamilies(_ type: String) throws {
        let node = try Node()
        let pods = try node.pods(2)
        let plugin =
            type == "swiftlet"
            ? node.swiftlet(Node.dualStack) : node.bridge(["isDefaultGateway": true], ipam: Node.dualStack)
        let list = try node.network(plugin)
        let results = try pods.map { try node.runtime().add(list, $0.attachment).result }
        for (family, gateway) in [(0, "10.44.0.1"), (1, "fd00:44::1")] {
            try expectConnected(pods[0], results[0].hosts[family], pods[1], results[1].hosts[family])
            try expectConnected(pods[0], results[0].hosts[family], node, gateway)
            try expectConnected(node, gateway, pods[1], results[1].hosts[family])
        }
        #expect(try pods[0].route("default", family: "-6")?["gateway"] == "fd00:44::1")
        for pod in pods {
            try node.runtime().check(list, pod.attachment)
            try node.runtime().del(list, pod.attachment)
            #expect(try isUntouched(pod))
        }
        #expect(try node.reservations() == [])
        #expect(try node.veths() == [])
    }

    @Test func aPodReachesBeyondTheNodeThroughItsDefaultRoute() throws {
        let node = try Node()
        let pod = try node.pod()
        _ = try node.runtime().add(node.network(node.swiftlet(Node.dualStack)), pod.attachment)
        // The other node is a namespace too, on a cable to this one, and knows where the pods are.
        let other = try node.pod()
        try node.set("link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", other.netns)
        for (place, link, four, six) in [
            (node as any Namespace, "uplink", "192.0.2.1/24", "2001:db8::1/64"),
            (other, "eth0", "192.0.2.2/24", "2001:db8::2/64"),
        ] {
            try place.set("addr", "add", four, "dev", link)
            try place.set("addr", "add", six, "dev", link, "nodad")
            try place.set("link", "set", link, "up")
        }
        try other.set("route", "add", "10.44.0.0/24", "via", "192.0.2.1")
        try other.set("-6", "route", "add", "fd00:44::/64", "via", "2001:db8::1")
        try expectConnected(pod, "10.44.0.2", other, "192.0.2.2")
        try expectConnected(pod, "fd00:44::2", other, "2001:db8::2")
    }

    @Test(arguments: everyVersion, ["swiftlet", "bridge"])
    func aPodComesAndGoesInEveryVersion(_ version: String, _ type: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(type == "swiftlet" ? node.swiftlet() : node.gatewayBridge(), version: version)
        let runtime = node.runtime()
        let result = try runtime.add(list, pod.attachment).result
        #expect(result["cniVersion"]?.string == version)
        #expect(result.addresses == ["10.44.0.2/24"])
        try pod.ping("10.44.0.1")
        if version >= "0.4.0" {
            try runtime.check(list, pod.attachment)
        } else {
            let error = try failure { try runtime.check(list, pod.attachment) }
            #expect(error.code == 1)
            #expect(error.msg.contains("config version does not allow CHECK"))
        }
        let runs = try runtime.del(list, pod.attachment)
        #expect(runs.allSatisfy { $0.outcome.stdout.isEmpty })
        #expect(try isUntouched(pod))
        #expect(try node.reservations() == [])
        #expect(try node.veths() == [])
    }

    @Test(arguments: ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]) func theResultNamesWhatWasMade(_ version: String)
        throws
    {
        let node = try Node()
        let pod = try node.pod()
        let result = try node.runtime().add(
            node.network(node.swiftlet(Node.dualStack), version: version), pod.attachment
        ).result
        let interfaces = try #require(result["interfaces"]?.array)
        #expect(interfaces.count == 3)
        #expect(interfaces[0]["name"] == "cbr0" && interfaces[2]["name"] == "eth0")
        #expect(interfaces[2]["sandbox"]?.string == pod.path)
        #expect(interfaces[0]["sandbox"] == nil && interfaces[1]["sandbox"] == nil)
        for (index, place) in [node as any Namespace, node, pod].enumerated() {
            let link = try #require(try place.link(interfaces[index]["name"]?.string ?? ""))
            #expect(interfaces[index]["mac"] == link["address"])
            // Before 1.0.0 a result could not say it.
            #expect(interfaces[index]["mtu"] == (version >= "1.0.0" ? link["mtu"] : nil))
        }
        let ips = try #require(result["ips"]?.array)
        #expect(ips.map { $0["interface"] } == [.integer(2), .integer(2)])
        #expect(ips.map { $0["gateway"] } == ["10.44.0.1", "fd00:44::1"])
        #expect(ips.map { $0["version"] } == (version >= "1.0.0" ? [nil, nil] : ["4", "6"]))
        let routes = try #require(result["routes"]?.array)
        #expect(routes.map { $0["dst"] } == ["0.0.0.0/0", "::/0"])
        #expect(routes.map { $0["gw"] } == ["10.44.0.1", "fd00:44::1"])
    }

    @Test(arguments: ["0.1.0", "0.2.0"]) func oldResultsHaveOneAddressOfEachFamily(_ version: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let result = try node.runtime().add(
            node.network(node.swiftlet(Node.dualStack), version: version), pod.attachment
        ).result
        #expect(
            result["ip4"] == [
                "ip": "10.44.0.2/24", "gateway": "10.44.0.1", "routes": [["dst": "0.0.0.0/0", "gw": "10.44.0.1"]],
            ])
        #expect(
            result["ip6"] == [
                "ip": "fd00:44::2/64", "gateway": "fd00:44::1", "routes": [["dst": "::/0", "gw": "fd00:44::1"]],
            ])
        #expect(result["interfaces"] == nil && result["ips"] == nil)
    }

    @Test func withoutAVersionItIsTheFirst() throws {
        let node = try Node()
        let pod = try node.pod()
        let text = #"{"name":"net","type":"swiftlet","subnet":"10.44.0.0/24","dataDir":"\#(node.data)"}"#
        let outcome = try node.call(pod.environment("ADD"), stdin: text)
        #expect(outcome.json?["ip4"]?["ip"] == "10.44.0.2/24")
        #expect(outcome.json?["cniVersion"] == "0.1.0")
    }

    @Test func nothingIsOnStandardErrorWhenAllIsWell() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.gatewayBridge())
        let runtime = node.runtime()
        var runs = try runtime.add(list, pod.attachment).runs
        runs += try runtime.check(list, pod.attachment) + runtime.status(list)
        runs += try runtime.gc(list, valid: [pod.valid]) + runtime.del(list, pod.attachment)
        #expect(runs.count == 5)
        #expect(runs.map(\.outcome.errorText) == ["", "", "", "", ""])
    }

    @Test(arguments: ["swiftlet", "bridge", "host-local", "loopback"], everyVersion)
    func versionAnswersInTheVersionAsked(_ plugin: String, _ version: String) throws {
        let node = try Node()
        let outcome = try node.call(
            ["CNI_COMMAND": "VERSION"], stdin: #"{"cniVersion":"\#(version)"}"#, plugin: plugin)
        #expect(outcome.exit.isSuccess)
        #expect(outcome.json?["cniVersion"]?.string == version)
        #expect(outcome.json?["supportedVersions"] == .array(everyVersion.map { .string($0) }))
    }

    @Test(arguments: ["swiftlet", "bridge", "host-local", "loopback"])
    func aPersonWhoStartsItIsToldWhatItIs(_ plugin: String) throws {
        let outcome = try Node().call([:], stdin: "", plugin: plugin)
        #expect(outcome.exit.isSuccess)
        #expect(outcome.text == "")
        #expect(outcome.errorText.contains("CNI plugin \(plugin)"))
    }

    @Test func severalNetworksMeetInOnePod() throws {
        let node = try Node()
        let (first, second) = (try node.pod(), try node.pod())
        let one = try node.network(node.swiftlet(), name: "one")
        let two = try node.network(
            node.swiftlet(["subnet": "10.45.0.0/24", "bridge": "cbr1", "isDefaultGateway": false]), name: "two")
        for pod in [first, second] {
            _ = try node.runtime().add(one, pod.attachment)
            _ = try node.runtime().add(two, Attachment(containerID: pod.id, netns: pod.path, ifname: "eth1"))
        }
        try expectConnected(first, "10.44.0.2", second, "10.44.0.3")
        try expectConnected(first, "10.45.0.2", second, "10.45.0.3")
        try node.runtime().del(two, Attachment(containerID: first.id, netns: first.path, ifname: "eth1"))
        #expect(try first.links().count == 2)
        try expectConnected(first, "10.44.0.2", second, "10.44.0.3")
        try node.runtime().check(one, first.attachment)
        try node.runtime().check(two, Attachment(containerID: second.id, netns: second.path, ifname: "eth1"))
    }
}
