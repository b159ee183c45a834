import ContainerRuntime
import Foundation
import Testing

/// `ipMasq`: who leaves the network speaks from the node's address.
@Suite(.realKernel) struct MasqueradeTests {
    static let types = ["swiftlet", "bridge"]

    func network(
        _ node: Node, _ type: String = "swiftlet", _ keys: [String: JSONValue] = ["ipMasq": true],
        ipam: [String: JSONValue] = Node.dualStack, name: String = "net"
    ) throws -> NetworkList {
        let bridge: [String: JSONValue] = ["bridge": "cbr0", "isDefaultGateway": true]
        return try node.network(
            type == "swiftlet"
                ? node.swiftlet(ipam.merging(keys) { $1 })
                : node.bridge(bridge.merging(keys) { $1 }, ipam: ipam), name: name)
    }

    @Test(arguments: types) func podsReachTheWorldFromTheNodesAddress(_ type: String) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        let server = try Responder("outside", in: outside, 7)
        let list = try network(node, type)
        let runs = try node.runtime().add(list, pod.attachment).runs
        #expect(runs.map(\.outcome.errorText) == [""])
        for family in Family.allCases {
            for transport in [Transport.tcp, .udp] {
                expectAnswer(
                    server.name, from: pod, Outside.host(family), 7, transport, seen: Outside.node(family))
            }
            // Packets of one flow stay one flow.
            let flow = try DatagramFlow(from: pod, port: 40_000, to: Outside.host(family), 7)
            let first = try flow.ask()
            #expect(first.client == Outside.node(family))
            for _ in 0..<3 { #expect(try flow.ask() == first) }
        }
        try node.runtime().check(list, pod.attachment)
    }

