import Addresses
import ClusterState
import Foundation
import Kernel
import NodeNetwork
import NodeRoutes
import Posix
import Synchronization
import TestSupport
import Testing

/// The node's ways follow the cluster and this node's interfaces, and what somebody takes away is back within 100 ms.
@Suite struct HealingTests {
    @Test func aListOfNodesBecomesADeviceWithRoutesNeighboursAndEntries() async {
        await #expect(processExitsWith: .success) {
            let node = try TestNode()
            try node.follow(list)
            try require(try output(of: "ip -d link show vxlan.swiftlet").contains("id 83"), "no device")
            let tunnel = try output(of: "ip -d addr show vxlan.swiftlet")
            try require(tunnel.contains("mtu 1450") && tunnel.contains("nolearning"), tunnel)
            try require(tunnel.contains("10.128.1.0/32") && tunnel.contains("fd00:1:1::/128"), tunnel)
            try require(!tunnel.contains("fe80"), tunnel)
            let routes = try output(of: "ip route show proto 83; ip -6 route show proto 83")
            for expected in [
                "10.128.2.0/24 via 192.0.2.2 dev eth0", "10.128.3.0/24 via 10.128.3.0 dev vxlan.swiftlet",
                "unreachable 10.128.0.0/9", "fd00:1:2::/64 via 2001:db8::2 dev eth0",
            ] { try require(routes.contains(expected), "\(expected) is not in \(routes)") }
            try require(try output(of: "bridge fdb show dev vxlan.swiftlet").contains("dst 198.51.100.3"), "no entry")
            try require(
                node.status.isComplete && node.status.podMTU == 1450 && node.status.repairs == 0, "\(node.status)")
        }
    }

    @Test func aNodeThatJoinsLeavesOrMovesIsFollowedWithoutTouchingOthers() async {
        await #expect(processExitsWith: .success) {
            let node = try TestNode()
            try node.follow(list)
            let others = "ip route show proto 83 | grep -v '^10.128.4.0'"
            let before = try output(of: others)
            for (address, way) in [
                ("192.0.2.4", "via 192.0.2.4 dev eth0"),
                ("198.51.100.4", "dev vxlan.swiftlet proto 83 metric 8300 onlink"),
            ] {
                let network = node.network
                try waiting { await network.set(peer(4, address)) }
                try require(try output(of: "ip route show 10.128.4.0/24").contains(way), way)
            }
            let network = node.network
            try waiting { await network.remove("node-4") }
            try require(try output(of: "ip route show 10.128.4.0/24").isEmpty, "the route stays")
            try require(
                try !output(of: "bridge fdb show dev vxlan.swiftlet").contains("198.51.100.4"), "the entry stays")
            try require(try output(of: others) == before, "others have changed")
        }
    }

    @Test func whatSomebodyTakesAwayIsBackWithinAHundredMilliseconds() async {
        await #expect(processExitsWith: .success) {
            let node = try TestNode()
            try node.follow(list)
            let state = """
                ip route show proto 83; ip -6 route show proto 83 | sed 's/ pref medium//'
                ip neigh show dev vxlan.swiftlet nud permanent | sort
                bridge fdb show dev vxlan.swiftlet | sort; ip -o -d addr show vxlan.swiftlet | sed 's/^[0-9]*: //'
                """
            let before = try output(of: state)
            for damage in [
                "ip route flush proto 83", "ip -6 route flush proto 83", "ip route del 10.128.3.0/24",
                "ip route replace 10.128.2.0/24 via 192.0.2.77 metric 8300",
                "ip neigh flush dev vxlan.swiftlet nud permanent",
                "bridge fdb del $(bridge fdb show dev vxlan.swiftlet | awk 'NR == 1 {print $1}') dev vxlan.swiftlet self",
                "ip link del vxlan.swiftlet", "ip link set vxlan.swiftlet down", "ip addr flush dev vxlan.swiftlet",
                "ip link set eth0 down; ip link set eth0 up; ip addr replace 2001:db8::1/64 dev eth0 nodad",
                "ip addr del 192.0.2.1/24 dev eth0; ip addr add 192.0.2.1/24 dev eth0",
                "ip link set vxlan.swiftlet mtu 1400", "ip route add 10.128.99.0/24 via 192.0.2.9 proto 83",
            ] {
                // A look comes at once only when the last one was some time ago.
                usleep(50_000)
                let repairs = node.status.repairs
                try output(of: damage)
                let start = ContinuousClock.now
                while node.status.repairs == repairs, ContinuousClock.now - start < .seconds(3) { usleep(200) }
                let elapsed = ContinuousClock.now - start
                try require(node.status.repairs > repairs, "\(damage): nothing was repaired")
                try node.await(before, in: state)
                // Beside other tests a thread may have to wait for its turn.
                let limit = getenv("SWIFTLET_ALONE") == nil ? Duration.seconds(2) : .milliseconds(100)
                try require(elapsed < limit, "\(damage): \(elapsed)")
            }
        }
    }

    @Test func aChangedAddressOfThisNodeChangesTheTunnelsSource() async {
        await #expect(processExitsWith: .success) {
            let node = try TestNode()
            try node.follow(list)
            try output(of: "ip addr flush dev eth0; ip addr add 192.0.2.11/24 dev eth0")
            try node.await("local 192.0.2.11", in: "ip -d link show vxlan.swiftlet")
            try node.await("10.128.2.0/24 via 192.0.2.2", in: "ip route show proto 83")
            try require(node.status.addresses == [IPAddress("192.0.2.11")!], "\(node.status.addresses)")
        }
    }

    @Test func nodesThatVanishWithMostOthersKeepTheirWaysUnlessOthersClaimTheirSubnets() async {
        await #expect(processExitsWith: .success) {
            let node = try TestNode()
            try node.follow(list)
            let before = try output(of: "ip route show proto 83")
            try node.follow([peer(1, "192.0.2.1")])
            try require(try output(of: "ip route show proto 83") == before, "routes are gone")
            // Another one has got the subnet of node 2.
            let heir = ClusterNode(
                "heir", addresses: [IPAddress("192.0.2.7")!], subnets: [CIDR("10.128.2.0/24")!], age: 99)
            let network = node.network
            try waiting { await network.set(heir) }
            try node.await("10.128.2.0/24 via 192.0.2.7", in: "ip route show proto 83")
            // One of three that goes is gone.
            try node.follow(list)
            try node.follow([peer(1, "192.0.2.1"), peer(3, "198.51.100.3")])
            try require(try output(of: "ip route show 10.128.2.0/24").isEmpty, "the route stays")
        }
    }

    /// A restart is not seen: what is there stays until the list says otherwise.
    @Test func anotherAgentThatStartsChangesNothingAndBeforeTheListRemovesNothing() async {
        await #expect(processExitsWith: .success) {
            let node = try TestNode()
            try node.follow(list)
            // Until the uplink's own address is no longer tentative.
            try node.await("0", in: "ip -6 addr show tentative | grep -c tentative")
            let state = "ip -d addr; ip route show table all; ip -6 route; bridge fdb"
            let before = try output(of: state)
            let monitor = try NetlinkMonitor([.links, .routesIPv4, .routesIPv6, .neighbours, .addressesIPv4])
            let next = try TestNode(isNew: false)
            try require(try output(of: state) == before, "start: \(try output(of: state)) \(before)")
            // An engine may tell of the others before it has confirmed this node.
            try next.follow(Array(list.dropFirst()))
            try require(try output(of: state) == before, "others: \(try output(of: state)) \(before)")
            try next.follow(list)
            try require(try output(of: state) == before, "list: \(try output(of: state)) \(before)")
            let events = try monitor.events()
            try require(events.isEmpty, "\(events)")
        }
    }

    @Test func aForeignLinkOfItsNameStaysAndIsNamed() async {
        await #expect(processExitsWith: .success) {
            let node = try TestNode(starts: false)
            try output(of: "ip link add vxlan.swiftlet type bridge")
            try node.start()
            try node.follow(list)
            let failure = node.status.failure.map { "\($0)" } ?? "none"
            try require(failure.contains("there is a link of that name already, of kind bridge"), failure)
            try require(!node.status.isComplete, "complete")
            // What needs no tunnel works.
            try require(try output(of: "ip link show vxlan.swiftlet").contains("vxlan.swiftlet"), "removed")
            try output(of: "ip link del vxlan.swiftlet")
            try node.await("10.128.3.0/24 via 10.128.3.0 dev vxlan.swiftlet", in: "ip route show proto 83")
        }
    }

    @Test func fiveThousandPeersAreThereAtOnce() async {
        await #expect(processExitsWith: .success) {
            let node = try TestNode()
            let list =
                [peer(1, "192.0.2.1")]
                + (2...5001).map { number in
                    ClusterNode(
                        "node-\(number)",
                        addresses: [IPAddress("198.\(18 + number / 65536).\(number / 256 % 256).\(number % 256)")!],
                        subnets: [CIDR("10.\(128 + number / 256).\(number % 256).0/24")!])
                }
            let start = ContinuousClock.now
            try node.follow(list)
            let elapsed = ContinuousClock.now - start
            try require(node.status.isComplete, "\(node.status)")
            // Not optimised, and beside other tests; `make bench-cluster` has the figures.
            try require(elapsed < .seconds(30), "\(elapsed)")
            try require(
                try output(of: "ip route show proto 83 | wc -l").trimmingCharacters(in: .newlines) == "5001", "routes")
        }
    }
}

