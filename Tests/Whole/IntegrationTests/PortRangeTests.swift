import ContainerRuntime
import Foundation
import Testing

/// Ranges of ports, and what they and the lack of them cost.
@Suite(.realKernel) struct PortRangeTests {
    @Test(arguments: Arrangement.allCases) func aRangeLeadsToARange(_ arrangement: Arrangement) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        let list = try arrangement.network(node)
        let ports = [Transport.tcp, .udp].map { hostPort(8000, to: 9000, $0, range: 5) }
        _ = try node.runtime().add(list, pod.with(ports: ports))
        let servers = try (0..<5).map { try Responder("at\(9000 + $0)", in: pod, UInt16(9000 + $0)) }
        for family in Family.allCases {
            for transport in [Transport.tcp, .udp] {
                for number in 0..<5 {
                    expectAnswer(
                        servers[number].name, from: outside, Outside.node(family), UInt16(8000 + number), transport)
                }
                expectNoAnswer(from: outside, Outside.node(family), 7999, transport)
                expectNoAnswer(from: outside, Outside.node(family), 8005, transport)
            }
        }
        try node.runtime().check(list, pod.with(ports: ports))
    }

    @Test func theLastPortOfAllCanBeInARange() throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        _ = try node.runtime().add(
            Arrangement.alone.network(node), pod.with(ports: hostPort(65_530, to: 30, range: 6)))
        let servers = try [30, 35].map { try Responder("at\($0)", in: pod, UInt16($0)) }
        expectAnswer(servers[0].name, from: outside, Outside.node(.v4), 65_530)
        expectAnswer(servers[1].name, from: outside, Outside.node(.v4), 65_535)
    }

    /// The numbers differ, so that no shortcut for equal ones helps.
    @Test(.alone) func tenThousandPortsCostNoMoreThanFiftyMilliseconds() throws {
        let target: Int64 = 30_000
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        let list = try Arrangement.chained.network(node)
        let mapper = Arrangement.chained.mapper(list)
        let range = pod.with(ports: hostPort(20_000, to: target, range: 10_000))
        let added = try node.runtime().add(list, range)
        for offset in [0, 5_000, 9_999] {
            let server = try Responder("at\(offset)", in: pod, UInt16(Int(target) + offset), [.tcp])
            for family in Family.allCases {
                expectAnswer(server.name, from: outside, Outside.node(family), UInt16(20_000 + offset))
            }
        }
        for port in [19_999, 30_000] { expectNoAnswer(from: outside, Outside.node(.v4), UInt16(port)) }
        try node.runtime().check(list, range)

        // Processor time, and the best of several: other tests run beside this one, on the same cores.
        func measure(_ attachment: PodAttachment) throws -> Duration {
            _ = try node.runtime().run(.del, mapper, in: list, attachment, prevResult: added.result)
            let run = try node.runtime().run(.add, mapper, in: list, attachment, prevResult: added.result)
            return run.outcome.user + run.outcome.system
        }
        let one = try measure(pod.with(ports: hostPort(20_000, to: target)))
        var many: [Duration] = []
        repeat {
            many.append(try measure(range))
        } while many.count < 20 && !many.contains { $0 - one < .milliseconds(50) }
        #expect(many.contains { $0 - one < .milliseconds(50) }, "one port: \(one), ten thousand: \(many)")
        let removal = try node.runtime().run(.del, mapper, in: list, range, prevResult: added.result).outcome
        #expect(removal.user + removal.system < .milliseconds(300))
        #expect(try node.ruleset().own.map(\.description) == [])
    }

    /// Whoever has no ports pays for no netfilter.
    @Test(arguments: Arrangement.allCases) func withoutPortsThereIsNoNetfilterCall(_ arrangement: Arrangement) throws {
        let node = try Node()
        let pod = try node.pod()
        let strace = Strace(node)
        let list = try arrangement.network(node)
        let mapper = arrangement.mapper(list)
        let traced = node.runtime(wrapper: strace.tracing("socket"))
        let previous: JSONValue? =
            try arrangement == .chained
            ? node.runtime().run(.add, list.plugins[0], in: list, pod.attachment).outcome.json : nil
        func sockets(_ command: ContainerRuntime.Command, _ ports: [JSONValue]?) throws -> Int {
            let attachment = ports.map { pod.with(ports: $0) } ?? pod.attachment
            _ = try traced.run(command, mapper, in: list, attachment, prevResult: previous)
            return try strace.lines().filter { $0.contains("NETLINK_NETFILTER") }.count
        }
        for none in [nil, []] as [[JSONValue]?] {
            #expect(try sockets(.add, none) == 0)
            #expect(try sockets(.del, none) == 0)
        }
        #expect(try node.ruleset().objects == [] && node.recordPaths() == [])
        // That it would have been seen.
        #expect(try sockets(.add, hostPorts(8080)) > 0)
        #expect(try sockets(.del, nil) > 0)
        // Still nothing, when there are tables.
        #expect(try sockets(.add, nil) == 0)
        #expect(try sockets(.del, nil) == 0)
    }
}
