import Addresses
import Testing
import TestSupport

@testable import NetlinkCodec

private func built(_ build: (inout MessageBuilder) -> Void) -> [UInt8] {
    var builder = MessageBuilder(firstSequence: 7)
    build(&builder)
    return builder.bytes
}

private func readBack(_ build: (inout MessageBuilder) -> Void) throws -> Message {
    try #require(Message.parse(built(build)[...])?.first)
}

private let mac = MACAddress("02:00:00:00:00:2a")!

@Suite(.enabled(if: isLittleEndian)) struct TunnelMessageTests {
    @Test func createVXLAN() {
        var vxlan = VXLAN(id: 42, local: IPAddress("10.0.0.1"), underlay: 3, port: 8472)
        vxlan.ttl = 9
        #expect(
            built { $0.createVXLAN("vx0", vxlan, mac: mac, mtu: 1400) }
                == hex(
                    """
                    98000000 1000 0106 07000000 00000000  // RTM_NEWLINK, REQUEST | EXCL | CREATE
                    00 00 0000 00000000 00000000 00000000  // still down
                    0800 0300 76783000                     // IFLA_IFNAME "vx0"
                    0a00 0100 02000000002a 0000            // IFLA_ADDRESS
                    0800 0400 78050000                     // IFLA_MTU 1400
                    5c00 1280                              // IFLA_LINKINFO
                      0a00 0100 76786c616e00 0000          // IFLA_INFO_KIND "vxlan"
                      4c00 0280                            // IFLA_INFO_DATA
                        0800 0100 2a000000                 // IFLA_VXLAN_ID 42
                        0800 0300 03000000                 // IFLA_VXLAN_LINK 3
                        0800 0400 0a000001                 // IFLA_VXLAN_LOCAL 10.0.0.1
                        0500 0500 09 000000                // IFLA_VXLAN_TTL 9
                        0500 0700 00 000000                // IFLA_VXLAN_LEARNING off
                        0600 0f00 2118 0000                // IFLA_VXLAN_PORT 8472
                        0500 1200 01 000000                // IFLA_VXLAN_UDP_CSUM on
                        0500 1300 00 000000                // IFLA_VXLAN_UDP_ZERO_CSUM6_TX off
                        0500 1400 00 000000                // IFLA_VXLAN_UDP_ZERO_CSUM6_RX off
                    """))
    }

    @Test func anExternalVXLANHasNoIdentifier() {
        let octets = built { $0.createVXLAN("vx0", .external(), mac: mac) }
        let data = Attributes(octets[32...]).nested(IFLA.linkinfo).nested(IFLA.infoData)
        #expect(data[IFLAVXLAN.id] == nil && data[IFLAVXLAN.collectMetadata]?.uint8 == 1)
    }

    @Test func everyVXLANIsReadBack() throws {
        for local in [nil, IPAddress("10.0.0.1"), IPAddress("fd00::1")] {
            for underlay: UInt32? in [nil, 3] {
                for bits in 0..<32 {
                    var vxlan = bits & 16 == 0 ? VXLAN(id: 0xff_ffff, port: .max) : .external()
                    vxlan.local = local
                    vxlan.underlay = underlay
                    vxlan.ttl = UInt8(bits)
                    vxlan.isLearning = bits & 1 != 0
                    vxlan.hasChecksum = bits & 2 != 0
                    vxlan.sendsZeroChecksum6 = bits & 4 != 0
                    vxlan.acceptsZeroChecksum6 = bits & 8 != 0
                    #expect(VXLANLink(try readBack { $0.createVXLAN("vx0", vxlan, mac: mac) })?.vxlan == vxlan)
                }
            }
        }
    }

    @Test func setTunnelEntry() throws {
        let entry = TunnelEntry(mac, at: IPAddress("10.0.0.2")!, interface: 5, id: 77, port: 4790)
        let octets = hex(
            """
            40000000 1c00 0105 07000000 00000000  // RTM_NEWNEIGH, REQUEST | REPLACE | CREATE
            07 00 0000 05000000 8000 02 00         // ndmsg: AF_BRIDGE, link 5, NUD_PERMANENT, NTF_SELF
            0a00 0200 02000000002a 0000            // NDA_LLADDR
            0800 0100 0a000002                     // NDA_DST 10.0.0.2
            0600 0600 12b6 0000                    // NDA_PORT 4790
            0800 0700 4d000000                     // NDA_VNI 77
            """)
        #expect(built { $0.setTunnelEntry(entry) } == octets)
        #expect(TunnelEntry(try readBack { $0.setTunnelEntry(entry) }) == entry)
        // RTM_DELNEIGH and, for one node more, NLM_F_APPEND, are the same otherwise.
        let deletion = built { $0.deleteTunnelEntry(entry) }
        #expect(deletion[4...7] == [0x1d, 0, 1, 0] && deletion[16...] == octets[16...])
        let another = built { $0.appendTunnelEntry(entry) }
        #expect(another[4...7] == [0x1c, 0, 1, 0xc] && another[16...] == octets[16...])
        let learned = TunnelEntry(mac, at: IPAddress("fd00::2")!, interface: 5)
        #expect(TunnelEntry(try readBack { $0.setTunnelEntry(learned) }) == learned)
    }

    @Test func dumpTunnelEntries() {
        #expect(
            built { $0.dumpTunnelEntries(of: 5) }
                == hex("1c000000 1e00 0103 07000000 00000000  07 00 0000 05000000 0000 00 00"))
    }

    @Test func dumpNeighboursOfOneInterface() {
        #expect(
            built { $0.dumpNeighbours(of: 5) }
                == hex(
                    """
                    24000000 1e00 0103 07000000 00000000
                    00 00 0000 00000000 0000 00 00
                    0800 0800 05000000                     // NDA_IFINDEX 5
                    """))
    }
}

