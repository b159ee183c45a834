internal import Net
internal import Wire

/// Table `inet swiftlet`. The same as readable text, with what each part is for: docs/ruleset.nft.
enum MainTable {
    static let table = NftTable(.inet, "swiftlet")
    static let version = "version_1"

    /// The sets and maps whose elements belong to pods and networks. Those of addresses exist once for each family.
    enum SetName: String {
        case hostPorts = "hostports"
        case hostIPHostPorts = "hostip_hostports"
        case conditions = "conditions"
        case hostIPConditions = "hostip_conditions"
        case masqueradeAll = "masquerade_all"
        case siblings = "siblings"
        case masqueraded = "masqueraded"
        case unmasqueraded = "unmasqueraded"

        func of(_ family: IPFamily) -> String { family == .v4 ? "\(rawValue)_v4" : "\(rawValue)_v6" }
    }

    static let isolatedBridges = "isolated_bridges"
    static let sameBridge = "same_bridge"

    static var ruleset: Ruleset {
        let bridges = [
            NftSet(isolatedBridges, NftType(.interfaceName)),
            NftSet(sameBridge, NftType(.interfaceName, .interfaceName)),
        ]
        return Ruleset(
            table: table, version: version, sets: IPFamily.allCases.flatMap(sets) + bridges,
            chains: [
                (
                    NftChain("loopback_guard", NftChain.Hook("filter", .prerouting, priority: Priority.raw)),
                    loopbackGuard
                ),
                (
                    NftChain("prerouting", NftChain.Hook("nat", .prerouting, priority: Priority.destinationNAT)),
                    toHostPorts
                ),
                (NftChain("output", NftChain.Hook("nat", .output, priority: Priority.destinationNAT)), toHostPorts),
                (NftChain("hostports_v4"), hostPorts(.v4)),
                (NftChain("hostports_v6"), hostPorts(.v6)),
                (
                    NftChain("postrouting", NftChain.Hook("nat", .postrouting, priority: Priority.sourceNAT)),
                    postrouting
                ),
                (NftChain("hairpin"), IPFamily.allCases.flatMap(hairpin)),
                (NftChain("forward", NftChain.Hook("filter", .forward, priority: Priority.filter)), forward),
            ])
    }

    /// enum nf_ip_hook_priorities, linux/netfilter_ipv4.h.
    private enum Priority {
        static let raw: Int32 = -300
        static let destinationNAT: Int32 = -100
        static let filter: Int32 = 0
        static let sourceNAT: Int32 = 100
    }

    private static func sets(_ family: IPFamily) -> [NftSet] {
        let address: NftType.Field = family == .v4 ? .ipv4 : .ipv6
        let port = NftType(.protocolNumber, .port)
        let addressAndPort = NftType(address, .protocolNumber, .port)
        let target = NftType(address, .port)
        let pair = NftType(address, address)
        return [
            NftSet(SetName.hostPorts.of(family), port, .value(target)),
            NftSet(SetName.hostIPHostPorts.of(family), addressAndPort, .value(target)),
            NftSet(SetName.conditions.of(family), port, .verdict),
            NftSet(SetName.hostIPConditions.of(family), addressAndPort, .verdict),
            NftSet(SetName.masqueradeAll.of(family), NftType(address)),
            NftSet(SetName.siblings.of(family), pair, isInterval: true),
            NftSet(SetName.masqueraded.of(family), pair, isInterval: true),
            NftSet(SetName.unmasqueraded.of(family), pair, isInterval: true),
        ]
    }

    /// `iifname != "lo" ip saddr|daddr 127.0.0.0/8 drop`
    private static var loopbackGuard: [NftRule] {
        [Header(.v4).source, Header(.v4).destination].map { offset in
            NftRule([
                .meta(.inputInterfaceName), .compare(.notEqual, interfaceName("lo")),
                .meta(.networkProtocol), .compare(.equal, [NftFamily.ip.rawValue]),
                .payload(.network, offset: offset, length: 1), .compare(.equal, [127]), .verdict(.drop),
            ])
        }
    }

    /// `meta nfproto ipv4 fib daddr type local goto hostports_v4`, and for IPv6.
    private static var toHostPorts: [NftRule] {
        IPFamily.allCases.map { family in
            NftRule(
                // RTN_LOCAL, linux/rtnetlink.h.
                isFamily(family) + [
                    .destinationType(), .compare(.equal, inHostOrder(UInt32(2))),
                    .verdict(.goto(family == .v4 ? "hostports_v4" : "hostports_v6")),
                ])
        }
    }

    /// Tells the node's own host ports from what others do with a connection, from the first look at it to the last.
    ///
    /// Not bit 13, by which the reference's `portmap`, whose rules stay when the node has been switched over, and
    /// netavark hide every client behind the node; nor 14 and 15, which are kube-proxy's.
    private static let hostPortMark: UInt32 = 1 << 12

