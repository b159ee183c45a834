import Addresses
import Attachments
import Inventory
import NetlinkCodec
import PacketRules
import Posix
import Testing

@testable import Trace

/// Where the node does not do what its pods are meant to have, the walk names the cause, and not the pod.
@Suite struct StrayTests {
    /// The second pod is the node's own, on a network whose bridge is `cbr0`; an uplink leads outside, at 192.0.2.1.
    private var world: FakeWorld {
        var world = FakeWorld()
        world.addUplink("uplink", "192.0.2.1/24", gateway: "192.0.2.2")
        var pod = Inventory.Attachment(id: AttachmentName(network: "net", containerID: "two", ifname: "eth0"))
        pod.addresses = world.spaces[2][0].addresses
        pod.hostInterface = "veth2"
        world.wishes.attachments = [pod]
        world.wishes.bridges = ["net": "cbr0"]
        return world
    }

    private func report(_ world: FakeWorld, _ from: Endpoint? = nil, to: Endpoint? = nil) throws -> Report {
        try Report(Question(from: from ?? world.endpoint(0), to: to ?? world.endpoint(2, port: 80)), in: world)
    }

    private func route(_ destination: String, by interface: UInt32) -> RouteEntry {
        RouteEntry(Route(to: CIDR(destination)!, interface: interface))
    }

    @Test func whatLeadsToThePodIsNoStray() throws {
        var world = world
        #expect(try report(world).conclusion == .arrives)
        // Its bridge may have another name than the configuration has by now.
        world.wishes.bridges = ["net": "br0"]
        #expect(try report(world).conclusion == .arrives)
    }

    @Test func aRouteThatTakesItIsNamed() throws {
        var world = world
        world.routes[0]?.insert((CIDR("10.44.0.3/32")!, RouteAnswer(interface: 9)), at: 0)
        world.listedRoutes = [route("0.0.0.0/0", by: 9), route("10.44.0.0/24", by: 2), route("10.44.0.3/32", by: 9)]
        let stray = try report(world)
        #expect(
            stray.verdict == "stops in node: two is on cbr0, but the route 10.44.0.3/32 dev uplink takes what is for it"
        )
        #expect(stray.advice == "ip route del 10.44.0.3/32 dev uplink")
        // Of another table it is a policy rule that takes it.
        world.routes[0]?[0].1 = RouteAnswer(interface: 9, table: 100)
        #expect(try report(world).advice == "ip rule add to 10.44.0.0/24 lookup main")
        // Without a route of the bridge, the default route takes it.
        world.routes[0] = [(CIDR("0.0.0.0/0")!, RouteAnswer(interface: 9, gateway: IPAddress("192.0.2.2")))]
        world.listedRoutes = [route("0.0.0.0/0", by: 9)]
        #expect(try report(world).verdict.contains("cbr0 has no address of its subnet"))
        // Somebody behind another link may pass it on.
        world.spaces[0].append(Interface(index: 11, name: "tunnel", kind: "tun"))
        world.routes[0] = [(CIDR("0.0.0.0/0")!, RouteAnswer(interface: 11, gateway: IPAddress("192.0.2.2")))]
        #expect(try report(world).verdict.contains("what is behind tunnel is not seen"))
    }

    @Test func aRejectingRouteIsNamed() throws {
        var world = world
        world.routes[0] = []
        world.listedRoutes = [
            route("10.44.0.0/24", by: 2), RouteEntry(.unreachable, CIDR("10.44.0.3/32")!, priority: 5, origin: 3),
        ]
        #expect(try report(world).advice == "ip route del unreachable 10.44.0.3/32 metric 5")
    }

    @Test func whatHoldsThePodsVethIsNamed() throws {
        var world = world
        world.spaces[0][2].master = 0
        #expect(try report(world).advice == "ip link set veth2 master cbr0")
        // So do neighbours on the bridge, who find nobody there.
        #expect(try report(world, world.endpoint(1)).advice == "ip link set veth2 master cbr0")
        world = self.world
        world.spaces[0][0].isUp = false
        #expect(try report(world).advice == "ip link set cbr0 up")
    }

    @Test func rulesThatAreGoneAreMissed() throws {
        var world = world
        let address = IPAddress("203.0.113.9")!
        let outside = Endpoint(.address, name: "x", place: nil, addresses: [address], port: 80)
        world.wishes.masquerades = [Wishes.Masqueraded([CIDR("10.44.0.0/24")!])]
        let leaving = try report(world, world.endpoint(2), to: outside)
        #expect(leaving.verdict.contains("the rules for that are gone") && leaving.advice == "swiftletctl repair")
        world.wishes.masquerades[0].exceptions = [CIDR(address, 24)]
        #expect(try !report(world, world.endpoint(2), to: outside).verdict.contains("gone"))
        let port = Port(transport: "tcp", hostPort: 8080, containerPort: 80, count: 2)
        world.wishes.published = [Wishes.Published(port, of: "two", [.v4])]
        func asked(_ port: UInt16) throws -> Report {
            let node = Endpoint(.node, name: "node", place: 0, addresses: [IPAddress("192.0.2.1")!], port: port)
            return try report(world, world.endpoint(1), to: node)
        }
        #expect(try asked(8080).advice == "swiftletctl repair" && asked(8081).advice == "swiftletctl repair")
        #expect(try asked(8082).arrives && asked(8079).arrives)
    }
}
