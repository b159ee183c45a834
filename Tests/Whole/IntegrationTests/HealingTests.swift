import ContainerRuntime
import Foundation
import Testing

/// Rules that have vanished, that are out of date, or whose owners have: who puts things in order, and what it leaves alone.
@Suite(.realKernel) struct HealingTests {
    typealias Way = IsolationTests.Way

    /// A network with everything that there is, on a bridge of its own.
    static func network(
        _ node: Node, _ way: Way = .alone, name: String = "net", bridge: String = "cbr0",
        _ subnets: [String] = ["10.44.0.0/24", "fd00:44::/64"]
    ) throws -> NetworkList {
        try DamageTests.Scene.network(
            node, way, name: name, bridge: bridge, ranges: subnets.map { .array([["subnet": .string($0)]]) })
    }

    @Test(arguments: Way.allCases) func afterAFlushTheNextPodHasAllAndTheOthersAreTold(_ way: Way) throws {
        let node = try Node()
        let outside = try Outside(node)
        let world = try Responder("outside", in: outside, 7)
        let list = try Self.network(node, way)
        let runtime = node.runtime()
        let pods = try node.pods(3)
        for (number, pod) in pods[..<2].enumerated() {
            _ = try runtime.add(list, pod.with(ports: hostPorts(8080 + Int64(number))))
        }
        try node.exec("nft", "flush", "ruleset")
        let lost = try failure { try runtime.check(list, pods[0].with(ports: hostPorts(8080))) }
        #expect(lost.code == 104 && lost.msg.contains("table inet swiftlet is missing"), "\(lost)")
        _ = try runtime.add(list, pods[2].with(ports: hostPorts(8082)))
        var server: Responder? = try Responder("third", in: pods[2], 80)
        for family in Family.allCases {
            for transport in [Transport.tcp, .udp] {
                expectAnswer("third", from: outside, Outside.node(family), 8082, transport)
                expectAnswer(
                    world.name, from: pods[2], Outside.host(family), 7, transport, seen: Outside.node(family))
            }
            expectAnswer("third", from: pods[2], Outside.node(family), 8082)
        }
        withExtendedLifetime(server) {}
        server = nil
        try runtime.check(list, pods[2].with(ports: hostPorts(8082)))
        for (number, pod) in pods[..<2].enumerated() {
            let error = try failure {
                try runtime.check(list, pod.with(ports: hostPorts(8080 + Int64(number))))
            }
            #expect(error.code == 104 && "\(error)".contains("net/\(pod.id)/eth0"), "\(error)")
            // By a drop-in of a chain the first that misses something speaks.
            #expect(way == .chained || "\(error)".contains("host port \(8080 + number)/tcp"), "\(error)")
        }
        try node.exec("\(Requirements.bin)/swiftletctl", "repair")
        let servers = try pods.map { try Responder($0.id, in: $0, 80) }
        for (number, pod) in pods.enumerated() {
            try runtime.check(list, pod.with(ports: hostPorts(8080 + Int64(number))))
            expectAnswer(servers[number].name, from: outside, Outside.node(.v6), UInt16(8080 + number))
        }
        for pod in pods { try runtime.del(list, pod.attachment) }
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }

    @Test(arguments: Way.allCases) func garbageIsWhatNobodyListsOfThisNetworkOnly(_ way: Way) throws {
        let node = try Node()
        let runtime = node.runtime()
        let list = try Self.network(node, way)
        let other = try Self.network(node, way, name: "net-2", bridge: "cbr1", ["10.45.0.0/24", "fd00:45::/64"])
        let pods = try node.pods(5)
        for (number, pod) in pods.enumerated() {
            _ = try runtime.add(number < 3 ? list : other, pod.with(ports: hostPorts(8080 + Int64(number))))
        }
        let before = try pods.map {
            try node.ownElements(of: "\($0 === pods[3] || $0 === pods[4] ? "net-2" : "net")/\($0.id)/eth0")
        }
        for elements in before { #expect(elements.count >= 6) }
        let shared = try ["net", "net-2"].map(node.ownElements)
        // One of the garbage and one of the other network have lost their records.
        let records = try node.records()
        func removeRecords(_ pods: Pod...) throws {
            let files = try node.recordPaths().filter { file in pods.contains { file.contains($0.id) } }
            try #require(files.count >= pods.count)
            for file in files { try FileManager.default.removeItem(atPath: "\(records)/\(file)") }
        }
        try removeRecords(pods[1], pods[3])
        try runtime.gc(list, valid: [pods[0].valid])
        try runtime.check(list, pods[0].with(ports: hostPorts(8080)))
        #expect(try node.ownElements(of: "net/\(pods[0].id)/eth0") == before[0])
        for pod in pods[1...2] { #expect(try node.ownElements(of: "net/\(pod.id)/eth0") == []) }
        for (pod, elements) in zip(pods[3...], before[3...]) {
            #expect(try node.ownElements(of: "net-2/\(pod.id)/eth0") == elements)
        }
        #expect(try ["net", "net-2"].map(node.ownElements) == shared)
        try runtime.check(other, pods[4].with(ports: hostPorts(8084)))
        #expect(try node.recordPaths().filter { $0.contains(pods[2].id) } == [])
        // A valid attachment keeps its elements without a record too.
        try removeRecords(pods[0])
        try runtime.gc(list, valid: [pods[0].valid])
        #expect(try node.ownElements(of: "net/\(pods[0].id)/eth0") == before[0])
        try runtime.gc(list, valid: [])
        #expect(try node.ruleset().own.allSatisfy { $0.owner.hasPrefix("net-2") })
        #expect(try node.ownElements(of: "net-2") == shared[1])
        try runtime.gc(other, valid: [])
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.veths() == [])
        for network in ["net", "net-2"] { #expect(try node.reservations(network) == []) }
    }

    /// What a network shares stays as long as a pod of it is valid, whatever became of its records.
    @Test func whatPodsShareStaysWithTheLastOfThem() throws {
        let node = try Node()
        let outside = try Outside(node)
        let world = try Responder("outside", in: outside, 7)
        let list = try Self.network(node)
        let pods = try node.pods(3)
        for pod in pods { _ = try node.runtime().add(list, pod.attachment) }
        for pod in pods[..<2] {
            try node.runtime().del(list, pod.attachment)
            expectAnswer(world.name, from: pods[2], Outside.host(.v4), 7, seen: Outside.node(.v4))
            try node.runtime().check(list, pods[2].attachment)
        }
        try node.runtime().gc(list, valid: [pods[2].valid])
        expectAnswer(world.name, from: pods[2], Outside.host(.v6), 7, seen: Outside.node(.v6))
        try node.runtime().check(list, pods[2].attachment)
        try node.runtime().del(list, pods[2].attachment)
        #expect(try node.ruleset().own.map(\.description) == [])
    }

    @Test(arguments: Way.allCases) func theLastPodOfANetworkLeavesTheOtherAlone(_ way: Way) throws {
        let node = try Node()
        let outside = try Outside(node)
        let world = try Responder("outside", in: outside, 7)
        // The subnets of one lie in those of the other, so that their elements cannot all be there.
        let wide = try Self.network(node, way, name: "wide", bridge: "cbr0", ["10.44.0.0/16", "fd00:44::/48"])
        let narrow = try Self.network(node, way, name: "narrow", bridge: "cbr1", ["10.44.7.0/24", "fd00:44:0:7::/64"])
        for first in [wide, narrow] {
            let second = first.name == wide.name ? narrow : wide
            let pods = try node.pods(2)
            _ = try node.runtime().add(first, pods[0].with(ports: hostPorts(8080)))
            _ = try node.runtime().add(second, pods[1].with(ports: hostPorts(8081)))
            try node.runtime().check(first, pods[0].with(ports: hostPorts(8080)))
            try node.runtime().check(second, pods[1].with(ports: hostPorts(8081)))
            try node.runtime().del(first, pods[0].attachment)
            try node.runtime().check(second, pods[1].with(ports: hostPorts(8081)))
            #expect(try node.ruleset().own.allSatisfy { $0.owner.hasPrefix(second.name) })
            let server = try Responder("second", in: pods[1], 80)
            for family in Family.allCases {
                expectAnswer(
                    world.name, from: pods[1], Outside.host(family), 7, seen: Outside.node(family), second.name)
                expectAnswer(server.name, from: outside, Outside.node(family), 8081)
            }
            try node.runtime().del(second, pods[1].attachment)
            #expect(try node.ruleset().own.map(\.description) == [])
            #expect(try node.recordPaths() == [])
            for bridge in ["cbr0", "cbr1"] { try node.set("link", "del", bridge) }
        }
    }

    static let strangersTables = [
        "table inet swiftlet { }",
        """
        table inet swiftlet {
            set siblings_v4 { type ipv4_addr . ipv4_addr; flags interval; }
            map hostports_v4 { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { tcp . 1 : 10.0.0.1 . 1 }; }
            chain forward { type filter hook forward priority 0; policy accept; }
        }
        """,
        "table ip swiftlet { set hosts { type ipv4_addr; }\n }",
        "table inet swiftlet_isolation { chain forward { type filter hook forward priority 0; }\n }",
        "table bridge swiftlet { chain prerouting { type filter hook prerouting priority 0; }\n }",
    ]

    @Test(arguments: Way.allCases, strangersTables) func anotherProgramsTableIsLeftAlone(_ way: Way, _ table: String)
        throws
    {
        let node = try Node()
        try node.nft(table)
        let listing = try node.exec("nft", "-a", "list", "ruleset")
        let list = try Self.network(node, way)
        let pod = try node.pod()
        let error = try failure { _ = try node.runtime().addOrUndo(list, pod.with(ports: hostPorts(8080))) }
        #expect(error.code == 7, "\(error)")
        let name = table.split(separator: " ")[1...2].joined(separator: " ")
        #expect(error.msg.contains("table \(name) "), "\(error)")
        #expect(try node.shell("nft -a list table \(name)") == listing)
        #expect(try isUntouched(pod))
        #expect(try node.veths() == [] && node.reservations() == [] && node.recordPaths() == [])
        try node.runtime().gc(list, valid: [])
        #expect(try node.shell("nft -a list table \(name)") == listing)
        // Who needs no rules is not concerned.
        let plain = try node.network(node.swiftlet(["subnet": "10.44.0.0/24"]))
        _ = try node.runtime().add(plain, pod.attachment)
        try node.runtime().check(plain, pod.attachment)
        try node.runtime().del(plain, pod.attachment)
        // And when it has gone, all is well.
        try node.nft("delete table \(name)")
        _ = try node.runtime().add(list, pod.with(ports: hostPorts(8080)))
        try node.runtime().check(list, pod.with(ports: hostPorts(8080)))
    }

    @Test(arguments: Way.allCases) func anOlderRulesetIsReplacedAndElementsStay(_ way: Way) throws {
        let node = try Node()
        let list = try Self.network(node, way)
        let pods = try node.pods(2)
        _ = try node.runtime().add(list, pods[0].with(ports: hostPorts(8080)))
        let before = try node.ruleset()
        let own = try node.ownElements(of: "net/\(pods[0].id)/eth0")
        try node.nft(
            """
            delete set inet swiftlet version_3
            add set inet swiftlet version_0 { type inet_proto; }
            flush chain inet swiftlet postrouting
            insert rule inet swiftlet_isolation forward counter
            delete set inet swiftlet_isolation version_1
            add set inet swiftlet_isolation version_0 { type inet_proto; }
            delete chain ip swiftlet prerouting
            delete set ip swiftlet version_1
            add set ip swiftlet version_0 { type inet_proto; }
            delete chain inet swiftlet output
            add chain inet swiftlet retired
            add chain inet swiftlet since_retired { type filter hook forward priority 0; policy drop; }
            add set inet swiftlet retired_bridges { type ifname; elements = { "cbr0" comment "net" }; }
            add rule inet swiftlet since_retired iifname @retired_bridges jump retired
            add rule inet swiftlet retired ip daddr { 10.0.0.1, 10.0.0.2 } drop
            delete set bridge swiftlet version_1
            add set bridge swiftlet version_0 { type inet_proto; }
            flush chain bridge swiftlet guard
            """)
        let error = try failure { try node.runtime().check(list, pods[0].with(ports: hostPorts(8080))) }
        #expect(error.code == 104 && "\(error)".contains("version_3"), "\(error)")
        _ = try node.runtime().add(list, pods[1].with(ports: hostPorts(8081)))
        let after = try node.ruleset()
        #expect(Set(after.objects) == Set(before.objects))
        #expect(try node.ownElements(of: "net/\(pods[0].id)/eth0") == own)
        for (number, pod) in pods.enumerated() {
            try node.runtime().check(list, pod.with(ports: hostPorts(8080 + Int64(number))))
        }
        let outside = try Outside(node)
        let server = try Responder("first", in: pods[0], 80)
        for family in Family.allCases { expectAnswer(server.name, from: outside, Outside.node(family), 8080) }
        for pod in pods { try node.runtime().del(list, pod.attachment) }
        #expect(try node.ruleset().own.map(\.description) == [])
    }

    @Test func podsThatComeAtOnceAfterAFlushAllHaveTheirRules() throws {
        let node = try Node()
        let list = try Self.network(node)
        let pods = try node.pods(8)
        _ = try node.runtime().add(list, pods[0].with(ports: hostPorts(8080)))
        for _ in 0..<2 {
            try node.exec("nft", "flush", "ruleset")
            let added = inParallel(7) { number in
                _ = try node.runtime().add(list, pods[number + 1].with(ports: hostPorts(8081 + Int64(number))))
            }
            for result in added { try result.get() }
            let checked = inParallel(7) { number in
                try node.runtime().check(list, pods[number + 1].with(ports: hostPorts(8081 + Int64(number)))).count
            }
            for result in checked { #expect(throws: Never.self) { try result.get() } }
            // DEL with others' flushes in between.
            let removed = inParallel(8) { number -> Int in
                if number == 7 {
                    try node.exec("nft", "flush", "ruleset")
                    return 0
                }
                return try node.runtime().del(list, pods[number + 1].attachment).count
            }
            for result in removed { #expect(throws: Never.self) { try result.get() } }
            #expect(try node.ruleset().own.allSatisfy { $0.owner == "net/\(pods[0].id)/eth0" || $0.owner == "net" })
        }
        try node.runtime().del(list, pods[0].attachment)
        try node.expectNoRules()
    }

    /// `swiftletctl rules`, as docs/rules.md has it.
    @Test func rulesAreShownAndHeldAgainstWhatTheyShouldBe() throws {
        let node = try Node()
        let ctl = "\(Requirements.bin)/swiftletctl"
        #expect(try node.exec(ctl, "rules").contains("no rules on this node"))
        let pod = try node.pod()
        let list = try node.network(
            node.swiftlet([
                "subnet": "10.44.0.0/24", "ipMasq": true, "antiSpoof": true,
                "conditionsV4": ["ip", "saddr", "10.0.0.0/8"],
                "capabilities": ["portMappings": true],
            ]))
        _ = try node.runtime().add(list, pod.with(ports: hostPorts(8080)))
        let shown = try node.exec(ctl, "rules")
        #expect(
            shown.contains("table inet swiftlet") && shown.contains("table bridge swiftlet") && shown.contains(pod.id))
        #expect(try node.exec(ctl, "rules", "--check").contains("as they should be"))
        try node.exec("nft", "flush", "chain", "inet", "swiftlet", "postrouting")
        try node.exec("nft", "insert", "rule", "inet", "swiftlet", "output", "counter", "drop")
        let checked = try node.shell(#""$1" rules --check; echo "exit $?""#, ctl)
        #expect(checked.contains("missing: ip saddr . ip daddr @masqueraded_v4 masquerade fully-random"), "\(checked)")
        #expect(checked.contains("unknown: counter") && checked.contains("exit 1"), "\(checked)")
        #expect(try node.exec(ctl, "repair").contains("1 repaired"))
        #expect(try node.exec(ctl, "rules", "--check").contains("as they should be"))
        try node.runtime().del(list, pod.attachment)
    }
}