    @Test(arguments: types) func withoutItThereIsNoAnswer(_ type: String) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        let server = try Responder("outside", in: outside, 7)
        let result = try node.runtime().add(network(node, type, ["ipMasq": false]), pod.attachment).result
        for family in Family.allCases { expectNoAnswer(from: pod, Outside.host(family), 7) }
        // Only the way back was missing.
        try outside.learnRoutes(to: "10.44.0.0/24", "fd00:44::/64")
        for (family, address) in zip(Family.allCases, result.hosts) {
            expectAnswer(server.name, from: pod, Outside.host(family), 7, seen: address)
        }
        #expect(try node.ruleset().objects == [])
    }

    @Test(arguments: types) func withinTheNetworkAddressesStay(_ type: String) throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try network(node, type)
        let results = try pods.map { try node.runtime().add(list, $0.attachment).result.hosts }
        for family in 0..<2 {
            try expectConnected(pods[0], results[0][family], pods[1], results[1][family])
            let gateway = Gateway.address(Family.allCases[family])
            try expectConnected(pods[0], results[0][family], node, gateway)
        }
    }

    @Test func destinationsThatAreExemptSeeThePodsAddress() throws {
        let node = try Node()
        let outside = try Outside(node)
        try outside.learnRoutes(to: "10.44.0.0/24", "fd00:44::/64")
        let pod = try node.pod()
        let server = try Responder("outside", in: outside, 7)
        let exempt: JSONValue = ["192.0.2.3/32", "198.51.100.0/24", "2001:db8::3/128"]
        let list = try network(node, "swiftlet", ["ipMasq": true, "nonMasqueradeCIDRs": exempt])
        let result = try node.runtime().add(list, pod.attachment).result
        for (family, own) in zip(Family.allCases, result.hosts) {
            let hosts = Outside.hosts(family)
            expectAnswer(server.name, from: pod, hosts[0], 7, seen: Outside.node(family))
            expectAnswer(server.name, from: pod, hosts[1], 7, seen: own)
        }
        try node.runtime().check(list, pod.attachment)
        try node.runtime().del(list, pod.attachment)
        #expect(try node.ruleset().own.map(\.description) == [])
    }

    /// A bridge that netfilter sees (br_netfilter) shows it even what one pod sends to another.
    @Test(arguments: types) func multicastIsLeftAlone(_ type: String) throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try network(node, type)
        let results = try pods.map { try node.runtime().add(list, $0.attachment).result.hosts }
        for (family, group) in zip([0, 1], ["239.44.0.1", "ff05::44:1"]) {
            let listener = try Listener(group: group, 4711, in: pods[1])
            let sender = try Socket(in: pods[0], Family(of: group), .udp)
            try sender.bind(results[0][family], 4712)
            try sender.connect(group, 4711)
            try sender.send("to all")
            let heard = try listener.hear()
            #expect(heard.text == "to all" && heard.sender == results[0][family])
        }
    }

    @Test func networksMasqueradeToEachOther() throws {
        let node = try Node()
        let pods = try node.pods(2)
        let other: [String: JSONValue] = ["ranges": [[["subnet": "10.45.0.0/24"]], [["subnet": "fd00:45::/64"]]]]
        let one = try network(node, name: "one")
        let two = try network(node, "swiftlet", ["ipMasq": true, "bridge": "cbr1"], ipam: other, name: "two")
        let addresses = try [
            node.runtime().add(one, pods[0].attachment).result.hosts,
            node.runtime().add(two, pods[1].attachment).result.hosts,
        ]
        let servers = try zip(["one", "two"], pods).map { try Responder($0, in: $1, 7) }
        for (family, gateways) in [(0, ["10.44.0.1", "10.45.0.1"]), (1, ["fd00:44::1", "fd00:45::1"])] {
            expectAnswer(servers[1].name, from: pods[0], addresses[1][family], 7, seen: gateways[1])
            expectAnswer(servers[0].name, from: pods[1], addresses[0][family], 7, seen: gateways[0])
        }
    }

    struct Overlap: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let one: [String: JSONValue]
        let two: [String: JSONValue]
    }

    static let overlaps = [
        Overlap(
            testDescription: "identical",
            one: ["ranges": [[["subnet": "10.44.0.0/24", "rangeEnd": "10.44.0.99"]], [["subnet": "fd00:44::/64"]]]],
            two: [
                "ranges": [
                    [["subnet": "10.44.0.0/24", "rangeStart": "10.44.0.100"]],
                    [["subnet": "fd00:44::/64", "rangeStart": "fd00:44::1:0"]],
                ]
            ]),
        Overlap(
            testDescription: "nested",
            one: ["ranges": [[["subnet": "10.44.0.0/16"]], [["subnet": "fd00:44::/48"]]]],
            two: [
                "ranges": [[["subnet": "10.44.7.0/24"]], [["subnet": "fd00:44:0:7::/64"]]], "bridge": "cbr1",
            ]),
    ]

    @Test(arguments: overlaps, [[0, 1], [1, 0]])
    func subnetsOfTwoNetworksMayOverlap(_ overlap: Overlap, _ order: [Int]) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pods = try node.pods(2)
        let server = try Responder("outside", in: outside, 7)
        let lists = try [
            network(node, ipam: overlap.one, name: "one"), network(node, ipam: overlap.two, name: "two"),
        ]
        func expectMasqueraded(_ number: Int) {
            for family in Family.allCases {
                expectAnswer(
                    server.name, from: pods[number], Outside.host(family), 7, seen: Outside.node(family),
                    "\(overlap.testDescription) \(order) \(lists[number].name)")
            }
        }
        for number in order { _ = try node.runtime().add(lists[number], pods[number].attachment) }
        for number in order {
            expectMasqueraded(number)
            try node.runtime().check(lists[number], pods[number].attachment)
        }
        try node.runtime().del(lists[order[0]], pods[order[0]].attachment)
        expectMasqueraded(order[1])
        try node.runtime().check(lists[order[1]], pods[order[1]].attachment)
        try node.runtime().del(lists[order[1]], pods[order[1]].attachment)
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }

    // The backend.

    @Test(arguments: types) func theIptablesBackendIsServedByNftablesWithANote(_ type: String) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        let server = try Responder("outside", in: outside, 7)
        let list = try network(node, type, ["ipMasq": true, "ipMasqBackend": "iptables"])
        let run = try node.runtime().add(list, pod.attachment).runs[0]
        #expect(run.outcome.errorText.contains("iptables") && run.outcome.errorText.contains("nftables"))
        #expect(run.outcome.errorText.split(separator: "\n").count == 1)
        expectAnswer(server.name, from: pod, Outside.host(.v4), 7, seen: Outside.node(.v4))
    }

    @Test(arguments: ["", "nftables"]) func otherBackendsNeedNoNote(_ backend: JSONValue) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try network(node, "bridge", ["ipMasq": true, "ipMasqBackend": backend])
        #expect(try node.runtime().add(list, pod.attachment).runs[0].outcome.errorText == "")
        #expect(try !node.ruleset().own.isEmpty)
    }

    // What is kept.

    @Test(arguments: types) func aNetworkHasTheSameElementsHoweverManyPods(_ type: String) throws {
        let node = try Node()
        let pods = try node.pods(3)
        let list = try network(node, type)
        var counts: [[String]] = []
        for pod in pods {
            _ = try node.runtime().add(list, pod.attachment)
            let elements = try node.ruleset().own
            #expect(Set(elements.map(\.owner)) == ["net"])
            counts.append(elements.map(\.description).sorted())
        }
        #expect(counts[0] == counts[1] && counts[1] == counts[2])
        for set in ["masqueraded_v4", "masqueraded_v6"] {
            #expect(try node.ruleset().own.filter { $0.table == "inet swiftlet" && $0.set == set }.count == 1)
        }
        #expect(try node.recordPaths().filter { $0.contains(":") }.count == 3)
        for (number, pod) in pods.enumerated() {
            #expect(try !node.ruleset().own.isEmpty, "before DEL \(number)")
            try node.runtime().del(list, pod.attachment)
        }
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }

    @Test(arguments: types) func delNeedsNeitherNamespaceNorResult(_ type: String) throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try network(node, type)
        for pod in pods { _ = try node.runtime().add(list, pod.attachment) }
        for pod in pods {
            try pod.end()
            // In an older version no result is passed on.
            _ = try node.runtime().run(.del, list.plugins[0], in: list, pod.with(netns: .some("")))
        }
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
        for pod in pods { try node.runtime().del(list, pod.with(netns: .some(""))) }
    }

    @Test(arguments: types) func nobodyWhoDoesNotAskForItMeetsNetfilter(_ type: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let strace = Strace(node)
        let runtime = node.runtime(wrapper: strace.tracing("socket"))
        func sockets(_ plugin: JSONValue, _ command: (NetworkList) throws -> Void) throws -> Int {
            try command(node.network(plugin))
            return try strace.lines().filter { $0.contains("NETLINK_NETFILTER") }.count
        }
        let plain = try network(node, type, [:]).plugins[0]
        #expect(try sockets(plain) { _ = try runtime.add($0, pod.attachment) } == 0)
        #expect(try sockets(plain) { try runtime.del($0, pod.attachment) } == 0)
        // That it would have been seen.
        let masquerading = try network(node, type).plugins[0]
        #expect(try sockets(masquerading) { _ = try runtime.add($0, pod.attachment) } > 0)
        #expect(try sockets(masquerading) { try runtime.del($0, pod.attachment) } > 0)
    }
}
