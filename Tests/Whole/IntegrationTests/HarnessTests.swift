import ContainerRuntime
import Foundation
import Testing

/// What the tests with traffic rest on, with rules written by hand.
@Suite(.realKernel) struct HarnessTests {
    /// A bridge with a pod that is its port, on a node with an uplink; nothing of it made by a plugin.
    struct ByHand {
        let node: Node
        let outside: Outside
        let pod: Pod

        init() throws {
            node = try Node()
            outside = try Outside(node)
            pod = try node.pod()
            try node.shell(
                """
                set -e
                ip link add cbr0 type bridge
                ip addr add 10.44.0.1/24 dev cbr0; ip addr add fd00:44::1/64 dev cbr0 nodad; ip link set cbr0 up
                ip link add port type veth peer name eth0 netns "$1"
                ip link set port master cbr0; ip link set port type bridge_slave hairpin on; ip link set port up
                echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
                echo 1 >/proc/sys/net/ipv4/conf/cbr0/route_localnet
                """, pod.netns)
            try pod.set("addr", "add", "10.44.0.2/24", "dev", "eth0")
            try pod.set("addr", "add", "fd00:44::2/64", "dev", "eth0", "nodad")
            try pod.set("link", "set", "eth0", "up")
            try pod.set("route", "add", "default", "via", "10.44.0.1")
            try pod.set("-6", "route", "add", "default", "via", "fd00:44::1")
        }

        func rules(_ text: String) throws { try run(["nsenter", "--net=\(node.path)", "nft", "-f", "-"], stdin: text) }
    }

    static let pods = ["10.44.0.2", "fd00:44::2"]

    @Test func beyondTheNodeOnlyMasqueradeHelpsOrARoute() throws {
        let scene = try ByHand()
        let server = try Responder("outside", in: scene.outside, 7)
        for family in Family.allCases {
            for transport in [Transport.tcp, .udp] {
                expectAnswer(
                    "outside", from: scene.node, Outside.host(family), 7, transport, seen: Outside.node(family))
                expectNoAnswer(from: scene.pod, Outside.host(family), 7, transport)
            }
        }
        try scene.rules(
            """
            table inet test { chain post { type nat hook postrouting priority 100; oifname "uplink" masquerade; }
            }
            """)
        for family in Family.allCases {
            for transport in [Transport.tcp, .udp] {
                expectAnswer(
                    server.name, from: scene.pod, Outside.host(family), 7, transport, seen: Outside.node(family))
            }
        }
        try scene.node.exec("nft", "flush", "ruleset")
        try scene.outside.learnRoutes(to: "10.44.0.0/24", "fd00:44::/64")
        for (family, address) in zip(Family.allCases, Self.pods) {
            expectAnswer(
                "outside", from: scene.pod, Outside.host(family), 7, seen: address, source: (address, 4711))
            let flow = try DatagramFlow(from: scene.pod, port: 4712, to: Outside.host(family), 7)
            for _ in 0..<3 { #expect(try flow.ask() == Answer("outside \(address) 4712")) }
        }
    }

    /// Why `[::1]` is no way to a host port: the kernel's route_localnet is for IPv4 only.
    @Test func fromTheLoopbackAddressNatLeadsToAPodInIPv4Only() throws {
        let scene = try ByHand()
        let server = try Responder("pod", in: scene.pod, 80)
        try scene.rules(
            """
            table inet test {
                chain out { type nat hook output priority -100;
                    meta nfproto ipv4 fib daddr type local meta l4proto { tcp, udp } th dport 8080 \
                        dnat ip to 10.44.0.2:80
                    meta nfproto ipv6 fib daddr type local meta l4proto { tcp, udp } th dport 8080 \
                        dnat ip6 to [fd00:44::2]:80
                }
                chain post { type nat hook postrouting priority 100; ct status dnat masquerade; }
            }
            """)
        for transport in [Transport.tcp, .udp] {
            expectAnswer(server.name, from: scene.node, "127.0.0.1", 8080, transport, seen: "10.44.0.1")
            expectAnswer(server.name, from: scene.node, "fd00:44::1", 8080, transport, seen: "fd00:44::1")
            expectNoAnswer(from: scene.node, "::1", 8080, transport)
        }
    }

    @Test func snapshotsSeeElementsRecordsAndSysctls() throws {
        let scene = try ByHand()
        let before = try Snapshot(scene.node)
        try scene.rules("table inet swiftlet { map m { type inet_service : ipv4_addr; }\n }")
        let tables = try Snapshot(scene.node)
        #expect(tables != before && tables.withoutTables(newerThan: before) == before)
        try scene.rules(#"add element inet swiftlet m { 80 comment "net/a/eth0" : 10.44.0.2 }"#)
        #expect(try Snapshot(scene.node).difference(from: tables).contains("net/a/eth0"))
        #expect(
            try scene.node.ruleset().own.map { "\($0.set) \($0.content) \($0.owner)" } == [
                #"m 80 : "10.44.0.2" net/a/eth0"#
            ])
        let elements = try Snapshot(scene.node)
        try scene.node.setSysctl("ipv4/conf/cbr0/route_localnet", "0")
        #expect(try Snapshot(scene.node).difference(from: elements).contains("route_localnet cbr0 0"))
        let records = try scene.node.records() + "/net"
        try FileManager.default.createDirectory(atPath: records, withIntermediateDirectories: true)
        #expect(try Snapshot(scene.node).difference(from: elements).contains("record net"))
        #expect(try scene.node.recordPaths() == ["net"])
        try scene.node.forgetRecords()
    }
}
