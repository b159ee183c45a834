import ContainerRuntime
import Foundation
import Testing

/// What a pod does in its own namespace with CAP_NET_ADMIN keeps neither DEL nor GC from cleaning up, and harms nobody else.
@Suite(.realKernel) struct PodAgainstNodeTests {
    /// A node with a way out of its own, a pod that means ill, and one that must not notice.
    struct Scene {
        let node: Node
        let list: NetworkList
        let villain: Pod
        let neighbour: Pod
        let before: Snapshot
        let results: [JSONValue]
        private let outside: Outside

        init(_ type: String, _ keys: [String: JSONValue] = [:]) throws {
            node = try Node()
            outside = try Outside(node)
            let keys = keys.merging(["ipMasq": true]) { own, _ in own }
            list = try node.network(
                type == "ptp"
                    ? node.plugin("ptp", keys, ipam: Node.dualStack)
                    : node.swiftlet(Node.dualStack.merging(keys) { $1 }))
            (neighbour, villain) = (try node.pod(), try node.pod())
            let runtime = node.runtime()
            let first = try runtime.add(list, neighbour.attachment).result
            before = try Snapshot(node, [neighbour])
            results = [first, try runtime.add(list, villain.attachment).result]
        }

        /// The neighbour reaches its gateway and is reached.
        func expectNeighbourUnharmed(sourceLocation: SourceLocation = #_sourceLocation) throws {
            for address in results[0].hosts { try node.ping(address) }
            let gateways = (results[0]["ips"]?.array ?? []).compactMap { $0["gateway"]?.string }
            for gateway in gateways { try neighbour.ping(gateway) }
            let runtime = node.runtime()
            #expect(throws: Never.self, sourceLocation: sourceLocation) {
                try runtime.check(list, neighbour.attachment)
            }
        }

