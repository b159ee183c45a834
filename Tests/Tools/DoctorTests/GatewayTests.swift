import Addresses
import Inventory
import Testing

@testable import Doctor

/// A gateway that is missing is one that a pod's routes lead to, and is given to nobody but whom it is configured for.
@Suite struct GatewayTests {
    /// Two pods on `cbr0`, whose routes lead to the gateway that is configured.
    static func node(_ gateway: String = "10.44.0.1") -> (snapshot: Snapshot, facts: Facts) {
        var node = CheckTests.node(pods: 2)
        node.snapshot.networks[0].configuration = "/etc/cni/net.d/10-net.conflist"
        for place in 0..<2 { node.snapshot.attachments[place].gateways = [IPAddress(gateway)!] }
        var file = ConfigurationFile(path: "/etc/cni/net.d/10-net.conflist")
        file.network = "net"
        file.isRouted = true
        file.gateways = [CIDR("10.44.0.1/24")!]
        node.facts.files = [file]
        return node
    }

    static func found(_ node: (snapshot: Snapshot, facts: Facts)) throws -> [Finding] {
        try ["gateway-missing", "port-down", "subnet-overlap"].flatMap { try CheckTests.findings($0, node) }
    }

    private func strangeBridge(_ address: String? = nil) -> Interface {
        var bridge = Interface(index: 9, name: "br9", kind: "bridge")
        bridge.addresses = address.map { [CIDR($0)!] } ?? []
        return bridge
    }

    @Test func anotherAddressOfTheSubnetIsNoGateway() throws {
        var node = Self.node()
        #expect(try Self.found(node) == [])
        node.snapshot.interfaces[1].addresses = [CIDR("10.44.0.50/24")!]
        let found = try Self.found(node)
        #expect(found.map { $0.check } == ["gateway-missing"])
        #expect(found.first?.fix == .add(address: CIDR("10.44.0.1/24")!, link: "cbr0"))
    }

    /// A pod on a strange bridge is to be put back; the others are well, and nobody gets a second gateway.
    @Test func aPodOnAStrangeBridgeIsTheOneThatIsBlamed() throws {
        var node = Self.node()
        node.snapshot.interfaces.append(strangeBridge())
        node.snapshot.attachments[0].bridge = "br9"
        let found = try Self.found(node)
        #expect(found.map { $0.subject } == ["net/c0/eth0"] && found.map { $0.check } == ["port-down"])
        #expect(found.allSatisfy { $0.fix == nil })
    }

    @Test func aPodOfAnEarlierConfigurationIsJudgedByItsOwn() throws {
        var node = Self.node()
        node.snapshot.interfaces.append(strangeBridge("10.33.0.1/24"))
        node.snapshot.attachments[0].bridge = "br9"
        node.snapshot.attachments[0].addresses = [CIDR("10.33.0.2/24")!]
        node.snapshot.attachments[0].gateways = [IPAddress("10.33.0.1")!]
        #expect(try Self.found(node) == [])
        node.snapshot.interfaces[node.snapshot.interfaces.count - 1].addresses = []
        let found = try Self.found(node)
        #expect(found.map { $0.subject } == ["br9"] && found.allSatisfy { $0.fix == nil })
        #expect(found.first?.commands == ["ip addr add 10.33.0.1/24 dev br9"])
    }

    @Test func aGatewayThatAnotherLinkHasIsNotAddedASecondTime() throws {
        var node = Self.node()
        node.snapshot.interfaces[1].addresses = []
        node.snapshot.interfaces.append(strangeBridge("10.44.0.1/24"))
        let found = try CheckTests.findings("gateway-missing", node)
        #expect(found.map { $0.subject } == ["cbr0"] && found.allSatisfy { $0.fix == nil })
        #expect(found.first?.advice.contains("ip addr del 10.44.0.1/24 dev br9") == true)
    }

    @Test func aGatewayInTwoPlacesIsToBeTakenFromTheStranger() throws {
        var node = Self.node()
        node.snapshot.interfaces.append(strangeBridge("10.44.0.1/24"))
        #expect(try Self.found(node).map { $0.advice } == ["ip addr del 10.44.0.1/24 dev br9"])
    }

    /// A route of the configuration may lead to a router on the bridge.
    @Test func aRouterBesideTheNodeIsNotMissing() throws {
        var node = Self.node("10.44.0.254")
        #expect(try Self.found(node) == [])
        // That the node is to be one as well is configured.
        node.snapshot.interfaces[1].addresses = []
        #expect(try Self.found(node).map { $0.fix } == [.add(address: CIDR("10.44.0.1/24")!, link: "cbr0")])
    }

    @Test func withoutABridgeTheNodesEndIsTheGateway() throws {
        var node = Self.node()
        node.snapshot.networks[0].bridge = nil
        for place in 0..<2 {
            node.snapshot.attachments[place].bridge = nil
            node.snapshot.interfaces[2 + place].addresses = [CIDR("10.44.0.1/32")!]
        }
        node.facts.files[0].gateways = []
        #expect(try CheckTests.findings("gateway-missing", node) == [])
        node.snapshot.interfaces[2].addresses = []
        #expect(try CheckTests.findings("gateway-missing", node).map { $0.subject } == ["veth0"])
    }
}
