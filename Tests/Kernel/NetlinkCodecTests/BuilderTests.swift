import Addresses
import Testing
import TestSupport

@testable import NetlinkCodec

/// The octets of what is built, for comparison with what is written out. All numbers are little-endian.
private func built(_ build: (inout MessageBuilder) -> Void) -> [UInt8] {
    var builder = MessageBuilder(firstSequence: 7)
    build(&builder)
    return builder.bytes
}

/// Netlink is in host byte order, what is written out here is not.
let isLittleEndian = 1.littleEndian == 1

private let macOfBridge = MACAddress("02:00:00:00:00:10")!
private let macOfPod = MACAddress("02:00:00:00:00:21")!

@Suite(.enabled(if: isLittleEndian)) struct LinkMessageTests {
    @Test func getLinkByName() {
        #expect(
            built { $0.getLink(.name("eth0")) }
                == hex(
                    """
                    34000000 1200 0100 07000000 00000000  // nlmsghdr: 52 octets, RTM_GETLINK, REQUEST, sequence 7
                    00 00 0000 00000000 00000000 00000000  // ifinfomsg: nothing fixed
                    0900 0300 6574683000 000000            // IFLA_IFNAME "eth0", NUL, padded
                    0800 1d00 08000000                     // IFLA_EXT_MASK RTEXT_FILTER_SKIP_STATS
                    """))
    }

    @Test func getLinkByIndex() {
        #expect(
            built { $0.getLink(.index(20)) }
                == hex(
                    """
                    28000000 1200 0100 07000000 00000000
                    00 00 0000 14000000 00000000 00000000  // ifinfomsg: index 20
                    0800 1d00 08000000
                    """))
    }

    @Test func dumpLinksOfAMasterAndAKind() {
        #expect(
            built { $0.dumpLinks(kind: "veth", master: 3) }
                == hex(
                    """
                    40000000 1200 0103 07000000 00000000  // RTM_GETLINK, REQUEST | ROOT | MATCH
                    00 00 0000 00000000 00000000 00000000
                    0800 1d00 08000000
                    0800 0a00 03000000                     // IFLA_MASTER 3
                    1000 1280                              // IFLA_LINKINFO | NLA_F_NESTED
                      0900 0100 7665746800 000000          // IFLA_INFO_KIND "veth"
                    """))
        #expect(
            built { $0.dumpLinks() }
                == hex(
                    "28000000 1200 0103 07000000 00000000  00 00 0000 00000000 00000000 00000000  0800 1d00 08000000"
                ))
    }

    @Test func createBridge() {
        #expect(
            built { $0.createBridge("cni0", mac: macOfBridge, mtu: 1400, vlanFiltering: true) }
                == hex(
                    """
                    5c000000 1000 0106 07000000 00000000  // RTM_NEWLINK, REQUEST | EXCL | CREATE
                    00 00 0000 00000000 00000000 00000000  // still down
                    0900 0300 636e693000 000000            // IFLA_IFNAME "cni0"
                    0a00 0100 020000000010 0000            // IFLA_ADDRESS
                    0800 0400 78050000                     // IFLA_MTU 1400
                    1c00 1280                              // IFLA_LINKINFO
                      0b00 0100 62726964676500 00          // IFLA_INFO_KIND "bridge"
                      0c00 0280                            // IFLA_INFO_DATA
                        0500 0700 01 000000                // IFLA_BR_VLAN_FILTERING 1
                    """))
        #expect(
            built { $0.createBridge("cni0", mac: macOfBridge, mtu: nil, vlanFiltering: false) }
                == hex(
                    """
                    48000000 1000 0106 07000000 00000000
                    00 00 0000 00000000 00000000 00000000
                    0900 0300 636e693000 000000
                    0a00 0100 020000000010 0000
                    1000 1280
                      0b00 0100 62726964676500 00
                    """))
    }

    @Test func createVeth() {
        #expect(
            built {
                $0.createVeth(
                    VethEnd(name: "veth0"), peer: VethEnd(name: "eth0", mac: macOfPod, namespace: 5), mtu: 1400,
                    master: 3)
            }
                == hex(
                    """
                    8c000000 1000 0106 07000000 00000000  // RTM_NEWLINK, REQUEST | EXCL | CREATE
                    00 00 0000 00000000 00000000 00000000
                    0a00 0300 766574683000 0000            // IFLA_IFNAME "veth0"
                    0800 0400 78050000                     // IFLA_MTU 1400
                    0800 0a00 03000000                     // IFLA_MASTER 3
                    5000 1280                              // IFLA_LINKINFO
                      0900 0100 7665746800 000000          // IFLA_INFO_KIND "veth"
                      4000 0280                            // IFLA_INFO_DATA
                        3c00 0180                          // VETH_INFO_PEER: an ifinfomsg and its attributes
                          00 00 0000 00000000 00000000 00000000
                          0900 0300 6574683000 000000      // IFLA_IFNAME "eth0"
                          0a00 0100 020000000021 0000      // IFLA_ADDRESS
                          0800 0400 78050000               // IFLA_MTU 1400
                          0800 1c00 05000000               // IFLA_NET_NS_FD 5
                    """))
    }

    @Test func createVethWithLimitsOfPackets() {
        let (all, v4) = (GSOLimits.all, GSOLimits(v4: 131072, v6: 65536))
        #expect(
            built {
                $0.createVeth(VethEnd(name: "a", gso: all), peer: VethEnd(name: "b", gso: v4), mtu: nil, master: nil)
            }
                == hex(
                    """
                    78000000 1000 0106 07000000 00000000
                    00 00 0000 00000000 00000000 00000000
                    0600 0300 6100 0000
                    0800 2900 f8ff0700                     // IFLA_GSO_MAX_SIZE 524280
                    0800 3f00 f8ff0700                     // IFLA_GSO_IPV4_MAX_SIZE 524280
                    4000 1280
                      0900 0100 7665746800 000000
                      3000 0280
                        2c00 0180
                          00 00 0000 00000000 00000000 00000000
                          0600 0300 6200 0000
                          0800 2900 00000100               // IFLA_GSO_MAX_SIZE 65536
                          0800 3f00 00000200               // IFLA_GSO_IPV4_MAX_SIZE 131072
                    """))
    }

    @Test func changeTheLimitsOfPackets() {
        var change = LinkChange()
        change.gso = GSOLimits(v4: 131072, v6: 65536)
        #expect(
            built { $0.changeLink(.index(3), change) }
                == hex(
                    """
                    30000000 1000 0100 07000000 00000000  // RTM_NEWLINK, REQUEST
                    00 00 0000 03000000 00000000 00000000
                    0800 2900 00000100
                    0800 3f00 00000200
                    """))
    }

    @Test func createVethWithNothingButNames() {
        #expect(
            built { $0.createVeth(VethEnd(name: "a"), peer: VethEnd(name: "b"), mtu: nil, master: nil) }
                == hex(
                    """
                    58000000 1000 0106 07000000 00000000
                    00 00 0000 00000000 00000000 00000000
                    0600 0300 6100 0000
                    3000 1280
                      0900 0100 7665746800 000000
                      2000 0280
                        1c00 0180
                          00 00 0000 00000000 00000000 00000000
                          0600 0300 6200 0000
                    """))
    }

    @Test func getChain() {
        #expect(
            built { $0.getChain("CNI-1", of: NftTable(.ip, "nat")) }
                == hex(
                    """
                    28000000 040a 0100 07000000 00000000  // NFT_MSG_GETCHAIN, REQUEST
                    02 00 0000
                    0800 0100 6e617400                     // NFTA_CHAIN_TABLE "nat"
                    0a00 0300 434e492d31 00 0000           // NFTA_CHAIN_NAME "CNI-1"
                    """))
    }

    @Test func probeLinkKind() {
        #expect(
            built { $0.probeLinkKind("vxlan") }
                == hex(
                    """
                    38000000 1000 0106 07000000 00000000
                    00 00 0000 00000000 00000000 00000000
                    0800 0400 ffffffff                     // IFLA_MTU -1: too small for any kind
                    1000 1280
                      0a00 0100 76786c616e00 0000          // IFLA_INFO_KIND "vxlan"
                    """))
    }

    @Test func changeNothingAndSetUp() {
        #expect(
            built { $0.changeLink(.index(20), LinkChange()) }
                == hex("20000000 1000 0100 07000000 00000000  00 00 0000 14000000 00000000 00000000"))
        var change = LinkChange()
        change.isUp = true
        change.isPromiscuous = false
        #expect(
            built { $0.changeLink(.index(20), change) }
                == hex(
                    """
                    20000000 1000 0100 07000000 00000000  // RTM_NEWLINK, REQUEST without CREATE
                    00 00 0000 14000000 01000000 01010000  // flags IFF_UP, change IFF_UP | IFF_PROMISC
                    """))
        change.isUp = false
        change.isPromiscuous = true
        #expect(
            built { $0.changeLink(.name("eth0"), change) }
                == hex(
                    """
                    2c000000 1000 0100 07000000 00000000
                    00 00 0000 00000000 00010000 01010000  // flags IFF_PROMISC, change IFF_UP | IFF_PROMISC
                    0900 0300 6574683000 000000
                    """))
    }

    @Test func changeEverything() {
        var change = LinkChange()
        change.mac = macOfPod
        change.mtu = 9000
        change.alias = "net"
        change.master = 0
        change.hairpin = true
        change.isolated = false
        change.makesLinkLocalAddress = false
        change.announcesAddresses = true
        #expect(
            built { $0.changeLink(.index(20), change) }
                == hex(
                    """
                    88000000 1000 0100 07000000 00000000
                    00 00 0000 14000000 00000000 00000000
                    0a00 0100 020000000021 0000            // IFLA_ADDRESS
                    0800 0400 28230000                     // IFLA_MTU 9000
                    0800 0a00 00000000                     // IFLA_MASTER 0: no port any more
                    0700 1400 6e6574 00                    // IFLA_IFALIAS "net", without NUL
                    2400 1280                              // IFLA_LINKINFO
                      0b00 0400 62726964676500 00          // IFLA_INFO_SLAVE_KIND "bridge"
                      1400 0580                            // IFLA_INFO_SLAVE_DATA
                        0500 0400 01 000000                // IFLA_BRPORT_MODE: hairpin
                        0500 2100 00 000000                // IFLA_BRPORT_ISOLATED 0
                    2000 1a80                              // IFLA_AF_SPEC
                      1000 0280                            // AF_INET
                        0c00 0180                          // IFLA_INET_CONF
                          0800 1600 01000000               // IPV4_DEVCONF_ARP_NOTIFY 1
                      0c00 0a80                            // AF_INET6
                        0500 0800 01 000000                // IFLA_INET6_ADDR_GEN_MODE none
                    """))
    }

    @Test func anEmptyAliasIsAnAttributeWithoutValue() {
        var change = LinkChange()
        change.alias = ""
        #expect(
            built { $0.changeLink(.index(20), change) }
                == hex("24000000 1000 0100 07000000 00000000  00 00 0000 14000000 00000000 00000000  0400 1400"))
    }

    @Test func deleteLink() {
        #expect(
            built { $0.deleteLink(.name("veth0")) }
                == hex(
                    """
                    2c000000 1100 0100 07000000 00000000  // RTM_DELLINK
                    00 00 0000 00000000 00000000 00000000
                    0a00 0300 766574683000 0000
                    """))
    }

    @Test func addVLANsToAPort() {
        #expect(
            built {
                $0.changePortVLANs(
                    port: 20, adding: true,
                    [PortVLAN(100, isPVID: true, isUntagged: true), PortVLAN(200, through: 300)])
            }
                == hex(
                    """
                    3c000000 1300 0100 07000000 00000000  // RTM_SETLINK
                    07 00 0000 14000000 00000000 00000000  // ifinfomsg: AF_BRIDGE, index 20
                    1c00 1a80                              // IFLA_AF_SPEC
                      0800 0200 0600 6400                  // IFLA_BRIDGE_VLAN_INFO PVID | UNTAGGED, 100
                      0800 0200 0800 c800                  // RANGE_BEGIN, 200
                      0800 0200 1000 2c01                  // RANGE_END, 300
                    """))
    }

    @Test func removeAVLANFromAPort() {
        #expect(
            built { $0.changePortVLANs(port: 20, adding: false, [PortVLAN(1)]) }
                == hex(
                    """
                    2c000000 1100 0100 07000000 00000000  // RTM_DELLINK
                    07 00 0000 14000000 00000000 00000000
                    0c00 1a80
                      0800 0200 0000 0100
                    """))
    }

    @Test func dumpPortVLANs() {
        #expect(
            built { $0.dumpPortVLANs() }
                == hex(
                    """
                    28000000 1200 0103 07000000 00000000
                    07 00 0000 00000000 00000000 00000000
                    0800 1d00 04000000                     // IFLA_EXT_MASK RTEXT_FILTER_BRVLAN_COMPRESSED
                    """))
    }
}

