import ContainerRuntime
import Foundation
import Testing

/// Each (hostIP, protocol, port) has one owner.
@Suite(.realKernel) struct PortClaimTests {
    let node: Node
    let outside: Outside

    init() throws {
        node = try Node()
        outside = try Outside(node)
    }

    func add(_ arrangement: Arrangement, _ pod: Pod, _ ports: JSONValue..., name: String = "net") throws {
        _ = try node.runtime().addOrUndo(arrangement.network(node, name: name), pod.with(ports: ports))
    }

    func del(_ arrangement: Arrangement, _ pod: Pod) throws {
        try node.runtime().del(arrangement.network(node), pod.attachment)
    }

    /// Any two of these cannot be had by two pods.
    static let rivals: [(JSONValue, JSONValue, String)] = [
        (hostPort(8080), hostPort(8080), "8080"),
        (hostPort(8080), hostPort(8080, at: "0.0.0.0"), "8080"),
        (hostPort(8080, at: "::"), hostPort(8080), "8080"),
        (hostPort(8080, .udp, at: "192.0.2.1"), hostPort(8080, .udp, at: "192.0.2.1"), "8080"),
        (hostPort(8080, at: "2001:db8::1"), hostPort(8080, at: "2001:0db8:0::0001"), "8080"),
        (hostPort(8000, range: 100), hostPort(8099), "8099"),
        (hostPort(8050), hostPort(8000, range: 100), "8050"),
        (hostPort(8000, range: 100), hostPort(8090, range: 100), "809"),
    ]

    @Test(arguments: Arrangement.allCases, rivals.indices)
    func theSecondClaimantIsTurnedAway(_ arrangement: Arrangement, _ index: Int) throws {
        let (first, second, port) = Self.rivals[index]
        let pods = try node.pods(2)
        try add(arrangement, pods[0], first)
        let before = try Snapshot(node, pods)
        let error = try failure { try add(arrangement, pods[1], second) }
        #expect(error.code == 103, "\(error)")
        #expect(error.msg.contains(port) && error.msg.contains("net/\(pods[0].id)/eth0"), "\(error)")
        expectSame(try Snapshot(node, pods), as: before, "\(error)")
        try del(arrangement, pods[0])
        try add(arrangement, pods[1], second)
    }

    @Test func anotherNetworkIsNoLessARival() throws {
        let pods = try node.pods(2)
        try add(.alone, pods[0], hostPort(8080), name: "one")
        let error = try failure { try add(.chained, pods[1], hostPort(8080), name: "two") }
        #expect(error.code == 103 && error.msg.contains("one/\(pods[0].id)/eth0"), "\(error)")
    }

    @Test(arguments: Arrangement.allCases) func onePodMayNotClaimTwice(_ arrangement: Arrangement) throws {
        let pod = try node.pod()
        // The first ADD makes the bridge, and the node a router with an anycast address, whatever comes of it.
        let others = ["cbr0", "forward", "anycast", "file net"]
        let before = try Snapshot(node, [pod]).without(others)
        let error = try failure { try add(arrangement, pod, hostPort(8080, to: 80), hostPort(8080, to: 81)) }
        #expect(error.code == 7 || error.code == 103, "\(error)")
        #expect(error.msg.contains("8080"), "\(error)")
        expectSame(try Snapshot(node, [pod]).without(others), as: before)
    }

    @Test(arguments: Arrangement.allCases) func othersShareANumber(_ arrangement: Arrangement) throws {
        let pods = try node.pods(5)
        let claims = [
            hostPort(8080, .tcp, at: "0.0.0.0"), hostPort(8080, .udp, at: "0.0.0.0"), hostPort(8080, .tcp, at: "::"),
            hostPort(8080, .tcp, at: "192.0.2.1"), hostPort(8080, .tcp, at: "2001:db8::1"),
        ]
        for (pod, claim) in zip(pods, claims) { try add(arrangement, pod, claim) }
        let servers = try zip(["tcp4", "udp4", "tcp6", "specific4", "specific6"], pods).map {
            try Responder($0, in: $1, 80)
        }
        // The specific one wins where it is for; the wildcard has the rest.
        func expectAllFive() {
            expectAnswer("specific4", from: outside, "192.0.2.1", 8080)
            expectAnswer("tcp4", from: outside, "192.0.2.11", 8080)
            expectAnswer("tcp4", from: node, "127.0.0.1", 8080)
            expectAnswer("udp4", from: outside, "192.0.2.1", 8080, .udp)
            expectAnswer("specific6", from: outside, "2001:db8::1", 8080)
            expectAnswer("tcp6", from: outside, "2001:db8::11", 8080)
        }
        expectAllFive()
        for pod in pods { try node.runtime().check(arrangement.network(node), pod.attachment) }
        try del(arrangement, pods[3])
        expectAnswer("tcp4", from: outside, "192.0.2.1", 8080)
        try del(arrangement, pods[0])
        expectNoAnswer(from: outside, "192.0.2.1", 8080)
        expectAnswer("udp4", from: outside, "192.0.2.1", 8080, .udp)
        withExtendedLifetime(servers) {}
    }