    /// Conditions first, which may end the matter; then the mapping. A mapping of one address goes before one of all.
    private static func hostPorts(_ family: IPFamily) -> [NftRule] {
        let header = Header(family)
        let address = NftExpression.payload(.network, offset: header.destination, length: header.width)
        let afterAddress = UInt32(family.byteWidth / 4)
        let byAddress = isFamily(family) + [address] + protocolAndPort(from: afterAddress)
        let byPort = protocolAndPort(from: 0)
        let nat = NftExpression.destinationNAT(
            header.nft, address: .first, port: .word(UInt32(family.byteWidth / 4)))
        return [
            // `meta mark set meta mark | 0x1000`
            NftRule([
                .meta(.mark), .bits(keeping: inHostOrder(~hostPortMark), flipping: inHostOrder(hostPortMark)),
                .setMeta(.mark),
            ]),
            NftRule(byAddress + [.map(SetName.hostIPConditions.of(family), into: .verdict)]),
            NftRule(byAddress + [.map(SetName.hostIPHostPorts.of(family), into: .first), nat]),
            NftRule(byPort + [.map(SetName.conditions.of(family), into: .verdict)]),
            NftRule(byPort + [.map(SetName.hostPorts.of(family), into: .first), nat]),
        ]
    }

    /// `ct status dnat meta mark & 0x1000 != 0 jump hairpin`, then what leaves its network.
    private static var postrouting: [NftRule] {
        [
            NftRule([
                // IPS_DST_NAT, linux/netfilter/nf_conntrack_common.h.
                .connection(.status), .mask(inHostOrder(UInt32(0x20))), .compare(.notEqual, inHostOrder(UInt32(0))),
                .meta(.mark), .mask(inHostOrder(hostPortMark)), .compare(.equal, inHostOrder(hostPortMark)),
                .verdict(.jump("hairpin")),
            ])
        ]
            + IPFamily.allCases.flatMap { family in
                [
                    NftRule(pair(family) + [.lookup(SetName.unmasqueraded.of(family)), .verdict(.return)]),
                    NftRule(toMulticast(family) + [.verdict(.return)]),
                    NftRule(
                        pair(family) + [.lookup(SetName.masqueraded.of(family)), .masquerade(fullyRandom: true)]),
                ]
            }
    }

    /// Connections to a host port whose answers would not come back through this node otherwise.
    private static func hairpin(_ family: IPFamily) -> [NftRule] {
        let header = Header(family)
        let fromLoopback: [NftExpression] =
            family == .v4
            ? [.payload(.network, offset: header.source, length: 1), .compare(.equal, [127])]
            : [
                .payload(.network, offset: header.source, length: 16),
                .compare(.equal, [UInt8](repeating: 0, count: 15) + [1]),
            ]
        return [
            NftRule(isFamily(family) + fromLoopback + [.masquerade(fullyRandom: false)]),
            NftRule(pair(family) + [.lookup(SetName.siblings.of(family)), .masquerade(fullyRandom: false)]),
            NftRule(
                isFamily(family) + [
                    .payload(.network, offset: header.destination, length: header.width),
                    .lookup(SetName.masqueradeAll.of(family)), .masquerade(fullyRandom: false),
                ]),
        ]
    }

    /// `iifname . oifname @same_bridge accept`, `iifname @isolated_bridges oifname @isolated_bridges drop`
    private static var forward: [NftRule] {
        [
            NftRule([
                .meta(.inputInterfaceName), .meta(.outputInterfaceName, .word(4)), .lookup(sameBridge),
                .verdict(.accept),
            ]),
            NftRule([
                .meta(.inputInterfaceName), .lookup(isolatedBridges),
                .meta(.outputInterfaceName), .lookup(isolatedBridges), .verdict(.drop),
            ]),
        ]
    }

    private static func isFamily(_ family: IPFamily) -> [NftExpression] {
        [.meta(.networkProtocol), .compare(.equal, [Header(family).nft.rawValue])]
    }

    private static func protocolAndPort(from word: UInt32) -> [NftExpression] {
        [
            .meta(.transportProtocol, .word(word)),
            .payload(.transport, offset: 2, length: 2, .word(word + 1)),
        ]
    }

    /// `ip saddr . ip daddr`
    private static func pair(_ family: IPFamily) -> [NftExpression] {
        let header = Header(family)
        return isFamily(family) + [
            .payload(.network, offset: header.source, length: header.width),
            .payload(
                .network, offset: header.destination, length: header.width, .word(UInt32(family.byteWidth / 4))),
        ]
    }

    /// `ip daddr 224.0.0.0/4`, `ip6 daddr ff00::/8`
    private static func toMulticast(_ family: IPFamily) -> [NftExpression] {
        let destination = Header(family).destination
        return isFamily(family)
            + (family == .v4
                ? [
                    .payload(.network, offset: destination, length: 4), .mask([0xf0, 0, 0, 0]),
                    .compare(.equal, [0xe0, 0, 0, 0]),
                ] : [.payload(.network, offset: destination, length: 1), .compare(.equal, [0xff])])
    }

    /// Where the addresses are in a header, in octets.
    private struct Header {
        let source: UInt32
        let destination: UInt32
        let width: UInt32
        let nft: NftFamily

        init(_ family: IPFamily) {
            width = UInt32(family.byteWidth)
            source = family == .v4 ? 12 : 8
            destination = source + width
            nft = family == .v4 ? .ip : .ip6
        }
    }
}

/// A number as the machine has it in memory, as nf_tables compares what it loads from the kernel itself.
func inHostOrder<Integer: FixedWidthInteger>(_ number: Integer) -> [UInt8] {
    let ordered = number.littleEndian
    return (0..<Integer.bitWidth / 8).map { UInt8(truncatingIfNeeded: ordered >> Integer($0 * 8)) }
}

/// An interface's name as nf_tables compares it: IFNAMSIZ octets.
func interfaceName(_ name: String) -> [UInt8] {
    let octets = Array(name.utf8.prefix(15))
    return octets + [UInt8](repeating: 0, count: 16 - octets.count)
}