@Suite(.enabled(if: isLittleEndian)) struct RouteEntryTests {
    @Test func aRouteThatWrapsPackets() {
        var route = Route(to: CIDR("10.2.0.0/16")!, interface: 5)
        route.origin = 77
        let entry = RouteEntry(
            route, encapsulation: TunnelEncapsulation(to: IPAddress("10.0.0.2")!, from: IPAddress("10.0.0.1"), id: 42))
        #expect(
            built { $0.addRoute(entry) }
                == hex(
                    """
                    5c000000 1800 0106 07000000 00000000  // RTM_NEWROUTE, REQUEST | EXCL | CREATE
                    02 10 00 00 fe 4d fd 01 00000000       // rtmsg: /16, main table, origin 77, scope link, unicast
                    0800 0100 0a020000                     // RTA_DST
                    0800 0400 05000000                     // RTA_OIF 5
                    0600 1500 0200 0000                    // RTA_ENCAP_TYPE LWTUNNEL_ENCAP_IP
                    2800 1680                              // RTA_ENCAP
                      0c00 0100 000000000000002a           // LWTUNNEL_IP_ID 42
                      0800 0200 0a000002                   // LWTUNNEL_IP_DST
                      0800 0300 0a000001                   // LWTUNNEL_IP_SRC
                      0600 0600 0004 0000                  // LWTUNNEL_IP_FLAGS TUNNEL_KEY
                    """))
    }

    @Test func aGatewayOfTheOtherFamily() {
        let entry = RouteEntry(Route(to: CIDR("10.2.0.0/16")!, via: IPAddress("fe80::9")!, interface: 5))
        #expect(
            built { $0.replaceRoute(entry) }
                == hex(
                    """
                    44000000 1800 0105 07000000 00000000  // RTM_NEWROUTE, REQUEST | REPLACE | CREATE
                    02 10 00 00 fe 03 00 01 00000000
                    0800 0100 0a020000                     // RTA_DST
                    1600 1200 0a00                         // RTA_VIA: AF_INET6
                      fe800000000000000000000000000009 0000
                    0800 0400 05000000                     // RTA_OIF 5
                    """))
    }

    @Test func aRouteThatRefusesPackets() {
        let entry = RouteEntry(.unreachable, CIDR("fd00:2::/64")!, priority: 70, origin: 77)
        #expect(
            built { $0.deleteRoute(entry) }
                == hex(
                    """
                    38000000 1900 0100 07000000 00000000  // RTM_DELROUTE
                    0a 40 00 00 fe 4d 00 07 00000000       // /64, origin 77, RTN_UNREACHABLE
                    1400 0100 fd000002000000000000000000000000
                    0800 0600 46000000                     // RTA_PRIORITY 70
                    """))
    }

    @Test func dumpRoutesOfAnOriginAndATable() {
        #expect(
            built { $0.dumpRoutes(.v6, origin: 77, table: 1000) }
                == hex(
                    """
                    24000000 1a00 0103 07000000 00000000  // RTM_GETROUTE, REQUEST | ROOT | MATCH
                    0a 00 00 00 00 4d 00 00 00000000       // origin 77
                    0800 0f00 e8030000                     // RTA_TABLE 1000
                    """))
    }

    @Test func everyRouteIsReadBack() throws {
        for (destination, gateways) in [("10.2.0.0/16", ["10.0.0.9", "fe80::9"]), ("fd00:2::/64", ["fe80::9"])] {
            for gateway in [nil] + gateways.map({ IPAddress($0) }) {
                for other in [nil, "10.0.0.2", "fd00::2"].map({ $0.flatMap { IPAddress($0) } }) {
                    for (table, priority) in [(254, nil), (1000, 7)] as [(UInt32, UInt32?)] {
                        var route = Route(
                            to: CIDR(destination)!, via: gateway, interface: 5, table: table, priority: priority)
                        route.origin = 77
                        route.isOnLink = gateway != nil
                        var entry = RouteEntry(
                            route,
                            encapsulation: other.map {
                                TunnelEncapsulation(to: $0, id: .max, flags: [.key, .checksum])
                            })
                        entry.encapsulation?.ttl = 3
                        #expect(RouteEntry(try readBack { $0.addRoute(entry) }) == entry)
                        #expect(RouteEntry(try readBack { $0.deleteRoute(entry) }) == entry)
                    }
                }
            }
            for type in [RouteEntry.Kind.blackhole, .unreachable, .prohibit] {
                let entry = RouteEntry(type, CIDR(destination)!, priority: 9, origin: 77)
                #expect(RouteEntry(try readBack { $0.addRoute(entry) }) == entry)
            }
        }
    }
}