        /// All is as if the villain had never been there.
        func expectCleanedUp(sourceLocation: SourceLocation = #_sourceLocation) throws {
            expectSame(
                try Snapshot(node, [neighbour]).withoutStore, as: before.withoutStore, sourceLocation: sourceLocation)
        }
    }

    struct Attack: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// For the shell in the pod's namespace.
        let script: String

        init(_ description: String, _ script: String) { (testDescription, self.script) = (description, script) }
    }

    static let attacks = [
        Attack("renames eth0", "ip link set eth0 down; ip link set eth0 name lan; ip link set lan up"),
        Attack(
            "puts another link in eth0's place",
            "ip link set eth0 down; ip link set eth0 name lan; ip link add eth0 type veth peer name other; ip link set eth0 up"
        ),
        Attack("deletes eth0", "ip link del eth0"),
        Attack("sets eth0 down", "ip link set eth0 down"),
        Attack("takes its addresses and routes away", "ip addr flush dev eth0; ip route flush dev eth0"),
        Attack("changes its MAC, and its MTU", "ip link set eth0 address 02:00:00:00:00:99 mtu 9000"),
        Attack(
            "puts eth0 into a bridge", "ip link add br0 type bridge; ip link set eth0 master br0; ip link set br0 up"),
        Attack("claims to be a swiftlet link of another", "ip link set eth0 alias 'swiftlet net/other/eth0'"),
        Attack(
            "takes the gateway's addresses and announces them",
            "ip addr add 10.44.0.1/24 dev eth0; ip addr add fd00:44::1/64 dev eth0 nodad; ip link set eth0 down; ip link set eth0 up"
        ),
        Attack(
            "moves eth0 into a namespace that it makes",
            """
            unshare --net sleep 30 & echo $! >$1/holder
            while [ $(readlink /proc/$!/ns/net) = $(readlink /proc/$$/ns/net) ]; do kill -0 $!; done
            ip link set eth0 netns $!
            """
        ),
        Attack(
            "makes a flood of links",
            "for n in $(seq 250); do echo link add f$n type veth peer name g$n; done | ip -b - && ip -o link | grep -c @"
        ),
    ]

    @Test(arguments: attacks) func delCleansUp(_ attack: Attack) throws {
        let scene = try Scene("swiftlet", ["antiSpoof": true])
        try Self.perform(attack, scene) {
            try scene.node.runtime().del(scene.list, scene.villain.attachment)
        }
    }

    @Test(arguments: attacks.filter { !$0.testDescription.contains("flood") }) func gcCleansUp(_ attack: Attack) throws
    {
        let scene = try Scene("ptp")
        try Self.perform(attack, scene) {
            _ = try scene.node.runtime().gc(scene.list, valid: [scene.neighbour.valid])
        }
    }

    private static func perform(_ attack: Attack, _ scene: Scene, cleanUp: () throws -> Void) throws {
        let directory = scene.node.directory
        try scene.villain.exec("sh", "-ec", "exec >/dev/null 2>&1; \(attack.script)", "sh", directory)
        defer {
            if let text = try? String(contentsOfFile: directory + "/holder", encoding: .utf8),
                let holder = pid_t(text.trimmingCharacters(in: .whitespacesAndNewlines))
            {
                kill(holder, SIGKILL)
            }
        }
        try scene.expectNeighbourUnharmed()
        try cleanUp()
        try scene.expectCleanedUp()
        try scene.expectNeighbourUnharmed()
    }

    /// Frames under other names, thousands of them, while the neighbour goes on talking.
    @Test func floodsOfLiesReachNobody() throws {
        let scene = try Scene("swiftlet", ["antiSpoof": true])
        let (villain, neighbour) = (scene.results[1], scene.results[0])
        func sender(_ result: JSONValue) throws -> Sender {
            Sender(
                mac: try #require(result.interface("eth0")?["mac"]?.string), v4: result.hosts[0], v6: result.hosts[1])
        }
        let (own, other) = (try sender(villain), try sender(neighbour))
        let gateway = own.with { $0.v4 = [10, 44, 0, 1] }
        let byLinkLocal = own.with { $0.v6 = own.linkLocal }
        let lies = [
            gateway.arp("the gateway's ARP", 2), other.with { $0.mac = own.mac }.arp("the neighbour's ARP", 2),
            other.arp("the neighbour's ARP under its MAC", 2), byLinkLocal.nd("router advertisement", 134, about: []),
            own.nd("neighbour advertisement", 136, about: other.v6), other.ipv6("the neighbour's IPv6"),
        ]
        let tap = try FrameTap(scene.villain)
        for round in 0..<500 {
            for lie in lies { try tap.send(lie) }
            if round % 100 == 0 { try scene.expectNeighbourUnharmed() }
        }
        let routes =
            try scene.node.ip("-6", "route", "show", "default") + scene.neighbour.ip("-6", "route", "show", "default")
        #expect(!routes.contains { $0["protocol"] == "ra" })
        let mac = scene.results[1].interface("eth0")?["mac"]?.string
        for namespace in [scene.node, scene.neighbour] as [any Namespace] {
            for entry in try namespace.ip("neigh", "show") where entry["lladdr"]?.string == mac {
                #expect(villain.hosts.contains(entry["dst"]?.string ?? ""), "\(entry)")
            }
        }
        try scene.expectNeighbourUnharmed()
        try scene.node.runtime().del(scene.list, scene.villain.attachment)
        try scene.expectCleanedUp()
    }

    /// Without antiSpoof too: a router does not listen to its pods.
    @Test(arguments: ["swiftlet", "ptp"]) func routerAdvertisementsChangeNothingOnTheNode(_ type: String) throws {
        let scene = try Scene(type)
        let own = Sender(
            mac: try #require(scene.results[1].interface("eth0")?["mac"]?.string), v4: scene.results[1].hosts[0],
            v6: scene.results[1].hosts[1])
        let tap = try FrameTap(scene.villain)
        let during = try Snapshot(scene.node, [scene.neighbour])
        for _ in 0..<100 { try tap.send(own.with { $0.v6 = own.linkLocal }.nd("router advertisement", 134, about: [])) }
        // What comes after them is answered after them.
        try scene.villain.ping(type == "ptp" ? "10.44.0.1" : scene.results[0].hosts[0])
        expectSame(try Snapshot(scene.node, [scene.neighbour]), as: during)
        try scene.expectNeighbourUnharmed()
    }
}
