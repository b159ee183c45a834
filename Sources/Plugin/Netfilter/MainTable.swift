internal import Addresses
internal import NetlinkCodec

/// Table `inet swiftlet`: masquerade and host ports. docs/ruleset.nft shows it as text and explains each part.
///
/// Its chains see only the first packet of a connection. Rules that must see every packet are in tables of their own,
/// created only when needed.
enum MainTable {
    static let table = NftTable(.inet, "swiftlet")
    static let version = "version_3"

    /// The sets and maps whose elements belong to pods and networks. Those of addresses exist once per family.
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

    /// UDP ports of the node that somebody has sent something to: only these have connections that outlive a change of the port.
    /// With a protocol before the port, like the other sets.
    static let usedPorts = "used_udp_ports"
    /// More than there are ports.
    private static let usedPortsLimit: UInt32 = 1 << 17
    private static let portType = NftType(.protocolNumber, .port)

    static var ruleset: Ruleset {
        Ruleset(
            table: table, version: version,
            sets: IPFamily.allCases.flatMap(sets) + [NftSet(usedPorts, portType, dynamicSize: usedPortsLimit)],
            chains: [
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
            ])
    }

    private static func sets(_ family: IPFamily) -> [NftSet] {
        let address: NftType.Field = family == .v4 ? .ipv4 : .ipv6
        let addressAndPort = NftType(address, .protocolNumber, .port)
        let target = NftType(address, .port)
        let pair = NftType(address, address)
        return [
            NftSet(SetName.hostPorts.of(family), portType, .value(target)),
            NftSet(SetName.hostIPHostPorts.of(family), addressAndPort, .value(target)),
            NftSet(SetName.conditions.of(family), portType, .verdict),
            NftSet(SetName.hostIPConditions.of(family), addressAndPort, .verdict),
            NftSet(SetName.masqueradeAll.of(family), NftType(address)),
            NftSet(SetName.siblings.of(family), pair, isInterval: true),
            NftSet(SetName.masqueraded.of(family), pair, isInterval: true),
            NftSet(SetName.unmasqueraded.of(family), pair, isInterval: true),
        ]
    }

    /// `meta nfproto ipv4 fib daddr type local goto hostports_v4`, and for IPv6.
    private static var toHostPorts: [NftRule] {
        IPFamily.allCases.map { family in
            NftRule(
                // RTN_LOCAL, linux/rtnetlink.h.
                isFamily(family) + [
                    .addressType(.destination), .compare(.equal, inHostOrder(UInt32(2))),
                    .verdict(.goto(family == .v4 ? "hostports_v4" : "hostports_v6")),
                ])
        }
    }

    /// Tells our own host ports from what other programs do with a connection, from the first rule that sees it to the last.
    ///
    /// Not bit 13: with it the reference's `portmap`, whose rules stay when the node has been switched over, and
    /// netavark masquerade every client. Nor bits 14 and 15, which belong to kube-proxy.
    private static let hostPortMark: UInt32 = 1 << 12

    /// Conditions come first, because they may end the evaluation; then the mapping. A mapping of one address precedes
    /// one of all addresses.
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
            // `add @used_udp_ports { meta l4proto . udp dport }`
            NftRule(
                [.meta(.transportProtocol), .compare(.equal, [PortMapping.Transport.udp.rawValue])] + byPort + [
                    .note(in: usedPorts)
                ]),
            NftRule(byAddress + [.map(SetName.hostIPConditions.of(family), into: .verdict)]),
            NftRule(byAddress + [.map(SetName.hostIPHostPorts.of(family), into: .first), nat]),
            NftRule(byPort + [.map(SetName.conditions.of(family), into: .verdict)]),
            NftRule(byPort + [.map(SetName.hostPorts.of(family), into: .first), nat]),
        ]
    }

    /// `ct status dnat meta mark & 0x1000 != 0 jump hairpin`, then traffic that leaves its network.
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

    /// Masquerades connections to a host port whose replies would otherwise bypass this node.
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
}
