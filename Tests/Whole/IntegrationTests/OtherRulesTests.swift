import ContainerRuntime
import Foundation
import Testing

/// A node has rules of other programs too; and what swiftlet opens up, it opens for nobody else.
@Suite(.realKernel) struct OtherRulesTests {
    let node: Node
    let outside: Outside

    init() throws {
        node = try Node()
        outside = try Outside(node)
    }

    func rules(_ text: String) throws { try run(["nsenter", "--net=\(node.path)", "nft", "-f", "-"], stdin: text) }

    /// As kube-proxy does for services: pods of one network that meet by somebody else's NAT see each other's addresses,
    /// whatever host ports they have.
    @Test(arguments: Arrangement.allCases, [false, true])
    func theNatOfOthersKeepsItsSources(_ arrangement: Arrangement, _ masqAll: Bool) throws {
        let pods = try node.pods(2)
        let list = try arrangement.network(node, ["masqAll": .bool(masqAll)])
        _ = try node.runtime().add(list, pods[0].with(ports: hostPorts(8080)))
        _ = try node.runtime().add(list, pods[1].attachment)
        try rules(
            """
            table inet services {
                chain pre { type nat hook prerouting priority -100;
                    ip daddr 10.96.0.1 udp dport 53 dnat ip to 10.44.0.2:80
                    ip6 daddr fd00:96::1 udp dport 53 dnat ip6 to [fd00:44::2]:80
                }
            }
            """)
        for (family, service, own) in [(Family.v4, "10.96.0.1", "10.44.0.3"), (.v6, "fd00:96::1", "fd00:44::3")] {
            // Only the way there: whether the way back is translated depends on br_netfilter.
            let listener = try Listener(80, family, in: pods[0])
            let client = try Socket(in: pods[1], family, .udp)
            try client.connect(service, 53)
            try client.send("from a sibling")
            let heard = try listener.hear()
            #expect(heard.text == "from a sibling" && heard.sender == own)
        }
    }

    /// With route_localnet the kernel takes packets for 127.0.0.1 from the bridge (CVE-2020-8558).
    @Test(arguments: Arrangement.allCases) func nobodyElseReachesTheNodesLoopback(_ arrangement: Arrangement) throws {
        let (pod, attacker) = (try node.pod(), try node.pod())
        let list = try arrangement.network(node)
        _ = try node.runtime().add(list, pod.with(ports: hostPorts(8080)))
        _ = try node.runtime().add(list, attacker.attachment)
        let secret = try Responder("secret", in: node, 9, at: ["127.0.0.1"])
        try attacker.setSysctl("ipv4/conf/eth0/route_localnet", "1")
        try attacker.set("addr", "flush", "dev", "lo")
        try attacker.set("route", "add", "127.0.0.1/32", "via", "10.44.0.1")
        try attacker.ping("10.44.0.1")
        for transport in [Transport.tcp, .udp] {
            expectNoAnswer(from: attacker, "127.0.0.1", 9, transport)
            expectAnswer(secret.name, from: node, "127.0.0.1", 9, transport)
        }
        // That the attack is one: with nothing in its way it succeeds.
        try node.exec("nft", "flush", "ruleset")
        expectAnswer(secret.name, from: attacker, "127.0.0.1", 9, .udp)
    }

    @Test(arguments: Arrangement.allCases) func afterAFlushTheNextPodHasItsRulesAndRepairGivesAllBack(
        _ arrangement: Arrangement
    ) throws {
        let pods = try node.pods(3)
        let list = try arrangement.network(node, arrangement == .alone ? ["ipMasq": true] : [:])
        let ports = (0..<3).map { hostPorts(Int64(8080 + $0)) }
        for number in 0..<2 { _ = try node.runtime().add(list, pods[number].with(ports: ports[number])) }
        let servers = try (0..<3).map { try Responder("pod\($0)", in: pods[$0], 80) }
        try node.exec("nft", "flush", "ruleset")
        expectNoAnswer(from: outside, Outside.node(.v4), 8080)
        _ = try node.runtime().add(list, pods[2].with(ports: ports[2]))
        expectAnswer(servers[2].name, from: outside, Outside.node(.v4), 8082)
        #expect(try failure { try node.runtime().check(list, pods[0].with(ports: ports[0])) }.code == 104)
        // One goes meanwhile.
        try node.runtime().del(list, pods[1].attachment)
        try node.exec("\(Requirements.bin)/swiftletctl", "repair")
        for family in Family.allCases {
            for (number, client) in [(0, outside as any Namespace), (2, outside), (0, pods[2]), (2, pods[0])] {
                expectAnswer(
                    servers[number].name, from: client, Outside.node(family), UInt16(8080 + number), .udp)
            }
            expectNoAnswer(from: outside, Outside.node(family), 8081)
        }
        for number in [0, 2] {
            try node.runtime().check(list, pods[number].with(ports: ports[number]))
            try node.runtime().del(list, pods[number].attachment)
        }
        #expect(try node.ruleset().own.map(\.description) == [])
        #expect(try node.recordPaths() == [])
    }
}
