import ContainerRuntime
import Foundation
import Testing

/// UDP has no end that the kernel could see: what it has noted of a flow would outlive the mapping.
@Suite(.realKernel) struct ConntrackTests {
    let node: Node
    let outside: Outside

    init() throws {
        node = try Node()
        outside = try Outside(node)
    }

    func flow(_ family: Family, _ target: UInt16 = 5353, from port: UInt16 = 40_000) throws -> DatagramFlow {
        try DatagramFlow(from: outside, port: port, to: Outside.node(family), target)
    }

    /// What the kernel notes of a flow, with the identity that only it has.
    func entries(_ family: Family, _ words: String...) throws -> [String] {
        let arguments = ["conntrack", "-L", "-o", "id", "-f", family == .v4 ? "ipv4" : "ipv6"]
        return try run(["nsenter", "--net=\(node.path)"] + arguments + words).split(separator: "\n").map { line in
            // Without the time left, and what the flow has come to.
            line.split(separator: " ").filter { $0.contains("=") }.joined(separator: " ")
        }
    }

    @Test(arguments: Arrangement.allCases, Family.allCases)
    func theNextPacketReachesTheNextPod(_ arrangement: Arrangement, _ family: Family) throws {
        let pods = try node.pods(3)
        let list = try arrangement.network(node)
        let ports = [hostPort(5353, to: 53, .udp)]
        _ = try node.runtime().add(list, pods[0].with(ports: ports))
        _ = try node.runtime().add(list, pods[2].attachment)
        let servers = try zip(["first", "second"], pods).map { try Responder($0, in: $1, 53, [.udp]) }
        var flows = [
            "another host": try flow(family),
            "the node by its uplink": try DatagramFlow(from: node, port: 40_001, to: Outside.node(family), 5353),
            "the node by the bridge": try DatagramFlow(from: node, port: 40_002, to: Gateway.address(family), 5353),
            "a sibling": try DatagramFlow(from: pods[2], port: 40_003, to: Outside.node(family), 5353),
        ]
        if family == .v4 {
            flows["the node by loopback"] = try DatagramFlow(from: node, port: 40_004, to: "127.0.0.1", 5353)
        }
        for (name, flow) in flows {
            for _ in 0..<3 { expectNext(servers[0].name, of: flow, name) }
        }
        try node.runtime().del(list, pods[0].attachment)
        _ = try node.runtime().add(list, pods[1].with(ports: ports))
        for (name, flow) in flows {
            for _ in 0..<3 { expectNext(servers[1].name, of: flow, name) }
        }
    }

