import ContainerRuntime
import Foundation
import Testing

/// Nodes that have a firewall already: iptables as Docker leaves it, another program's tables, very many rules.
@Suite(.realKernel) struct ForeignFirewallTests {
    /// What Docker makes of a node, in iptables' own words.
    static let docker = """
        set -e
        for iptables in iptables-nft ip6tables-nft; do
            $iptables -N DOCKER; $iptables -N DOCKER-USER; $iptables -N DOCKER-ISOLATION-STAGE-1
            $iptables -A FORWARD -j DOCKER-USER
            $iptables -A FORWARD -j DOCKER-ISOLATION-STAGE-1
            $iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
            $iptables -A FORWARD -o docker0 -j DOCKER
            $iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
            $iptables -A DOCKER-USER -j RETURN
            $iptables -A DOCKER-ISOLATION-STAGE-1 -j RETURN
            $iptables -t nat -N DOCKER
            $iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
            $iptables -t nat -A DOCKER -i docker0 -j RETURN
            $iptables -P FORWARD DROP
        done
        iptables-nft -A DOCKER ! -i docker0 -o docker0 -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT
        iptables-nft -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
        iptables-nft -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8088 -j DNAT --to-destination 172.17.0.2:80
        """

    /// A node that Docker has been at, and another host that knows the way to the pods.
    struct Scene {
        let node: Node
        let outside: Outside
        let list: NetworkList
        let world: Responder

        init(_ way: IsolationTests.Way) throws {
            node = try Node()
            outside = try Outside(node)
            try outside.learnRoutes(to: "10.44.0.0/24", "fd00:44::/64")
            world = try Responder("outside", in: outside, 7)
            try node.shell(ForeignFirewallTests.docker)
            let ports: JSONValue = ["portMappings": true]
            switch way {
            case .alone:
                let keys: [String: JSONValue] = ["ipMasq": true, "ingressPolicy": "open", "capabilities": ports]
                list = try node.network(node.swiftlet(Node.dualStack.merging(keys) { $1 }))
            case .chained:
                let keys: [String: JSONValue] = ["bridge": "cbr0", "isDefaultGateway": true, "ipMasq": true]
                list = try node.network(
                    node.bridge(keys, ipam: Node.dualStack), .object(["type": "portmap", "capabilities": ports]),
                    ["type": "firewall"])
            }
        }

        /// What iptables would save of both families, without the counts of packets and the administrator's chain, which only
        /// `firewall` has (AdministratorsChainTests).
        func saved() throws -> [String] {
            try ["iptables-nft-save", "ip6tables-nft-save"].flatMap { command in
                try node.exec(command).split(separator: "\n").filter { !$0.hasPrefix("#") && !$0.contains("CNI-ADMIN") }
                    .map { String($0.replacing(/\[\d+:\d+\]/, with: "")) }
            }
        }

        /// The pod reaches the world, and the world the pod's port 80 by the node's, but not by itself.
        func expectTraffic(_ pod: Pod, _ addresses: [String], hostPort: UInt16, _ comment: String = "") throws {
            let server = try Responder("pod", in: pod, 80)
            for (family, address) in zip(Family.allCases, addresses) {
                for transport in [Transport.tcp, .udp] {
                    expectAnswer(
                        "outside", from: pod, Outside.host(family), 7, transport, seen: Outside.node(family), comment)
                    expectAnswer(
                        server.name, from: outside, Outside.node(family), hostPort, transport,
                        seen: Outside.host(family), comment)
                }
                expectNoAnswer(from: outside, address, 80, family == .v4 ? .tcp : .udp, comment)
            }
        }

        func expectSilence(_ pod: Pod, hostPort: UInt16) throws {
            let server = try Responder("pod", in: pod, 80)
            for family in Family.allCases {
                expectNoAnswer(from: pod, Outside.host(family), 7)
                expectNoAnswer(from: outside, Outside.node(family), hostPort)
            }
            withExtendedLifetime(server) {}
        }
    }

