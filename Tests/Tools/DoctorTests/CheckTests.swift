import Addresses
import Attachments
import Inventory
import Posix
import Testing

@testable import Doctor

/// Checks over nodes that are made up: what cannot be had in a namespace, and the thresholds.
@Suite struct CheckTests {
    /// A node with one network on `cbr0` and pods from 10.44.0.2 on.
    static func node(pods: Int = 1) -> (snapshot: Snapshot, facts: Facts) {
        var snapshot = Snapshot()
        var bridge = Interface(index: 2, name: "cbr0", kind: "bridge")
        bridge.addresses = [CIDR("10.44.0.1/24")!]
        snapshot.interfaces = [Interface(index: 1, name: "lo"), bridge]
        var network = Network(name: "net")
        network.bridge = "cbr0"
        network.gateways = bridge.addresses
        network.pools = [
            Network.Pool(subnets: [CIDR("10.44.0.0/24")!], ranges: [], used: UInt64(pods), size: 253)
        ]
        snapshot.networks = [network]
        snapshot.routes = [
            NodeRoute(to: CIDR("10.44.0.0/24")!, interface: "cbr0"),
            NodeRoute(to: CIDR("0.0.0.0/0")!, via: IPAddress("192.0.2.2"), interface: "eth0"),
        ]
        for number in 0..<pods {
            var pod = Attachment(id: AttachmentName(network: "net", containerID: "c\(number)", ifname: "eth0"))
            pod.hostInterface = "veth\(number)"
            pod.bridge = "cbr0"
            pod.addresses = [CIDR("10.44.0.\(number + 2)/24")!]
            pod.isUp = true
            snapshot.interfaces.append(Interface(index: UInt32(10 + number), name: "veth\(number)", kind: "veth"))
            snapshot.attachments.append(pod)
        }
        var facts = Facts()
        facts.parameters = ["ipv4/ip_forward": "1"]
        return (snapshot, facts)
    }

    static func findings(_ name: String, _ node: (snapshot: Snapshot, facts: Facts)) throws -> [Finding] {
        let check = try #require(Check.all.first { $0.name == name })
        return check.findings(Examination(node.snapshot, node.facts))
    }

    @Test(arguments: Check.all.map { $0.name }) func aHealthyNodePasses(_ name: String) throws {
        #expect(try Self.findings(name, Self.node(pods: 3)) == [])
        // Nor is anything said of what is not known.
        #expect(try Self.findings(name, (Snapshot(), Facts())) == [])
    }

    @Test(arguments: [(90, nil), (91, .warning), (99, .warning), (100, .problem)] as [(UInt64, Severity?)])
    func aPoolIsNearlyFullAboveNinePartsOfTen(_ used: UInt64, _ severity: Severity?) throws {
        var node = Self.node()
        node.snapshot.networks[0].pools[0].used = used
        node.snapshot.networks[0].pools[0].size = 100
        #expect(try Self.findings("pool-full", node).first?.severity == severity)
    }

    @Test(arguments: [(819, nil), (820, .warning), (1024, .problem)] as [(Int, Severity?)])
    func neighboursNeedRoom(_ entries: Int, _ severity: Severity?) throws {
        var node = Self.node()
        node.facts.neighbours[.v6] = entries
        node.facts.parameters["ipv6/neigh/default/gc_thresh3"] = "1024"
        let found = try Self.findings("neighbour-table", node)
        #expect(found.first?.severity == severity)
        #expect(found.allSatisfy { $0.subject == "net.ipv6.neigh.default.gc_thresh3" })
    }

