import ContainerRuntime
import Foundation
import Testing

/// `swiftletctl trace`: what it says of a packet is what becomes of one.
@Suite(.realKernel) struct PacketTraceTests {
    @Test(arguments: Family.allCases) func itArrivesWhereAConnectionDoes(_ family: Family) throws {
        let scene = try TraceScene()
        let (node, pods) = (scene.node, scene.pods)
        let gateway = family == .v4 ? "10.44.0.1" : "fd00:44::1"
        func expectArrival(
            _ from: String, _ to: String, _ asker: some Namespace, _ address: String, _ port: UInt16, _ server: String,
            seen: String, tells: String..., sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let said = try node.trace(from, to, family.flag)
            #expect(said.isSuccess, "\(from) \(to): \(said.verdict)", sourceLocation: sourceLocation)
            expectAnswer(server, from: asker, address, port, seen: seen, sourceLocation: sourceLocation)
            for text in tells { #expect(said.tells(text), "\(said.json.pretty)", sourceLocation: sourceLocation) }
        }
        let own = scene.address(1, family)
        let target = scene.address(0, family)
        // On one bridge: by both ports, and nothing rewritten.
        try expectArrival(
            pods[1].id, "\(pods[0].id):80", pods[1], target, 80, pods[0].id, seen: own,
            tells: "into bridge cbr0", "out of \(scene.veth(0))", "delivered to \(pods[0].id)")
        try expectArrival(
            pods[1].id, endpoint(gateway, 80), pods[1], gateway, 80, "node", seen: own, tells: "delivered to node")
        try expectArrival(
            "node", "\(pods[0].id):80", node, target, 80, pods[0].id, seen: gateway, tells: "delivered to \(pods[0].id)"
        )
        try expectArrival(
            pods[1].id, endpoint(Outside.host(family), 7), pods[1], Outside.host(family), 7, "outside",
            seen: Outside.node(family), tells: "source becomes \(Outside.node(family))")
        // A host port, from outside, from its own pod, and from the node.
        let published = endpoint(Outside.node(family), 8080)
        try expectArrival(
            Outside.host(family), published, scene.outside, Outside.node(family), 8080, pods[0].id,
            seen: Outside.host(family), tells: "destination becomes \(endpoint(target, 80))")
        try expectArrival(
            pods[0].id, published, pods[0], Outside.node(family), 8080, pods[0].id, seen: gateway,
            tells: "destination becomes \(endpoint(target, 80))", "source becomes \(gateway)")
        try expectArrival(
            "node", published, node, Outside.node(family), 8080, pods[0].id, seen: Outside.node(family),
            tells: "destination becomes \(endpoint(target, 80))")
        if family == .v4 {
            // Whose answer comes in with the node's own address, and is put back behind rules that guard 127.0.0.0/8.
            try expectArrival(
                "node", "127.0.0.1:8080", node, "127.0.0.1", 8080, pods[0].id, seen: gateway,
                tells: "destination becomes 127.0.0.1:45000 again")
        }
        try expectArrival(
            pods[1].id, "\(pods[2].id):80", pods[1], scene.address(2, family), 80, pods[2].id,
            seen: family == .v4 ? "10.45.0.1" : "fd00:45::1", tells: "forwarded")
        // The world stands for whoever is out there.
        #expect(try node.trace(pods[0].id, "internet", family.flag).tells("leaves the node by uplink"))
        #expect(
            try node.trace("internet", "node:8080", family.flag).tells("destination becomes \(endpoint(target, 80))"))
    }

    /// A way of stopping a packet.
    struct Obstacle: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// The pod asked; nil for the host outside.
        var asked: Int? = 0
        var keys: [String: JSONValue] = ["ipMasq": true]
        /// Where the way ends, and what is said.
        let place: @Sendable (TraceScene) throws -> (namespace: String, interface: String)
        let text: String
        var port: UInt16 = 80
        let build: @Sendable (TraceScene, Family) throws -> Void