    /// The next packet of the flow is answered by that server.
    func expectNext(
        _ server: String, of flow: DatagramFlow, _ comment: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        do { #expect(try flow.ask().server == server, "\(comment)", sourceLocation: sourceLocation) } catch {
            Issue.record("\(comment): \(error)", sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: Family.allCases) func theNextPacketReachesWhoHasTakenOver(_ family: Family) throws {
        let pods = try node.pods(2)
        let list = try Arrangement.alone.network(node)
        let ports = [hostPort(5353, to: 53, .udp)]
        _ = try node.runtime().add(list, pods[0].with(ports: ports))
        let flow = try flow(family)
        do {
            let first = try Responder("first", in: pods[0], 53, [.udp])
            expectNext(first.name, of: flow, "before")
        }
        try pods[0].end()
        _ = try node.runtime().add(list, pods[1].with(ports: ports))
        let second = try Responder("second", in: pods[1], 53, [.udp])
        expectNext(second.name, of: flow, "after")
        try node.runtime().del(list, pods[0].with(netns: .some("")))
        expectNext(second.name, of: flow, "after the late DEL")
    }

    @Test(arguments: Arrangement.allCases, Family.allCases)
    func theNextPacketReachesTheNodeWhenTheMappingIsGone(_ arrangement: Arrangement, _ family: Family) throws {
        let pod = try node.pod()
        let list = try arrangement.network(node)
        _ = try node.runtime().add(list, pod.with(ports: hostPort(5353, to: 53, .udp, at: Outside.node(family))))
        let servers = [try Responder("pod", in: pod, 53, [.udp]), try Responder("node", in: node, 5353, [.udp])]
        let flow = try flow(family)
        for _ in 0..<3 { #expect(try flow.ask().server == servers[0].name) }
        try node.runtime().del(list, pod.attachment)
        for _ in 0..<3 { #expect(try flow.ask().server == servers[1].name) }
    }

    @Test(arguments: Arrangement.allCases, Family.allCases)
    func theNextPacketReachesThePodWhenTheMappingHasCome(_ arrangement: Arrangement, _ family: Family) throws {
        let pods = try node.pods(2)
        let list = try arrangement.network(node)
        // From now on the kernel notes flows.
        _ = try node.runtime().add(list, pods[0].with(ports: hostPort(9, .udp)))
        let onNode = try Responder("node", in: node, 5353, [.udp])
        let flow = try flow(family)
        for _ in 0..<3 { #expect(try flow.ask().server == onNode.name) }
        try #require(try entries(family, "-p", "udp").filter { $0.contains("dport=5353") }.count == 1)
        _ = try node.runtime().add(list, pods[1].with(ports: hostPort(5353, to: 53, .udp)))
        let inPod = try Responder("pod", in: pods[1], 53, [.udp])
        for _ in 0..<3 { #expect(try flow.ask().server == inPod.name) }
    }

    @Test func allPortsOfARangeAreForgotten() throws {
        let pod = try node.pod()
        let list = try Arrangement.alone.network(node)
        _ = try node.runtime().add(list, pod.with(ports: hostPort(5000, to: 5000, .udp, range: 500)))
        let ports: [UInt16] = [5000, 5250, 5499]
        let inPod = try ports.map { try Responder("pod", in: pod, $0, [.udp]) }
        let onNode = try ports.map { try Responder("node", in: node, $0, [.udp]) }
        let flows = try ports.map { try flow(.v4, $0, from: $0) }
        for flow in flows { #expect(try flow.ask().server == "pod") }
        try node.runtime().del(list, pod.attachment)
        for flow in flows { #expect(try flow.ask().server == "node") }
        withExtendedLifetime((inPod, onNode)) {}
    }

    @Test(arguments: Family.allCases) func otherFlowsAreNotForgotten(_ family: Family) throws {
        let pods = try node.pods(2)
        let list = try Arrangement.alone.network(node, ["ipMasq": true])
        _ = try node.runtime().add(
            list, pods[0].with(ports: hostPort(5354, to: 53, .udp), hostPort(5353, to: 53, .tcp)))
        let servers = [
            try Responder("pod", in: pods[0], 53), try Responder("node", in: node, 5355, [.udp]),
            try Responder("outside", in: outside, 5353, [.udp]),
        ]
        let flows = [
            // To another host port, to another port of the node, through the node to the same number of another host,
            // by masquerade and from the node itself.
            (try flow(family, 5354, from: 40_001), "pod"), (try flow(family, 5355, from: 40_002), "node"),
            (try DatagramFlow(from: pods[0], port: 40_003, to: Outside.host(family), 5353), "outside"),
            (try DatagramFlow(from: node, port: 40_004, to: Outside.host(family), 5353), "outside"),
        ]
        for (flow, name) in flows { #expect(try flow.ask().server == name) }
        // TCP looks after itself.
        expectAnswer("pod", from: outside, Outside.node(family), 5353, source: (Outside.host(family), 40_005))
        func kept() throws -> [String] {
            let all = try entries(family, "-p", "udp") + entries(family, "-p", "tcp")
            return (40_001...40_005).compactMap { port in all.first { $0.contains("sport=\(port) ") } }
        }
        let before = try kept()
        try #require(before.count == 5 && before.allSatisfy { $0.contains("id=") }, "\(before)")
        // One flow of the port itself, to see that there is something to forget.
        let onNode = try Responder("node", in: node, 5353, [.udp])
        let own = try flow(family)
        #expect(try own.ask().server == onNode.name)
        _ = try node.runtime().add(list, pods[1].with(ports: hostPort(5353, to: 53, .udp)))
        #expect(try kept() == before)
        let inPod = try Responder("second", in: pods[1], 53, [.udp])
        #expect(try own.ask().server == inPod.name)
        try node.runtime().del(list, pods[1].attachment)
        #expect(try kept() == before)
        #expect(try own.ask().server == onNode.name)
        for (flow, name) in flows { #expect(try flow.ask().server == name) }
        withExtendedLifetime(servers) {}
    }

    /// What the kernel tracks, and the plugin's questions about it, while it attaches a pod.
    func questions(_ list: NetworkList, _ pod: PodAttachment) throws -> Int {
        let strace = Strace(node)
        _ = try node.runtime(wrapper: strace.tracing("sendto,sendmsg")).add(list, pod)
        return try strace.lines().filter { $0.contains("CTNETLINK") }.count
    }

    /// Looking for its flows costs some 10 ms, and more with many of others.
    @Test(arguments: Arrangement.allCases) func aPortThatNobodyHasUsedCostsNoLook(_ arrangement: Arrangement) throws {
        let pods = try node.pods(4)
        let list = try arrangement.network(node)
        // With the first one, the flows of earlier times are looked at once for all ports.
        let old = try flow(.v4, 5400)
        #expect((try? old.ask()) == nil)
        #expect(try questions(list, pods[0].with(ports: hostPort(5353, to: 53, .udp))) > 0)
        #expect(try questions(list, pods[1].with(ports: hostPort(5354, to: 53, .udp), hostPort(5355, .tcp))) == 0)
        let server = try Responder("pod", in: pods[1], 53, [.udp])
        expectAnswer(server.name, from: outside, "192.0.2.1", 5354, .udp)
        try node.runtime().del(list, pods[1].attachment)
        // DEL has looked for them, and nobody has sent anything since.
        #expect(try questions(list, pods[2].with(ports: hostPort(5354, to: 53, .udp))) == 0)
        try node.runtime().del(list, pods[2].attachment)
        expectNoAnswer(from: outside, "192.0.2.1", 5354, .udp)
        let again = try node.pod()
        #expect(try questions(list, again.with(ports: hostPort(5354, to: 53, .udp))) > 0)
        // A range of many ports is no different.
        #expect(try questions(list, pods[3].with(ports: hostPort(6000, to: 6000, .udp, range: 100))) == 0)
    }

    /// When the rules have not been there for a while, nobody has noted who sent what.
    @Test func nothingIsTakenForGrantedAfterAFlush() throws {
        let pods = try node.pods(3)
        let list = try Arrangement.alone.network(node)
        _ = try node.runtime().add(list, pods[0].with(ports: hostPort(5300, to: 53, .udp)))
        for words in [["flush", "ruleset"], ["flush", "table", "inet", "swiftlet"]] {
            try run(["nsenter", "--net=\(node.path)", "nft"] + words)
            // Others keep the kernel tracking.
            try node.nft("table ip others { chain c { type filter hook input priority 0; ct state new accept; }\n}")
            let onNode = try Responder("node", in: node, 5353, [.udp])
            let flow = try flow(.v4)
            #expect(try flow.ask().server == onNode.name)
            try run(["nsenter", "--net=\(node.path)", "\(Requirements.bin)/swiftletctl", "repair"])
            _ = try node.runtime().add(list, pods[1].with(ports: hostPort(5353, to: 53, .udp)))
            let inPod = try Responder("pod", in: pods[1], 53, [.udp])
            #expect(try flow.ask().server == inPod.name, "\(words)")
            try node.runtime().del(list, pods[1].attachment)
            withExtendedLifetime(onNode) {}
        }
    }

    /// A node with very many flows keeps the promise, and pays only for ports that are in use.
    @Test func theNextPacketReachesTheNextPodAmongAHundredThousandFlows() throws {
        let pods = try node.pods(3)
        let list = try Arrangement.alone.network(node)
        let ports = [hostPort(5353, to: 53, .udp)]
        _ = try node.runtime().add(list, pods[0].with(ports: ports))
        let servers = try zip(["first", "second"], pods).map { try Responder($0, in: $1, 53, [.udp]) }
        let flow = try flow(.v4)
        #expect(try flow.ask().server == "first")
        for host in Outside.hosts(.v4) {
            let sender = try Socket(in: node, .v4, .udp)
            for port: UInt16 in 10_000..<61_000 {
                try sender.connect(host, port)
                // The first may only tell that an earlier one was refused.
                if (try? sender.send("?")) == nil { try sender.send("?") }
            }
        }
        let count = try #require(Int(try node.sysctl("netfilter/nf_conntrack_count")))
        try #require(count > 100_000, "\(count)")
        #expect(try questions(list, pods[2].with(ports: hostPort(5354, to: 53, .udp))) == 0)
        try node.runtime().del(list, pods[0].attachment)
        _ = try node.runtime().add(list, pods[1].with(ports: ports))
        #expect(try flow.ask().server == "second")
        withExtendedLifetime(servers) {}
    }

    /// A hostIP is one address of the node; flows to its others have nothing to do with it.
    @Test func flowsToOtherAddressesOfTheNodeAreNotForgotten() throws {
        let pods = try node.pods(2)
        let list = try Arrangement.alone.network(node)
        _ = try node.runtime().add(list, pods[0].with(ports: hostPort(5353, to: 53, .udp, at: "192.0.2.11")))
        let first = try Responder("first", in: pods[0], 53, [.udp])
        let other = try DatagramFlow(from: outside, port: 40_001, to: "192.0.2.11", 5353)
        #expect(try other.ask().server == first.name)
        func kept() throws -> [String] { try entries(.v4, "-p", "udp").filter { $0.contains("sport=40001 ") } }
        let before = try kept()
        try #require(before.count == 1)
        _ = try node.runtime().add(list, pods[1].with(ports: hostPort(5353, to: 53, .udp, at: "192.0.2.1")))
        #expect(try kept() == before)
        try node.runtime().del(list, pods[1].attachment)
        #expect(try kept() == before)
        #expect(try other.ask().server == first.name)
    }
}
