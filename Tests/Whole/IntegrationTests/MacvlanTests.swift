import ContainerRuntime
import Foundation
import Testing

/// `macvlan`: pods on the node's cable, each with a MAC of its own.
@Suite(.realKernel) struct MacvlanTests {
    static func plugin(
        _ node: Node, _ keys: [String: JSONValue] = [:], ipam: [String: JSONValue]? = Outside.neighbours
    ) -> JSONValue {
        node.plugin("macvlan", ["master": "uplink"].merging(keys) { $1 }, ipam: ipam)
    }

    @Test(arguments: ["bridge", "private", "vepa"]) func theModeSaysWhoHearsWhom(_ mode: String) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pods = try node.pods(2)
        let list = try node.network(Self.plugin(node, ["mode": .string(mode)]))
        let results = try pods.map { try node.runtime().add(list, $0.attachment).result.hosts }
        // IPv6 first: nothing has had time to become usable.
        for (position, family) in Family.allCases.enumerated().reversed() {
            for (pod, hosts) in zip(pods, results) {
                try expectConnected(pod, hosts[position], outside, Outside.host(family))
            }
            if mode == "bridge" {
                try expectConnected(pods[0], results[0][position], pods[1], results[1][position])
            } else {
                #expect(pods[0].cannotPing(results[1][position]))
            }
        }
        for pod in pods {
            #expect(try pod.link("eth0")?["linkinfo"]?["info_data"]?["mode"]?.string == mode)
            try node.runtime().check(list, pod.attachment)
        }
    }

    @Test func passthruGivesTheWholeCableToOnePod() throws {
        let node = try Node()
        let outside = try Outside(node)
        let pods = try node.pods(2)
        let list = try node.network(Self.plugin(node, ["mode": "passthru"]))
        let result = try node.runtime().add(list, pods[0].attachment).result
        #expect(try result.interface("eth0")?["mac"] == node.link("uplink")?["address"])
        try expectConnected(pods[0], result.hosts[1], outside, Outside.host(.v6))
        try node.runtime().check(list, pods[0].attachment)
        try expectRefused(list, pods[1], code: 100, "passthru, cannot be master")
        try node.runtime().del(list, pods[0].attachment)
        _ = try node.runtime().add(list, pods[1].attachment)
        try pods[1].ping(Outside.host(.v4))
    }

    @Test(arguments: everyVersion.suffix(4)) func theResultSaysWhatIsThere(_ version: String) throws {
        let node = try Node()
        try node.addUplink()
        let pod = try node.pod()
        let plugin = Self.plugin(node, ["mtu": 1400, "bcqueuelen": 77, "dns": ["search": ["example.org"]]])
        let list = try node.network(plugin, version: version)
        let result = try node.runtime().add(list, pod.attachment).result
        let link = try #require(try pod.link("eth0"))
        #expect(link["mtu"] == 1400 && link["linkinfo"]?["info_kind"] == "macvlan")
        #expect(link["linkinfo"]?["info_data"]?["bcqueuelen"] == 77)
        // Not the address: another pod may get it while this one's namespace is still there.
        #expect(link["address"]?.string?.hasPrefix("0a:58") == false)
        #expect(result["interfaces"]?.array?.count == 1)
        #expect(result.interface("eth0")?["mac"] == link["address"])
        #expect(result.interface("eth0")?["sandbox"]?.string == pod.path)
        if version == "1.1.0" { #expect(result.interface("eth0")?["mtu"] == 1400) }
        #expect(result["ips"]?.array?.map { $0["interface"]?.integer } == [0, 0])
        #expect(result["dns"] == ["search": ["example.org"]])
        #expect(try pod.addresses("eth0") == result.addresses)
        #expect(try pod.unusableAddresses("eth0") == [])
        #expect(try pod.route("default")?["gateway"]?.string == Outside.host(.v4))
        #expect(try pod.route("default", family: "-6")?["gateway"]?.string == Outside.host(.v6))
        #expect(try pod.sysctl("ipv4/conf/eth0/arp_notify") == "1")
        #expect(try pod.sysctl("ipv6/conf/eth0/ndisc_notify") == "1")
        try node.runtime().del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    @Test func dnsOfIpamStaysWhereTheConfigurationHasNone() throws {
        let node = try Node()
        try node.addUplink()
        try node.write("resolv.conf", "nameserver 192.0.2.53\n")
        let ipam = Outside.neighbours.merging(["resolvConf": .string(node.directory + "/resolv.conf")]) { $1 }
        let pod = try node.pod()
        let result = try node.runtime().add(node.network(Self.plugin(node, ipam: ipam)), pod.attachment).result
        #expect(result["dns"] == ["nameservers": ["192.0.2.53"]])
    }

    @Test func withoutAMasterItIsTheLinkOfTheDefaultRoute() throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        let list = try node.network(Self.plugin(node, ["master": ""]))
        let result = try node.runtime().add(list, pod.attachment).result
        try expectConnected(pod, result.hosts[0], outside, Outside.host(.v4))
        // CHECK does not mind where it leads later.
        try node.set("route", "del", "default")
        try node.set("-6", "route", "del", "default")
        try node.runtime().check(list, pod.attachment)
        let error = try failure { try node.runtime().status(list) }
        #expect(error.code == 50 && error.msg.contains("no default route interface found"))
        try expectRefused(list, node.pod(), code: 7, "no default route interface found")
        try node.runtime().del(list, pod.attachment)
    }

    @Test func theLastToSpeakOfTheMACWins() throws {
        let node = try Node()
        try node.addUplink()
        let configured: [String: JSONValue] = ["mac": "02:00:00:00:00:01", "capabilities": ["mac": true]]
        let conventional: [String: JSONValue] = ["args": ["cni": ["mac": "02:00:00:00:00:03"]]]
        let arguments = [("MAC", "02:00:00:00:00:02")]
        let capability: [String: JSONValue] = ["mac": "02:00:00:00:00:04"]
        for (number, keys, args, capabilities) in [
            (1, configured, [], [:]), (2, configured, arguments, [:]),
            (3, configured.merging(conventional) { $1 }, arguments, [:]),
            (4, configured.merging(conventional) { $1 }, arguments, capability),
        ] as [(Int, [String: JSONValue], [(String, String)], [String: JSONValue])] {
            let pod = try node.pod()
            let list = try node.network(Self.plugin(node, keys))
            let attachment = pod.with(args: args, capabilities: capabilities)
            let result = try node.runtime().add(list, attachment).result
            #expect(result.interface("eth0")?["mac"]?.string == "02:00:00:00:00:0\(number)")
            #expect(try pod.link("eth0")?["address"]?.string == "02:00:00:00:00:0\(number)")
            try node.runtime().check(list, attachment)
        }
    }

    @Test func theMasterMayBeInThePod() throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        // The pod has a cable of its own to the outside.
        try outside.set("link", "add", "eth1", "type", "veth", "peer", "name", "cable", "netns", pod.netns)
        try outside.set("addr", "add", "198.51.100.1/24", "dev", "eth1")
        try outside.set("link", "set", "eth1", "up")
        try pod.set("link", "set", "cable", "up")
        let keys: [String: JSONValue] = ["master": "cable", "linkInContainer": true]
        let list = try node.network(
            Self.plugin(node, keys, ipam: ["subnet": "198.51.100.0/24", "rangeStart": "198.51.100.9"]))
        let result = try node.runtime().add(list, pod.attachment).result
        try expectConnected(pod, "198.51.100.9", outside, "198.51.100.1")
        #expect(try pod.link("eth0")?["link"] == "cable")
        #expect(result["interfaces"]?.array?.count == 1)
        try node.runtime().check(list, pod.attachment)
        try node.runtime().status(list)
        try node.runtime().del(list, pod.attachment)
        #expect(try pod.link("eth0") == nil && pod.link("cable") != nil)
        try expectRefused(list, node.pod(), code: 7, #"failed to lookup master "cable""#)
    }

    @Test func layer2OnlyIsAnInterfaceThatIsUp() throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        let list = try node.network(Self.plugin(node, ipam: nil))
        let result = try node.runtime().add(list, pod.attachment).result
        #expect(result["ips"] == nil)
        #expect(try pod.isUp("eth0") && pod.addresses("eth0") == [])
        try node.runtime().check(list, pod.attachment)
        // Whoever has the pod gives it an address.
        try pod.set("addr", "add", "192.0.2.77/24", "dev", "eth0")
        try expectConnected(pod, "192.0.2.77", outside, Outside.host(.v4))
        try node.runtime().del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    static let wrong: [(String, Int, String)] = [
        (#"{"mode":"bridged"}"#, 7, #"unknown macvlan mode: "bridged""#), (#"{"mode":4}"#, 6, "mode"),
        (#"{"mtu":1501}"#, 7, "invalid MTU 1501, must be [0, master MTU(1500)]"),
        (#"{"mtu":-1}"#, 7, "invalid MTU -1, must be [0, master MTU("), (#"{"mtu":"1400"}"#, 6, "mtu"),
        (#"{"mtu":60}"#, 7, "invalid MTU 60"), (#"{"master":"nosuch"}"#, 7, #"failed to lookup master "nosuch""#),
        (#"{"master":"a/b"}"#, 7, #"master "a/b""#), (#"{"master":"sixteen.letters_"}"#, 7, "15 octets"),
        (#"{"master":["uplink"]}"#, 6, "master"), (#"{"mac":"01:00:5e:00:00:01"}"#, 7, "mac"),
        (#"{"mac":"new"}"#, 7, "mac"), (#"{"bcqueuelen":-1}"#, 7, "bcqueuelen"),
        (#"{"linkInContainer":"yes"}"#, 6, "linkInContainer"),
    ]

    @Test(arguments: wrong) func aWrongConfigurationIsNamedAndNothingIsLeft(
        _ keys: String, _ code: Int, _ text: String
    ) throws {
        let node = try Node()
        try node.addUplink()
        let pod = try node.pod()
        let list = try node.network(Self.plugin(node, try JSONValue(parsing: keys).object ?? [:]))
        try expectRefused(list, pod, code: code, text)
        try node.runtime().del(list, pod.attachment)
    }

    static let damages: [CheckTests.Damage] = [
        .init("it is missing", "interface eth0 is missing") { try $1.set("link", "del", "eth0") },
        .init("it is of another kind", "is not a macvlan") { _, pod in
            let mac = try pod.link("eth0")?["address"]?.string ?? ""
            try pod.set("link", "del", "eth0")
            try pod.set("link", "add", "eth0", "address", mac, "type", "veth", "peer", "name", "other")
        },
        .init("it is down", "is down") { try $1.set("link", "set", "eth0", "down") },
        .init("its MAC is another", "has MAC 02:00:00:00:00:99") {
            try $1.set("link", "set", "eth0", "address", "02:00:00:00:00:99")
        },
        .init("its MTU is another", "has MTU 1300, not 1400") { try $1.set("link", "set", "eth0", "mtu", "1300") },
        .init("its mode is another", "is macvlan of mode private") {
            try $1.set("link", "set", "eth0", "type", "macvlan", "mode", "private")
        },
        .init("it sits on another link", "has another parent than uplink") { node, pod in
            let mac = try pod.link("eth0")?["address"]?.string ?? ""
            try pod.set("link", "del", "eth0")
            try node.set("link", "add", "other", "type", "veth", "peer", "name", "another")
            try node.set(
                "link", "add", "link", "other", "eth0", "netns", pod.netns, "address", mac, "type", "macvlan", "mode",
                "bridge")
            try pod.set("link", "set", "eth0", "mtu", "1400", "up")
            try pod.set("addr", "add", "192.0.2.100/24", "dev", "eth0")
            try pod.set("addr", "add", "2001:db8::100/64", "dev", "eth0", "nodad")
            for family in Family.allCases { try pod.set("route", "add", "default", "via", Outside.host(family)) }
        },
        .init("its IPv4 address is missing", "address 192.0.2.100/24 is missing") {
            try $1.set("addr", "del", "192.0.2.100/24", "dev", "eth0")
        },
        .init("its IPv6 address is missing", "address 2001:db8::100/64 is missing") {
            try $1.set("addr", "del", "2001:db8::100/64", "dev", "eth0")
        },
        .init("its route is missing", "route 0.0.0.0/0") { try $1.set("route", "del", "default") },
        .init("the reservation is another's", "192.0.2.100") { node, _ in
            try node.reserve("192.0.2.100", "somebody\r\neth0")
        },
    ]

    @Test(arguments: damages) func checkFinds(_ damage: CheckTests.Damage) throws {
        let node = try Node()
        try node.addUplink()
        let pod = try node.pod()
        try CheckTests.expectFound(damage, of: pod, on: node, node.network(Self.plugin(node, ["mtu": 1400])))
    }

    @Test func itGoesWithItsMaster() throws {
        let node = try Node()
        try node.addUplink()
        let pod = try node.pod()
        let list = try node.network(Self.plugin(node))
        _ = try node.runtime().add(list, pod.attachment)
        try node.set("link", "del", "uplink")
        #expect(try failure { try node.runtime().check(list, pod.attachment) }.code == 104)
        let error = try failure { try node.runtime().status(list) }
        #expect(error.code == 50 && error.msg.contains(#"failed to lookup master "uplink""#))
        try node.runtime().del(list, pod.attachment)
        #expect(try node.reservations() == [])
    }
}