        static let all: [Obstacle] = [
            Obstacle(
                testDescription: "the pod's interface is down", place: { ($0.pods[1].id, "eth0") }, text: "eth0 is down"
            ) { scene, _ in try scene.pods[1].set("link", "set", "eth0", "down") },
            Obstacle(
                testDescription: "the other pod's interface is down", place: { ($0.pods[1].id, "eth0") },
                text: "nobody answers"
            ) { scene, _ in try scene.pods[0].set("link", "set", "eth0", "down") },
            Obstacle(
                testDescription: "the node's end of the veth is down", place: { try ("node", $0.veth(0)) },
                text: "is down"
            ) { scene, _ in try scene.node.set("link", "set", scene.veth(0), "down") },
            Obstacle(
                testDescription: "the bridge is down", place: { _ in ("node", "cbr0") }, text: "cbr0 is down"
            ) { scene, _ in try scene.node.set("link", "set", "cbr0", "down") },
            Obstacle(
                testDescription: "the pod has no route", asked: nil, place: { ($0.pods[1].id, "") },
                text: "no route to", port: 7
            ) { scene, family in
                try scene.pods[1].set(family == .v4 ? "-4" : "-6", "route", "del", "default")
            },
            Obstacle(
                testDescription: "nothing is forwarded", asked: 2, place: { _ in ("node", "cbr0") },
                text: "forwarding = 0"
            ) { scene, family in
                try scene.node.setSysctl(family == .v4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding", "0")
            },
            Obstacle(
                testDescription: "the networks are isolated", asked: 2, keys: ["ingressPolicy": "isolated"],
                place: { _ in ("node", "cbr0") }, text: "chain forward in table inet swiftlet_isolation"
            ) { _, _ in },
            Obstacle(
                testDescription: "the pods of a network are isolated", keys: ["ingressPolicy": "isolated"],
                place: { try ("node", $0.veth(1)) }, text: "isolated from each other"
            ) { _, _ in },
            Obstacle(
                testDescription: "the pod forges its MAC", keys: ["antiSpoof": true],
                place: { try ("node", $0.veth(1)) }, text: "table bridge swiftlet"
            ) { scene, _ in try scene.pods[1].set("link", "set", "eth0", "address", "02:00:00:00:00:44") },
            Obstacle(
                testDescription: "a foreign chain drops", asked: 2, place: { _ in ("node", "cbr0") },
                text: "dropped by the policy of chain guard in table inet theirs"
            ) { scene, _ in
                try scene.node.nft("add table inet theirs")
                try scene.node.nft(
                    "add chain inet theirs guard { type filter hook forward priority 5; policy drop; }")
                try scene.node.nft("add rule inet theirs guard tcp dport 81 accept")
            },
            Obstacle(
                testDescription: "a foreign rule drops", place: { ($0.pods[0].id, "eth0") },
                text: "dropped by rule"
            ) { scene, _ in
                try scene.pods[0].exec(
                    "nft", "add table inet own; add chain inet own in { type filter hook input priority 0; }")
                try scene.pods[0].exec("nft", "add rule inet own in tcp dport { 22, 80-90 } drop")
            },
            Obstacle(
                testDescription: "the bridge's port does not forward", place: { try ("node", $0.veth(1)) },
                text: "does not forward: its state is disabled"
            ) { scene, _ in
                try scene.node.exec("bridge", "link", "set", "dev", scene.veth(1), "state", "0")
            },
            Obstacle(
                testDescription: "a rule asks connection tracking before it has looked", asked: 2,
                place: { try ("node", $0.veth(1)) }, text: "in table inet theirs"
            ) { scene, _ in
                try scene.node.nft("add table inet theirs")
                try scene.node.nft("add chain inet theirs early { type filter hook prerouting priority -300; }")
                try scene.node.nft("add rule inet theirs early ct state invalid tcp dport 80 drop")
            },
            Obstacle(
                testDescription: "the peer is dead", asked: 2, place: { _ in ("node", "cbr1") }, text: "nobody answers"
            ) { scene, _ in try scene.pods[2].set("link", "del", "eth0") },
            Obstacle(
                testDescription: "the neighbour table is wrong", place: { ($0.pods[1].id, "eth0") },
                text: "a MAC that nobody there has"
            ) { scene, family in
                try scene.pods[1].set(
                    "neigh", "replace", scene.address(0, family), "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud",
                    "permanent")
            },
            Obstacle(
                testDescription: "nothing listens", place: { ($0.pods[0].id, "eth0") }, text: "nothing listens",
                port: 81
            ) { _, _ in },
            Obstacle(
                testDescription: "nobody outside knows the pod", asked: nil, keys: ["ipMasq": false],
                place: { ($0.outside.netns, "") }, text: "no route to", port: 7
            ) { _, _ in },
        ]
    }