private let list = [
    peer(1, "192.0.2.1"), peer(2, "192.0.2.2"), peer(3, "198.51.100.3"),
]

private func peer(_ number: Int, _ address: String) -> ClusterNode {
    ClusterNode(
        "node-\(number)",
        addresses: [IPAddress(address)!] + (address.hasPrefix("192") ? [IPAddress("2001:db8::\(number)")!] : []),
        subnets: [CIDR("10.128.\(number).0/24")!, CIDR("fd00:1:\(number)::/64")!])
}

/// Waits in this thread, whose network namespace commands run in.
@discardableResult
private func waiting<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
    let done = DispatchSemaphore(value: 0)
    let result = Mutex<Result<Value, any Error>?>(nil)
    Task.detached {
        do {
            let value = try await body()
            result.withLock { $0 = .success(value) }
        } catch { result.withLock { $0 = .failure(error) } }
        done.signal()
    }
    done.wait()
    return try result.withLock { try $0!.get() }
}

/// Node 1, in a network namespace of its own, with an uplink that leads nowhere.
private final class TestNode {
    private let heard = Heard()
    let network: NodeNetwork

    var status: NetworkStatus { heard.status.withLock { $0 } }

    private final class Heard: Sendable { let status = Mutex(NetworkStatus()) }

    init(isNew: Bool = true, starts: Bool = true) throws {
        if isNew {
            try NetworkNamespace.enterNew()
            try output(
                of:
                    """
                    ip link set lo up; ip link add eth0 type veth peer name eth1; ip link set eth1 up; ip link set eth0 up
                    sysctl -qw net.ipv6.conf.eth0.keep_addr_on_down=1
                    ip addr add 192.0.2.1/24 dev eth0; ip addr add 2001:db8::1/64 dev eth0 nodad
                    """)
        }
        var routes = RouteSettings(clusterRanges: [CIDR("10.128.0.0/9")!, CIDR("fd00:1::/32")!])
        routes.mode = .auto
        let heard = heard
        network = NodeNetwork(NetworkSettings(node: "node-1", routes: routes), on: try KernelThread()) { status in
            heard.status.withLock { $0 = status }
        }
        if starts { try start() }
    }

    func start() throws {
        let network = network
        try waiting { try await network.start() }
    }

    func follow(_ list: [ClusterNode]) throws {
        let network = network
        try waiting { await network.replaceAll(list) }
    }

    func `await`(_ text: String, in command: String) throws {
        for _ in 0..<200 {
            // A device that is made anew is away for a moment.
            if try output(of: "\(command) || true").contains(text) { return }
            usleep(20_000)
        }
        throw UnexpectedState("\(text) is not in \(try output(of: command)); \(status)")
    }
}
