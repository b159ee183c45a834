import ContainerRuntime
import Foundation
import Testing

/// Host ports, from every place that can ask for one.
@Suite(.realKernel) struct PortMappingTests {
    /// What `hostIP` says.
    enum HostIP: String, Sendable, CaseIterable, CustomTestStringConvertible {
        case none = "no hostIP"
        case wildcard = "wildcard hostIP"
        case specific = "specific hostIP"

        var testDescription: String { rawValue }

        func ports(_ port: Int64) -> [JSONValue] {
            switch self {
            case .none: hostPorts(port)
            case .wildcard: Family.allCases.flatMap { hostPorts(port, at: $0.any) }
            case .specific: Family.allCases.flatMap { hostPorts(port, at: Outside.node($0)) }
            }
        }
    }

    /// Whether bridges show netfilter the packets that they pass on; on many nodes they do (br_netfilter).
    enum BridgedPackets: String, Sendable, CaseIterable, CustomTestStringConvertible {
        case seen = "netfilter sees bridged packets"
        case unseen = "netfilter sees only routed packets"

        var testDescription: String { rawValue }

        func apply(_ node: Node) throws {
            try node.shell(
                """
                for name in iptables ip6tables; do
                    file=/proc/sys/net/bridge/bridge-nf-call-$name
                    [ ! -e $file ] || echo \(self == .seen ? 1 : 0) >$file
                done
                """)
        }
    }

    /// A node with an uplink, a pod whose port 80 is the node's port 8080, and another pod.
    struct Scene {
        let node: Node
        let outside: Outside
        let pod: Pod
        let sibling: Pod
        let list: NetworkList
        let server: Responder

        init(
            _ arrangement: Arrangement, keys: [String: JSONValue] = [:], _ ports: [JSONValue],
            _ bridged: BridgedPackets = .seen
        ) throws {
            node = try Node()
            outside = try Outside(node)
            try bridged.apply(node)
            (pod, sibling) = (try node.pod(), try node.pod())
            list = try arrangement.network(node, keys)
            let result = try node.runtime().add(list, pod.with(ports: ports)).result
            try #require(result.hosts == ["10.44.0.2", "fd00:44::2"])
            _ = try node.runtime().add(list, sibling.attachment)
            server = try Responder("pod", in: pod, 80)
        }
    }

    static let cells = Arrangement.allCases.flatMap { arrangement in
        HostIP.allCases.flatMap { hostIP in BridgedPackets.allCases.map { (arrangement, hostIP, $0) } }
    }

    @Test(arguments: cells)
    func fromEverywhere(_ arrangement: Arrangement, _ hostIP: HostIP, _ bridged: BridgedPackets) throws {
        let scene = try Scene(arrangement, hostIP.ports(8080), bridged)
        for family in Family.allCases {
            let (uplink, gateway) = (Outside.node(family), Gateway.address(family))
            let isFour = family == .v4
            // Who asks, what address, whom the pod sees; nil: an answer is not to be had.
            let ways: [(String, any Namespace, String, seen: String?, isSpecific: Bool)] = [
                ("the pod itself", scene.pod, uplink, gateway, true),
                ("a sibling", scene.sibling, uplink, gateway, true),
                ("a sibling by the bridge", scene.sibling, gateway, gateway, false),
                ("the node by its uplink", scene.node, uplink, uplink, true),
                ("the node by the bridge", scene.node, gateway, gateway, false),
                ("the node by loopback", scene.node, isFour ? "127.0.0.1" : "::1", isFour ? gateway : nil, false),
                ("another host", scene.outside, uplink, Outside.host(family), true),
                ("another host, second address", scene.outside, Outside.nodes(family)[1], Outside.host(family), false),
            ]
            for (name, client, address, seen, isSpecific) in ways {
                for transport in [Transport.tcp, .udp] {
                    guard let seen, hostIP != .specific || isSpecific else {
                        expectNoAnswer(from: client, address, 8080, transport, name)
                        continue
                    }
                    expectAnswer(scene.server.name, from: client, address, 8080, transport, seen: seen, name)
                }
            }
        }
        try scene.node.runtime().check(scene.list, scene.pod.with(ports: hostIP.ports(8080)))
        try scene.node.runtime().del(scene.list, scene.pod.attachment)
        #expect(try scene.node.ruleset().own.map(\.description) == [])
        for family in Family.allCases { expectNoAnswer(from: scene.outside, Outside.node(family), 8080) }
    }

