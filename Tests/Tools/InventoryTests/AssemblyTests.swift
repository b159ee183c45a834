import Addresses
import Attachments
import InventorySupport
import IPAM
import Netfilter
import NetlinkCodec
import Posix
import Testing

@testable import Inventory

/// What was read is put together as it belongs together, and what is left of pods that are gone is told from the rest.
@Suite struct AssemblyTests {
    @Test func aPodIsWhereItsVethLeads() throws {
        var node = MadeUpNode()
        for number in 1...3 { node.attach(number) }
        let snapshot = node.snapshot
        #expect(snapshot.attachments.map(\.id) == [1, 2, 3].map { MadeUpNode.id($0) })
        let second = snapshot.attachments[1]
        #expect(second.namespace?.path == "/run/netns/pod-2")
        #expect(second.addresses == [CIDR("10.44.0.3/24")!] && second.reserved == [CIDR("10.44.0.3/32")!])
        #expect(second.hostInterface == "veth2" && second.bridge == "cbr0" && second.kind == "veth")
        #expect(second.state == .attached && second.isUp && second.mtu == 1500)
        #expect(second.since == MadeUpNode.now - 60)
        #expect(snapshot.orphans.isEmpty && snapshot.remarks.isEmpty)
        #expect(snapshot.uplinks == ["eth0"])
    }

    @Test func aNetworkHasItsBridgeItsGatewayAndItsPool() throws {
        var node = MadeUpNode()
        for number in 1...3 { node.attach(number) }
        let network = try #require(node.snapshot.networks.first)
        #expect(network.name == "pods" && network.bridge == "cbr0" && network.gateways == [CIDR("10.44.0.1/24")!])
        let pool = try #require(network.pools.first)
        #expect((pool.used, pool.size, pool.free) == (3, 253, 250) && !pool.isAssumed)
        #expect(network.reservations == 3)
    }

    /// One pod on a strange bridge, even if it is the first, makes no other bridge the network's.
    @Test(arguments: [true, false]) func theNetworksBridgeIsWhatIsConfiguredOrWhatMostPodsAreOn(_ isConfigured: Bool)
        throws
    {
        var node = MadeUpNode()
        for number in 1...3 { node.attach(number) }
        if !isConfigured { node.seen.configured = [] }
        node.seen.interfaces.append(Interface(index: 77, name: "br9", kind: "bridge"))
        node.seen.interfaces[3].master = 77
        let snapshot = node.snapshot
        #expect(snapshot.networks.first?.bridge == "cbr0")
        #expect(snapshot.networks.first?.gateways == [CIDR("10.44.0.1/24")!])
        #expect(snapshot.home(of: snapshot.attachments[0]) == (isConfigured ? "cbr0" : "br9"))
        #expect(snapshot.home(of: snapshot.attachments[1]) == "cbr0")
    }

    @Test func withoutAConfigurationTheBridgeSuggestsThePool() throws {
        var node = MadeUpNode()
        node.attach(1)
        node.seen.configured = []
        let network = try #require(node.snapshot.networks.first)
        #expect(network.bridge == "cbr0" && network.configuration == nil)
        #expect(network.pools.map(\.isAssumed) == [true] && network.pools.first?.size == 253)
    }

    @Test func aPodThatIsGoneLeavesAnOrphan() throws {
        var node = MadeUpNode()
        node.attach(1, record: masquerade)
        node.attach(2, record: masquerade)
        node.end(2)
        node.seen.records = node.seen.records.map { record in
            RecordedRules(
                owner: record.owner, rules: record.rules, namespacePath: record.namespacePath,
                isNamespaceAlive: record.owner.attachment.containerID == "container-1", time: record.time)
        }
        node.seen.elements = ["pods/container-2/eth0": 4, "pods/container-1/eth0": 4]
        let snapshot = node.snapshot
        #expect(snapshot.attachments.map(\.id) == [MadeUpNode.id(1)])
        let orphan = try #require(snapshot.orphans.first)
        #expect(snapshot.orphans.count == 1)
        #expect(orphan.id == MadeUpNode.id(2) && orphan.reason == .podIsGone && orphan.isGone)
        #expect(orphan.reserved == [CIDR("10.44.0.3/32")!] && orphan.elements == 4)
        #expect(orphan.recordedBy == ["swiftlet"] && orphan.store == "/var/lib/cni/networks/pods")
    }

    @Test func aPodWhoseInterfaceIsGoneIsNotGone() throws {
        var node = MadeUpNode()
        node.attach(1, record: masquerade)
        node.seen.interfaces.removeAll { $0.name == "veth1" }
        node.seen.namespaces[0].interfaces.removeAll { $0.name == "eth0" }
        let orphan = try #require(node.snapshot.orphans.first)
        #expect(orphan.reason == .interfaceIsGone && !orphan.isGone)
    }

