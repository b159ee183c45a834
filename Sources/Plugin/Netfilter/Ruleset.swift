internal import Kernel
internal import NetlinkCodec
internal import Posix

/// The part of a table that never changes: sets and maps, chains and their rules. What pods want is in the elements.
struct Ruleset: Sendable {
    let table: NftTable
    /// The name of an empty set. A batch that changes elements asks for it first, so that a ruleset which is missing, or
    /// which an older version of this program has made, shows at once. To be changed with every change of the rules.
    let version: String
    let sets: [NftSet]
    let chains: [(chain: NftChain, rules: [NftRule])]

    /// What the names of all versions begin with.
    static let versionPrefix = "version_"

    private var allSets: [NftSet] { [NftSet(version, NftType(.protocolNumber))] + sets }

    /// Puts the table up as it should be, whatever of it is there; elements stay. Over another version, what this one has
    /// not goes.
    ///
    /// - Parameters:
    ///   - present: the sets that the table has.
    ///   - chains: the chains that it has.
    func install(over present: [NftListedSet], _ presentChains: [String], _ changes: inout Changes) {
        changes.append("make table \(table)") { $0.addTable(table) }
        for (position, set) in allSets.enumerated() {
            changes.append("make set \(set.name) in table \(table)") {
                $0.addSet(set, to: table, number: UInt32(position + 1))
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
        // They may lead to each other.
        for name in retired {
            changes.append("empty chain \(name) in table \(table)") { $0.deleteRule(of: name, in: table) }
        }
        for name in retired {
            changes.append("delete chain \(name) of table \(table)") { $0.deleteChain(name, of: table) }
        }
        // Anonymous ones belong to rules.
        for old in present where !old.name.hasPrefix("__") && !allSets.contains(where: { $0.name == old.name }) {
            changes.append("delete set \(old.name) of table \(table)") { $0.deleteSet(old.name, of: table) }
        }
    }

    /// What of the ruleset is missing or different; empty if all is well.
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

/// The tables that this program makes, each where the first attachment needs it.
enum OwnTable: Sendable, Hashable, CaseIterable {
    /// Masquerade and port mappings.
    case main
    /// What host ports need besides.
    case loopbackGuard
    /// Bridges that keep to themselves.
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

    /// The same as the ruleset's, without making the whole of it.
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
