import Addresses
import Inventory
import NetlinkCodec
import Posix
import Testing

@testable import Trace

/// A walk claims no arrival that it cannot see.
@Suite struct SightTests {
    /// Beside the pods, an uplink that leads outside, at 192.168.7.1.
    private var world: FakeWorld {
        var world = FakeWorld()
        world.addUplink("uplink", "192.168.7.1/24", gateway: "192.168.7.2")
        return world
    }

    private let internet = Endpoint(.internet, name: "internet", place: nil, addresses: [EndpointNames.internet(.v4)])

    private func report(_ world: FakeWorld, _ from: Endpoint, _ to: Endpoint) throws -> Report {
        try Report(Question(from: from, to: to), in: world)
    }

    @Test func whatIsBehindATunnelIsNotSeen() throws {
        var world = world
        var tunnel = Interface(index: 10, name: "vpn0", kind: "tun")
        tunnel.addresses = [CIDR("10.200.0.1/24")!]
        world.spaces[0].append(tunnel)
        world.routes[0]?.insert(
            (CIDR("10.44.0.3/32")!, RouteAnswer(interface: 10, source: tunnel.addresses[0].address)), at: 0)
        let report = try report(world, world.endpoint(0), world.endpoint(2, port: 80))
        #expect(!report.arrives && report.answer.isEmpty)
        #expect(report.verdict.contains("what is behind vpn0 is not seen from here"))
    }

    @Test func whatHasNoCarrierLeadsNowhere() throws {
        var world = world
        let node = Endpoint(.node, name: "node", place: 0, addresses: [IPAddress("192.168.7.1")!])
        #expect(try report(world, node, internet).arrives)
        world.spaces[0][3].hasCarrier = false
        #expect(try report(world, node, internet).verdict.contains("uplink has no carrier"))
    }

    @Test func whoIsSilentIsNotFound() throws {
        var world = world
        world.settings["2 eth0"] = LinkSettings(isSilent: true)
        let asked = try report(world, world.endpoint(1), world.endpoint(2, port: 80))
        #expect(!asked.arrives && asked.advice == "ip link set eth0 arp on  (in two)")
        world.neighbours = [
            1: [Neighbour(IPAddress("10.44.0.3")!, mac: world.spaces[2][0].mac, interface: 2)]
        ]
        // It need not be asked, but cannot ask who has sent that.
        let known = try report(world, world.endpoint(1), world.endpoint(2, port: 80))
        #expect(!known.arrives && known.verdict.contains("the answer stops in two: ARP is off on eth0 in two"))
    }

    @Test func anAnswerComesBackByTheInterfaceOfThePodThatItsQuestionLeftBy() throws {
        var world = world
        world.spaces[1][0].kind = ""
        world.spaces[1][0].peer = 0
        world.spaces[1][0].addresses = [CIDR("203.0.113.9/24")!]
        let report = try report(world, world.endpoint(1), internet)
        #expect(report.arrives && report.hops.last?.text.hasPrefix("leaves one by eth0") == true)
        #expect(report.answer.map(\.namespace) == ["one", "one"])
    }

    @Test func aPrivateAddressHasNoWayInFromOutside() throws {
        let world = world
        let pod = try report(world, internet, world.endpoint(1, port: 80))
        #expect(!pod.arrives && pod.advice.contains("portMappings"))
        // A router in front of the uplink knows those who are on its own network.
        let node = Endpoint(.node, name: "node", place: 0, addresses: [IPAddress("192.168.7.1")!], port: 80)
        #expect(try report(world, internet, node).arrives)
        let neighbour = Endpoint(.address, name: "x", place: nil, addresses: [IPAddress("192.168.7.2")!])
        let asked = try report(world, neighbour, world.endpoint(1, port: 80))
        #expect(asked.arrives && asked.hops[0].remarks.count == 1, "it may have a route")
    }

    @Test func macvlansMeetOnlyInModeBridge() throws {
        var world = world
        for place in 1...2 {
            world.spaces[place][0].kind = "macvlan"
            world.spaces[place][0].peer = 9
        }
        func report(_ one: MacvlanMode, _ two: MacvlanMode) throws -> Report {
            world.settings = ["1 eth0": LinkSettings(macvlanMode: one), "2 eth0": LinkSettings(macvlanMode: two)]
            return try self.report(world, world.endpoint(1), world.endpoint(2, port: 80))
        }
        #expect(try report(.bridge, .bridge).arrives)
        #expect(try report(.private, .private).verdict.contains("mode private does not reach others"))
        #expect(try report(.bridge, .private).verdict.contains("mode private"))
        #expect(try report(.vepa, .vepa).verdict.contains("not seen from here"))
    }

    @Test func aBridgesPortThatDoesNotForwardStopsIt() throws {
        for name in ["veth1", "veth2"] {
            var world = world
            world.settings["0 \(name)"] = LinkSettings(portState: 4)
            let report = try report(world, world.endpoint(1), world.endpoint(2, port: 80))
            #expect(report.verdict.contains("the port \(name) of cbr0 does not forward: its state is blocking"))
            world.settings["0 \(name)"] = LinkSettings(portState: 3)
            #expect(try self.report(world, world.endpoint(1), world.endpoint(2, port: 80)).arrives)
        }
    }

