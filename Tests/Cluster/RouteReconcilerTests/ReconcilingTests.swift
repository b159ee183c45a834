import Addresses
import ClusterState
import Foundation
import Kernel
import NetlinkCodec
import NodeRoutes
import Posix
import RouteReconciler
import TestSupport
import Testing

/// The kernel has what was wanted, and nobody else's routes are touched.
@Suite struct ReconcilingTests {
    @Test func theKernelListsWhatWasWantedSoThatASecondLookChangesNothing() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            let node = try ThisNode()
            var plan = node.plan()
            _ = plan.replaceAll(peers(300))
            var reconciler = try RouteReconciler()
            let change = try reconciler.reconcile(to: plan.wanted, tunnel: node.tunnel.index)
            // Of three peers, two have a route for each family, and one has the tunnel's entries as well; and the ranges.
            try require(change.routes.count == 600 + 2 && change.tunnels.count == 100, "\(change.count)")
            let present = try reconciler.present(tunnel: node.tunnel.index)
            let difference = RouteChange(from: present, to: plan.wanted)
            try require(difference.isEmpty, "\(difference)")
            try require(try reconciler.reconcile(to: plan.wanted, tunnel: node.tunnel.index).isEmpty, "a second change")
        }
    }

    @Test func whatSomebodyDeletedOrChangedIsPutBackAndWhatIsTooMuchGoes() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            let node = try ThisNode()
            var plan = node.plan()
            _ = plan.replaceAll(peers(30))
            var reconciler = try RouteReconciler()
            try reconciler.reconcile(to: plan.wanted, tunnel: node.tunnel.index)
            try output(
                of:
                    """
                    ip route del 10.128.1.0/24; ip -6 route del fd00:1:1::/64
                    ip route replace 10.128.4.0/24 via 192.0.2.250 proto 83 metric 8300
                    ip neigh flush dev vx nud permanent
                    bridge fdb del $(bridge fdb show dev vx | awk 'NR == 1 {print $1, "dev vx dst", $3}') self
                    ip route add 10.128.99.0/24 via 192.0.2.9 proto 83
                    """)
            try require(
                try !RouteChange(from: reconciler.present(tunnel: node.tunnel.index), to: plan.wanted).isEmpty, "damage"
            )
            try reconciler.reconcile(to: plan.wanted, tunnel: node.tunnel.index)
            try require(try reconciler.present(tunnel: node.tunnel.index) == plan.wanted, "not put back")
        }
    }

    @Test func routesOfOthersStayAsTheyAre() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            let node = try ThisNode()
            try output(
                of:
                    """
                    ip route add 10.9.0.0/16 via 192.0.2.9; ip route add 10.8.0.0/16 via 192.0.2.9 proto bird
                    ip -6 route add fd09::/64 via 2001:db8::9 proto static
                    """)
            let others = "ip route show proto boot; ip route show proto bird; ip -6 route show proto static"
            let before = try output(of: others)
            var plan = node.plan()
            _ = plan.replaceAll(peers(9))
            var reconciler = try RouteReconciler()
            try reconciler.reconcile(to: plan.wanted, tunnel: node.tunnel.index)
            try reconciler.reconcile(to: RouteTable(), tunnel: node.tunnel.index)
            try require(try reconciler.present(tunnel: node.tunnel.index) == RouteTable(), "something is left")
            try require(try output(of: others) == before, "others' routes have changed")
        }
    }

    /// One message that fails must not keep the others from being sent.
    @Test func aRouteThatTheKernelRefusesKeepsNoOtherFromBeingSet() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            let node = try ThisNode()
            var plan = node.plan()
            _ = plan.replaceAll(peers(30))
            var wanted = plan.wanted
            var bad = Route(to: CIDR("10.200.0.0/24")!, via: IPAddress("203.0.113.9")!, interface: 4000)
            bad.origin = RouteSettings.usualOrigin
            wanted.merge(RouteTable(routes: [RouteEntry(bad)]))
            var reconciler = try RouteReconciler()
            do throws(Failure) {
                try reconciler.reconcile(to: wanted, tunnel: node.tunnel.index)
                throw Failure("the kernel took a route by a link that is not there", .invalidArgument)
            } catch { try require("\(error)".contains("10.200.0.0/24"), "\(error)") }
            try require(try reconciler.present(tunnel: node.tunnel.index) == plan.wanted, "not all of the others")
        }
    }

    @Test func podsOfTwoNodesReachEachOtherByRoutesAndByVXLAN() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            let other = try OtherNamespace()
            let here = try ThisNode(joining: other)
            let there = try other.run { () throws in try ThisNode(number: 2) }
            try output(of: "ip addr add 10.128.1.1/32 dev lo; ip addr add fd00:1:1::1/128 dev lo")
            try other.shell("ip addr add 10.128.2.1/32 dev lo; ip addr add fd00:1:2::1/128 dev lo")
            // The ways change while routes are there, back and forth.
            for mode in [RouteSettings.Mode.routes, .vxlan, .routes] {
                for (node, socketOf) in [(here, nil), (there, other)] {
                    var plan = node.plan(mode)
                    _ = plan.replaceAll(
                        [1, 2].map { number in
                            ClusterNode(
                                "node-\(number)",
                                addresses: [IPAddress("192.0.2.\(number)")!, IPAddress("2001:db8::\(number)")!],
                                subnets: [CIDR("10.128.\(number).0/24")!, CIDR("fd00:1:\(number)::/64")!])
                        })
                    let wanted = plan.wanted
                    let reconcile = { () throws in
                        var reconciler = try RouteReconciler()
                        try reconciler.reconcile(to: wanted, tunnel: node.tunnel.index)
                    }
                    if let socketOf { try socketOf.run(reconcile) } else { try reconcile() }
                }
                try output(
                    of:
                        """
                        ping -q -c 2 -W 5 -i 0.2 -I 10.128.1.1 10.128.2.1
                        ping -q -c 2 -W 5 -i 0.2 -I fd00:1:1::1 fd00:1:2::1
                        """)
                let way = try output(of: "ip route get 10.128.2.1; ip route get fd00:1:2::1")
                try require(way.components(separatedBy: mode == .vxlan ? " dev vx " : " dev eth0 ").count == 3, way)
                // An address that no node has is refused at once, and goes nowhere else.
                let answer = try output(of: "ping -c 1 -W 1 10.128.77.1 2>&1 || true")
                try require(answer.lowercased().contains("no route to host") || answer.contains("nreachable"), answer)
            }
        }
    }
}

