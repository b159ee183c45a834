import Addresses
import InventorySupport
import Testing

@testable import Inventory

/// A pod that is as ADD has left it passes; each thing that is not right is named, with what to do.
@Suite struct PodCheckTests {
    static var facts: PodFacts {
        var facts = PodFacts()
        facts.forwards = [.v4: true, .v6: true]
        return facts
    }

    static func wrong(
        _ facts: PodFacts = Self.facts, damage: (inout MadeUpNode) -> Void = { _ in }
    ) throws -> [CheckItem] {
        var node = MadeUpNode()
        node.attach(1, record: masquerade)
        node.attach(2)
        node.seen.configured[0].wishes.isGateway = true
        node.seen.configured[0].wishes.gateways = [IPAddress("10.44.0.1")!]
        node.seen.namespaces[0].routes = [
            NodeRoute(to: CIDR("0.0.0.0/0")!, via: IPAddress("10.44.0.1")!, interface: "eth0")
        ]
        damage(&node)
        let snapshot = node.snapshot
        let pod = try #require(snapshot.attachments.first { $0.id == MadeUpNode.id(1) })
        let items = PodCheck(pod, in: snapshot, facts).items.filter { !$0.isRight }
        #expect(items.allSatisfy { !$0.advice.isEmpty && !$0.finding.isEmpty })
        return items
    }

    @Test func aSoundPodPasses() throws { #expect(try Self.wrong() == []) }

    @Test func rulesThatAreNotWholeAreNamed() throws {
        var facts = Self.facts
        facts.ruleDeviations = ["swiftlet": "table inet swiftlet is missing"]
        #expect(try Self.wrong(facts).map(\.finding) == ["table inet swiftlet is missing"])
    }

    @Test func forwardingThatIsOffIsNamed() throws {
        var facts = Self.facts
        facts.forwards[.v4] = false
        #expect(try Self.wrong(facts).map(\.advice) == ["sysctl -w net.ipv4.ip_forward=1"])
    }

    /// Setting the switch for all again would not reach the bridge's own.
    @Test func theSwitchThatIsOffIsTheOneThatIsNamed() throws {
        var facts = Self.facts
        facts.closedInterfaces = ["cbr0"]
        #expect(try Self.wrong(facts).map(\.advice) == ["sysctl -w net.ipv4.conf.cbr0.forwarding=1"])
    }

    @Test func aGatewayThatIsGoneIsNamed() throws {
        let gone = try Self.wrong { $0.seen.interfaces[2].addresses = [] }
        #expect(gone.map(\.subject) == ["gateway 10.44.0.1"])
        #expect(gone.allSatisfy { $0.finding.contains("this node does not have it") })
        let moved = try Self.wrong {
            $0.seen.interfaces[2].addresses = []
            $0.seen.interfaces[1].addresses.append(CIDR("10.44.0.1/32")!)
        }
        #expect(moved.map(\.subject) == ["gateway 10.44.0.1"])
        #expect(moved.allSatisfy { $0.advice.hasPrefix("ip addr del 10.44.0.1/32 dev eth0") }, "\(moved)")
    }

    @Test func aDefaultRouteThatIsMissingIsNamed() throws {
        let none = { (node: inout MadeUpNode) in node.seen.namespaces[0].routes = [] }
        #expect(try Self.wrong(damage: none) == [])
        let both = [CIDR("0.0.0.0/0")!, CIDR("::/0")!]
        // The pod has no IPv6 address.
        let wrong = try Self.wrong {
            none(&$0)
            $0.seen.configured[0].defaultRoutes = both
        }
        #expect(wrong.map(\.subject) == ["route 0.0.0.0/0"])
        #expect(
            wrong.map(\.advice) == [
                "nsenter --net=/run/netns/pod-1 ip route replace default via 10.44.0.1 dev eth0"
            ])
        let elsewhere = try Self.wrong {
            $0.seen.namespaces[0].routes = [NodeRoute(to: both[0], via: IPAddress("10.9.0.1")!, interface: "net1")]
            $0.seen.configured[0].defaultRoutes = both
        }
        #expect(!elsewhere.contains { $0.subject == "route 0.0.0.0/0" })
    }