@Suite(.enabled(if: isLittleEndian)) struct AddressMessageTests {
    @Test func addIPv4Address() {
        #expect(
            built { $0.addAddress(CIDR("10.1.0.5/16")!, to: 20) }
                == hex(
                    """
                    30000000 1400 0106 07000000 00000000  // RTM_NEWADDR, REQUEST | EXCL | CREATE
                    02 10 00 00 14000000                   // ifaddrmsg: AF_INET, /16, index 20
                    0800 0200 0a010005                     // IFA_LOCAL
                    0800 0100 0a010005                     // IFA_ADDRESS
                    0800 0400 0a01ffff                     // IFA_BROADCAST
                    """))
    }

    /// RFC 3021: a link of two has no broadcast address.
    @Test(arguments: [31, 32])
    func aPointToPointAddressHasNoBroadcast(_ length: Int) {
        #expect(
            built { $0.addAddress(CIDR(IPAddress("10.1.0.5")!, length), to: 20) }
                == hex("28000000 1400 0106 07000000 00000000  02") + [UInt8(length)]
                + hex("00 00 14000000  0800 0200 0a010005  0800 0100 0a010005"))
    }

    @Test func addIPv6AddressWithAndWithoutDAD() {
        let head = """
            0a 40 00 00 14000000                           // ifaddrmsg: AF_INET6, /64, index 20
            1400 0200 fd000000000000000000000000000005     // IFA_LOCAL
            1400 0100 fd000000000000000000000000000005     // IFA_ADDRESS
            """
        #expect(
            built { $0.addAddress(CIDR("fd00::5/64")!, to: 20) }
                == hex("48000000 1400 0106 07000000 00000000") + hex(head)
                + hex("0800 0800 02000000  // IFA_FLAGS IFA_F_NODAD"))
        #expect(
            built { $0.addAddress(CIDR("fd00::5/64")!, to: 20, detectDuplicates: true) }
                == hex("40000000 1400 0106 07000000 00000000") + hex(head))
    }

    @Test func deleteAddress() {
        #expect(
            built { $0.deleteAddress(CIDR("10.1.0.5/16")!, from: 20) }
                == hex(
                    """
                    28000000 1500 0100 07000000 00000000  // RTM_DELADDR
                    02 10 00 00 14000000
                    0800 0200 0a010005
                    0800 0100 0a010005
                    """))
    }

    @Test func dumpAddresses() {
        #expect(
            built { $0.dumpAddresses(of: 20) }
                == hex("18000000 1600 0103 07000000 00000000  00 00 00 00 14000000"))
    }
}