    @Test(arguments: Arrangement.allCases, Family.allCases)
    func aWildcardIsOfItsFamilyOnly(_ arrangement: Arrangement, _ family: Family) throws {
        let scene = try Scene(arrangement, hostPorts(8080, at: family.any))
        let other = family == .v4 ? Family.v6 : .v4
        expectAnswer("pod", from: scene.outside, Outside.node(family), 8080)
        expectNoAnswer(from: scene.outside, Outside.node(other), 8080)
        expectNoAnswer(from: scene.node, Gateway.address(other), 8080, .udp)
    }

    /// For those who work on the node, and nobody else.
    @Test(arguments: Arrangement.allCases) func aPortOfTheLoopbackAddressIsTheNodesOwn(_ arrangement: Arrangement)
        throws
    {
        let scene = try Scene(arrangement, hostPorts(8080, at: "127.0.0.1"))
        for transport in [Transport.tcp, .udp] {
            expectAnswer("pod", from: scene.node, "127.0.0.1", 8080, transport, seen: "10.44.0.1")
            expectNoAnswer(from: scene.node, "10.44.0.1", 8080, transport)
            expectNoAnswer(from: scene.outside, Outside.node(.v4), 8080, transport)
            expectNoAnswer(from: scene.sibling, "10.44.0.1", 8080, transport)
        }
    }

    @Test func portmapFollowsSwiftletAsWell() throws {
        let node = try Node()
        let outside = try Outside(node)
        let (pod, sibling) = (try node.pod(), try node.pod())
        let list = try node.network(
            node.swiftlet(Node.dualStack.merging(["ipMasq": true]) { $1 }),
            ["type": "portmap", "capabilities": ["portMappings": true]])
        _ = try node.runtime().add(list, pod.with(ports: hostPorts(8080)))
        _ = try node.runtime().add(list, sibling.attachment)
        let server = try Responder("pod", in: pod, 80)
        let beyond = try Responder("outside", in: outside, 8080)
        for family in Family.allCases {
            for client in [pod, sibling] {
                expectAnswer(server.name, from: client, Outside.node(family), 8080, seen: Gateway.address(family))
                expectAnswer(beyond.name, from: client, Outside.host(family), 8080, seen: Outside.node(family))
            }
            expectAnswer(server.name, from: outside, Outside.node(family), 8080, seen: Outside.host(family))
        }
        for each in [pod, sibling] {
            try node.runtime().check(list, each.with(ports: each === pod ? hostPorts(8080) : []))
            try node.runtime().del(list, each.attachment)
        }
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }

    @Test(arguments: Arrangement.allCases) func onlyTheProtocolAsked(_ arrangement: Arrangement) throws {
        let ports: [JSONValue] = [
            hostPort(8080), hostPort(8081, .udp), ["hostPort": 8082, "containerPort": 80, "protocol": "TCP"],
        ]
        let scene = try Scene(arrangement, ports)
        for (port, transport) in [(8080, Transport.tcp), (8081, .udp), (8082, .tcp)] {
            let other: Transport = transport == .tcp ? .udp : .tcp
            expectAnswer("pod", from: scene.outside, Outside.node(.v4), UInt16(port), transport)
            expectNoAnswer(from: scene.outside, Outside.node(.v4), UInt16(port), other)
        }
    }

    @Test(arguments: Arrangement.allCases) func datagramsOfOneFlowStayOneFlow(_ arrangement: Arrangement) throws {
        let scene = try Scene(arrangement, hostPorts(8080))
        for family in Family.allCases {
            let flow = try DatagramFlow(from: scene.outside, port: 40_000, to: Outside.node(family), 8080)
            for _ in 0..<5 { #expect(try flow.ask() == Answer("pod \(Outside.host(family)) 40000")) }
        }
    }

    @Test(arguments: Arrangement.allCases) func otherPortsAreNotTouched(_ arrangement: Arrangement) throws {
        let scene = try Scene(arrangement, hostPorts(8080))
        let onNode = try Responder("node", in: scene.node, 8081)
        let beyond = try Responder("outside", in: scene.outside, 8080)
        try scene.outside.learnRoutes(to: "10.44.0.0/24", "fd00:44::/64")
        for family in Family.allCases {
            for transport in [Transport.tcp, .udp] {
                expectAnswer(onNode.name, from: scene.outside, Outside.node(family), 8081, transport)
                expectAnswer(onNode.name, from: scene.pod, Gateway.address(family), 8081, transport)
                // The same number, but not the node's.
                expectAnswer(beyond.name, from: scene.pod, Outside.host(family), 8080, transport)
                expectAnswer(beyond.name, from: scene.node, Outside.host(family), 8080, transport)
                expectAnswer("pod", from: scene.sibling, family == .v4 ? "10.44.0.2" : "fd00:44::2", 80, transport)
            }
        }
    }

    /// What is forwarded to a pod needs the bridge's link-local address (the kernel asks for neighbours from it), which
    /// no search for duplicates may hold up for seconds after the first pod.
    @Test(arguments: Arrangement.allCases, Family.allCases)
    func theFirstPacketToTheFirstPodIsNotHeldUp(_ arrangement: Arrangement, _ family: Family) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        let server = try Responder("pod", in: pod, 80)
        _ = try node.runtime().add(arrangement.network(node), pod.with(ports: hostPorts(8080)))
        // One packet, which nobody sends again.
        #expect(try outside.ask(Outside.node(family), 8080, .udp, within: .milliseconds(800)).server == server.name)
    }

