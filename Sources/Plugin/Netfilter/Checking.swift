internal import Kernel
internal import NetlinkCodec
public import Posix

extension NodeRules {
    /// Compares what ADD set up with the current state.
    ///
    /// - Throws: code 104, with what is missing or different.
    public mutating func check(_ rules: PodRules, _ owner: RulesOwner) throws(Failure) {
        guard !rules.isEmpty else { return }
        let found = try deviations(rules, owner)
        guard let first = found.first else { return }
        let more = found.count == 1 ? "" : ", and \(found.count - 1) more"
        throw Failure(
            .checkFailed, "\(first)\(more)",
            details: "swiftletctl repair puts it back; all: \(found.prefix(20).joined(separator: "; "))")
    }

    mutating func deviations(_ rules: PodRules, _ owner: RulesOwner) throws(Failure) -> [String] {
        var found: [String] = []
        for table in rules.tables {
            found += try table.ruleset.deviations(&socket)
        }
        if try records.record(of: owner)?.rules != rules {
            found.append("the record of \(owner.name) is missing or different; only DEL and ADD mend that")
        }
        let own = rules.elements(of: owner).filter { !$0.isShared }
        let standing = try standing(of: own, owner)
        for (wanted, holder) in standing.foreign where !owner.sharesPorts(with: holder) {
            found.append("\(wanted.subject) belongs to \(holder), not to \(owner.name)")
        }
        for (wanted, listed) in standing.own {
            guard let listed else {
                found.append("\(wanted.subject) of \(owner.name) is missing")
                continue
            }
            if listed.data != wanted.element.data { found.append("\(wanted.subject) leads somewhere else") }
        }
        var sets: [String: [OwnedElement]] = [:]
        for wanted in rules.sharedElements(of: owner.network) {
            if sets[wanted.set] == nil { sets[wanted.set] = try list(wanted.set, in: wanted.table) }
            // An element of another network may cover it.
            let rest = (sets[wanted.set] ?? []).reduce([wanted]) { rest, present in
                rest.flatMap { $0.without(present) }
            }
            if !rest.isEmpty { found.append("\(wanted.subject) of network \(owner.network) is missing") }
        }
        // Those of ports that another attachment of the container has are not needed yet.
        for chain in rules.conditionChains
        where standing.own.contains(where: { $0.wanted.element.data == .verdict(.jump(chain.name)) }) {
            found += try deviations(of: chain)
        }
        found += try deviations(ofSurroundings: rules, owner)
        return found
    }
}