    @Test(arguments: IsolationTests.Way.allCases) func podsPassDockersForwardPolicy(_ way: IsolationTests.Way) throws {
        let scene = try Scene(way)
        let (node, runtime) = (scene.node, scene.node.runtime())
        let before = try scene.saved()
        let nft = try node.exec("nft", "-s", "list", "ruleset")
        let pods = try node.pods(2)
        for (number, pod) in pods.enumerated() {
            let port = 8080 + Int64(number)
            let result = try runtime.add(scene.list, pod.with(ports: hostPorts(port))).result
            try scene.expectTraffic(pod, result.hosts, hostPort: UInt16(port))
            try runtime.check(scene.list, pod.with(ports: hostPorts(port)))
        }
        try runtime.status(scene.list)
        // Ours are among theirs, for iptables to read, once for all pods; theirs are all there, in their order.
        let during = try scene.saved()
        let ours = during.filter { $0.contains("swiftlet") }
        #expect(ours.count == 4, "\(ours)")
        for (family, subnet) in [("", "10.44.0.0/24"), ("6", "fd00:44::/64")] {
            let listed = try node.exec("ip\(family)tables-nft", "-S", "FORWARD").split(separator: "\n").map(String.init)
            let from = #"-A FORWARD -s \#(subnet) -m comment --comment "swiftlet net from \#(subnet)" -j ACCEPT"#
            let to =
                "-A FORWARD -d \(subnet) -m conntrack --ctstate RELATED,ESTABLISHED,DNAT"
                + #" -m comment --comment "swiftlet net to \#(subnet)" -j ACCEPT"#
            #expect(Set(listed).isSuperset(of: [from, to]), "\(listed)")
        }
        #expect(during.filter { !$0.contains("swiftlet") } == before)
        for pod in pods { try runtime.del(scene.list, pod.attachment) }
        #expect(try scene.saved() == before)
        for table in ["ip filter", "ip nat", "ip6 filter", "ip6 nat"] {
            let after = try run(
                ["nsenter", "--net=\(node.path)", "nft", "-s", "list", "table"]
                    + table.split(separator: " ").map(String.init))
            #expect(nft.contains(after), "table \(table) is another: \(after)")
        }
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }

    @Test(arguments: IsolationTests.Way.allCases, ["repair", "another ADD"])
    func aReloadOfTheirRulesIsNoticedAndMended(_ way: IsolationTests.Way, _ help: String) throws {
        let scene = try Scene(way)
        let (node, runtime) = (scene.node, scene.node.runtime())
        let theirs = try ["iptables-nft-save", "ip6tables-nft-save"].map { try node.exec($0) }
        let before = try scene.saved()
        let pod = try node.pod()
        let attachment = pod.with(ports: hostPorts(8080))
        let result = try runtime.add(scene.list, attachment).result
        try scene.expectTraffic(pod, result.hosts, hostPort: 8080)
        // Whoever reloads a firewall puts back what was saved, and nothing else.
        for (command, saved) in zip(["iptables-nft-restore", "ip6tables-nft-restore"], theirs) {
            try run(["nsenter", "--net=\(node.path)", command], stdin: saved)
        }
        #expect(try scene.saved() == before)
        try scene.expectSilence(pod, hostPort: 8080)
        let error = try failure { try runtime.check(scene.list, attachment) }
        #expect(error.code == 104 && error.details.contains("FORWARD"), "\(error)")
        #expect(error.details.contains("swiftlet net"), "\(error)")
        // The next pod of the network puts it back for all, too.
        let second = try node.pod()
        if help == "repair" {
            try node.exec("\(Requirements.bin)/swiftletctl", "repair")
        } else {
            _ = try runtime.add(scene.list, second.with(ports: hostPorts(8081)))
        }
        try runtime.check(scene.list, attachment)
        try scene.expectTraffic(pod, result.hosts, hostPort: 8080, "mended")
        for pod in [pod, second] { try runtime.del(scene.list, pod.attachment) }
        #expect(try scene.saved() == before)
    }