    // Addresses.

    static let fourAddresses: [String: JSONValue] = [
        "ranges": [
            [["subnet": "10.44.0.0/24"]], [["subnet": "10.45.0.0/24"]], [["subnet": "fd00:44::/64"]],
            [["subnet": "fd00:45::/64"]],
        ]
    ]

    @Test(arguments: Arrangement.allCases, BridgedPackets.allCases)
    func ofSeveralAddressesItIsTheFirstOfTheFamily(_ arrangement: Arrangement, _ bridged: BridgedPackets) throws {
        let node = try Node()
        let outside = try Outside(node)
        try bridged.apply(node)
        let pods = try node.pods(2)
        let list = try arrangement.network(node, ipam: Self.fourAddresses)
        let results = try zip(pods, [hostPorts(8080), []]).map {
            try node.runtime().add(list, $0.with(ports: $1)).result.hosts
        }
        try #require(results[0] == ["10.44.0.2", "10.45.0.2", "fd00:44::2", "fd00:45::2"])
        let first = try Responder("first", in: pods[0], 80, at: ["10.44.0.2", "fd00:44::2"])
        let second = try Responder("second", in: pods[0], 80, at: ["10.45.0.2", "fd00:45::2"])
        for family in Family.allCases {
            for transport in [Transport.tcp, .udp] {
                for (client, name) in [(outside as any Namespace, "another host"), (node, "the node")] {
                    expectAnswer(first.name, from: client, Outside.node(family), 8080, transport, name)
                }
                // Each from each of its addresses.
                for (pod, result) in zip(pods, results) {
                    for own in result where Family(of: own) == family {
                        expectAnswer(
                            first.name, from: pod, Outside.node(family), 8080, transport, source: (own, 0), own)
                    }
                }
                expectAnswer(second.name, from: node, family == .v4 ? "10.45.0.2" : "fd00:45::2", 80, transport)
            }
        }
    }

    @Test(arguments: Arrangement.allCases) func aPodOfOneFamilyIsReachedInThatOne(_ arrangement: Arrangement) throws {
        for (family, subnet) in [(Family.v4, "10.44.0.0/24"), (.v6, "fd00:44::/64")] {
            let node = try Node()
            let outside = try Outside(node)
            let pod = try node.pod()
            let list = try arrangement.network(node, ipam: ["ranges": [[["subnet": .string(subnet)]]]])
            _ = try node.runtime().add(list, pod.with(ports: hostPorts(8080)))
            let server = try Responder("pod", in: pod, 80)
            expectAnswer(server.name, from: outside, Outside.node(family), 8080)
            expectNoAnswer(from: outside, Outside.node(family == .v4 ? .v6 : .v4), 8080)
            try node.runtime().check(list, pod.with(ports: hostPorts(8080)))
            try node.runtime().del(list, pod.attachment)
            #expect(try node.ruleset().own.map(\.description) == [])
        }
    }

    // Keys.

    @Test(arguments: Arrangement.allCases) func masqAllMakesEverybodyTheNode(_ arrangement: Arrangement) throws {
        let scene = try Scene(arrangement, keys: ["masqAll": true], hostPorts(8080))
        for family in Family.allCases {
            for transport in [Transport.tcp, .udp] {
                expectAnswer(
                    "pod", from: scene.outside, Outside.node(family), 8080, transport, seen: Gateway.address(family))
            }
        }
        // Only what came by a host port.
        try scene.outside.learnRoutes(to: "10.44.0.0/24")
        expectAnswer("pod", from: scene.outside, "10.44.0.2", 80, seen: Outside.host(.v4))
    }

    @Test(arguments: Arrangement.allCases) func withoutSnatSourcesStay(_ arrangement: Arrangement) throws {
        let scene = try Scene(arrangement, keys: ["snat": false], hostPorts(8080), .unseen)
        for family in Family.allCases {
            for transport in [Transport.tcp, .udp] {
                expectAnswer(
                    "pod", from: scene.outside, Outside.node(family), 8080, transport, seen: Outside.host(family))
                // The pod answers its sibling directly, and so under an address that the sibling has not asked.
                expectNoAnswer(from: scene.sibling, Outside.node(family), 8080, transport)
            }
        }
        expectNoAnswer(from: scene.node, "127.0.0.1", 8080)
        #expect(try scene.node.sysctl("ipv4/conf/cbr0/route_localnet") == "0")
    }

