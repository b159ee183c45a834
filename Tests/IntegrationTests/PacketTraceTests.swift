import ContainerRuntime
import Foundation
import Testing

/// `swiftletctl trace`: what it says of a packet is what becomes of one.
@Suite(.realKernel) struct PacketTraceTests {
    static let ctl = "\(Requirements.bin)/swiftletctl"

    /// Two pods of one network and one of another, the node, and a host outside. Servers listen on port 80 of the pods and
    /// the node, and on port 7 outside; the node's port 8080 leads to the first pod.
    struct Scene {
        let node: Node
        let outside: Outside
        let pods: [Pod]
        let addresses: [[String]]
        let servers: [Responder]

        init(_ keys: [String: JSONValue] = ["ipMasq": true], other: [String: JSONValue] = ["ipMasq": true]) throws {
            let node = try Node()
            outside = try Outside(node)
            pods = try node.pods(3)
            let ports: [String: JSONValue] = ["capabilities": ["portMappings": true]]
            let one = try node.network(node.swiftlet(Node.dualStack.merging(keys) { $1 }.merging(ports) { $1 }))
            let ranges: JSONValue = [[["subnet": "10.45.0.0/24"]], [["subnet": "fd00:45::/64"]]]
            let two = try node.network(
                node.swiftlet(["bridge": "cbr1", "ranges": ranges].merging(other) { $1 }), name: "other")
            let runtime = node.runtime()
            addresses = [
                try runtime.add(one, pods[0].with(ports: hostPorts(8080))).result.hosts,
                try runtime.add(one, pods[1].attachment).result.hosts,
                try runtime.add(two, pods[2].attachment).result.hosts,
            ]
            servers =
                try pods.map { try Responder($0.id, in: $0, 80) }
                + [Responder("node", in: node, 80), Responder("outside", in: outside, 7)]
            self.node = node
        }

        func address(_ pod: Int, _ family: Family) -> String { addresses[pod][family == .v4 ? 0 : 1] }

        /// The node's end of a pod's veth.
        func veth(_ pod: Int) throws -> String {
            let alias = "swiftlet \(pod == 2 ? "other" : "net")/\(pods[pod].id)/eth0"
            return try #require(try node.links().first { $0["ifalias"]?.string == alias }?["ifname"]?.string)
        }
    }

    /// What swiftletctl says, and whether the packet arrives.
    struct Said {
        let json: JSONValue
        let isSuccess: Bool

        var verdict: String { json["verdict"]?.string ?? "" }
        var hops: [JSONValue] { (json["hops"]?.array ?? []) + (json["answer"]?.array ?? []) }
        func tells(_ text: String) -> Bool { hops.contains { $0["text"]?.string?.contains(text) ?? false } }
    }

    func trace(_ node: Node, _ words: String...) throws -> Said {
        let outcome = try Launcher(prefix: ["nsenter", "--net=\(node.path)"], timeout: .seconds(60)).run(
            Self.ctl, arguments: ["trace", "--json", "--conf-dir", node.directory] + words,
            environment: ["PATH": "/usr/sbin:/usr/bin"], stdin: [])
        let json = try #require(outcome.json, "\(outcome.errorText)")
        #expect(json["arrives"]?.bool == outcome.exit.isSuccess)
        return Said(json: json, isSuccess: outcome.exit.isSuccess)
    }

    private func flag(_ family: Family) -> String { family == .v4 ? "-4" : "-6" }

    /// `[ADDRESS]:PORT` where it has to be.
    private func end(_ address: String, _ port: UInt16) -> String {
        address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }

    @Test(arguments: Family.allCases) func itArrivesWhereAConnectionDoes(_ family: Family) throws {
        let scene = try Scene()
        let (node, pods) = (scene.node, scene.pods)
        let gateway = family == .v4 ? "10.44.0.1" : "fd00:44::1"
        func expectArrival(
            _ from: String, _ to: String, _ asker: some Namespace, _ address: String, _ port: UInt16, _ server: String,
            seen: String, tells: String..., sourceLocation: SourceLocation = #_sourceLocation
        ) throws {
            let said = try trace(node, from, to, flag(family))
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
            pods[1].id, end(gateway, 80), pods[1], gateway, 80, "node", seen: own, tells: "delivered to node")
        try expectArrival(
            "node", "\(pods[0].id):80", node, target, 80, pods[0].id, seen: gateway, tells: "delivered to \(pods[0].id)"
        )
        try expectArrival(
            pods[1].id, end(Outside.host(family), 7), pods[1], Outside.host(family), 7, "outside",
            seen: Outside.node(family), tells: "source becomes \(Outside.node(family))")
        // A host port, from outside, from its own pod, and from the node.
        let published = end(Outside.node(family), 8080)
        try expectArrival(
            Outside.host(family), published, scene.outside, Outside.node(family), 8080, pods[0].id,
            seen: Outside.host(family), tells: "destination becomes \(end(target, 80))")
        try expectArrival(
            pods[0].id, published, pods[0], Outside.node(family), 8080, pods[0].id, seen: gateway,
            tells: "destination becomes \(end(target, 80))", "source becomes \(gateway)")
        try expectArrival(
            "node", published, node, Outside.node(family), 8080, pods[0].id, seen: Outside.node(family),
            tells: "destination becomes \(end(target, 80))")
        try expectArrival(
            pods[1].id, "\(pods[2].id):80", pods[1], scene.address(2, family), 80, pods[2].id,
            seen: family == .v4 ? "10.45.0.1" : "fd00:45::1", tells: "forwarded")
        // The world stands for whoever is out there.
        #expect(try trace(node, pods[0].id, "internet", flag(family)).tells("leaves the node by uplink"))
        #expect(try trace(node, "internet", "node:8080", flag(family)).tells("destination becomes \(end(target, 80))"))
    }

    /// A way of stopping a packet.
    struct Obstacle: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// The pod asked; nil for the host outside.
        var asked: Int? = 0
        var keys: [String: JSONValue] = ["ipMasq": true]
        /// Where the way ends, and what is said.
        let place: @Sendable (Scene) throws -> (namespace: String, interface: String)
        let text: String
        var port: UInt16 = 80
        let build: @Sendable (Scene, Family) throws -> Void

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
                place: { _ in ("node", "cbr0") }, text: "chain forward in table inet swiftlet"
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
        let scene = try Scene(obstacle.keys, other: obstacle.keys)
        let client = scene.pods[1]
        let address = obstacle.asked.map { scene.address($0, family) } ?? Outside.host(family)
        let place = try obstacle.place(scene)
        try obstacle.build(scene, family)
        expectNoAnswer(from: client, address, obstacle.port)
        let said = try trace(scene.node, client.id, end(address, obstacle.port), flag(family))
        #expect(!said.isSuccess)
        #expect(said.verdict.contains(obstacle.text), "\(said.json.pretty)")
        let last = try #require(said.hops.last)
        #expect(last["isPassed"] == false && last["namespace"]?.string == place.namespace, "\(said.json.pretty)")
        #expect(last["interface"]?.string == place.interface, "\(said.json.pretty)")
        #expect(said.json["advice"]?.string?.isEmpty == false)
    }

    @Test func aQuestionThatMakesNoSenseIsWrongUsage() throws {
        let node = try Node()
        for words in [["nobody", "node"], ["node", "internet:x"], ["node", "internet", "--port", "0"], ["node"]] {
            let outcome = try Launcher(prefix: ["nsenter", "--net=\(node.path)"], timeout: .seconds(60)).run(
                Self.ctl, arguments: ["trace"] + words, environment: [:], stdin: [])
            #expect(outcome.exit == .code(64), "\(words): \(outcome.exit)")
        }
    }
}
