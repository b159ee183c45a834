import ContainerRuntime
import Foundation
import Testing

/// `ingressPolicy`: which pods reach which, across the bridges of a node.
@Suite(.realKernel) struct IsolationTests {
    /// The two ways to have a policy.
    enum Way: String, CaseIterable, CustomTestStringConvertible {
        case chained = "firewall after bridge"
        case alone = "swiftlet alone"

        var testDescription: String { rawValue }
    }

    /// A bridge with a network of its own.
    struct Segment {
        let number: Int
        /// nil: not a word about it.
        let policy: String?

        var name: String { "net\(number)" }
        var bridge: String { "br\(number)" }
        var gateways: [String] { ["10.4\(number).0.1", "fd00:4\(number)::1"] }
        var subnets: [String] { ["10.4\(number).0.0/24", "fd00:4\(number)::/64"] }
        /// The policy that keeps others out, if it has one.
        var restriction: String? { policy == "open" ? nil : policy }

        func network(_ node: Node, _ way: Way) throws -> NetworkList {
            let ranges: [JSONValue] = subnets.map { .array([["subnet": .string($0)]]) }
            let ipam: [String: JSONValue] = ["ranges": .array(ranges)]
            var keys: [String: JSONValue] = ["bridge": .string(bridge), "isDefaultGateway": true]
            let own = policy.map { ["ingressPolicy": JSONValue.string($0)] } ?? [:]
            switch way {
            case .alone:
                keys.merge(ipam.merging(own) { $1 }) { $1 }
                return try node.network(node.swiftlet(keys), name: name)
            case .chained:
                let bridge = node.bridge(keys, ipam: ipam)
                guard policy != nil else { return try node.network(bridge, name: name) }
                return try node.network(bridge, .object(own.merging(["type": "firewall"]) { $1 }), name: name)
            }
        }

        /// Whether connections from this one's pods to the other's are let through.
        func mayReach(_ other: Segment) -> Bool {
            number == other.number ? policy != "isolated" : restriction == nil || other.restriction == nil
        }
    }

    /// Somebody who asks and answers.
    struct Peer: Sendable {
        let name: String
        let namespace: any Namespace
        /// One of each family.
        let addresses: [String]
        let segment: Int?
        let server: Responder
    }

    /// Bridges with two pods each, the node, and another host that knows the way to the pods.
    final class Scene {
        let node: Node
        let outside: Outside
        let way: Way
        let segments: [Segment]
        var peers: [Peer] = []
        var pods: [[Pod]] = []

        init(_ way: Way, _ policies: [String?], callsIPTables: String = "1") throws {
            node = try Node()
            outside = try Outside(node)
            self.way = way
            segments = policies.enumerated().map { Segment(number: $0, policy: $1) }
            for family in ["ip", "ip6"] { try node.setBridgeNetfilter(family, callsIPTables) }
            for segment in segments {
                try outside.learnRoutes(to: segment.subnets[0], segment.subnets[1])
                pods.append(try node.pods(2))
                for (number, pod) in pods[segment.number].enumerated() {
                    let list = try segment.network(node, way)
                    let result = try node.runtime().add(list, pod.attachment).result
                    let name = "\(segment.number)\(["a", "b"][number])"
                    peers.append(try peer(name, pod, result.hosts, segment.number))
                }
            }
            peers.append(try peer("node", node, Family.allCases.map(Outside.node), nil))
            peers.append(try peer("outside", outside, Family.allCases.map(Outside.host), nil))
        }

        private func peer(
            _ name: String, _ namespace: any Namespace, _ addresses: [String], _ segment: Int?
        ) throws -> Peer {
            Peer(
                name: name, namespace: namespace, addresses: addresses, segment: segment,
                server: try Responder(name, in: namespace, 7, at: addresses))
        }

        func mayReach(_ client: Peer, _ server: Peer) -> Bool {
            guard let from = client.segment, let to = server.segment else { return true }
            return segments[from].mayReach(segments[to])
        }