/// A node of the tests in the namespace of this thread: an uplink that leads nowhere or to another namespace, and a VXLAN device.
struct ThisNode: Sendable {
    let number: Int
    let underlay: Underlay
    let tunnel: TunnelDevice

    init(number: Int = 1, joining other: OtherNamespace? = nil) throws {
        self.number = number
        if number == 1 {
            let end = other.map { "eth0 netns \($0.process)" } ?? "eth1; ip link set eth1 up"
            try output(of: "ip link add eth0 type veth peer name \(end)")
        }
        try output(
            of:
                """
                ip link set lo up; ip link set eth0 up
                ip addr add 192.0.2.\(number)/24 dev eth0; ip addr add 2001:db8::\(number)/64 dev eth0 nodad
                """)
        var socket = try NetlinkSocket()
        let device = VXLAN(id: 83, local: IPAddress("192.0.2.\(number)")!)
        try socket.execute("make vx") {
            $0.createVXLAN("vx", device, mac: TunnelDevice.mac(of: "node-\(number)"), mtu: 1450)
        }
        try output(of: "ip link set vx up")
        let uplink = try socket.link(.name("eth0"))!
        underlay = Underlay([
            .init(
                index: uplink.index, name: "eth0", mtu: 1500,
                addresses: [CIDR("192.0.2.\(number)/24")!, CIDR("2001:db8::\(number)/64")!])
        ])
        tunnel = TunnelDevice(index: try socket.link(.name("vx"))!.index, family: .v4)
    }

    func plan(_ mode: RouteSettings.Mode = .auto) -> RoutePlan {
        RoutePlan(
            node: "node-\(number)",
            settings: RouteSettings(mode, clusterRanges: [CIDR("10.128.0.0/9")!, CIDR("fd00:1::/32")!]),
            underlay: underlay, tunnel: tunnel)
    }
}

/// Two of three are on the link, with both families; the third is beyond a router.
func peers(_ count: Int) -> [ClusterNode] {
    (1...count).map { number in
        let (high, low) = (number / 200, number % 200 + 2)
        return ClusterNode(
            "peer-\(number)",
            addresses: number % 3 == 0
                ? [IPAddress("198.51.\(high).\(low)")!]
                : [IPAddress("192.0.2.\(low)")!, IPAddress("2001:db8::\(String(number + 16, radix: 16))")!],
            subnets: [
                CIDR("10.\(128 + number / 256).\(number % 256).0/24")!,
                CIDR("fd00:1:\(String(number, radix: 16))::/64")!,
            ])
    }
}

/// A network namespace held by a process of this test's.
final class OtherNamespace {
    let process: Int32

    init() throws {
        process = Int32(
            try output(of: "unshare --net sleep 300 >/dev/null 2>&1 & echo $!").trimmingCharacters(
                in: .newlines))!
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self/ns/net")
        while try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/net") == own {
            usleep(1000)
        }
    }

    deinit { kill(process, SIGTERM) }

    func run<Value>(_ body: () throws -> Value) throws -> Value {
        let home = try NetworkNamespace.current()
        try NetworkNamespace("/proc/\(process)/ns/net").enter()
        defer { try? home.enter() }
        return try body()
    }

    func shell(_ script: String) throws { _ = try run { try output(of: script) } }
}
