internal import Kernel
internal import NetlinkCodec
internal import Posix

/// The fixed part of a table: sets, maps, chains and their rules. What pods want is in the elements.
struct Ruleset: Sendable {
    let table: NftTable
    /// The name of an empty set. A batch that changes elements looks it up first, so that it fails at once if the
    /// ruleset is missing or comes from an older version of this program. Change it with every change of the rules.
    let version: String
    let sets: [NftSet]
    let chains: [(chain: NftChain, rules: [NftRule])]

    /// The common prefix of all version names.
    static let versionPrefix = "version_"

    private var allSets: [NftSet] { [NftSet(version, NftType(.protocolNumber))] + sets }

    /// Installs the table, whatever part of it exists already; elements stay. If another version is installed, sets and
    /// chains that this version lacks are deleted.
    ///
    /// - Parameters:
    ///   - present: the existing sets of the table.
    ///   - chains: its existing chains.
    func install(over present: [NftListedSet], _ presentChains: [String], _ changes: inout Changes) {
        changes.append("make table \(table)") { $0.addTable(table) }
        for (position, set) in allSets.enumerated() {
            changes.append("make set \(set.name) in table \(table)") {
                $0.addSet(set, to: table, number: UInt32(position + 1))
            }
        }
        // While the rules were not there, nobody noted anything.
        for set in sets where set.dynamicSize != nil && present.contains(where: { $0.name == set.name }) {
            changes.append("empty set \(set.name) in table \(table)") {
                $0.deleteElements([], of: set.name, in: table)
            }
        }
        for (chain, _) in chains {
            changes.append("make chain \(chain.name) in table \(table)") { $0.addChain(chain, to: table) }
        }
        for (chain, rules) in chains {
            changes.append("empty chain \(chain.name) in table \(table)") {
                $0.deleteRule(of: chain.name, in: table)
            }
            for rule in rules {
                changes.append("add a rule to chain \(chain.name) in table \(table)") {
                    $0.addRule(rule, to: chain.name, of: table)
                }
            }
        }
        guard present.contains(where: { $0.name.hasPrefix(Ruleset.versionPrefix) && $0.name != version }) else {
            return
        }
        let retired = presentChains.filter { name in
            !chains.contains { $0.chain.name == name } && !name.hasPrefix(ConditionChain.prefix)
        }
        // They may jump to each other.
        for name in retired {
            changes.append("empty chain \(name) in table \(table)") { $0.deleteRule(of: name, in: table) }
        }
        for name in retired {
            changes.append("delete chain \(name) of table \(table)") { $0.deleteChain(name, of: table) }
        }
        // Anonymous sets belong to rules.
        for old in present where !old.name.hasPrefix("__") && !allSets.contains(where: { $0.name == old.name }) {
            changes.append("delete set \(old.name) of table \(table)") { $0.deleteSet(old.name, of: table) }
        }
    }

    /// What is missing from the ruleset or different; empty if all is well.
    func deviations(_ socket: inout NetlinkSocket) throws(Failure) -> [String] {
        let present = try socket.chains(table.family).filter { $0.table.name == table.name }
        let listedSets = try socket.sets(of: table)
        guard !present.isEmpty || !listedSets.isEmpty else { return ["table \(table) is missing"] }
        var found: [String] = []
        // NFT_TABLE_F_DORMANT, linux/netfilter/nf_tables.h.
        if (try socket.flags(of: table) ?? 0) & 1 != 0 { found.append("table \(table) is switched off (dormant)") }
        for set in allSets {
            guard let listed = listedSets.first(where: { $0.name == set.name }) else {
                found.append("set \(set.name) is missing from table \(table)")
                continue
            }
            if !listed.isSame(as: set) { found.append("set \(set.name) of table \(table) is of another type") }
        }
        let rules = try socket.rules(in: table)
        for (chain, wanted) in chains {
            guard let listed = present.first(where: { $0.chain.name == chain.name }) else {
                found.append("chain \(chain.name) is missing from table \(table)")
                continue
            }
            if listed.chain != chain || listed.policy == 0 {
                found.append("chain \(chain.name) of table \(table) is hooked up differently")
            }
            let own = rules.filter { $0.chain == chain.name }
            if own.count != wanted.count || !zip(own, wanted).allSatisfy({ $0.isSame(as: $1) }) {
                found.append("chain \(chain.name) of table \(table) has other rules than it should")
            }
        }
        return found
    }
}

/// The tables of this program. Each is created when the first attachment needs it.
enum OwnTable: Sendable, Hashable, CaseIterable {
    /// Masquerade and port mappings.
    case main
    /// Protects 127.0.0.0/8, which host ports would open.
    case loopbackGuard
    /// Bridges isolated from each other.
    case isolation
    /// What pods may send.
    case spoofGuard

    var ruleset: Ruleset {
        switch self {
        case .main: MainTable.ruleset
        case .loopbackGuard: LoopbackGuardTable.ruleset
        case .isolation: IsolationTable.ruleset
        case .spoofGuard: SpoofGuardTable.ruleset
        }
    }

    /// The ruleset's table, without building the whole ruleset.
    var table: NftTable {
        switch self {
        case .main: MainTable.table
        case .loopbackGuard: LoopbackGuardTable.table
        case .isolation: IsolationTable.table
        case .spoofGuard: SpoofGuardTable.table
        }
    }

    var version: String {
        switch self {
        case .main: MainTable.version
        case .loopbackGuard: LoopbackGuardTable.version
        case .isolation: IsolationTable.version
        case .spoofGuard: SpoofGuardTable.version
        }
    }
}