        /// Everybody asks everybody, all at once, by both families and protocols.
        func expectMatrix(sourceLocation: SourceLocation = #_sourceLocation) throws {
            var questions: [(client: Peer, server: Peer, family: Int, transport: Transport)] = []
            for client in peers {
                for server in peers where server.name != client.name {
                    for family in 0..<2 {
                        questions += [Transport.tcp, .udp].map { (client, server, family, $0) }
                    }
                }
            }
            let (all, allowed) = (questions, questions.map { mayReach($0.client, $0.server) })
            let answers = inParallel(all.count) { number -> String in
                let (client, server, family, transport) = all[number]
                let patience: Duration = allowed[number] ? .seconds(5) : .milliseconds(400)
                do {
                    let address = server.addresses[family]
                    let answer = try client.namespace.ask(address, 7, transport, within: patience)
                    return "\(answer.server) \(answer.client)"
                } catch is NoAnswer { return "none" }
            }
            var wrong: [String] = []
            for ((client, server, family, transport), (isAllowed, answer)) in zip(all, zip(allowed, answers)) {
                // The node has an address on each bridge.
                let seen =
                    client.name == "node" && server.segment != nil
                    ? segments[server.segment ?? 0].gateways[family] : client.addresses[family]
                let expected = isAllowed ? "\(server.name) \(seen)" : "none"
                let found = try answer.get()
                guard found != expected else { continue }
                wrong.append(
                    "\(client.name) -> \(server.name) \(transport) \(Family.allCases[family]): \(found), not \(expected)"
                )
            }
            #expect(wrong == [], sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: Way.allCases, ["0", "1"]) func whoReachesWhom(_ way: Way, _ callsIPTables: String) throws {
        let policies: [String?] = ["same-bridge", "isolated", nil, "open", "same-bridge", "isolated"]
        let scene = try Scene(way, policies, callsIPTables: callsIPTables)
        try scene.expectMatrix()
        for (segment, pods) in zip(scene.segments, scene.pods) {
            let list = try segment.network(scene.node, way)
            for pod in pods { try scene.node.runtime().check(list, pod.attachment) }
        }
        // Restricted networks come and go, the others' rules stay.
        for segment in [4, 1, 5] {
            let list = try scene.segments[segment].network(scene.node, way)
            for pod in scene.pods[segment] { try scene.node.runtime().del(list, pod.attachment) }
            scene.peers.removeAll { $0.segment == segment }
            #expect(try scene.node.ownElements(of: "net\(segment)") == [])
        }
        try scene.expectMatrix()
        for segment in [0, 2, 3] {
            let list = try scene.segments[segment].network(scene.node, way)
            for pod in scene.pods[segment] { try scene.node.runtime().del(list, pod.attachment) }
        }
        #expect(try scene.node.ruleset().own.map(\.description) == [])
        #expect(try scene.node.recordPaths() == [])
    }

    @Test(arguments: Way.allCases, ["0", "1"]) func theGatewayIsNoWayAround(_ way: Way, _ callsIPTables: String) throws
    {
        let scene = try Scene(way, ["isolated", "same-bridge"], callsIPTables: callsIPTables)
        for (segment, pods) in zip(scene.segments, scene.pods) {
            for (pod, other) in zip(pods, [1, 0]) {
                let neighbour = scene.peers[segment.number * 2 + other]
                for (address, gateway) in zip(neighbour.addresses, segment.gateways) {
                    let length = address.contains(":") ? "128" : "32"
                    try pod.set("route", "add", "\(address)/\(length)", "via", gateway, "dev", "eth0")
                    // Redirects would lead straight to the neighbour.
                    try pod.setSysctl("\(address.contains(":") ? "ipv6" : "ipv4")/conf/eth0/accept_redirects", "0")
                }
            }
        }
        try scene.expectMatrix()
    }

    @Test func whatWasOpenBeforeIsClosedAndTheOtherWayRound() throws {
        let scene = try Scene(.alone, [nil, nil, "isolated"])
        try scene.expectMatrix()
        // The same networks, now with a policy: as soon as one pod of each has been attached under it.
        let strict = [Segment(number: 0, policy: "same-bridge"), Segment(number: 1, policy: "isolated")]
        let late = try scene.node.pods(2)
        for (segment, pod) in zip(strict, late) {
            _ = try scene.node.runtime().add(segment.network(scene.node, .alone), pod.attachment)
        }
        for (client, server) in [(0, 2), (2, 0), (0, 4), (2, 4)] {
            for family in 0..<2 {
                expectNoAnswer(
                    from: scene.peers[client].namespace, scene.peers[server].addresses[family], 7)
            }
        }
        for (segment, pod) in zip(strict, late) {
            try scene.node.runtime().del(segment.network(scene.node, .alone), pod.attachment)
        }
        try scene.expectMatrix()
    }

    @Test(arguments: Way.allCases) func isolatedPortsAreSwitchedAndChecked(_ way: Way) throws {
        let scene = try Scene(way, ["isolated"])
        let list = try scene.segments[0].network(scene.node, way)
        for port in try scene.node.ports(of: "br0") {
            let flags = try scene.node.link(port)?["linkinfo"]?["info_slave_data"]
            #expect(flags?["isolated"]?.bool == true)
        }
        let port = try scene.node.ports(of: "br0")[0]
        try scene.node.set("link", "set", port, "type", "bridge_slave", "isolated", "off")
        var failed = 0
        for pod in scene.pods[0] {
            do { try scene.node.runtime().check(list, pod.attachment) } catch let error as PluginError {
                failed += 1
                #expect(error.code == 104 && error.msg.contains("isolation") && error.msg.contains(port), "\(error)")
            }
        }
        #expect(failed == 1)
    }

    @Test func aPolicyNeedsABridge() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(["type": "loopback"], ["type": "firewall", "ingressPolicy": "same-bridge"])
        let error = try failure { _ = try node.runtime().addOrUndo(list, pod.attachment) }
        #expect(error.code == 7 && error.msg.contains("same-bridge"), "\(error)")
        let wrong = try node.network(node.swiftlet(["subnet": "10.44.0.0/24", "ingressPolicy": "closed"]))
        let refusal = try failure { _ = try node.runtime().addOrUndo(wrong, pod.attachment) }
        #expect(refusal.code == 7 && refusal.msg.contains("ingressPolicy"), "\(refusal)")
        try node.expectNoRules()
    }
}