    @Test func whoCannotSeeAllNamespacesCallsNobodyGone() {
        var node = MadeUpNode()
        node.reserve(1)
        node.seen.seesAllNamespaces = false
        #expect(node.snapshot.orphans.isEmpty)
        #expect(node.snapshot.attachments.map(\.state) == [.unknown])
    }

    @Test func aReservationOfAnEarlierBootIsAnOrphan() {
        var node = MadeUpNode()
        node.reserve(1, isOfEarlierBoot: true)
        #expect(node.snapshot.orphans.map(\.reason) == [.earlierBoot])
    }

    /// An ADD or DEL that was under way at the first look has ended at the second, or is another one.
    @Test func onlyWhatTwoLooksHaveSeenIsOrphaned() {
        var node = MadeUpNode()
        for number in 1...3 { node.attach(number) }
        node.end(1)
        node.end(2)
        node.seen.remarks = ["always", "once"]
        let first = node.snapshot
        node = MadeUpNode()
        for number in 1...3 { node.attach(number) }
        node.end(2)
        node.end(3)
        node.seen.remarks = ["always", "later"]
        let sure = first.confirmed(by: node.snapshot)
        #expect(sure.orphans.map(\.id) == [MadeUpNode.id(2)] && sure.remarks == ["always"])
        #expect(sure.attachments.map(\.id) == [MadeUpNode.id(1)])
    }

    /// No plugin makes a link or a directory there, and none takes it away.
    @Test func whatIsNoFileInAReservationsPlaceIsNotFreed() {
        var node = MadeUpNode()
        let time = Timestamp(seconds: MadeUpNode.now - 600, nanoseconds: 0)
        node.seen.stores[0].reservations = [3, 4].map {
            ListedReservation(
                Reservation(unit: .host(MadeUpNode.address($0)), owner: nil), time: time, isOfEarlierBoot: false)
        }
        node.seen.stores[0].notFiles = [.host(MadeUpNode.address(4))]
        #expect(node.snapshot.orphans.map(\.reason) == [.isNoFile, .namesNobody])
        #expect(node.snapshot.orphans.map(\.isGone) == [false, true])
    }

    @Test func aVethWithoutAReservationIsAnOrphanOnlyWhereAddressesAreReserved() {
        var node = MadeUpNode()
        node.attach(1)
        node.seen.stores = []
        #expect(node.snapshot.orphans.map(\.reason) == [.notReserved])
        #expect(node.snapshot.orphans.allSatisfy { !$0.isGone } && node.snapshot.attachments.count == 1)
        node.seen.configured = []
        #expect(node.snapshot.orphans.isEmpty)
    }

    @Test func aVethWhoseNamespaceHasNoNameIsKeptAndShown() {
        var node = MadeUpNode()
        node.attach(1)
        node.seen.namespaces = []
        #expect(node.snapshot.attachments.map(\.state) == [.unnamed])
        #expect(node.snapshot.orphans.map(\.reason) == [.namespaceHasNoName])
        #expect(node.snapshot.orphans.allSatisfy { !$0.isGone })
    }

    @Test func aPodOfAnotherPluginIsFoundByItsAddress() throws {
        var node = MadeUpNode()
        node.attach(1)
        node.seen.interfaces[3].alias = ""
        let pod = try #require(node.snapshot.attachments.first)
        #expect(pod.namespace?.path == "/run/netns/pod-1" && pod.hostInterface == "veth1" && pod.bridge == "cbr0")
        #expect(node.snapshot.orphans.isEmpty)
    }

    /// The same address on a link that leads to another node is another pod's.
    @Test func aLinkThatLeadsElsewhereIsAnotherNodes() {
        var node = MadeUpNode()
        node.attach(1)
        node.end(1)
        var inside = Interface(index: 2, name: "eth0", kind: "veth")
        inside.addresses = [CIDR("10.44.0.2/24")!]
        inside.peerNamespaceID = 4
        node.seen.namespaces = [SeenNamespace(Namespace(path: "/run/netns/x", inode: 9), interfaces: [inside])]
        #expect(node.snapshot.orphans.map(\.reason) == [.podIsGone])
    }

    /// As host-device of other plugins leaves it.
    @Test func aDeviceThatLeadsNowhereIsFoundByItsAddress() {
        var node = MadeUpNode()
        node.reserve(1)
        var inside = Interface(index: 2, name: "eth0")
        inside.addresses = [CIDR("10.44.0.2/24")!]
        node.seen.namespaces = [SeenNamespace(Namespace(path: "/run/netns/x", inode: 9), interfaces: [inside])]
        #expect(node.snapshot.attachments.map(\.kind) == ["device"])
        #expect(node.snapshot.orphans.isEmpty)
    }