    @Test(arguments: Obstacle.all, Family.allCases)
    func itStopsWhereAConnectionDoes(_ obstacle: Obstacle, _ family: Family) throws {
        let scene = try TraceScene(obstacle.keys, other: obstacle.keys)
        let client = scene.pods[1]
        let address = obstacle.asked.map { scene.address($0, family) } ?? Outside.host(family)
        let place = try obstacle.place(scene)
        try obstacle.build(scene, family)
        expectNoAnswer(from: client, address, obstacle.port)
        let said = try scene.node.trace(client.id, endpoint(address, obstacle.port), family.flag)
        #expect(!said.isSuccess)
        #expect(said.verdict.contains(obstacle.text), "\(said.json.pretty)")
        let last = try #require(said.hops.last)
        #expect(last["isPassed"] == false && last["namespace"]?.string == place.namespace, "\(said.json.pretty)")
        #expect(last["interface"]?.string == place.interface, "\(said.json.pretty)")
        #expect(said.json["advice"]?.string?.isEmpty == false)
    }

    @Test func aSourceThatIsReachedElsewhereIsNamed() throws {
        let scene = try TraceScene()
        let own = scene.address(1, .v4)
        try scene.node.set("route", "add", "\(own)/32", "dev", "uplink")
        try scene.node.setSysctl("ipv4/conf/cbr0/rp_filter", "1")
        expectNoAnswer(from: scene.pods[1], Outside.node(.v4), 80)
        let said = try scene.node.trace(scene.pods[1].id, "node:80")
        #expect(said.verdict.contains("rp_filter = 1 on cbr0: \(own) is reached by uplink"), "\(said.json.pretty)")
    }

    /// Rules of iptables are rules of nf_tables with expressions of their own.
    @Test func whatIPTablesLetsThroughArrives() throws {
        let scene = try TraceScene()
        let (node, client) = (scene.node, scene.pods[1])
        func expect(_ arrives: Bool, sourceLocation: SourceLocation = #_sourceLocation) throws {
            #expect(try isAnswered(client, Outside.host(.v4), arrives) == arrives, sourceLocation: sourceLocation)
            let said = try node.trace(client.id, "\(Outside.host(.v4)):7")
            #expect((said.json["arrives"] == true) == arrives, "\(said.json.pretty)", sourceLocation: sourceLocation)
        }
        func insert(_ words: String...) throws {
            try run(["nsenter", "--net=\(node.path)", "iptables", "-w", "-I", "FORWARD"] + words)
        }
        try node.exec("iptables", "-w", "-P", "FORWARD", "DROP")
        try expect(false)
        try node.exec("iptables", "-w", "-A", "FORWARD", "-i", "cbr0", "-p", "tcp", "--dport", "7", "-j", "ACCEPT")
        try expect(false)
        try node.exec(
            "iptables", "-w", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
        try expect(true)
        // Of several ports, and of packets shorter than any, which only the kernel can tell.
        try insert("-p", "tcp", "-m", "multiport", "--dports", "9,11:13", "-j", "DROP")
        try expect(true)
        try insert("-m", "length", "--length", "1:2", "-j", "DROP")
        try expect(true)
        let remarks = try node.trace(client.id, "\(Outside.host(.v4)):7").hops.flatMap { $0["remarks"]?.array ?? [] }
        #expect(remarks.contains { $0.string?.contains("`length`") ?? false })
        try insert("-p", "tcp", "-m", "multiport", "--dports", "9,6:8", "-j", "DROP")
        try expect(false)
    }

    @Test func marksThatIPTablesSavesComeBackWithTheAnswer() throws {
        let scene = try TraceScene()
        func expect(_ arrives: Bool, sourceLocation: SourceLocation = #_sourceLocation) throws {
            #expect(
                try isAnswered(scene.pods[1], Outside.host(.v4), arrives) == arrives, sourceLocation: sourceLocation)
            let said = try scene.node.trace(scene.pods[1].id, "\(Outside.host(.v4)):7")
            #expect(said.isSuccess == arrives, "\(said.json.pretty)", sourceLocation: sourceLocation)
        }
        func add(_ table: String, _ chain: String, _ words: String...) throws {
            try run(["nsenter", "--net=\(scene.node.path)", "iptables", "-w", "-t", table, "-A", chain] + words)
        }
        try add("mangle", "PREROUTING", "-i", "cbr0", "-j", "MARK", "--set-mark", "9")
        try add("mangle", "PREROUTING", "-i", "cbr0", "-j", "CONNMARK", "--save-mark")
        try add("filter", "FORWARD", "-i", "uplink", "-m", "mark", "--mark", "9", "-j", "DROP")
        try expect(true)
        try add("mangle", "PREROUTING", "-i", "uplink", "-j", "CONNMARK", "--restore-mark")
        try expect(false)
        try add("raw", "PREROUTING", "-p", "tcp", "-j", "CT", "--notrack")
        try add("filter", "FORWARD", "-m", "conntrack", "--ctstate", "UNTRACKED", "-j", "DROP")
        try expect(false)
        let said = try scene.node.trace(scene.pods[1].id, "\(Outside.host(.v4)):7")
        #expect(said.verdict.contains("chain FORWARD") && said.json["answer"]?.array?.isEmpty == true)
    }