@Suite(.enabled(if: isLittleEndian)) struct RouteMessageTests {
    @Test func addDefaultRoute() {
        #expect(
            built { $0.addRoute(Route(to: CIDR("0.0.0.0/0")!, via: IPAddress("10.1.0.1")!, interface: 20)) }
                == hex(
                    """
                    2c000000 1800 0106 07000000 00000000  // RTM_NEWROUTE, REQUEST | EXCL | CREATE
                    02 00 00 00 fe 03 00 01 00000000       // rtmsg: AF_INET, /0, main, RTPROT_BOOT, universe, unicast
                    0800 0500 0a010001                     // RTA_GATEWAY; no RTA_DST for /0
                    0800 0400 14000000                     // RTA_OIF 20
                    """))
    }

    @Test func addRouteWithEverything() {
        let route = Route(
            to: CIDR("10.2.3.4/16")!, via: IPAddress("10.1.0.254")!, interface: 20, table: 1000, priority: 5,
            mtu: 1300,
            advmss: 1200)
        #expect(
            built { $0.addRoute(route) }
                == hex(
                    """
                    58000000 1800 0106 07000000 00000000
                    02 10 00 00 00 03 00 01 00000000       // table 0: it does not fit, see RTA_TABLE
                    0800 0100 0a020000                     // RTA_DST with the host bits cleared
                    0800 0500 0a0100fe                     // RTA_GATEWAY
                    0800 0400 14000000                     // RTA_OIF
                    0800 0f00 e8030000                     // RTA_TABLE 1000
                    0800 0600 05000000                     // RTA_PRIORITY 5
                    1400 0880                              // RTA_METRICS
                      0800 0200 14050000                   // RTAX_MTU 1300
                      0800 0800 b0040000                   // RTAX_ADVMSS 1200
                    """))
    }

    @Test func anIPv4RouteWithoutGatewayHasTheScopeOfItsLink() {
        #expect(
            built { $0.addRoute(Route(to: CIDR("10.1.0.1/32")!, interface: 20)) }
                == hex(
                    """
                    2c000000 1800 0106 07000000 00000000
                    02 20 00 00 fe 03 fd 01 00000000       // scope RT_SCOPE_LINK
                    0800 0100 0a010001
                    0800 0400 14000000
                    """))
        #expect(Route(to: CIDR("fd00::/64")!).scope == 0)
        #expect(Route(to: CIDR("10.1.0.0/16")!, scope: 254).scope == 254)
    }

    @Test func aCopiedRouteKeepsSourceOriginAndOnLinkGateway() {
        var route = Route(to: CIDR("10.2.0.0/16")!, via: IPAddress("192.0.2.1")!, interface: 20, table: 100)
        route.source = IPAddress("10.1.0.5")!
        route.origin = 2
        route.isOnLink = true
        #expect(
            built { $0.addRoute(route) }
                == hex(
                    """
                    3c000000 1800 0106 07000000 00000000
                    02 10 00 00 64 02 00 01 04000000       // table 100, RTPROT_KERNEL, RTNH_F_ONLINK
                    0800 0100 0a020000
                    0800 0500 c0000201
                    0800 0400 14000000
                    0800 0700 0a010005                     // RTA_PREFSRC
                    """))
    }

    @Test func deleteIPv6Route() {
        #expect(
            built { $0.deleteRoute(Route(to: CIDR("fd00:2::/32")!, via: IPAddress("fd00::1")!)) }
                == hex(
                    """
                    44000000 1900 0100 07000000 00000000  // RTM_DELROUTE
                    0a 20 00 00 fe 03 00 01 00000000
                    1400 0100 fd000002000000000000000000000000
                    1400 0500 fd000000000000000000000000000001
                    """))
    }

    @Test func dumpRoutes() {
        #expect(
            built { $0.dumpRoutes(.v6) }
                == hex("1c000000 1a00 0103 07000000 00000000  0a 00 00 00 00 00 00 00 00000000"))
    }
}