    @Test(arguments: [
        (#""type": "swiftlet""#, ["0.0.0.0/0", "::/0"]), (#""type": "bridge""#, []),
        (#""type": "swiftlet", "isDefaultGateway": false"#, []),
        (#""type": "swiftlet", "isDefaultGateway": false, "routes": [{"dst": "::/0"}]"#, ["::/0"]),
        (#""type": "ptp", "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}]}"#, ["0.0.0.0/0"]),
        (#""type": "ptp", "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0", "table": 9}]}"#, []),
        (#""type": "ptp", "ipam": {"type": "other", "routes": [{"dst": "0.0.0.0/0"}]}"#, []),
        (#""plugins": [{"type": "bridge", "isDefaultGateway": true}, {"type": "sbr"}]"#, []),
    ])
    func theConfigurationSaysWhichDefaultRoutesThereAre(_ keys: String, _ routes: [String]) throws {
        let found = try SeenConfiguration.defaultRoutes(Array(#"{"name": "n", \#(keys)}"#.utf8))
        #expect(found.map { "\($0)" } == routes)
    }

    /// As `bridge` without `isGateway` has it: the node need not forward, and is not to take the router's address.
    @Test func aRouterOnTheBridgeIsAGateway() throws {
        var facts = Self.facts
        facts.forwards[.v4] = false
        let wrong = try Self.wrong(facts) {
            $0.seen.configured[0].wishes.isGateway = false
            $0.seen.interfaces[2].addresses = []
        }
        #expect(wrong == [])
    }

    @Test func aPodOnAStrangeBridgeIsNamed() throws {
        let strange = try Self.wrong {
            $0.seen.interfaces.append(Interface(index: 77, name: "br9", kind: "bridge"))
            $0.seen.interfaces[3].master = 77
        }
        #expect(strange.map(\.finding) == ["a port of br9, not of cbr0"])
        // An earlier configuration's is none.
        let earlier = try Self.wrong {
            $0.seen.interfaces.append(Interface(index: 77, name: "br9", kind: "bridge"))
            $0.seen.interfaces[3].master = 77
            $0.seen.stores = [SeenStore(network: "pods", directory: "/x", reservations: [])]
            $0.seen.namespaces[0].interfaces[1].addresses = [CIDR("10.33.0.2/24")!]
        }
        #expect(!earlier.contains { $0.subject.hasPrefix("bridge port") })
    }

    @Test func aLinkThatIsDownIsNamed() throws {
        let inPod = try Self.wrong { $0.seen.namespaces[0].interfaces[1].isUp = false }
        #expect(inPod.map(\.subject) == ["interface eth0"])
        let onNode = try Self.wrong { $0.seen.interfaces[3].isUp = false }
        #expect(onNode.map(\.subject).contains("node's end veth1"))
        let bridge = try Self.wrong { $0.seen.interfaces[2].isUp = false }
        #expect(bridge.map(\.subject) == ["bridge cbr0"])
        let port = try Self.wrong { $0.seen.interfaces[3].master = 0 }
        #expect(port.map(\.finding) == ["not a port of cbr0"])
    }

    @Test func anAddressThatIsMissingOrNotReservedIsNamed() throws {
        let missing = try Self.wrong { $0.seen.namespaces[0].interfaces[1].addresses = [] }
        #expect(missing.map(\.finding) == ["reserved, but not on eth0"])
        let unreserved = try Self.wrong { $0.seen.stores = [] }
        #expect(unreserved.map(\.finding) == ["not reserved: another pod may get it"])
        let twice = try Self.wrong {
            $0.seen.namespaces[1].interfaces[1].addresses.append(CIDR("10.44.0.2/24")!)
            $0.seen.namespaces[0].interfaces[1].addresses.append(CIDR("10.44.0.3/24")!)
        }
        #expect(twice.contains { $0.finding == "\(MadeUpNode.id(2)) has it too" })
    }

    @Test func aPodWhoseNamespaceHasNoNameIsNamed() throws {
        let items = try Self.wrong { $0.seen.namespaces.removeFirst() }
        #expect(items.map(\.subject) == ["network namespace"])
    }

    @Test func podsAreFoundByWhateverPeopleCallThem() {
        var node = MadeUpNode()
        for number in 1...12 { node.attach(number) }
        let snapshot = node.snapshot
        for name in ["container-2", "pods/container-2/eth0", "10.44.0.3", "pod-2", "/run/netns/pod-2"] {
            #expect(snapshot.attachments(named: name)?.map(\.id) == [MadeUpNode.id(2)], "\(name)")
        }
        node.seen.namespaces[1].interfaces[1].addresses.append(CIDR("fd00:44::3/64")!)
        for name in ["fd00:44::3", "FD00:44::3", "fd00:44:0:0::3"] {
            #expect(node.snapshot.attachments(named: name)?.map(\.id) == [MadeUpNode.id(2)], "\(name)")
        }
        // It is a whole ID, and how others begin.
        #expect(snapshot.attachments(named: "container-1")?.map(\.id) == [MadeUpNode.id(1)])
        #expect(snapshot.attachments(named: "container-") == nil)
        #expect(snapshot.attachments(named: "nobody") == [] && snapshot.attachments(named: "") == [])
    }
}
