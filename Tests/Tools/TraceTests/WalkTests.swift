import Addresses
import Inventory
import NetlinkCodec
import PacketRules
import Testing
import Trace

/// A walk is told by what the world answers, and by nothing else.
@Suite struct WalkTests {
    func report(_ world: FakeWorld, _ from: Int = 1, _ to: Int = 2, port: UInt16 = 80) throws -> Report {
        try Report(Question(from: world.endpoint(from), to: world.endpoint(to, port: port)), in: world)
    }

    @Test func aNamespaceThatHasEndedMeanwhileLeadsNowhere() throws {
        var seen = Observations()
        seen.namespaces = [
            SeenNamespace(Namespace(path: "/nonexistent/netns", inode: 1, id: 5), interfaces: [], nodeID: nil)
        ]
        var world = KernelWorld(seen, Snapshot(seen))
        #expect(try world.place(numbered: 7, from: 1) == nil)
    }

    @Test func aPacketPassesBothVethsAndTheBridge() throws {
        let report = try report(FakeWorld())
        #expect(report.arrives)
        #expect(report.hops.map(\.namespace) == ["one", "node", "node", "two", "two"])
        #expect(report.hops.map(\.interface) == ["eth0", "veth1", "veth2", "eth0", "eth0"])
        #expect(report.answer.map(\.interface) == ["eth0", "veth2", "veth1", "eth0", "eth0"])
        #expect(report.hops.last?.destination == "10.44.0.3:80")
    }

    @Test func theSmallestMTUAndLimitsAreTold() throws {
        var world = FakeWorld()
        world.spaces[0][2].mtu = 1400
        world.limits[4] = Limit(rate: 10_000_000, burst: 1)
        world.podLimits["veth1"] = Limit(rate: 5_000_000, burst: 1)
        let report = try report(world)
        #expect(report.smallestMTU == 1400)
        #expect(report.limits == ["veth1 in node: 5000000 bit/s", "veth2 in node: 10000000 bit/s"])
    }

    @Test func whoAnswersForOthersIsTheNextHop() throws {
        var world = FakeWorld()
        world.spaces[2][0].addresses = [CIDR("10.44.0.3/32")!]
        let proxied = IPAddress("169.254.1.1")!
        world.routes[2] = [
            (CIDR("0.0.0.0/0")!, RouteAnswer(interface: 2, gateway: proxied, source: IPAddress("10.44.0.3")!))
        ]
        world.routes[0]?.append((CIDR("10.44.0.0/24")!, RouteAnswer(interface: 2)))
        #expect(try report(world, 2, 0).hops.first?.remarks.isEmpty == false, "nobody has it, and somebody may")
        world.sysctls["ipv4/conf/cbr0/proxy_arp"] = "1"
        let report = try report(world, 2, 0)
        #expect(report.arrives && report.hops.allSatisfy { $0.remarks.isEmpty })
    }

