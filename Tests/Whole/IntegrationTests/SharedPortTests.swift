import ContainerRuntime
import Foundation
import Testing

/// The networks of one container share its ports of the node: the first has them, and when it goes, the next one.
@Suite(.realKernel) struct SharedPortTests {
    let node: Node
    let outside: Outside
    let pod: Pod

    init() throws {
        node = try Node()
        outside = try Outside(node)
        pod = try node.pod()
    }

    /// One of several networks, each with its own bridge.
    func network(_ number: Int, _ arrangement: Arrangement, _ keys: [String: JSONValue] = [:]) throws -> NetworkList {
        let ipam: [String: JSONValue] = [
            "ranges": [[["subnet": .string("10.5\(number).0.0/24")]], [["subnet": .string("fd00:5\(number)::/64")]]]
        ]
        let bridge: [String: JSONValue] = ["bridge": .string("br\(number)")]
        let mapping = ["capabilities": ["portMappings": true]].merging(keys) { $1 }
        let name = "net\(number)"
        switch arrangement {
        case .alone:
            return try node.network(
                node.swiftlet(ipam.merging(bridge) { $1 }.merging(mapping) { $1 }), name: name)
        case .chained:
            return try node.network(
                node.bridge(bridge.merging(["isDefaultGateway": true]) { $1 }, ipam: ipam),
                .object(mapping.merging(["type": "portmap"]) { $1 }), name: name)
        }
    }

    func attachment(_ number: Int, _ ports: [JSONValue] = [], of pod: Pod? = nil) -> PodAttachment {
        let pod = pod ?? self.pod
        return PodAttachment(
            containerID: pod.id, netns: pod.path, ifname: "eth\(number)",
            capabilityArgs: ["portMappings": .array(ports)])
    }

    func servers(_ numbers: Range<Int>) throws -> [Responder] {
        try numbers.map { try Responder("by-net\($0)", in: pod, 80, at: ["10.5\($0).0.2", "fd00:5\($0)::2"]) }
    }

    func expectAnswers(
        _ server: String, _ port: UInt16, _ addresses: [String] = ["192.0.2.1", "2001:db8::1"],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for address in addresses {
            for transport in [Transport.tcp, .udp] {
                expectAnswer(server, from: outside, address, port, transport, sourceLocation: sourceLocation)
            }
        }
    }

    static let pairs = Arrangement.allCases.flatMap { first in Arrangement.allCases.map { (first, $0) } }

    @Test(arguments: pairs) func theNextTakesOverWhenTheFirstGoes(_ first: Arrangement, _ second: Arrangement) throws {
        let lists = [try network(0, first), try network(1, second), try network(2, first)]
        let ports = hostPorts(8080) + hostPorts(8081, at: "192.0.2.1") + [hostPort(9000, to: 80, range: 3)]
        let runtime = node.runtime()
        for (number, list) in lists.enumerated() { _ = try runtime.addOrUndo(list, attachment(number, ports)) }
        let servers = try servers(0..<3)
        for number in 0..<3 {
            expectAnswers("by-net\(number)", 8080)
            expectAnswers("by-net\(number)", 8081, ["192.0.2.1"])
            for later in number..<3 { try runtime.check(lists[later], attachment(later, ports)) }
            let own = try node.ownElements(of: "net\(number)/\(pod.id)/eth\(number)")
            // Ports of two protocols and families, those at one address, and a range.
            #expect(own.filter { $0.contains("hostports") }.count == 4 + 2 + 2 * 3, "\(own)")
            try runtime.del(lists[number], attachment(number))
        }
        expectNoAnswer(from: outside, "192.0.2.1", 8080)
        #expect(try node.ruleset().own.map(\.description) == [] && node.recordPaths() == [])
        withExtendedLifetime(servers) {}
    }

    @Test(arguments: Arrangement.allCases) func whoHasNothingLeavesWithoutATrace(_ arrangement: Arrangement) throws {
        let lists = [try network(0, arrangement), try network(1, arrangement)]
        for number in 0...1 { _ = try node.runtime().add(lists[number], attachment(number, hostPorts(8080))) }
        let servers = try servers(0..<2)
        try node.runtime().del(lists[1], attachment(1))
        expectAnswers("by-net0", 8080)
        try node.runtime().check(lists[0], attachment(0, hostPorts(8080)))
        try node.runtime().del(lists[0], attachment(0))
        #expect(try node.ruleset().own.map(\.description) == [] && node.recordPaths() == [])
        withExtendedLifetime(servers) {}
    }