    @Test func whatGoesToItselfNeedsLo() throws {
        var world = world
        world.spaces[1].append(Interface(index: 1, name: "lo"))
        #expect(try report(world, world.endpoint(1), world.endpoint(1, port: 80)).arrives)
        world.spaces[1][1].isUp = false
        #expect(
            try report(world, world.endpoint(1), world.endpoint(1, port: 80)).advice == "ip link set lo up  (in one)")
    }

    @Test func echoRequestsMayBeIgnored() throws {
        var world = world
        world.sysctls["ipv6/icmp/echo_ignore_all"] = "1"
        #expect(try report(world, world.endpoint(1), world.endpoint(2)).arrives)
        world.sysctls["ipv4/icmp_echo_ignore_all"] = "1"
        #expect(
            try report(world, world.endpoint(1), world.endpoint(2)).advice.contains("net.ipv4.icmp_echo_ignore_all=0"))
    }

    @Test func whetherAnybodyListensMayNotBeKnown() throws {
        var world = world
        world.heard = nil
        let report = try report(world, world.endpoint(1), world.endpoint(2, port: 80))
        #expect(report.arrives && report.hops.last?.remarks.count == 1)
        #expect(report.notSeen.count == 1 && report.conclusion == .arrivesAsFarAsSeen)
    }

    @Test func aLoopbackAddressIsTheSendersOwn() throws {
        let seen = Observations()
        let names = EndpointNames(Snapshot(seen), KernelWorld(seen, Snapshot(seen)))
        let sender = world.endpoint(2)
        for (text, address) in [("127.0.0.1:80", "127.0.0.1"), ("0.0.0.0:80", "127.0.0.1"), ("[::]:80", "::1")] {
            let end = try names.endpoint(text, askedBy: sender)
            #expect(end.place == 2 && end.name == "two" && end.port == 80 && end.addresses == [IPAddress(address)!])
        }
        #expect(throws: Failure.self) { try names.endpoint("127.0.0.1:80", askedBy: internet) }
    }

    @Test func silenceContradictsAWalkUnlessItIsUsual() {
        func live(_ isAnswered: Bool, mayBeSilent: Bool = false) -> LiveReport {
            LiveReport(isAnswered: isAnswered, mayBeSilent: mayBeSilent, outcome: "", seen: [])
        }
        #expect(!live(false).agrees(with: true) && live(false).agrees(with: false))
        #expect(live(true).agrees(with: true) && !live(true).agrees(with: false))
        #expect(live(false, mayBeSilent: true).agrees(with: true))
    }

    /// Counters of a packet's way that say how far it came.
    @Test func countersThatHaveCountedNothingSayWhereItIsLost() throws {
        let report = try report(FakeWorld(), FakeWorld().endpoint(1), FakeWorld().endpoint(2, port: 80))
        func lost(_ counts: [(String, String, UInt64, UInt64)], mayBeSilent: Bool = false) -> String? {
            var live = LiveReport(isAnswered: false, mayBeSilent: mayBeSilent, outcome: "", seen: [])
            live.conclude(
                report.hops, report.answer,
                counts.map { LiveReport.Counted(namespace: $0.0, interface: $0.1, received: $0.2, sent: $0.3) })
            return live.lostAt
        }
        #expect(lost([("one", "eth0", 0, 0)]) == "the packet does not leave eth0 in one")
        #expect(
            lost([("one", "eth0", 0, 1), ("node", "veth1", 1, 0), ("node", "veth2", 0, 0), ("two", "eth0", 0, 0)])
                == "the packet comes as far as veth1 in node, but not to veth2 in node")
        let all: [(String, String, UInt64, UInt64)] = [
            ("one", "eth0", 0, 1), ("node", "veth1", 1, 0), ("node", "veth2", 0, 1), ("two", "eth0", 1, 0),
        ]
        #expect(lost(all) == "the packet comes to eth0 in two, which sends nothing back")
        #expect(lost(all, mayBeSilent: true) == nil, "it need not be answered")
        #expect(
            lost([("one", "eth0", 0, 1), ("node", "veth1", 1, 0), ("node", "veth2", 1, 1), ("two", "eth0", 1, 1)])
                == "the answer comes as far as veth2 in node, but not to veth1 in node")
    }

    @Test func programsThatSeeAnInterfaceAreNamed() throws {
        var world = world
        world.programs = ["0 veth2": ["an XDP program"]]
        let passed = try report(world, world.endpoint(1), world.endpoint(2, port: 80))
        #expect(passed.notSeen == ["an XDP program on veth2 in node is not looked at"])
        #expect(
            passed.conclusion == .arrivesAsFarAsSeen && passed.verdict.hasPrefix("as far as seen: delivered to two"))
        #expect(try report(world, world.endpoint(1), world.endpoint(0, port: 80)).conclusion == .arrives)
    }

    @Test func aMACOfTwoIsADoubt() throws {
        var world = world
        world.spaces.append([world.spaces[2][0]])
        world.spaces[3][0].addresses = [CIDR("10.44.0.4/24")!]
        world.spaces[3][0].peer = 5
        var port = world.spaces[0][2]
        (port.index, port.name, port.peerNamespaceID) = (5, "veth3", 3)
        world.spaces[0].append(port)
        let report = try report(world, world.endpoint(1), world.endpoint(2, port: 80))
        #expect(report.notSeen.contains { $0.contains("have the same MAC") })
    }
}