    @Test(arguments: Arrangement.allCases) func conditionsLimitWhoMayAsk(_ arrangement: Arrangement) throws {
        let scene = try Scene(
            arrangement,
            keys: [
                "conditionsV4": ["ip", "saddr", "192.0.2.0/24"],
                "conditionsV6": ["ip6", "saddr", "!=", "2001:db8::3"],
            ], hostPorts(8080))
        for transport in [Transport.tcp, .udp] {
            expectAnswer("pod", from: scene.outside, Outside.node(.v4), 8080, transport, seen: Outside.host(.v4))
            expectNoAnswer(from: scene.sibling, Outside.node(.v4), 8080, transport)
            expectAnswer("pod", from: scene.sibling, Outside.node(.v6), 8080, transport)
            expectAnswer("pod", from: scene.outside, Outside.node(.v6), 8080, transport)
        }
        #expect(throws: NoAnswer.self) {
            try scene.outside.ask(
                Outside.node(.v6), 8080, from: (Outside.hosts(.v6)[1], 0), within: .milliseconds(250))
        }
        try scene.node.runtime().check(scene.list, scene.pod.with(ports: hostPorts(8080)))
        try scene.node.runtime().del(scene.list, scene.pod.attachment)
        #expect(try scene.node.ruleset().own.map(\.description) == [])
        #expect(try scene.node.ruleset().objects.filter { $0.contains("192.0.2.0") || $0.contains("2001:db8") } == [])
    }

    @Test(arguments: ["", "nftables", "iptables"]) func whateverTheBackendItIsNftables(_ backend: String) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        let list = try Arrangement.chained.network(node, ["backend": .string(backend), "markMasqBit": 5])
        let runs = try node.runtime().add(list, pod.with(ports: hostPorts(8080))).runs
        let note = runs[1].outcome.errorText
        #expect(backend == "iptables" ? note.contains("iptables") && note.contains("nftables") : note == "")
        let server = try Responder("pod", in: pod, 80)
        expectAnswer(server.name, from: outside, Outside.node(.v4), 8080)
    }

    // Together with ipMasq.

    @Test func hostPortsAndMasqueradeGoTogether() throws {
        let node = try Node()
        let outside = try Outside(node)
        let (pod, sibling) = (try node.pod(), try node.pod())
        let list = try Arrangement.alone.network(node, ["ipMasq": true])
        for (each, ports) in [(pod, hostPorts(8080)), (sibling, [])] {
            _ = try node.runtime().add(list, each.with(ports: ports))
        }
        let server = try Responder("pod", in: pod, 80)
        let beyond = try Responder("outside", in: outside, 8080)
        for family in Family.allCases {
            expectAnswer(beyond.name, from: pod, Outside.host(family), 8080, seen: Outside.node(family))
            expectAnswer(server.name, from: outside, Outside.node(family), 8080, seen: Outside.host(family))
            expectAnswer(server.name, from: pod, Outside.node(family), 8080, seen: Gateway.address(family))
            expectAnswer(server.name, from: sibling, Outside.node(family), 8080, seen: Gateway.address(family))
        }
        // Whose network it is stays to be known until the last pod has gone.
        try node.runtime().del(list, pod.attachment)
        expectAnswer(beyond.name, from: sibling, Outside.host(.v4), 8080, seen: Outside.node(.v4))
        try node.runtime().del(list, sibling.attachment)
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }

    @Test func podsOfAnotherNetworkReachAHostPort() throws {
        let node = try Node()
        let (pod, other) = (try node.pod(), try node.pod())
        _ = try node.runtime().add(Arrangement.alone.network(node), pod.with(ports: hostPorts(8080)))
        let ipam: [String: JSONValue] = [
            "ranges": [[["subnet": "10.45.0.0/24"]], [["subnet": "fd00:45::/64"]]], "bridge": "cbr1",
        ]
        let result = try node.runtime().add(node.network(node.swiftlet(ipam), name: "two"), other.attachment).result
        let server = try Responder("pod", in: pod, 80)
        for (family, own) in zip([Family.v4, .v6], result.hosts) {
            let gateway = family == .v4 ? "10.45.0.1" : "fd00:45::1"
            expectAnswer(server.name, from: other, gateway, 8080, seen: own)
            expectAnswer(server.name, from: other, Gateway.address(family), 8080, seen: own)
        }
    }
}