    /// Some sandboxes take the address off the interface, and use it themselves.
    @Test func nobodyIsGoneWhileThereIsAnInterfaceThatMayBeItsOwn() {
        var node = MadeUpNode()
        node.attach(1)
        node.seen.interfaces[3].alias = ""
        node.seen.namespaces[0].interfaces[1].addresses = []
        #expect(node.snapshot.orphans.isEmpty)
        #expect(node.snapshot.attachments.map(\.state) == [.unknown])
        // On another bridge, such as other programs have, or with another name, it is none.
        let bridged = node
        node.seen.interfaces[3].master = 77
        #expect(node.snapshot.orphans.map(\.reason) == [.podIsGone])
        node = bridged
        node.seen.namespaces[0].interfaces[1].name = "net1"
        #expect(node.snapshot.orphans.map(\.reason) == [.podIsGone])
    }

    @Test func aLinkWithoutAnEndOnTheNodeIsFoundByItsAlias() throws {
        var node = MadeUpNode()
        var inside = Interface(index: 2, name: "eth0", kind: "macvlan")
        inside.alias = "swiftlet edge/container-9/eth0"
        inside.peer = 2
        inside.peerNamespaceID = 0
        node.seen.namespaces = [
            SeenNamespace(Namespace(path: "/run/netns/x", inode: 9), interfaces: [inside], nodeID: 0)
        ]
        let pod = try #require(node.snapshot.attachments.first)
        #expect(pod.id == MadeUpNode.id(9, network: "edge") && pod.kind == "macvlan" && pod.parent == "eth0")
        #expect(node.snapshot.networks.map(\.name) == ["edge", "pods"])
    }

    /// Root of a pod may set aliases and addresses there; no dead pod is kept by that, and none is made up.
    @Test func whatAPodSaysOfItselfCountsForNothingAgainstTheNodesOwnLinks() {
        var node = MadeUpNode()
        node.attach(1)
        node.attach(2)
        node.end(2)
        node.seen.namespaces[0].interfaces[1].alias = "swiftlet \(MadeUpNode.id(2))"
        node.seen.namespaces[0].interfaces[1].addresses.append(CIDR("10.44.0.3/24")!)
        var other = Interface(index: 9, name: "eth0", kind: "dummy")
        other.alias = "swiftlet \(MadeUpNode.id(3))"
        other.addresses = [CIDR("10.44.0.3/24")!]
        node.seen.namespaces[0].interfaces.append(other)
        #expect(node.snapshot.attachments.map(\.id) == [MadeUpNode.id(1)])
        #expect(node.snapshot.orphans.map(\.id) == [MadeUpNode.id(2)])
        // A second network of the same container's is none of others'.
        node.seen.namespaces[0].interfaces[2].alias = "swiftlet edge/container-1/eth0"
        #expect(node.snapshot.attachments.map(\.id.network) == ["edge", "pods"])
    }

    @Test(arguments: ["pods/\u{1b}]0;x\u{7}root/eth0", "p\no/c/eth0", "../c/eth0", "pods/c/e\u{1b}"])
    func anAliasThatNoADDWritesIsNobodys(_ alias: String) {
        #expect(AttachmentName(linkAlias: "swiftlet \(alias)") == nil)
    }

    @Test func limitsAreThoseOfTheVethAndItsIFB() throws {
        var node = MadeUpNode()
        node.attach(1)
        var ifb = Interface(index: 500, name: "bwp1", kind: "ifb")
        ifb.alias = "swiftlet \(MadeUpNode.id(1))"
        node.seen.interfaces.append(ifb)
        node.seen.buckets = [
            101: TokenBucket(rate: 1_250_000, burst: 1000, limit: 5000),
            500: TokenBucket(rate: .max, burst: 1000, limit: 5000),
        ]
        let pod = try #require(node.snapshot.attachments.first)
        #expect(pod.ingressLimit == Limit(rate: 10_000_000, burst: 8000))
        #expect(pod.egressLimit?.rate == .max)
        node.end(1)
        node.seen.stores = []
        #expect(node.snapshot.orphans.map(\.reason) == [.limitsNothing])
        #expect(node.snapshot.orphans.first?.interfaces == ["bwp1"])
    }

    @Test func portsAndRulesAreThoseOfTheRecords() throws {
        var node = MadeUpNode()
        var rules = masquerade
        rules.ports = PublishedPorts(
            [PortMapping(hostPort: 8080, containerPort: 80), PortMapping(hostPort: 53, containerPort: 53, .udp)],
            addresses: [CIDR("10.44.0.2/24")!])
        node.attach(1, record: rules)
        let pod = try #require(node.snapshot.attachments.first)
        #expect(pod.ports.map(\.description) == ["53→53/udp", "8080→80/tcp"])
        #expect(pod.masquerade && !pod.antiSpoof && !pod.isolation)
    }
}
