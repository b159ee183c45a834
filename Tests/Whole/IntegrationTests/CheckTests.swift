import ContainerRuntime
import Foundation
import Testing

/// CHECK finds what is no longer as ADD made it, and minds nothing that others have added since.
@Suite(.realKernel) struct CheckTests {
    struct Damage: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Part of the message.
        let text: String
        let body: @Sendable (Node, Pod) throws -> Void

        init(_ description: String, _ text: String, _ body: @escaping @Sendable (Node, Pod) throws -> Void) {
            testDescription = description
            self.text = text
            self.body = body
        }
    }

    static let damages: [Damage] = [
        Damage("the pod's interface is missing", "is missing") { try $1.set("link", "del", "eth0") },
        Damage("the pod's interface is down", "has no carrier") { try $1.set("link", "set", "eth0", "down") },
        Damage("the pod's MAC is another", "has MAC 02:00:00:00:00:99") {
            try $1.set("link", "set", "eth0", "address", "02:00:00:00:00:99")
        },
        Damage("the pod's IPv4 address is missing", "address 10.44.0.2/24 is missing") {
            try $1.set("addr", "del", "10.44.0.2/24", "dev", "eth0")
        },
        Damage("the pod's IPv6 address is missing", "address fd00:44::2/64 is missing") {
            try $1.set("addr", "del", "fd00:44::2/64", "dev", "eth0")
        },
        Damage("the prefix length is another", "address 10.44.0.2/24 is missing") {
            try $1.set("addr", "add", "10.44.0.2/16", "dev", "eth0")
            try $1.set("addr", "del", "10.44.0.2/24", "dev", "eth0")
            try $1.set("route", "replace", "default", "via", "10.44.0.1")
        },
        Damage("the IPv4 default route is missing", "route") { try $1.set("route", "del", "default") },
        Damage("the IPv6 default route is missing", "route") { try $1.set("-6", "route", "del", "default") },
        Damage("the default route leads elsewhere", "route") {
            try $1.set("route", "replace", "default", "via", "10.44.0.99")
        },
        Damage("lo is down", "loopback interface is down") { try $1.set("link", "set", "lo", "down") },
        Damage("the host's end is missing", "host interface veth") { node, _ in
            try node.set("link", "del", node.veths()[0])
        },
        Damage("the host's end is down", "is down") { node, _ in try node.set("link", "set", node.veths()[0], "down") },
        Damage("the host's end is no bridge port", "is not a port of bridge cbr0") { node, _ in
            try node.set("link", "set", node.veths()[0], "nomaster")
        },
        Damage("hairpin mode is off", "hairpin mode") { node, _ in
            try node.set("link", "set", node.veths()[0], "type", "bridge_slave", "hairpin", "off")
        },
        Damage("isolation is off", "isolation") { node, _ in
            try node.set("link", "set", node.veths()[0], "type", "bridge_slave", "isolated", "off")
        },
        Damage("the bridge is missing", "bridge cbr0 is missing") { node, _ in try node.set("link", "del", "cbr0") },
        Damage("the bridge is down", "bridge cbr0 is down") { node, _ in try node.set("link", "set", "cbr0", "down") },
        Damage("the bridge's MAC is another", "bridge cbr0 has MAC") { node, _ in
            try node.set("link", "set", "cbr0", "address", "02:00:00:00:00:99")
        },
        Damage("the gateway's address is missing", "gateway address 10.44.0.1/24 is missing") { node, _ in
            try node.set("addr", "del", "10.44.0.1/24", "dev", "cbr0")
        },
        Damage("IPv4 forwarding is off", "forwarding is off") { node, _ in try node.setSysctl("ipv4/ip_forward", "0") },
        Damage("IPv6 forwarding is off", "forwarding is off") { node, _ in
            try node.setSysctl("ipv6/conf/all/forwarding", "0")
        },
        Damage("the reservation is missing", "Failed to find address added by container") { node, _ in
            try FileManager.default.removeItem(atPath: node.data + "/net/10.44.0.2")
            try FileManager.default.removeItem(atPath: node.data + "/net/fd00:44::2")
        },
        Damage("the reservation is another's", "10.44.0.2") { node, _ in
            try node.reserve("10.44.0.2", "somebody\r\neth0")
        },
    ]

    static func plugin(_ node: Node) -> JSONValue {
        node.swiftlet(Node.dualStack.merging(["hairpinMode": true, "portIsolation": true]) { $1 })
    }

    @Test(arguments: damages) func itFinds(_ damage: Damage) throws {
        let node = try Node()
        let pod = try node.pod()
        try Self.expectFound(damage, of: pod, on: node, node.network(Self.plugin(node)))
        #expect(try node.veths() == [])
    }

    /// Attaches the pod and damages something: CHECK says what, and DEL takes away what is left.
    static func expectFound(_ damage: Damage, of pod: Pod, on node: Node, _ list: NetworkList) throws {
        let runtime = node.runtime()
        _ = try runtime.add(list, pod.attachment)
        try runtime.check(list, pod.attachment)
        try damage.body(node, pod)
        let before = try Snapshot(node, [pod])
        let error = try failure { try runtime.check(list, pod.attachment) }
        #expect(damage.text.isEmpty || error.msg.contains(damage.text), "\(error)")
        #expect(error.code == 104, "\(error)")
        // It looks and changes nothing.
        expectSame(try Snapshot(node, [pod]), as: before)
        // And what is broken can be taken away.
        try runtime.del(list, pod.attachment)
        #expect(try node.reservations().allSatisfy { try node.reservation($0).contains("somebody") })
    }

    @Test func itMindsNothingThatOthersHaveAdded() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(Self.plugin(node))
        let added = try node.runtime().add(list, pod.attachment).result
        try pod.set("addr", "add", "192.0.2.7/32", "dev", "eth0")
        try pod.set("-6", "addr", "add", "2001:db8::7/128", "dev", "eth0", "nodad")
        try pod.set("route", "add", "198.51.100.0/24", "via", "10.44.0.1")
        try pod.set("link", "add", "more", "type", "veth", "peer", "name", "evenmore")
        try pod.set("link", "set", "eth0", "mtu", "1300")
        try pod.set("link", "set", "eth0", "txqueuelen", "77")
        try node.set("addr", "add", "192.0.2.1/32", "dev", "cbr0")
        try node.set("link", "add", "dmz0", "type", "bridge")
        // Chained plugins may have added interfaces and addresses to the result.
        var result = added.object ?? [:]
        result["interfaces"] = .array(
            (added["interfaces"]?.array ?? []) + [["name": "more", "sandbox": .string(pod.path)]])
        result["ips"] = .array((added["ips"]?.array ?? []) + [["address": "203.0.113.9/32", "interface": 3]])
        result["routes"] = .array((added["routes"]?.array ?? []) + [["dst": "198.51.99.0/24", "gw": "203.0.113.1"]])
        try node.runtime().check(list, pod.attachment, prevResult: .object(result))
    }

    @Test(arguments: ["0.4.0", "1.0.0", "1.1.0"]) func itWorksWithoutAddresses(_ version: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.bridge(ipam: nil), version: version)
        _ = try node.runtime().add(list, pod.attachment)
        try node.runtime().check(list, pod.attachment)
        try pod.set("link", "set", "eth0", "down")
        #expect(try failure { try node.runtime().check(list, pod.attachment) }.msg.contains("has no carrier"))
    }

    @Test(arguments: ["swiftlet", "bridge"]) func withoutPrevResultItSaysSo(_ type: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let plugin = type == "swiftlet" ? node.swiftlet() : node.gatewayBridge()
        let list = try node.network(plugin)
        _ = try node.runtime().add(list, pod.attachment)
        let error = try failure { _ = try node.runtime().run(.check, plugin, in: list, pod.attachment) }
        #expect(error.code == 7 && error.msg.contains("Required prevResult missing"))
    }

    @Test func itPrintsNothing() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        _ = try node.runtime().add(list, pod.attachment)
        #expect(try node.runtime().check(list, pod.attachment).map(\.outcome.text) == [""])
    }

    @Test func itSucceedsRightAfterEachOfManyAdds() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet(Node.dualStack))
        for _ in 0..<100 {
            _ = try node.runtime().add(list, pod.attachment)
            try node.runtime().check(list, pod.attachment)
            try node.runtime().del(list, pod.attachment)
        }
    }
}