    @Test(arguments: Family.allCases) func podsWithoutABridgeHaveTheirWayToo(_ family: Family) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pods = try node.pods(3)
        let routes: [String: JSONValue] = ["routes": [["dst": "0.0.0.0/0"], ["dst": "::/0"]]]
        let routed = try node.network(node.plugin("ptp", ["ipMasq": true], ipam: Node.dualStack.merging(routes) { $1 }))
        let cabled = try node.network(
            node.plugin("macvlan", ["master": "uplink"], ipam: Outside.neighbours), name: "cable")
        let results = try [(routed, 0), (cabled, 1), (cabled, 2)].map { list, number in
            try node.runtime().add(list, pods[number].attachment).result.hosts
        }
        let servers = try [
            Responder("outside", in: outside, 7), Responder("pod", in: pods[2], 7), Responder("node", in: node, 7),
        ]
        defer { withExtendedLifetime(servers) {} }
        func expect(
            _ arrives: Bool, _ pod: Int, _ address: String, sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            #expect(try isAnswered(pods[pod], address, arrives) == arrives, sourceLocation: sourceLocation)
            let said = try node.trace(pods[pod].id, endpoint(address, 7), family.flag)
            #expect(said.isSuccess == arrives, "\(said.json.pretty)", sourceLocation: sourceLocation)
        }
        try expect(true, 0, Outside.host(family))
        try expect(true, 0, Outside.node(family))
        try expect(true, 1, Outside.host(family))
        try expect(true, 1, results[2][family == .v4 ? 0 : 1])
        #expect(try node.trace(pods[1].id, "internet", family.flag).isSuccess)
        // A macvlan does not reach the node that it is on.
        try expect(false, 1, Outside.node(family))
    }

    @Test func aQuestionThatMakesNoSenseIsWrongUsage() throws {
        let node = try Node()
        for words in [["nobody", "node"], ["node", "internet:x"], ["node", "internet", "--port", "0"], ["node"]] {
            let outcome = try Launcher(prefix: ["nsenter", "--net=\(node.path)"], timeout: .seconds(60)).run(
                TraceAnswer.program, arguments: ["trace"] + words, environment: [:], stdin: [])
            #expect(outcome.exit == .code(64), "\(words): \(outcome.exit)")
        }
    }
}

/// Whether a connection to port 7 there is answered; what is to be, is waited for.
private func isAnswered(_ client: some Namespace, _ address: String, _ isToBe: Bool) throws -> Bool {
    do {
        _ = try client.ask(address, 7, within: isToBe ? .seconds(5) : .milliseconds(250))
        return true
    } catch is NoAnswer { return false }
}