@Suite(.enabled(if: isLittleEndian)) struct RuleMessageTests {
    @Test func addRuleOfASource() {
        #expect(
            built { $0.addRule(RoutingRule(from: IPAddress("10.1.0.5")!, table: 100)) }
                == hex(
                    """
                    24000000 2000 0106 07000000 00000000  // RTM_NEWRULE, REQUEST | EXCL | CREATE
                    02 00 20 00 64 00 00 01 00000000       // fib_rule_hdr: AF_INET, from /32, table 100, FR_ACT_TO_TBL
                    0800 0200 0a010005                     // FRA_SRC
                    """))
    }

    @Test func deleteIPv6RuleWithALargeTable() {
        var rule = RoutingRule(from: IPAddress("fd00::5")!, table: 1000)
        rule.priority = 32765
        #expect(
            built { $0.deleteRule(rule) }
                == hex(
                    """
                    40000000 2100 0100 07000000 00000000  // RTM_DELRULE
                    0a 00 80 00 00 00 00 01 00000000       // table 0: it does not fit, see FRA_TABLE
                    1400 0200 fd000000000000000000000000000005
                    0800 0600 fd7f0000                     // FRA_PRIORITY 32765
                    0800 0f00 e8030000                     // FRA_TABLE 1000
                    """))
    }

    @Test func dumpRules() {
        #expect(
            built { $0.dumpRules(.v4) }
                == hex("1c000000 2200 0103 07000000 00000000  02 00 00 00 00 00 00 00 00000000"))
    }

    @Test func whatIsBuiltIsReadBackAndRulesThatAskForMoreAreTold() throws {
        for table in [100, 255, 256, UInt32.max] {
            for source in ["10.1.0.5", "fd00::5"] {
                var rule = RoutingRule(from: IPAddress(source)!, table: table)
                rule.priority = 7
                let message = try #require(Message.parse(built { $0.addRule(rule) }[...])?.first)
                #expect(RoutingRule(message) == rule)
                #expect(rule.isOnly(from: IPAddress(source)!))
            }
        }
        let rule = RoutingRule(from: IPAddress("10.1.0.5")!, table: 100)
        let octets = built { $0.addRule(rule) }
        // To a destination, inverted, not to a table, from a whole network.
        for (position, value) in [(16 + 1, 8), (16 + 8, 2), (16 + 7, 6), (16 + 2, 24)] as [(Int, UInt8)] {
            var changed = octets
            changed[position] = value
            let message = try #require(Message.parse(changed[...])?.first)
            #expect(RoutingRule(message)?.isOnly(from: IPAddress("10.1.0.5")!) != true)
        }
    }
}

