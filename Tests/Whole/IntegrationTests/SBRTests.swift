import ContainerRuntime
import Foundation
import Testing

extension Namespace {
    /// Rules of both families and routes of all tables but the kernel's own, as sorted lines.
    fileprivate func routing() throws -> [String] {
        var lines: [String] = []
        for family in ["-4", "-6"] {
            lines += try run("ip", family, "-n", netns, "rule").split(separator: "\n").map(String.init)
            lines += try run("ip", family, "-n", netns, "route", "show", "table", "all").split(separator: "\n")
                .map { $0.trimmingCharacters(in: .whitespaces) }
                .filter { !$0.contains("table local") && !$0.contains("fe80::") }
        }
        return lines.sorted()
    }

    /// `ip rule`'s lines about addresses, without their priority.
    fileprivate func sourceRules() throws -> [String] {
        try routing().filter { $0.contains("from") && !$0.contains("from all") }
            .map { $0.split(whereSeparator: \.isWhitespace).dropFirst().joined(separator: " ") }.sorted()
    }
}

/// A pod on two bridges, both of which hold their pods to their addresses: an answer that leaves by the wrong one is lost.
private struct TwoNetworks {
    let node: Node
    let pod: Pod

    init() throws {
        node = try Node()
        pod = try node.pod()
    }

    var second: PodAttachment { PodAttachment(containerID: pod.id, netns: pod.path, ifname: "eth1") }

    func plugin(_ number: Int, _ keys: [String: JSONValue] = [:]) -> JSONValue {
        node.swiftlet(
            [
                "bridge": .string("cni\(number)"), "antiSpoof": true,
                "ranges": [
                    [["subnet": .string("10.4\(number).0.0/24")]], [["subnet": .string("fd00:4\(number)::/64")]],
                ],
            ].merging(keys) { _, own in own })
    }

    func list(_ number: Int, sbr: [String: JSONValue]? = [:]) throws -> NetworkList {
        let name = "net-\(number)"
        guard let sbr else { return try node.network(plugin(number), name: name, version: "1.0.0") }
        let chained = JSONValue.object(["type": "sbr"].merging(sbr) { _, own in own })
        return try node.network(plugin(number), chained, name: name, version: "1.0.0")
    }
}

/// `sbr`: what is sent from an address leaves by the interface that has it.
@Suite(.realKernel) struct SBRTests {
    @Test func answersLeaveByTheInterfaceThatTheQuestionCameInBy() throws {
        let two = try TwoNetworks()
        let outside = try Outside(two.node)
        try outside.learnRoutes(to: "10.45.0.0/24", "fd00:45::/64", "10.44.0.0/24", "fd00:44::/64")
        _ = try two.node.runtime().add(two.list(4, sbr: nil), two.pod.attachment)
        _ = try two.node.runtime().add(two.list(5, sbr: nil), two.second)
        try outside.ping("10.44.0.2")
        // Without sbr answers take the first network's way, and are lost there.
        #expect(outside.cannotPing("10.45.0.2") && outside.cannotPing("fd00:45::2"))
        try two.node.runtime().del(two.list(5, sbr: nil), two.second)
        let before = try two.pod.routing()

        let list = try two.list(5)
        let addresses = try two.node.runtime().add(list, two.second).result.hosts
        for (address, other) in zip(addresses, ["10.44.0.2", "fd00:44::2"]) {
            try outside.ping(address)
            try outside.ping(other)
            #expect(try outside.fetch(from: two.pod, at: address).text == "served at \(address)")
        }
        try two.node.runtime().check(list, two.second)
        try two.node.runtime().check(two.list(4, sbr: nil), two.pod.attachment)
        try two.node.runtime().del(list, two.second)
        #expect(try two.pod.routing() == before)
        try outside.ping("10.44.0.2")
    }