    @Test func aLinkLocalGatewayIsKnownByItsMAC() throws {
        var world = FakeWorld()
        let mac = world.spaces[0][0].mac!.bytes
        let identifier: [UInt8] = [mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]]
        let gateway = IPAddress(bytes: [0xfe, 0x80, 0, 0, 0, 0, 0, 0] + identifier)!
        let (own, subnet) = (CIDR("fd00:44::2/64")!, CIDR("fd00:44::/64")!)
        world.spaces[1][0].addresses = [own]
        world.spaces[0][0].addresses = [CIDR("fd00:44::1/64")!]
        world.routes[1] = [(CIDR("::/0")!, RouteAnswer(interface: 2, gateway: gateway, source: own.address))]
        world.routes[0] = [(subnet, RouteAnswer(interface: 2))]
        let report = try report(world, 1, 0)
        #expect(report.arrives && report.hops.allSatisfy { $0.remarks.isEmpty })
    }

    @Test func theGatewayIsTheBridgeItself() throws {
        let report = try report(FakeWorld(), 1, 0)
        #expect(report.arrives && report.verdict.hasPrefix("delivered to node"))
        #expect(report.hops.contains { $0.text == "for the bridge itself, the gateway" })
    }

    @Test func aPortThatIsIsolatedFromTheOtherStopsIt() throws {
        var world = FakeWorld()
        world.spaces[0][1].isIsolated = true
        #expect(try report(world).arrives)
        world.spaces[0][2].isIsolated = true
        let report = try report(world)
        #expect(!report.arrives && report.hops.last?.isPassed == false)
    }

    @Test func anInterfaceWithoutAnybodyBehindItStopsIt() throws {
        var world = FakeWorld()
        world.spaces[2][0].isUp = false
        let report = try report(world)
        #expect(!report.arrives && report.advice == "ip link set eth0 up  (in two)")
        world.spaces[2][0].isUp = true
        world.spaces[0][2].isUp = false
        #expect(try self.report(world).advice == "ip link set veth2 up")
    }

    @Test func aNeighbourThatIsKnownWronglyStopsIt() throws {
        var world = FakeWorld()
        let wrong = MACAddress(locallyAdministered: 99)
        // NUD_PERMANENT and NUD_REACHABLE.
        for state: UInt16 in [0x80, 0x02] {
            world.neighbours[1] = [Neighbour(IPAddress("10.44.0.3")!, mac: wrong, interface: 2, state: state)]
            let report = try report(world)
            #expect(!report.arrives && report.advice == "ip neigh del 10.44.0.3 dev eth0  (in one)")
        }
        // NUD_STALE: packets are lost until it is asked again.
        world.neighbours[1] = [Neighbour(IPAddress("10.44.0.3")!, mac: wrong, interface: 2, state: 0x04)]
        #expect(try report(world).conclusion == .arrivesAsFarAsSeen)
        // One that did not answer before is asked again.
        world.neighbours[1] = [Neighbour(IPAddress("10.44.0.3")!, mac: nil, interface: 2, state: 0x20)]
        #expect(try report(world).arrives)
    }

    @Test func noRouteIsNoWay() throws {
        var world = FakeWorld()
        world.routes[1] = []
        let report = try report(world)
        #expect(report.verdict == "stops in one: no route to 10.44.0.3")
    }

    @Test func anAnswerThatDoesNotComeBackIsNoArrival() throws {
        var world = FakeWorld()
        world.routes[2] = []
        let report = try report(world)
        #expect(!report.arrives && !report.answer.isEmpty)
        #expect(report.verdict.contains("the answer stops in two"))
    }

    @Test func nobodyWhoListensIsNoArrival() throws {
        var world = FakeWorld()
        world.heard = false
        #expect(try !report(world).arrives)
        #expect(try report(world, port: 0).arrives, "an echo needs no listener")
    }

    @Test func privateAddressesMeanNothingOutside() throws {
        var world = FakeWorld()
        world.addUplink("eth0", "192.0.2.1/24", gateway: "192.0.2.2")
        let internet = Endpoint(.internet, name: "internet", place: nil, addresses: [EndpointNames.internet(.v4)])
        let report = try Report(Question(from: world.endpoint(1), to: internet), in: world)
        #expect(!report.arrives && report.advice.contains("ipMasq"))
    }

    @Test func aCircleEnds() throws {
        var world = FakeWorld()
        // The node sends what is for the second pod's subnet back to the first, and that to the node.
        world.spaces[2][0].addresses = []
        world.routes[0] = [(CIDR("0.0.0.0/0")!, RouteAnswer(interface: 2, gateway: IPAddress("10.44.0.2")!))]
        let nowhere = Endpoint(.address, name: "x", place: nil, addresses: [IPAddress("10.99.0.1")!])
        let report = try Report(Question(from: world.endpoint(1), to: nowhere), in: world)
        #expect(report.verdict.contains("circle"))
    }
}