    @Test(arguments: Arrangement.allCases) func whatADeadPodHeldIsTakenOver(_ arrangement: Arrangement) throws {
        let pods = try node.pods(2)
        let ports = hostPorts(8080) + hostPorts(8080, at: "192.0.2.1")
        let list = try arrangement.network(node)
        _ = try node.runtime().add(list, pods[0].with(ports: ports))
        // It has gone, and nobody has called DEL.
        try pods[0].end()
        _ = try node.runtime().addOrUndo(list, pods[1].with(ports: ports))
        let server = try Responder("second", in: pods[1], 80)
        func expectSecond() throws {
            for transport in [Transport.tcp, .udp] {
                for address in ["192.0.2.1", "192.0.2.11", "2001:db8::1"] {
                    expectAnswer(server.name, from: outside, address, 8080, transport)
                }
            }
            try node.runtime().check(list, pods[1].with(ports: ports))
        }
        try expectSecond()
        // The DEL comes after all.
        try node.runtime().del(list, pods[0].with(netns: .some("")))
        try expectSecond()
        #expect(Set(try node.ruleset().own.map(\.owner)).isSubset(of: ["net", "net/\(pods[1].id)/eth0"]))
        try node.runtime().del(list, pods[1].attachment)
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }

    /// Its link tells that it is alive.
    @Test func whoHasLostItsRecordKeepsItsPorts() throws {
        let pods = try node.pods(2)
        try add(.alone, pods[0], hostPort(8080))
        let own = try node.ownElements(of: "net/\(pods[0].id)/eth0")
        try FileManager.default.removeItem(atPath: node.records())
        let error = try failure { try add(.alone, pods[1], hostPort(8080)) }
        #expect(error.code == 103 && "\(error)".contains("swiftletctl gc"), "\(error)")
        #expect(try node.ownElements(of: "net/\(pods[0].id)/eth0") == own)
        try node.runtime().gc(Arrangement.alone.network(node), valid: [])
        try add(.alone, pods[1], hostPort(8080))
    }

    /// ADD of `portmap` alone, as for a pod that has been through it.
    func addAgain(
        _ pod: Pod, _ result: JSONValue, _ ports: JSONValue..., wrapper: [String] = []
    ) throws -> ProcessOutcome {
        let configuration: JSONValue = [
            "cniVersion": "1.1.0", "name": "net", "type": "portmap", "prevResult": result,
            "runtimeConfig": ["portMappings": .array(ports)],
        ]
        return try node.call(
            pod.environment("ADD"), stdin: String(decoding: configuration.bytes, as: UTF8.self), plugin: "portmap",
            wrapper: wrapper)
    }

    @Test func aSecondAddThatIsTurnedAwayLeavesWhatTheFirstMade() throws {
        let pods = try node.pods(2)
        try add(.chained, pods[0], hostPort(8080))
        let list = try Arrangement.chained.network(node)
        let result = try node.runtime().add(list, pods[1].with(ports: hostPort(7070))).result
        let before = try Snapshot(node, pods)
        let outcome = try addAgain(pods[1], result, hostPort(7070), hostPort(8080))
        #expect(outcome.code == 103, "\(outcome)")
        expectSame(try Snapshot(node, pods), as: before)
        try node.runtime().check(list, pods[1].with(ports: hostPort(7070)))
    }