@Suite(.enabled(if: isLittleEndian)) struct NeighbourMessageTests {
    @Test func setNeighbour() {
        #expect(
            built { $0.setNeighbour(Neighbour(IPAddress("10.1.0.5")!, mac: macOfPod, interface: 3)) }
                == hex(
                    """
                    30000000 1c00 0105 07000000 00000000  // RTM_NEWNEIGH, REQUEST | REPLACE | CREATE
                    02 00 0000 03000000 8000 00 00         // ndmsg: AF_INET, index 3, NUD_PERMANENT
                    0800 0100 0a010005                     // NDA_DST
                    0a00 0200 020000000021 0000            // NDA_LLADDR
                    """))
    }

    @Test func deleteNeighbour() {
        #expect(
            built { $0.deleteNeighbour(Neighbour(IPAddress("fd00::5")!, mac: macOfPod, interface: 3)) }
                == hex(
                    """
                    30000000 1d00 0100 07000000 00000000  // RTM_DELNEIGH
                    0a 00 0000 03000000 0000 00 00
                    1400 0100 fd000000000000000000000000000005
                    """))
    }

    @Test func dumpNeighbours() {
        #expect(
            built { $0.dumpNeighbours() }
                == hex("1c000000 1e00 0103 07000000 00000000  00 00 0000 00000000 0000 00 00"))
    }
}

