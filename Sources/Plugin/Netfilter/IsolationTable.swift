internal import NetlinkCodec

/// Table `inet swiftlet_isolation`: bridges that are isolated from each other. docs/ruleset.nft shows it as text.
enum IsolationTable {
    static let table = NftTable(.inet, "swiftlet_isolation")
    static let version = "version_1"

    static let bridges = "bridges"
    static let sameBridge = "same_bridge"

    static var ruleset: Ruleset {
        Ruleset(
            table: table, version: version,
            sets: [
                NftSet(bridges, NftType(.interfaceName)),
                NftSet(sameBridge, NftType(.interfaceName, .interfaceName)),
            ],
            chains: [(NftChain("forward", NftChain.Hook("filter", .forward, priority: Priority.filter)), forward)])
    }

    /// `iifname . oifname @same_bridge accept`, `iifname @bridges oifname @bridges drop`
    private static var forward: [NftRule] {
        [
            NftRule([
                .meta(.inputInterfaceName), .meta(.outputInterfaceName, .word(4)), .lookup(sameBridge),
                .verdict(.accept),
            ]),
            NftRule([
                .meta(.inputInterfaceName), .lookup(bridges), .meta(.outputInterfaceName), .lookup(bridges),
                .verdict(.drop),
            ]),
        ]
    }
}
