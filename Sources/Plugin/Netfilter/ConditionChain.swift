internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import NftSyntax
internal import Posix

/// A chain that returns to the mapping if the conditions hold and otherwise ends the evaluation. Ports with these
/// conditions jump to it; it is deleted with the last of them.
struct ConditionChain {
    static let prefix = "conditions_of_"

    let name: String
    private let text: String
    private let family: IPFamily

    /// Nil if there are no conditions.
    init?(_ text: String, _ family: IPFamily) {
        guard !text.isEmpty else { return nil }
        self.text = text
        self.family = family
        name = ConditionChain.prefix + String(fnv1a("\(family) \(text)"), radix: 16)
    }

    fileprivate func conditions() throws(Failure) -> NftConditions {
        do throws(NftSyntaxError) { return try NftConditions(parsing: text, family: family) } catch {
            throw Failure(.invalidConfiguration, "conditions \"\(text)\": \(error)")
        }
    }

    fileprivate func rules(_ conditions: NftConditions) -> [NftRule] {
        [NftRule(conditions.expressions + [.verdict(.return)], comment: text), NftRule([.verdict(.accept)])]
    }
}

extension NodeRules {
    /// Creates or restores the chain.
    mutating func install(_ chain: ConditionChain) throws(Failure) {
        let conditions = try chain.conditions()
        var changes = Changes.batch()
        changes.append("make chain \(chain.name)") {
            $0.addChain(NftChain(chain.name), to: MainTable.table)
        }
        changes.append("empty chain \(chain.name)") { $0.deleteRule(of: chain.name, in: MainTable.table) }
        changes.append(conditions.anonymousSets, to: MainTable.table)
        for rule in chain.rules(conditions) {
            changes.append("add a rule to chain \(chain.name)") {
                $0.addRule(rule, to: chain.name, of: MainTable.table)
            }
        }
        try socket.execute(changes)
    }

    mutating func removeIfUnused(_ chain: ConditionChain) throws(Failure) {
        try removeIfUnused(conditionChain: chain.name)
    }

    private mutating func removeIfUnused(conditionChain name: String) throws(Failure) {
        var changes = Changes.batch()
        changes.append("empty chain \(name)") { $0.deleteRule(of: name, in: MainTable.table) }
        changes.append("delete chain \(name)") { $0.deleteChain(name, of: MainTable.table) }
        do throws(Failure) { try socket.execute(changes) } catch {
            // The kernel keeps a chain in use, with its rules: a batch takes effect as a whole or not at all.
            guard [.busy, .noSuchFile].contains(error.errno) else { throw error }
        }
    }

    mutating func removeUnusedConditionChains() throws(Failure) {
        for listed in try socket.chains(MainTable.table.family)
        where listed.table.name == MainTable.table.name && listed.chain.name.hasPrefix(ConditionChain.prefix) {
            try removeIfUnused(conditionChain: listed.chain.name)
        }
    }

    mutating func deviations(of chain: ConditionChain) throws(Failure) -> [String] {
        let wanted = chain.rules(try chain.conditions())
        let present = try socket.rules(of: chain.name, in: MainTable.table)
        let isWhole = present.count == wanted.count && zip(present, wanted).allSatisfy { $0.isSame(as: $1) }
        return isWhole ? [] : ["chain \(chain.name) of table \(MainTable.table) has other rules than it should"]
    }
}
