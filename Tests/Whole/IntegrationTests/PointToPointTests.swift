import ContainerRuntime
import Foundation
import Testing

/// `ptp`: each pod on a veth of its own, routed to by the node.
@Suite(.realKernel) struct PointToPointTests {
    static func plugin(
        _ node: Node, _ keys: [String: JSONValue] = [:], ipam: [String: JSONValue] = Node.dualStack
    ) -> JSONValue {
        let routes: JSONValue = [["dst": "0.0.0.0/0"], ["dst": "::/0"]]
        return node.plugin("ptp", keys, ipam: ["routes": routes].merging(ipam) { $1 })
    }

    @Test func podsReachEachOtherAndTheNodeRightAway() throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try node.network(Self.plugin(node))
        let results = try pods.map { try node.runtime().add(list, $0.attachment).result }
        // IPv6 first: nothing has had time to become usable.
        for position in [1, 0] {
            let hosts = results.map { $0.hosts[position] }
            try expectConnected(pods[1], hosts[1], node, position == 0 ? "10.44.0.1" : "fd00:44::1")
            try expectConnected(pods[0], hosts[0], pods[1], hosts[1])
        }
        for pod in pods { try node.runtime().check(list, pod.attachment) }
    }

    @Test(arguments: everyVersion.suffix(4)) func theResultSaysWhatIsThere(_ version: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let plugin = Self.plugin(node, ["mtu": 1400, "dns": ["nameservers": ["10.44.0.53"]]])
        let result = try node.runtime().add(node.network(plugin, version: version), pod.attachment).result
        let veth = try #require(try node.veths().first)
        #expect(result["interfaces"]?.array?.map { $0["name"]?.string } == [veth, "eth0"])
        #expect(result["ips"]?.array?.map { $0["interface"]?.integer } == [1, 1])
        #expect(result["ips"]?.array?.map { $0["gateway"] } == ["10.44.0.1", "fd00:44::1"])
        #expect(result["dns"] == ["nameservers": ["10.44.0.53"]])
        for (namespace, name) in [(node, veth), (pod, "eth0")] as [(any Namespace, String)] {
            let link = try #require(try namespace.link(name))
            #expect(link["mtu"] == 1400 && result.interface(name)?["mac"] == link["address"])
            if version == "1.1.0" { #expect(result.interface(name)?["mtu"] == 1400) }
        }
        #expect(result.interface("eth0")?["sandbox"]?.string == pod.path)
        #expect(try node.addresses(veth) == ["10.44.0.1/32", "fd00:44::1/128"])
        #expect(try node.route("10.44.0.2")?["dev"]?.string == veth)
        #expect(try node.route("fd00:44::2", family: "-6")?["dev"]?.string == veth)
        #expect(try pod.route("10.44.0.1")?["scope"] == "link")
        #expect(try pod.route("10.44.0.0/24")?["gateway"] == "10.44.0.1")
        #expect(try pod.route("default")?["gateway"] == "10.44.0.1")
        #expect(try pod.route("fd00:44::/64", family: "-6")?["gateway"] == "fd00:44::1")
    }

    @Test(arguments: [true, false]) func theWorldSeesTheNodeWithIpMasqAndThePodWithout(_ masquerades: Bool) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pods = try node.pods(2)
        let server = try Responder("outside", in: outside, 7)
        let list = try node.network(Self.plugin(node, ["ipMasq": .bool(masquerades)]))
        let results = try pods.map { try node.runtime().add(list, $0.attachment).result.hosts }
        if !masquerades { try outside.learnRoutes(to: "10.44.0.0/24", "fd00:44::/64") }
        for (position, family) in Family.allCases.enumerated() {
            let seen = masquerades ? Outside.node(family) : results[0][position]
            expectAnswer(server.name, from: pods[0], Outside.host(family), 7, seen: seen)
            // Never among themselves.
            try expectConnected(pods[0], results[0][position], pods[1], results[1][position])
        }
        #expect(try node.ruleset().own.isEmpty != masquerades)
        for pod in pods { try node.runtime().del(list, pod.attachment) }
        #expect(try node.ruleset().own.isEmpty && node.reservations() == [] && node.veths() == ["uplink"])
    }

    @Test func forwardingIsOnForTheFamiliesThatPodsHave() throws {
        for (family, ranges) in zip(Family.allCases, [["subnet": "10.44.0.0/24"], ["subnet": "fd00:44::/64"]]) {
            let node = try Node()
            try node.setSysctl("ipv4/ip_forward", "0")
            try node.setSysctl("ipv6/conf/all/forwarding", "0")
            let pod = try node.pod()
            let list = try node.network(node.plugin("ptp", ipam: ranges.mapValues(JSONValue.string)))
            _ = try node.runtime().add(list, pod.attachment)
            #expect(try node.sysctl("ipv4/ip_forward") == (family == .v4 ? "1" : "0"))
            #expect(try node.sysctl("ipv6/conf/all/forwarding") == (family == .v6 ? "1" : "0"))
        }
    }

    @Test func aGatewayThatIpamDoesNotNameIsTheFirstAddress() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script(
            "fixed", #"echo '{"cniVersion":"1.1.0","ips":[{"address":"10.44.7.9/24"}]}'"#)
        try node.link(plugin: "ptp", from: Requirements.bin)
        let list = try node.network(["type": "ptp", "ipam": ["type": "fixed"]])
        let result = try node.runtime(path: [plugins]).add(list, pod.attachment).result
        #expect(result["ips"]?[0]?["gateway"] == "10.44.7.1")
        try expectConnected(pod, "10.44.7.9", node, "10.44.7.1")
    }

    static let damages: [CheckTests.Damage] = [
        .init("the pod's interface is missing", "is missing") { try $1.set("link", "del", "eth0") },
        .init("the pod's interface is down", "is down") { try $1.set("link", "set", "eth0", "down") },
        .init("the pod's MAC is another", "has MAC 02:00:00:00:00:99") {
            try $1.set("link", "set", "eth0", "address", "02:00:00:00:00:99")
        },
        .init("the pod's IPv4 address is missing", "address 10.44.0.2/24 is missing") {
            try $1.set("addr", "del", "10.44.0.2/24", "dev", "eth0")
        },
        .init("the pod's IPv6 address is missing", "address fd00:44::2/64 is missing") {
            try $1.set("addr", "del", "fd00:44::2/64", "dev", "eth0")
        },
        .init("the route to the gateway is missing", "route 10.44.0.1/32") {
            try $1.set("route", "del", "10.44.0.1", "dev", "eth0")
        },
        .init("the route to the subnet is missing", "route 10.44.0.0/24") {
            try $1.set("route", "del", "10.44.0.0/24")
        },
        .init("the subnet is on the link", "route 10.44.0.0/24") {
            try $1.set("route", "replace", "10.44.0.0/24", "dev", "eth0")
        },
        .init("the default route is missing", "route") { try $1.set("-6", "route", "del", "default") },
        .init("the host's end is down", "is down") { node, _ in try node.set("link", "set", node.veths()[0], "down") },
        .init("the gateway's address is missing", "gateway address fd00:44::1/128 is missing") { node, _ in
            try node.set("addr", "del", "fd00:44::1/128", "dev", node.veths()[0])
        },
        .init("the route to the pod is missing", "route 10.44.0.2/32") { node, _ in
            try node.set("route", "del", "10.44.0.2")
        },
        .init("the route to the pod leads elsewhere", "route fd00:44::2/128") { node, _ in
            try node.set("link", "add", "other", "type", "veth", "peer", "name", "another")
            try node.set("link", "set", "other", "up")
            try node.set("-6", "route", "del", "fd00:44::2")
            try node.set("-6", "route", "add", "fd00:44::2", "dev", "other")
        },
        .init("IPv4 forwarding is off", "forwarding is off") { node, _ in try node.setSysctl("ipv4/ip_forward", "0") },
        .init("IPv6 forwarding is off", "forwarding is off") { node, _ in
            try node.setSysctl("ipv6/conf/all/forwarding", "0")
        },
        .init("the rules are flushed", "") { node, _ in try node.exec("nft", "flush", "ruleset") },
        .init("the reservation is another's", "10.44.0.2") { node, _ in
            try node.reserve("10.44.0.2", "somebody\r\neth0")
        },
    ]

    @Test(arguments: damages) func checkFinds(_ damage: CheckTests.Damage) throws {
        let node = try Node()
        let pod = try node.pod()
        try CheckTests.expectFound(
            damage, of: pod, on: node, node.network(Self.plugin(node, ["ipMasq": true])))
        try eventually("the veth is gone") { try node.veths().filter { $0.hasPrefix("veth") } == [] }
    }

    @Test(arguments: [
        (#"{}"#, 7, "ptp requires an IPAM configuration"), (#"{"mtu":"big"}"#, 6, "mtu"), (#"{"mtu":70000}"#, 7, "mtu"),
        (#"{"ipMasq":1}"#, 6, "ipMasq"), (#"{"ipMasqBackend":"ipchains"}"#, 7, #"unknown ipmasq backend "ipchains""#),
        (#"{"dns":[]}"#, 6, "dns"), (#"{"mtu":60}"#, 7, "mtu"),
    ])
    func aWrongConfigurationIsNamedAndNothingIsLeft(_ keys: String, _ code: Int, _ text: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let ipam: [String: JSONValue]? = keys == "{}" ? nil : ["subnet": "10.44.0.0/24"]
        let list = try node.network(node.plugin("ptp", try JSONValue(parsing: keys).object ?? [:], ipam: ipam))
        try expectRefused(list, pod, code: code, text)
    }

    @Test func gcRemovesTheVethsOfPodsThatAreGone() throws {
        let node = try Node()
        let pods = try node.pods(3)
        let list = try node.network(Self.plugin(node, ["ipMasq": true]))
        let other = try node.network(Self.plugin(node, ipam: ["subnet": "10.45.0.0/24", "routes": []]), name: "other")
        for pod in pods { _ = try node.runtime().add(list, pod.attachment) }
        let second = PodAttachment(containerID: pods[0].id, netns: pods[0].path, ifname: "eth1")
        _ = try node.runtime().add(other, second)
        try node.runtime().gc(list, valid: [pods[1].valid])
        #expect(try node.veths().count == 2)
        #expect(try node.reservations() == ["10.44.0.3", "fd00:44::3"])
        try node.runtime().check(list, pods[1].attachment)
        try node.runtime().check(other, second)
        try node.runtime().gc(list, valid: [])
        try node.runtime().gc(other, valid: [])
        try node.expectNoRules()
    }
}
