import Addresses
import Testing
import TestSupport

@testable import NetlinkCodec

/// What the kernel really says is understood.
@Suite(.enabled(if: isLittleEndian)) struct CapturedTests {
    private func messages(_ datagram: [UInt8]) throws -> [Message] {
        try #require(Message.parse(datagram[...]))
    }

    private func acknowledgement(_ datagram: [UInt8]) throws -> Acknowledgement {
        try #require(Acknowledgement(messages(datagram)[0]))
    }

    @Test func aBridgeIsReadWithItsStateAndMAC() throws {
        let link = try #require(Link(messages(Captured.bridge)[0]))
        #expect(link.index == 2)
        #expect(link.name == "br0")
        #expect(link.kind == "bridge")
        #expect(link.mac?.description == "02:00:00:00:00:10")
        #expect(link.mtu == 1500)
        #expect(link.isUp && link.flags & InterfaceFlag.promiscuous != 0)
        #expect(link.operationalState == 6)
        #expect(link.gso == GSOLimits(v4: 65536, v6: 65536))
        #expect(link.tsoMaxSize == 524280)
        #expect(link.promiscuity == 1)
        #expect(link.master == 0 && link.peer == 0 && link.alias == "")
        #expect(link.portState == nil && !link.isHairpin && !link.isIsolated && !link.hasVLANFiltering)
    }

    @Test func aBridgePortIsReadWithItsMasterPeerAliasAndModes() throws {
        let link = try #require(Link(messages(Captured.port)[0]))
        #expect(link.index == 20)
        #expect(link.name == "veth0")
        #expect(link.kind == "veth")
        #expect(link.master == 2)
        #expect(link.peer == 21)
        #expect(link.alias == "swiftlet net/pod-1/eth0")
        #expect(link.isHairpin && link.isIsolated)
        #expect(link.portState == 3)
        #expect(link.mac?.description == "02:00:00:00:00:20")
    }

    @Test func thePodsEndIsNoPort() throws {
        let link = try #require(Link(messages(Captured.podEnd)[0]))
        #expect(link.name == "eth0")
        #expect(link.index == 21 && link.peer == 20 && link.master == 0)
        #expect(link.portState == nil && !link.isHairpin && !link.isIsolated)
    }

    @Test func addressesOfBothFamiliesAreReadWithTheirFlags() throws {
        let all = try messages(Captured.addresses)
        #expect(all.last?.type == Message.doneType)
        let addresses = all.compactMap { InterfaceAddress($0) }
        #expect(
            addresses.map { "\($0.index) \($0.address) \($0.isUsable)" } == [
                "1 127.0.0.1/8 true", "2 10.1.0.1/16 true", "1 ::1/128 true", "2 fd00:1::1/64 true",
                "2 fe80::ff:fe00:10/64 false", "20 fe80::ff:fe00:20/64 false", "21 fe80::ff:fe00:21/64 false",
            ])
    }

    @Test func routesAreReadWithTheirTableAndMetrics() throws {
        let routes = try messages(Captured.routes4).compactMap { Route($0) }
        var connected = Route(to: CIDR("10.1.0.0/16")!, interface: 2)
        connected.origin = 2
        connected.source = IPAddress("10.1.0.1")
        #expect(
            routes == [
                Route(to: CIDR("0.0.0.0/0")!, via: IPAddress("10.1.0.253")!, interface: 2, table: 1000),
                connected,
                Route(
                    to: CIDR("10.2.0.0/16")!, via: IPAddress("10.1.0.254")!, interface: 2, priority: 5, mtu: 1300,
                    advmss: 1200),
            ])
        let routes6 = try messages(Captured.routes6).compactMap { Route($0) }
        #expect(routes6.map(\.description).first == "fd00:1::/64")
        #expect(routes6.last?.description == "::/0 via fd00:1::fe")
        #expect(routes6.allSatisfy { $0.table == Route.mainTable })
    }

    @Test func aNeighbourIsRead() throws {
        let neighbours = try messages(Captured.neighbours).compactMap { Neighbour($0) }
        #expect(
            neighbours == [Neighbour(IPAddress("10.1.0.5")!, mac: MACAddress("02:00:00:00:00:05")!, interface: 2)])
    }

    @Test func anErrorIsReadWithTheKernelsOwnWordsWhetherTheRequestIsCutOrNot() throws {
        for datagram in [Captured.refusedWhole, Captured.refusedCapped] {
            let answer = try acknowledgement(datagram)
            #expect(answer.errorNumber == 22)
            #expect(answer.text == "mtu less than device minimum")
        }
    }

    @Test func anErrorWithoutWordsIsRead() throws {
        let answer = try acknowledgement(Captured.noSuchLink)
        #expect(answer.errorNumber == 19)
        #expect(answer.text == nil)
    }

    @Test func successIsReadAsZero() throws {
        #expect(try acknowledgement(Captured.acknowledged).errorNumber == 0)
        let done = try messages(Captured.neighbours).last!
        #expect(Acknowledgement(done)?.errorNumber == 0)
    }

    @Test func aRefusedDumpHasItsErrorAndWordsInTheEndOfTheList() throws {
        let answer = try acknowledgement(Captured.refusedDump)
        #expect(answer.errorNumber == 22)
        #expect(answer.text == "ipv4: Invalid values in header for address dump request")
    }

    @Test func unknownAttributesAreKept() throws {
        let message = try messages(Captured.bridge)[0]
        let attributes = Attributes(message.payload.dropFirst(16))
        // IFLA_TXQLEN and IFLA_QDISC, which nothing here asks for.
        #expect(attributes[13]?.uint32 == 1000)
        #expect(attributes[6]?.text == "noqueue")
        #expect(attributes.types.count == attributes.all.count && attributes.types.count > 30)
    }

    /// Written by hand after linux/if_bridge.h: a kernel with CONFIG_BRIDGE_VLAN_FILTERING is not everywhere.
    @Test func portVLANsAreReadAsRanges() throws {
        let datagram = hex(
            """
            40000000 1000 0200 07000000 00000000  // RTM_NEWLINK
            07 00 0000 14000000 00000000 00000000  // AF_BRIDGE, index 20
            2400 1a80                              // IFLA_AF_SPEC
              0500 0700 01 000000                  // something that is no VLAN
              0800 0200 0600 6400                  // PVID | UNTAGGED, 100
              0800 0200 0800 c800                  // RANGE_BEGIN, 200
              0800 0200 1000 2c01                  // RANGE_END, 300
            """
        ).replacingLength()
        let port = try #require(PortVLANs(messages(datagram)[0]))
        #expect(port.index == 20)
        #expect(port.vlans == [PortVLAN(100, isPVID: true, isUntagged: true), PortVLAN(200, through: 300)])
    }

    @Test func whatIsBuiltIsReadBackTheSame() throws {
        let addresses = ["10.1.0.5/16", "10.1.0.5/32", "fd00::5/64", "0.0.0.0/0"].map { CIDR($0)! }
        for address in addresses {
            var builder = MessageBuilder()
            builder.addAddress(address, to: 3)
            #expect(InterfaceAddress(try messages(builder.bytes)[0])?.address == address)
        }
        for destination in ["0.0.0.0/0", "10.2.0.0/16", "::/0", "fd00::/8"].map({ CIDR($0)! }) {
            for table in [1, 254, 255, 256, UInt32.max] {
                var route = Route(to: destination, interface: 9, table: table, priority: 7, mtu: 1280, advmss: 1220)
                route.source = destination.last
                route.origin = 2
                route.isOnLink = true
                var builder = MessageBuilder()
                builder.addRoute(route)
                #expect(Route(try messages(builder.bytes)[0]) == route)
            }
        }
        for neighbour in [
            Neighbour(IPAddress("10.1.0.5")!, mac: MACAddress("02:00:00:00:00:05")!, interface: 3),
            Neighbour(IPAddress("fd00::5")!, mac: nil, interface: 4, state: 2),
        ] {
            var builder = MessageBuilder()
            builder.setNeighbour(neighbour)
            #expect(Neighbour(try messages(builder.bytes)[0]) == neighbour)
        }
        var builder = MessageBuilder()
        let vlans = [PortVLAN(1), PortVLAN(2, through: 4094, isUntagged: true), PortVLAN(7, isPVID: true)]
        builder.changePortVLANs(port: 20, adding: true, vlans)
        let request = try messages(builder.bytes)[0]
        let answer = Message(type: RouteMessageType.newLink, flags: 0, sequence: 0, payload: request.payload)
        #expect(PortVLANs(answer)?.vlans == vlans)
    }
}

extension [UInt8] {
    /// The same datagram of one message with its true length in front.
    fileprivate func replacingLength() -> [UInt8] {
        [UInt8(count & 0xff), UInt8(count >> 8), 0, 0] + dropFirst(4)
    }
}