    /// Part of the ports is common, and each has others of its own.
    @Test func onlyWhatIsCommonIsShared() throws {
        let lists = [try network(0, .alone), try network(1, .chained)]
        let ports = [
            [hostPort(8000, to: 80), hostPort(8001, to: 80)], [hostPort(8001, to: 80), hostPort(8002, to: 80)],
        ]
        for number in 0...1 { _ = try node.runtime().add(lists[number], attachment(number, ports[number])) }
        let servers = try servers(0..<2)
        for (port, name) in [(8000, "by-net0"), (8001, "by-net0"), (8002, "by-net1")] as [(UInt16, String)] {
            expectAnswer(name, from: outside, "192.0.2.1", port)
        }
        try node.runtime().del(lists[0], attachment(0))
        expectNoAnswer(from: outside, "192.0.2.1", 8000)
        for port: UInt16 in [8001, 8002] { expectAnswer("by-net1", from: outside, "192.0.2.1", port) }
        withExtendedLifetime(servers) {}
    }

    @Test(arguments: Arrangement.allCases) func anotherContainerIsStillTurnedAway(_ arrangement: Arrangement) throws {
        let other = try node.pod()
        let lists = [try network(0, arrangement), try network(1, arrangement)]
        let runtime = node.runtime()
        for number in 0...1 { _ = try runtime.add(lists[number], attachment(number, hostPorts(8080))) }
        for number in 0...1 {
            let error = try failure {
                _ = try runtime.addOrUndo(lists[0], attachment(5, hostPorts(8080), of: other))
            }
            #expect(error.code == 103 && error.msg.contains("net\(number)/\(pod.id)/eth\(number)"), "\(error)")
            try runtime.del(lists[number], attachment(number))
        }
        _ = try runtime.add(lists[0], attachment(5, hostPorts(8080), of: other))
    }

    /// The conditions of a port go with who has it.
    @Test func conditionsAreThoseOfTheOneInForce() throws {
        let refusing: [String: JSONValue] = ["conditionsV4": ["ip", "saddr", "!=", "192.0.2.2"]]
        let lists = [try network(0, .alone), try network(1, .alone, refusing), try network(2, .alone)]
        let ports = [hostPort(8080, to: 80)]
        for number in 0...2 { _ = try node.runtime().add(lists[number], attachment(number, ports)) }
        let servers = try servers(0..<3)
        expectAnswer("by-net0", from: outside, "192.0.2.1", 8080)
        try node.runtime().check(lists[1], attachment(1, ports))
        try node.runtime().del(lists[0], attachment(0))
        expectNoAnswer(from: outside, "192.0.2.1", 8080)
        expectAnswer("by-net1", from: outside, "192.0.2.1", 8080, source: ("192.0.2.3", 40_000))
        try node.runtime().check(lists[1], attachment(1, ports))
        try node.runtime().del(lists[1], attachment(1))
        expectAnswer("by-net2", from: outside, "192.0.2.1", 8080)
        withExtendedLifetime(servers) {}
    }

    /// A container that has ended gives its ports to whoever wants them, not to its own remains.
    @Test func theDeadInheritNothing() throws {
        let other = try node.pod()
        let lists = [try network(0, .alone), try network(1, .alone)]
        for number in 0...1 { _ = try node.runtime().add(lists[number], attachment(number, hostPorts(8080))) }
        try pod.end()
        _ = try node.runtime().add(lists[0], attachment(5, hostPorts(8080), of: other))
        for number in 0...1 { try node.runtime().del(lists[number], attachment(number)) }
        #expect(Set(try node.ruleset().own.map(\.owner)).isSubset(of: ["net0", "net0/\(other.id)/eth5"]))
    }

    /// One comes while the other goes: the ports are never nobody's.
    @Test func whoComesWhileTheOtherGoesHasThePorts() throws {
        let (node, pod) = (node, pod)
        let lists = [try network(0, .alone), try network(1, .alone)]
        let attachments = [attachment(0, hostPorts(8080)), attachment(1, hostPorts(8080))]
        _ = try node.runtime().add(lists[0], attachments[0])
        for round in 1...12 {
            let (coming, going) = (round % 2, (round + 1) % 2)
            for result in inParallel(
                2,
                { number in
                    if number == 0 {
                        _ = try node.runtime().add(lists[coming], attachments[coming])
                    } else {
                        try node.runtime().del(lists[going], attachments[going])
                    }
                })
            { try result.get() }
            let own = try node.ownElements(of: "net\(coming)/\(pod.id)/eth\(coming)")
            #expect(own.filter { $0.contains("hostports") }.count == 4, "\(round): \(own)")
            try node.runtime().check(lists[coming], attachments[coming])
        }
    }
}