    @Test func everyAddressHasItsRuleAndATableFromOneHundredOn() throws {
        let two = try TwoNetworks()
        try two.pod.set("rule", "add", "from", "192.0.2.9", "lookup", "101")
        let lists = try [two.list(4), two.list(5)]
        _ = try two.node.runtime().add(lists[0], two.pod.attachment)
        _ = try two.node.runtime().add(lists[1], two.second)
        #expect(
            try two.pod.sourceRules() == [
                "from 10.44.0.2 lookup 100", "from 10.45.0.2 lookup 103", "from 192.0.2.9 lookup 101",
                "from fd00:44::2 lookup 102", "from fd00:45::2 lookup 104",
            ])
        for (number, ifname, tables) in [(4, "eth0", ["100", "102"]), (5, "eth1", ["103", "104"])] {
            for (family, table) in zip(["-4", "-6"], tables) {
                let gateway = family == "-4" ? "10.4\(number).0.1" : "fd00:4\(number)::1"
                let subnet = family == "-4" ? "10.4\(number).0.0/24" : "fd00:4\(number)::/64"
                let route = try #require(try two.pod.route("default", table: table, family: family))
                #expect(route["gateway"]?.string == gateway && route["dev"]?.string == ifname)
                #expect(try two.pod.route(subnet, table: table, family: family)?["dev"]?.string == ifname)
                #expect(try two.pod.route(subnet, family: family) == nil)
                #expect(try two.pod.route("default", family: family) == nil)
            }
        }
        // Neighbours are still neighbours.
        #expect(try two.pod.route("fe80::/64", family: "-6") != nil)
        // One's end is nothing to the other, nor to rules of others.
        try two.node.runtime().del(lists[0], two.pod.attachment)
        #expect(
            try two.pod.sourceRules() == [
                "from 10.45.0.2 lookup 103", "from 192.0.2.9 lookup 101", "from fd00:45::2 lookup 104",
            ])
        try two.node.runtime().check(lists[1], two.second)
        try two.node.runtime().del(lists[1], two.second)
        #expect(try two.pod.sourceRules() == ["from 192.0.2.9 lookup 101"])
        try two.node.runtime().del(lists[1], two.second)
    }

    @Test(arguments: [
        ["rule", "del", "from", "10.45.0.2"], ["-6", "rule", "del", "from", "fd00:45::2"],
        ["route", "del", "default", "table", "100"], ["route", "del", "10.45.0.0/24", "table", "100"],
        ["-6", "route", "del", "default", "table", "101"], ["-6", "route", "del", "fd00:45::/64", "table", "101"],
        ["route", "replace", "default", "via", "10.45.0.9", "table", "100"],
    ]) func checkSeesEachRuleAndRouteThatIsMissing(_ damage: [String]) throws {
        let two = try TwoNetworks()
        let list = try two.list(5)
        let result = try two.node.runtime().add(list, two.second).result
        try two.node.runtime().check(list, two.second)
        try run(["ip", "-n", two.pod.netns] + damage)
        let error = try failure {
            _ = try two.node.runtime().run(.check, list.plugins[1], in: list, two.second, prevResult: result)
        }
        #expect(error.code == 104)
        #expect(error.msg.contains("is missing in \(two.pod.path)"), "\(error)")
        // Nor is it in DEL's way.
        try two.node.runtime().del(list, two.second)
        #expect(try isUntouched(two.pod) && two.pod.sourceRules() == [])
    }

    @Test func aFailedAddLeavesNothing() throws {
        let two = try TwoNetworks()
        let plain = try two.list(5, sbr: nil)
        let result = try two.node.runtime().add(plain, two.second).result
        let before = try two.pod.routing()
        // Reached by no route, which the kernel says when everything else has been sent.
        for keys in [["gateways": ["192.0.2.99"]], ["gateways": ["2001:db8::99"]]] as [[String: JSONValue]] {
            let list = try two.list(5, sbr: keys)
            let error = try failure {
                _ = try two.node.runtime().run(.add, list.plugins[1], in: list, two.second, prevResult: result)
            }
            #expect(error.code == 100 && error.msg.contains("add route"), "\(error)")
            #expect(try two.pod.routing() == before)
        }
    }

    @Test func gatewaysTakeThePlaceOfTheAddresses() throws {
        let two = try TwoNetworks()
        let list = try two.list(5, sbr: ["gateways": ["10.45.0.77", "fd00:45::77"]])
        _ = try two.node.runtime().add(list, two.second)
        for (address, gateway) in [("10.45.0.2", "10.45.0.77"), ("fd00:45::2", "fd00:45::77")] {
            let outside = address.contains(":") ? "2001:db8::9" : "192.0.2.9"
            let route = try two.pod.exec("ip", "-o", "route", "get", outside, "from", address)
            #expect(route.contains("via \(gateway) dev eth1"), "\(route)")
        }
        try two.node.runtime().check(list, two.second)
        try two.pod.set("route", "del", "default", "via", "10.45.0.77", "table", "100")
        #expect(throws: PluginError.self) { try two.node.runtime().check(list, two.second) }
    }

    @Test func withSourceHintsNeighboursAreReachedWhateverTheSource() throws {
        let two = try TwoNetworks()
        let list = try two.list(5, sbr: ["addSourceHints": true])
        _ = try two.node.runtime().add(list, two.second)
        #expect(try two.pod.route("10.45.0.0/24")?["prefsrc"] == "10.45.0.2")
        #expect(try two.pod.route("fd00:45::/64", family: "-6")?["prefsrc"] == "fd00:45::2")
        #expect(try two.pod.route("default") == nil && two.pod.route("default", family: "-6") == nil)
        for address in ["10.45.0.1", "fd00:45::1"] { try two.pod.ping(address) }
        try two.node.runtime().check(list, two.second)
        try two.pod.set("-6", "route", "del", "fd00:45::/64")
        #expect(throws: PluginError.self) { try two.node.runtime().check(list, two.second) }
    }

    @Test func aTableThatIsConfiguredGetsRulesAndNothingElse() throws {
        let two = try TwoNetworks()
        let list = try two.list(5, sbr: ["table": 5000])
        let result = try two.node.runtime().add(list, two.second).result
        #expect(try two.pod.sourceRules() == ["from 10.45.0.2 lookup 5000", "from fd00:45::2 lookup 5000"])
        #expect(try two.pod.route("default")?["dev"] == "eth1")
        #expect(try !two.pod.routing().contains { $0.contains("table 5000") })
        try two.node.runtime().check(list, two.second)
        // A repeated ADD finds them there.
        _ = try two.node.runtime().run(.add, list.plugins[1], in: list, two.second, prevResult: result)
        #expect(try two.pod.sourceRules().count == 2)
        try two.pod.set("rule", "del", "from", "10.45.0.2")
        #expect(throws: PluginError.self) { try two.node.runtime().check(list, two.second) }
        try two.node.runtime().del(list, two.second)
        #expect(try two.pod.sourceRules() == [])
    }

    @Test(arguments: [
        (#"{"gateways":["10.0.0.1","10.0.0.2","fd00::1"]}"#, 7, "gateways list cannot contain more than 2 entries"),
        (
            #"{"gateways":["10.0.0.1","10.0.0.2"]}"#, 7,
            "gateways list contains multiple IPv4 addresses: 10.0.0.1 and 10.0.0.2"
        ),
        (#"{"gateways":["fd00::1","fd00::2"]}"#, 7, "multiple IPv6 addresses"),
        (#"{"gateways":["x"]}"#, 7, "invalid static gateway IP address: x"),
        (#"{"gateways":"10.0.0.1"}"#, 6, "gateways"),
        (#"{"table":0}"#, 7, "table must be from 1"), (#"{"table":-1}"#, 7, "table"), (#"{"table":"x"}"#, 6, "table"),
    ]) func whatMakesNoSenseIsNamed(_ keys: String, _ code: Int, _ text: String) throws {
        let two = try TwoNetworks()
        let list = try two.list(5, sbr: try JSONValue(parsing: keys).object)
        let error = try failure { _ = try two.node.runtime().add(list, two.second) }
        #expect(error.plugin == "sbr" && error.code == code && error.msg.contains(text), "\(error)")
        try two.node.runtime().del(list, two.second)
        #expect(try isUntouched(two.pod))
    }

    @Test func itWorksInAChainOnly() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(["type": "sbr"])
        let alone = try failure { _ = try node.runtime().add(list, pod.attachment) }
        #expect(alone.code == 7 && alone.msg.contains("This plugin must be called as chained plugin"))
        let layer2 = try node.network(node.bridge(ipam: nil), ["type": "sbr"])
        let error = try failure { _ = try node.runtime().add(layer2, pod.attachment) }
        #expect(error.code == 7 && error.msg.contains("No IP addresses supplied on interface: eth0"))
        try node.runtime().status(list)
        try node.runtime().gc(list, valid: [])
    }

    @Test func delNeedsNoNamespaceAndMakesNone() throws {
        let two = try TwoNetworks()
        let list = try two.list(4)
        _ = try two.node.runtime().add(list, two.pod.attachment)
        try two.pod.end()
        for netns in [two.pod.path, "", nil] {
            try two.node.runtime().del(list, two.pod.with(netns: .some(netns)))
        }
        #expect(!FileManager.default.fileExists(atPath: two.pod.path))
    }

    @Test func whoeverLocksTheNamespaceGoesFirst() throws {
        let two = try TwoNetworks()
        let lists = try [two.list(4), two.list(5)]
        let attachments = [two.pod.attachment, two.second]
        let (node, pod) = (two.node, two.pod)
        for result in inParallel(2, { try node.runtime().add(lists[$0], attachments[$0]).runs.count }) {
            _ = try result.get()
        }
        let tables = try pod.sourceRules().compactMap { $0.split(separator: " ").last }
        #expect(Set(tables) == ["100", "101", "102", "103"])
        for (list, attachment) in zip(lists, attachments) { try node.runtime().check(list, attachment) }
    }

    @Test(arguments: [true, false]) func podsOfOneAreCheckedAndDetachedByTheOther(_ oursFirst: Bool) throws {
        let two = try TwoNetworks()
        let plugins = try two.node.link(plugin: "swiftlet", from: Requirements.bin)
        try two.node.link(plugin: "sbr", from: Requirements.referenceBin)
        let theirs = two.node.runtime(path: [plugins])
        let (first, second) = oursFirst ? (two.node.runtime(), theirs) : (theirs, two.node.runtime())
        let list = try two.list(5)
        _ = try first.add(list, two.second)
        #expect(try two.pod.sourceRules().count == 2)
        try second.check(list, two.second)
        try second.del(list, two.second)
        #expect(try isUntouched(two.pod) && two.pod.sourceRules() == [])
    }
}