    @Test func theStatisticsOfNeighboursAreHexadecimal() {
        #expect(Facts.entries("entries  allocs destroys\n000003ff  00000001 0\n000003ff 2 0\n") == 1023)
        for text in ["", "entries\n", "other\n5\n", "entries\nx y\n"] { #expect(Facts.entries(text) == nil, "\(text)") }
    }

    @Test func theBridgesFamiliesDecideAboutServices() throws {
        var node = Self.node()
        node.facts.hasServices = true
        #expect(try Self.findings("bridge-nf-call", node).map { $0.subject } == ["net.bridge.bridge-nf-call-iptables"])
        #expect(try Self.findings("bridge-nf-call", node)[0].text.contains("br_netfilter is not loaded"))
        node.facts.parameters["bridge/bridge-nf-call-iptables"] = "1"
        #expect(try Self.findings("bridge-nf-call", node) == [])
    }

    @Test func hairpinModeMattersWhereServicesSeeBridgedPackets() throws {
        var node = Self.node(pods: 2)
        node.facts.parameters["bridge/bridge-nf-call-iptables"] = "1"
        #expect(try Self.findings("hairpin-off", node) == [])
        node.facts.hasServices = true
        let found = try #require(try Self.findings("hairpin-off", node).first)
        #expect(found.subject == "net" && found.text.contains("2 pods"))
        #expect(found.advice.hasPrefix("for port in veth0 veth1; do bridge link set dev $port hairpin on; done"))
        let ports = node.snapshot.interfaces.indices.filter { node.snapshot.interfaces[$0].name.hasPrefix("veth") }
        node.snapshot.interfaces[ports[0]].isHairpin = true
        #expect(try Self.findings("hairpin-off", node)[0].advice.hasPrefix("bridge link set dev veth1 hairpin on"))
        node.facts.parameters["bridge/bridge-nf-call-iptables"] = "0"
        #expect(try Self.findings("hairpin-off", node) == [])
    }

    /// VLANs and the like may have the same addresses; what the node routes to may not.
    @Test func theSameAddressInNetworksThatAreKeptApartIsNoDuplicate() throws {
        var node = Self.node()
        var other = Attachment(id: AttachmentName(network: "vlan7", containerID: "c9", ifname: "eth0"))
        other.addresses = [CIDR("10.44.0.2/24")!]
        node.snapshot.attachments.append(other)
        #expect(try Self.findings("duplicate-address", node) == [])
        node.snapshot.attachments[1].hostInterface = "veth9"
        #expect(try Self.findings("duplicate-address", node).map { $0.subject } == ["10.44.0.2"])
    }

    /// flannel gives its device the subnet's first address, and the cluster a wider route.
    @Test func anOverlayIsNoOverlap() throws {
        var node = Self.node()
        var overlay = Interface(index: 50, name: "flannel.1", kind: "vxlan")
        overlay.addresses = [CIDR("10.44.0.0/32")!]
        node.snapshot.interfaces.append(overlay)
        node.snapshot.routes.append(NodeRoute(to: CIDR("10.44.0.0/16")!, interface: "flannel.1"))
        #expect(try Self.findings("subnet-overlap", node) == [])
    }

    @Test func forwardRulesOfLegacyIptablesAreReadFromTheFilterTable() {
        let lines = """
            *nat
            :FORWARD DROP [0:0]
            COMMIT
            *filter
            :INPUT ACCEPT [0:0]
            :FORWARD DROP [0:0]
            -A FORWARD -i cbr0 -j ACCEPT
            -A FORWARD-OTHER -j DROP
            COMMIT
            """
        let found = Facts.forward(lines.split(separator: "\n").map(String.init))
        #expect(found == [":FORWARD DROP [0:0]", "-A FORWARD -i cbr0 -j ACCEPT"])
    }

    @Test(arguments: [
        ("/run/netns/cni-0a1b2c3d-1111-2222-3333-444455556666", true), ("/run/netns/web", false),
        ("/proc/77/ns/net", false), ("/var/run/netns/netns-0a1b2c3d-1111-2222-3333-444455556666", false),
    ])
    func aRuntimeIsKnownByTheNameThatItGives(_ path: String, _ isOther: Bool) throws {
        var node = Self.node(pods: 2)
        node.snapshot.attachments[0].namespace = Namespace(
            path: "/run/netns/netns-0a1b2c3d-1111-2222-3333-444455556666", inode: 1)
        node.snapshot.attachments[1].namespace = Namespace(path: path, inode: 2)
        #expect(try Self.findings("two-runtimes", node).isEmpty != isOther)
    }

    @Test func dotsInNamesOfInterfacesAreWrittenAsSysctlWantsThem() {
        #expect(sysctlName("ipv4/conf/eth0.7/rp_filter") == "net.ipv4.conf.eth0/7.rp_filter")
    }

    @Test func changesAreMadeInTheOrderInWhichTheyNeedEachOther() {
        let fixes: [Fix] = [
            .repairRules, .add(address: CIDR("10.44.0.1/24")!, link: "a"), .setUp(link: "b"),
            .set(parameter: "ipv4/ip_forward", value: "1"),
        ]
        #expect(fixes.sorted() == fixes.reversed())
    }

    @Test func theWorstComesFirst() throws {
        var node = Self.node(pods: 1)
        node.facts.parameters["ipv4/ip_forward"] = "0"
        node.facts.managedLinks = ["cbr0": "NetworkManager"]
        let examination = Examination(node.snapshot, node.facts)
        let found = Check.all.reversed().flatMap { $0.findings(examination) }
        let text = Report(found, checks: 2, remarks: ["x"]).text(isColored: false)
        let lines = text.split(separator: "\n")
        #expect(lines.first == "problem forwarding: net.ipv4.ip_forward")
        #expect(lines.suffix(2) == ["could not be looked at: x", "1 problem, 1 warning (2 checks)"])
        #expect(!text.contains("\u{1b}"))
    }

    @Test func nothingIsHealthyThatCouldNotBeLookedAt() {
        #expect(Report([], checks: 2, remarks: []).text(isColored: false) == "healthy (2 checks)")
        let text = Report([], checks: 2, remarks: ["x"]).text(isColored: false)
        #expect(text == "could not be looked at: x\nnothing found, but not all could be looked at (2 checks)")
    }

    @Test func ofManyOfOneKindSomeAreShown() {
        var node = Self.node()
        node.facts.unreadableRecords = (0..<9).map { "net/c\($0)/eth0" }
        node.facts.parameters["ipv4/ip_forward"] = "0"
        let examination = Examination(node.snapshot, node.facts)
        let found = Check.all.flatMap { $0.findings(examination) }
        let lines = Report(found, checks: 2, remarks: []).text(isColored: false).split(separator: "\n")
        #expect(lines.filter { $0.hasPrefix("problem rules-damaged: net/") }.count == 5)
        #expect(lines.contains("problem rules-damaged: 4 more; --json has all"))
        #expect(lines.contains("problem forwarding: net.ipv4.ip_forward"))
        #expect(lines.last == "10 problems (2 checks)")
    }
}
