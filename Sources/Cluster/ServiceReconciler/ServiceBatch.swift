internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import ServicePlan

/// Changes that take effect in one moment.
struct ServiceBatch {
    var elements = ElementChanges()
    /// What frontends have afterwards.
    var staged: [(frontend: Frontend, standing: Standing?)] = []
    /// Makes the fixed part anew; what there was goes in the same moment.
    var makesFrame = false
    var dropsInvalid = false
    /// Chains to empty and fill again.
    var mended: [CountedChain] = []
    var strayChains: [String] = []

    var count: Int { elements.count + mended.count + strayChains.count + (makesFrame ? 1 : 0) }

    /// Changes what a frontend has.
    mutating func set(_ entry: FrontendEntry?, at frontend: Frontend, from old: Standing?) {
        let new = entry.map { Standing(frontend, $0, over: old) }
        guard new != old else { return }
        elements.change(frontend, from: old ?? Standing(), to: new ?? Standing())
        staged.append((frontend, new))
    }

    /// The messages.
    ///
    /// - Parameter after: what is there before; becomes what is there afterwards.
    func changes(_ after: inout Present) -> Changes {
        let table = ServiceRuleset.table
        var changes = Changes.batch(isLogged: false)
        if makesFrame {
            if after.frame != .missing { changes.append("delete table \(table)") { $0.deleteTable(table) } }
            appendFrame(&changes)
            after.frame = .whole
        }
        for (frontend, standing) in staged { after.set(standing, at: frontend) }
        let needed = Set(after.uses.keys)
        let gone = after.chains.subtracting(needed)
        appendChains(Array(needed.subtracting(after.chains)), &changes)
        after.chains = needed
        for (set, elements) in elements.deleted.sorted(by: { $0.key < $1.key }) {
            changes.deleteElements("delete elements of \(set) in table \(table)", elements, of: set, in: table)
        }
        for set in elements.emptied {
            changes.append("empty \(set) of table \(table)") {
                $0.deleteElements(([] as [NftElement])[...], of: set, in: table)
            }
        }
        for (set, elements) in elements.added.sorted(by: { $0.key < $1.key }) {
            changes.addElements("add elements to \(set) of table \(table)", elements, to: set, of: table)
        }
        let retired = gone.map(\.name) + strayChains
        // They may jump to each other.
        for name in retired {
            changes.append("empty chain \(name) of table \(table)") { $0.deleteRule(of: name, in: table) }
        }
        for name in retired {
            changes.append("delete chain \(name) of table \(table)") { $0.deleteChain(name, of: table) }
        }
        return changes
    }

    private func appendChains(_ made: [CountedChain], _ changes: inout Changes) {
        let table = ServiceRuleset.table
        for chain in made {
            changes.append("make chain \(chain.name) in table \(table)") {
                $0.addChain(NftChain(chain.name), to: table)
            }
        }
        for chain in mended {
            changes.append("empty chain \(chain.name) of table \(table)") { $0.deleteRule(of: chain.name, in: table) }
        }
        for chain in made + mended {
            for rule in chain.rules {
                changes.append("add a rule to chain \(chain.name) of table \(table)") {
                    $0.addRule(rule, to: chain.name, of: table)
                }
            }
        }
    }

    private func appendFrame(_ changes: inout Changes) {
        let table = ServiceRuleset.table
        changes.append("make table \(table)") { $0.addTable(table) }
        changes.append("make set \(ServiceRuleset.version) in table \(table)") {
            $0.addSet(ServiceRuleset.versionSet, to: table, number: 1)
        }
        var number: UInt32 = 1
        for family in IPFamily.allCases {
            for map in ServiceMap.allCases {
                number += 1
                let (set, options) = (map.set(family), map.options)
                changes.append("make set \(set.name) in table \(table)") {
                    if let options {
                        $0.addSet(set, options, to: table, number: number)
                    } else {
                        $0.addSet(set, to: table, number: number)
                    }
                }
            }
        }
        let chains = ServiceRuleset.chains(dropsInvalid: dropsInvalid)
        for (chain, _) in chains {
            changes.append("make chain \(chain.name) in table \(table)") { $0.addChain(chain, to: table) }
        }
        for (chain, rules) in chains {
            for rule in rules {
                changes.append("add a rule to chain \(chain.name) of table \(table)") {
                    $0.addRule(rule, to: chain.name, of: table)
                }
            }
        }
    }
}