@Suite struct BatchTests {
    @Test func aBatchIsItsMessagesOneBehindTheOtherWithCountedSequences() {
        var builder = MessageBuilder(firstSequence: 41)
        #expect(builder.isEmpty)
        builder.deleteLink(.name("veth0"))
        builder.addAddress(CIDR("10.1.0.5/16")!, to: 20)
        builder.dumpLinks()
        #expect(builder.sequences == [41, 42, 43])
        let messages = Message.parse(builder.bytes[...])!
        #expect(messages.map(\.sequence) == [41, 42, 43])
        #expect(
            messages.map(\.type)
                == [RouteMessageType.deleteLink, RouteMessageType.newAddress, RouteMessageType.getLink])
        #expect(messages.map(\.payload.count).reduce(0) { $0 + $1 + 16 } == builder.bytes.count)
    }

    @Test func onlyTheLastMessageIsToBeAcknowledged() {
        var builder = MessageBuilder()
        builder.deleteLink(.index(1))
        builder.deleteLink(.index(2))
        builder.addFlagsToLast(MessageFlag.acknowledge)
        builder.addFlagsToLast(MessageFlag.acknowledge)
        #expect(Message.parse(builder.bytes[...])!.map(\.flags) == [0x1, 0x5])
    }

    @Test func renumberingChangesNothingButTheSequences() {
        var one = MessageBuilder(firstSequence: 1)
        var other = MessageBuilder(firstSequence: 1000)
        for index in 1...5 as ClosedRange<UInt32> {
            for builder in 0..<2 {
                // Texts of all lengths, so that messages begin at all offsets that there are.
                let name = String(repeating: "x", count: Int(index))
                if builder == 0 { one.deleteLink(.name(name)) } else { other.deleteLink(.name(name)) }
            }
        }
        let renumbered = one.renumbered(from: 1000)
        #expect(renumbered.bytes == other.bytes)
        #expect(renumbered.sequences == other.sequences)
        #expect(one.sequences == [1, 2, 3, 4, 5])
    }

    @Test func sequencesGoRoundAtTheirEnd() {
        var builder = MessageBuilder(firstSequence: .max)
        builder.deleteLink(.index(1))
        builder.deleteLink(.index(2))
        #expect(builder.sequences == [.max, 0])
        #expect(builder.renumbered(from: .max).sequences == [.max, 0])
    }

    @Test func everyAttributeIsPaddedToFourOctets() {
        for length in 0...300 {
            var builder = MessageBuilder()
            builder.attribute(5, [UInt8](repeating: 0xff, count: length))
            #expect(builder.bytes.count == 4 + (length + 3) / 4 * 4)
            #expect(Attributes(builder.bytes[...])[5]?.bytes.count == length)
            #expect(builder.bytes.dropFirst(4 + length).allSatisfy { $0 == 0 })
        }
    }
}