    /// As iptables-persistent does it: the comments are iptables' own then.
    @Test(arguments: IsolationTests.Way.allCases)
    func rulesThatIptablesHasSavedAndLoadedAreStillOurs(_ way: IsolationTests.Way) throws {
        let scene = try Scene(way)
        let (node, runtime) = (scene.node, scene.node.runtime())
        let before = try scene.saved()
        let pods = try node.pods(2)
        let result = try runtime.add(scene.list, pods[0].with(ports: hostPorts(8080))).result
        for iptables in ["iptables-nft", "ip6tables-nft"] {
            try node.shell(#""$1-save" >"$2" && "$1-restore" <"$2""#, iptables, node.directory + "/saved")
        }
        try scene.expectTraffic(pods[0], result.hosts, hostPort: 8080)
        #expect(throws: Never.self) { try runtime.check(scene.list, pods[0].with(ports: hostPorts(8080))) }
        _ = try runtime.add(scene.list, pods[1].with(ports: hostPorts(8081)))
        #expect(try scene.saved().filter { $0.contains("swiftlet") }.count == 4)
        for pod in pods { try runtime.del(scene.list, pod.attachment) }
        #expect(try scene.saved() == before)
    }

    @Test(arguments: IsolationTests.Way.allCases) func twoNetworksHaveTheirOwnWayThrough(_ way: IsolationTests.Way)
        throws
    {
        let scene = try Scene(way)
        let before = try scene.saved()
        let runtime = scene.node.runtime()
        let other = try scene.node.network(
            scene.node.swiftlet(["subnet": "10.45.0.0/24", "bridge": "cbr1", "ipMasq": true, "ingressPolicy": "open"]),
            name: "net 2".replacingOccurrences(of: " ", with: "-"))
        let pods = try scene.node.pods(2)
        _ = try runtime.add(scene.list, pods[0].attachment)
        _ = try runtime.add(other, pods[1].attachment)
        #expect(try scene.saved().filter { $0.contains("swiftlet") }.count == 6)
        expectAnswer("outside", from: pods[1], Outside.host(.v4), 7)
        // Its name begins like the other's.
        try runtime.del(scene.list, pods[0].attachment)
        #expect(try scene.saved().filter { $0.contains("swiftlet") }.count == 2)
        expectAnswer("outside", from: pods[1], Outside.host(.v4), 7)
        try runtime.check(other, pods[1].attachment)
        try runtime.gc(other, valid: [])
        #expect(try scene.saved() == before)
    }

    static let strangers = """
        table inet filter {
            chain forward { type filter hook forward priority filter; policy drop;
                ct state established,related accept comment "answers"
            }
        }
        """

    @Test(arguments: IsolationTests.Way.allCases) func whatNobodyCanMendFromOutsideIsReported(_ way: IsolationTests.Way)
        throws
    {
        let node = try Node()
        let outside = try Outside(node)
        let world = try Responder("outside", in: outside, 7)
        let keys: [String: JSONValue] = ["ipMasq": true]
        let list =
            way == .alone
            ? try node.network(
                node.swiftlet(Node.dualStack.merging(keys) { $1 }.merging(["ingressPolicy": "same-bridge"]) { $1 }))
            : try node.network(
                node.bridge(
                    keys.merging(["bridge": "cbr0", "isDefaultGateway": true]) { $1 }, ipam: Node.dualStack),
                ["type": "firewall"])
        try node.runtime().status(list)
        try node.nft(Self.strangers)
        let listing = try node.exec("nft", "list", "table", "inet", "filter")
        let error = try failure { try node.runtime().status(list) }
        #expect(error.code == 51, "\(error)")
        #expect(error.msg.contains("chain forward of table inet filter"), "\(error)")
        // Who does not ask for a policy is not told either.
        try node.runtime().status(node.network(node.swiftlet(["subnet": "10.44.0.0/24"])))
        let pod = try node.pod()
        _ = try node.runtime().add(list, pod.attachment)
        for family in Family.allCases { expectNoAnswer(from: pod, Outside.host(family), 7) }
        #expect(try node.exec("nft", "list", "table", "inet", "filter") == listing)
        // As the advice says.
        try node.nft(
            """
            add rule inet filter forward ip saddr 10.44.0.0/24 accept comment "swiftlet pods"
            add rule inet filter forward ip6 saddr fd00:44::/64 accept comment "swiftlet pods, IPv6"
            """)
        try node.runtime().status(list)
        for family in Family.allCases {
            expectAnswer(world.name, from: pod, Outside.host(family), 7, seen: Outside.node(family))
        }
        try node.runtime().del(list, pod.attachment)
        #expect(try node.exec("nft", "list", "table", "inet", "filter").contains("swiftlet pods, IPv6"))
        // A comment that says something else is none of ours.
        try node.exec("nft", "flush", "chain", "inet", "filter", "forward")
        try node.nft(#"add rule inet filter forward accept comment "my swiftlet""#)
        #expect(try failure { try node.runtime().status(list) }.code == 51)
    }

    @Test func chainsThatOnlyLookAreNoHindrance() throws {
        let node = try Node()
        let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/24", "ingressPolicy": "isolated"]))
        try node.nft(
            """
            table inet looks { chain forward { type filter hook forward priority 0; policy accept; counter; }
                chain input { type filter hook input priority 0; policy drop; }
                chain forward_too { }
            }
            table ip6 more { chain forward { type filter hook forward priority 10; policy accept; }
            }
            """)
        try node.runtime().status(list)
        // Another family, another name.
        try node.nft("table ip6 strict { chain onward { type filter hook forward priority 20; policy drop; }\n}")
        let error = try failure { try node.runtime().status(list) }
        #expect(error.code == 51 && error.msg.contains("chain onward of table ip6 strict"), "\(error)")
    }

    static let everything: [String: JSONValue] = [
        "ipMasq": true, "antiSpoof": true, "ingressPolicy": "same-bridge", "capabilities": ["portMappings": true],
    ]

    static func crowd(_ node: Node) throws {
        let rules = (0..<10_000).map { "ip saddr 198.\(18 + $0 / 62_500).\($0 / 250 % 250).\($0 % 250) drop" }
        let elements = (0..<10_000).map { "192.\($0 / 250).\($0 % 250).7" }.joined(separator: ", ")
        try node.nft(
            """
            table inet crowd {
                set many { type ipv4_addr; elements = { \(elements) }; }
                chain more {
                    \(rules.joined(separator: "\n"))
                }
                chain forward { type filter hook forward priority 5; policy accept; jump more; }
            }
            """)
    }

    @Test func tenThousandRulesOfOthersAreNotTouched() throws {
        let node = try Node()
        try Self.crowd(node)
        let listing = try node.exec("nft", "list", "table", "inet", "crowd")
        #expect(listing.split(separator: "\n").count > 10_000)
        let outside = try Outside(node)
        let world = try Responder("outside", in: outside, 7)
        let list = try node.network(node.swiftlet(Node.dualStack.merging(Self.everything) { $1 }))
        let pod = try node.pod()
        let attachment = pod.with(ports: hostPorts(8080))
        _ = try node.runtime().add(list, attachment)
        try node.runtime().check(list, attachment)
        for family in Family.allCases { expectAnswer(world.name, from: pod, Outside.host(family), 7) }
        try node.runtime().status(list)
        try node.runtime().gc(list, valid: [])
        #expect(try node.exec("nft", "list", "table", "inet", "crowd") == listing)
        // As docs/migrating.md has it.
        try node.shell("nft list tables | sed -n '/ swiftlet/s/^/delete /p' | nft -f -")
        #expect(try node.exec("nft", "list", "tables") == "table inet crowd\n")
    }

    /// The two nodes take turns in going first, and all times are printed. TCP only: for UDP ports the kernel's table of
    /// connections is gone through as soon as the node has one, which takes longer than all the rest.
    @Test(.alone) func tenThousandRulesOfOthersCostNothing() throws {
        let (crowded, empty) = (try Node(), try Node())
        try Self.crowd(crowded)
        func round(_ node: Node) throws -> (add: Duration, del: Duration) {
            let list = try node.network(node.swiftlet(Node.dualStack.merging(Self.everything) { $1 }))
            let pod = try node.pod()
            let runtime = node.runtime()
            let add = try runtime.add(list, pod.with(ports: [hostPort(8080, .tcp)])).runs[0].outcome.wall
            try runtime.check(list, pod.with(ports: [hostPort(8080, .tcp)]))
            return (add, try runtime.del(list, pod.attachment)[0].outcome.wall)
        }
        for node in [crowded, empty] { _ = try round(node) }
        var times: [[(add: Duration, del: Duration)]] = [[], []]
        for number in 0..<10 {
            for position in number % 2 == 0 ? [0, 1] : [1, 0] {
                times[position].append(try round([crowded, empty][position]))
            }
        }
        for (name, list) in zip(["with 10,000 foreign rules", "without"], times) {
            let milliseconds = { (time: Duration) in Int(time / .milliseconds(1)) }
            print("\(name), ms: ADD \(list.map { milliseconds($0.add) }), DEL \(list.map { milliseconds($0.del) })")
        }
        // The best of each: whatever else runs on the machine only ever adds.
        let adds = try times.map { try #require($0.map(\.add).min()) }
        let dels = try times.map { try #require($0.map(\.del).min()) }
        #expect(adds[0] <= adds[1] * 1.5)
        #expect(dels[0] <= dels[1] * 1.5)
    }
}
