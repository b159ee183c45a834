internal import Addresses
internal import NetlinkCodec

/// Table `ip swiftlet`: keeps outsiders from reaching the node's own 127.0.0.0/8, which host ports would open.
/// docs/ruleset.nft shows it as text.
enum LoopbackGuardTable {
    static let table = NftTable(.ip, "swiftlet")
    static let version = "version_1"

    static var ruleset: Ruleset {
        Ruleset(
            table: table, version: version, sets: [],
            chains: [
                (NftChain("prerouting", NftChain.Hook("filter", .prerouting, priority: Priority.raw)), prerouting)
            ])
    }

    /// `ip saddr|daddr 127.0.0.0/8 iifname != "lo" drop`. The address comes first because every packet passes here.
    private static var prerouting: [NftRule] {
        [Header(.v4).source, Header(.v4).destination].map { offset in
            NftRule([
                .payload(.network, offset: offset, length: 1), .compare(.equal, [127]),
                .meta(.inputInterfaceName), .compare(.notEqual, interfaceName("lo")), .verdict(.drop),
            ])
        }
    }
}
