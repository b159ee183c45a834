internal import Addresses
internal import NetlinkCodec

/// Table `bridge swiftlet`: what pods may send through their bridge port. docs/ruleset.nft shows it as text.
enum SpoofGuardTable {
    static let table = NftTable(.bridge, "swiftlet")
    static let version = "version_1"

    static let guarded = "guarded"
    static let macs = "macs"
    static let addressGuarded = "address_guarded"
    static let targets = "targets"
    static func addresses(_ family: IPFamily) -> String { family == .v4 ? "addresses_v4" : "addresses_v6" }

    static var ruleset: Ruleset {
        Ruleset(
            table: table, version: version,
            sets: [
                NftSet(guarded, NftType(.interfaceName)),
                NftSet(macs, NftType(.interfaceName, .mac)),
                NftSet(addressGuarded, NftType(.interfaceName)),
                NftSet(addresses(.v4), NftType(.interfaceName, .ipv4)),
                NftSet(addresses(.v6), NftType(.interfaceName, .ipv6)),
                NftSet(targets, .interfaceAndTarget),
            ],
            chains: [
                (
                    // NF_BR_PRI_NAT_DST_BRIDGED, linux/netfilter_bridge.h: before anything rewrites the packet.
                    NftChain("prerouting", NftChain.Hook("filter", .prerouting, priority: -300)),
                    [NftRule([port, .lookup(guarded), .verdict(.jump("guard"))])]
                ),
                (
                    NftChain("guard"),
                    [
                        NftRule([port, source, .lookup(macs, inverted: true), .verdict(.drop)]),
                        NftRule([port, .lookup(addressGuarded), .verdict(.goto("addresses"))]),
                    ]
                ),
                (NftChain("addresses"), ipv4 + arp + nd + ipv6 + [NftRule([.verdict(.drop)])]),
            ])
    }

    private static let port = NftExpression.meta(.inputInterfaceName)
    /// The sender's MAC, after the port's name in the key.
    private static let source = NftExpression.payload(.link, offset: 6, length: 6, .word(4))

    /// Ethernet types, linux/if_ether.h.
    private static func isType(_ first: UInt8, _ second: UInt8) -> [NftExpression] {
        [.payload(.link, offset: 12, length: 2), .compare(.equal, [first, second])]
    }

    private static var ipv4: [NftRule] {
        [
            NftRule(
                isType(0x08, 0x00) + [
                    port, .payload(.network, offset: 12, length: 4, .word(4)), .lookup(addresses(.v4)),
                    .verdict(.accept),
                ])
        ]
    }

    /// An announcement must be true in both MAC and IP address; probes (RFC 5227) name no sender address.
    private static var arp: [NftRule] {
        let isARP = isType(0x08, 0x06)
        return [
            NftRule(
                isARP + [
                    port, .payload(.network, offset: 8, length: 6, .word(4)), .lookup(macs, inverted: true),
                    .verdict(.drop),
                ]),
            NftRule(
                isARP + [
                    port, .payload(.network, offset: 14, length: 4, .word(4)), .lookup(addresses(.v4)),
                    .verdict(.accept),
                ]),
            NftRule(
                isARP + [
                    .payload(.network, offset: 14, length: 4), .compare(.equal, [0, 0, 0, 0]), .verdict(.accept),
                ]),
        ]
    }

    /// Pods are not routers. They may neither claim nor probe for other hosts' addresses (RFC 4861, RFC 4862).
    private static var nd: [NftRule] {
        func isMessage(_ type: UInt8) -> [NftExpression] {
            [
                .meta(.transportProtocol), .compare(.equal, [58]),
                .payload(.transport, offset: 0, length: 1), .compare(.equal, [type]),
            ]
        }
        let target: [NftExpression] = [port, .payload(.transport, offset: 8, length: 16, .word(4))]
        return [
            NftRule(isMessage(134) + [.verdict(.drop)]),
            NftRule(isMessage(137) + [.verdict(.drop)]),
            NftRule(isMessage(136) + target + [.lookup(targets, inverted: true), .verdict(.drop)]),
            NftRule(
                isType(0x86, 0xdd) + [
                    .payload(.network, offset: 8, length: 16), .compare(.equal, [UInt8](repeating: 0, count: 16)),
                ] + isMessage(135) + target + [.lookup(targets), .verdict(.accept)]),
        ]
    }

    private static var ipv6: [NftRule] {
        [
            NftRule(
                isType(0x86, 0xdd) + [
                    port, .payload(.network, offset: 8, length: 16, .word(4)), .lookup(addresses(.v6)),
                    .verdict(.accept),
                ])
        ]
    }
}