    /// The second ADD has seen that its ports are there, and then they are not.
    @Test func aFlushBesideASecondAddCostsNoPort() throws {
        let pod = try node.pod()
        let list = try Arrangement.chained.network(node)
        let result = try node.runtime().add(list, pod.with(ports: hostPort(8080))).result
        let strace = Strace(node)
        #expect(try addAgain(pod, result, hostPort(8080), wrapper: strace.tracing("sendto")).code == nil)
        let messages = try strace.lines()
        let look = try #require(messages.firstIndex { $0.contains("NFT_MSG_GETSETELEM") })
        let batch = try #require(messages[look...].firstIndex { $0.contains("NFT_MSG_NEWSETELEM") })
        let injector = FaultInjector(node)
        let holding = try injector.holding("sendto", batch + 1)
        let outcomes = inParallel(2) { number in
            if number == 0 { return try addAgain(pod, result, hostPort(8080), wrapper: holding).code }
            try injector.whileHeld { try node.exec("nft", "flush", "ruleset") }
            return nil
        }
        for outcome in outcomes { #expect(try outcome.get() == nil) }
        try node.runtime().check(list, pod.with(ports: hostPort(8080)))
    }

    /// The same port of the node, said in two ways.
    @Test(arguments: Arrangement.allCases) func whatIsSaidTwiceIsOneMapping(_ arrangement: Arrangement) throws {
        let pods = try node.pods(2)
        try add(arrangement, pods[0], hostPort(8080, at: "0.0.0.0"), hostPort(8080), hostPort(8080, at: "::"))
        #expect(try node.ownElements(of: "net/\(pods[0].id)/eth0").count == 2)
        let error = try failure {
            try add(arrangement, pods[1], hostPort(9090, to: 80), hostPort(9090, to: 81, at: "0.0.0.0"))
        }
        #expect(error.code == 7 && error.msg.contains("9090"), "\(error)")
    }

    /// What is still claimed by a dead pod is its own until another pod wants it.
    @Test func partOfARangeIsTakenOver() throws {
        let pods = try node.pods(2)
        try add(.alone, pods[0], hostPort(8000, to: 8000, range: 10))
        try pods[0].end()
        try add(.alone, pods[1], hostPort(8005, to: 8005))
        let server = try Responder("second", in: pods[1], 8005, [.tcp])
        expectAnswer(server.name, from: outside, "192.0.2.1", 8005)
        try node.runtime().del(Arrangement.alone.network(node), pods[0].with(netns: .some(nil)))
        expectAnswer(server.name, from: outside, "192.0.2.1", 8005)
        #expect(Set(try node.ruleset().own.map(\.owner)).isSubset(of: ["net", "net/\(pods[1].id)/eth0"]))
    }

    @Test func theSameAddTwiceIsTheSameAsOnce() throws {
        let pod = try node.pod()
        let list = try Arrangement.chained.network(node)
        let attachment = pod.with(ports: hostPorts(8080) + hostPorts(8081, at: "192.0.2.1"))
        let added = try node.runtime().add(list, attachment)
        let before = try Snapshot(node, [pod])
        let bridgeResult = try JSONValue(parsing: added.runs[0].outcome.stdout)
        let again = try node.runtime().run(.add, list.plugins[1], in: list, attachment, prevResult: bridgeResult)
        #expect(again.outcome.json == added.result && added.result == bridgeResult)
        expectSame(try Snapshot(node, [pod]), as: before)
        let server = try Responder("pod", in: pod, 80)
        expectAnswer(server.name, from: outside, "192.0.2.1", 8080)
        try node.runtime().del(list, pod.attachment)
        try node.runtime().del(list, pod.attachment)
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }

    @Test(arguments: Arrangement.allCases) func delNeedsNothingOfWhatAddWasGiven(_ arrangement: Arrangement) throws {
        let pod = try node.pod()
        let list = try arrangement.network(node)
        _ = try node.runtime().add(list, pod.with(ports: hostPorts(8080)))
        #expect(try !node.ruleset().own.isEmpty)
        try pod.end()
        // Neither namespace nor result, nor the ports, nor keys that make sense.
        let broken = try arrangement.network(node, ["conditionsV4": ["nonsense"], "backend": "pf"])
        for plugin in broken.plugins.reversed() {
            _ = try node.runtime().run(.del, plugin, in: broken, pod.with(netns: .some("")))
        }
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }

    @Test func manyClaimAtOnceAndEachPortGetsOneOwner() throws {
        let node = node
        let pods = try node.pods(12)
        let list = try Arrangement.alone.network(node)
        // Three pods want each of four ports.
        let results = inParallel(12) { number in
            let ports = hostPorts(Int64(8000 + number % 4))
            do {
                _ = try node.runtime().addOrUndo(list, pods[number].with(ports: ports))
                return Int?.none
            } catch let error as PluginError { return error.code ?? 0 }
        }
        let codes = try results.map { try $0.get() }
        for port in 0..<4 {
            let rivals = (0..<3).map { codes[port + 4 * $0] }
            #expect(rivals.filter { $0 == nil }.count == 1, "port \(8000 + port): \(rivals)")
            #expect(rivals.filter { $0 == 103 }.count == 2, "port \(8000 + port): \(rivals)")
        }
        let removed = inParallel(12) { try node.runtime().del(list, pods[$0].attachment).count }
        for result in removed { _ = try result.get() }
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }
}
