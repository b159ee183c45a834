internal import Kernel
internal import Net
internal import Posix
internal import Wire

/// The rules of this node's attachments: made, checked and removed by their owner.
///
/// What an attachment wants is written down first, then the kernel gets it in one batch; taking it away goes the other
/// way round. A kill anywhere in between leaves a record, and with it all that is needed to clean up.
public struct NodeRules: ~Copyable {
    var socket: NetlinkSocket
    let records: RecordDirectory

    /// Attempts at what others may get in the way of: dead owners of ports, a ruleset that vanishes in between.
    static let attempts = 16

    /// For the network namespace that the caller is in.
    public init() throws {
        let records = try RecordDirectory()
        socket = try NetlinkSocket(.netfilter)
        self.records = records
    }

    /// Sets up what the attachment wants. If it has something already, that goes first, unless it is the same.
    ///
    /// - Parameter netns: the path of the pod's namespace.
    /// - Throws: `RulesError` of kind conflict when a port belongs to another attachment that is alive. Nothing is left
    ///   of it then.
    public mutating func apply(_ rules: PodRules, _ owner: RulesOwner, netns: String) throws {
        guard !rules.isEmpty else { return }
        let record = Record(rules, try NamespaceIdentity(netns))
        for _ in 0..<NodeRules.attempts {
            guard let locked = try records.lock(owner.network, owner.plugin, create: true) else { continue }
            let isRepeated = locked.has(owner)
            if isRepeated, records.record(of: owner) != record { try removeElements(owner, locked) }
            let dead: RulesOwner?
            do {
                try locked.write(record, owner)
                dead = try add(rules, owner)
                if dead == nil { try settle(rules, owner) }
            } catch {
                if !isRepeated {
                    try? removeElements(owner, locked)
                    try? locked.remove(owner)
                }
                throw error
            }
            guard let dead else { return }
            // It may be of this network, whose records are locked: let go first.
            try locked.remove(owner)
            _ = consume locked
            try removeAll(ofAttachment: dead)
        }
        throw NodeRules.crowdedOut(owner)
    }

    private static func crowdedOut(_ owner: RulesOwner) -> RulesError {
        RulesError(
            .conflict, "set up the rules of \(owner.name): others keep changing the same", advice: "try again later")
    }

    /// Adds the elements.
    ///
    /// - Returns: a dead attachment that has one of the ports, if there is one.
    mutating func add(_ rules: PodRules, _ owner: RulesOwner) throws -> RulesOwner? {
        var elements = rules.elements(of: owner)
        var obsolete: [OwnedElement] = []
        for _ in 0..<NodeRules.attempts {
            do throws(KernelError) {
                try change(adding: elements, deleting: obsolete)
                return nil
            } catch {
                switch error.errno {
                case .noSuchFile:
                    obsolete = []
                    try makeReady(rules)
                case .fileExists:
                    let all = rules.elements(of: owner).filter { !$0.isShared }
                    (elements, obsolete) = (elements.filter(\.isShared), [])
                    for (wanted, listed) in zip(all, try lookUp(all)) {
                        if let listed, listed.comment != owner.name {
                            if let dead = try deadOwner(of: listed.comment) { return dead }
                            throw RulesError(
                                .conflict,
                                "\(wanted.subject) belongs to \(listed.comment), so \(owner.name) cannot have it",
                                advice: "use another one, or DEL \(listed.comment) first")
                        }
                        guard listed?.data != wanted.element.data || listed == nil else { continue }
                        if listed != nil { obsolete.append(wanted) }
                        elements.append(wanted)
                    }
                case .notEmpty:
                    // Subnets of different networks overlap: worked out anew from everybody's records.
                    elements.removeAll(where: \.isShared)
                    try rebuildShared()
                default: throw error
                }
            }
        }
        throw NodeRules.crowdedOut(owner)
    }

    /// One batch. The version's chain is asked for first, so that an absent or older ruleset shows.
    mutating func change(adding: [OwnedElement], deleting: [OwnedElement] = []) throws(KernelError) {
        var changes = Changes.batch()
        var tables: [OwnTable] = []
        for element in adding + deleting where !tables.contains(element.table) { tables.append(element.table) }
        for table in tables where adding.contains(where: { $0.table == table }) {
            changes.append("find the ruleset of table \(table.table)") {
                $0.requireChain(table.version, in: table.table)
            }
        }
        changes.delete(deleting)
        changes.add(adding)
        try socket.execute(changes)
    }

    /// The owner that a comment names, if it is known to be dead: without a record, or with its namespace gone.
    private func deadOwner(of comment: String) throws -> RulesOwner? {
        guard let named = RulesOwner(name: comment) else { return nil }
        let known = try records.owners(network: named.network)
            .filter { $0.containerID == named.containerID && $0.ifname == named.ifname }
        let isAlive = known.contains { records.record(of: $0)?.namespace.isAlive ?? true }
        return isAlive ? nil : named
    }

    /// The elements as the kernel has them, in the same order; nil for those that it has not.
    mutating func lookUp(_ elements: [OwnedElement]) throws(KernelError) -> [NftElement?] {
        var dumps: [String: [[UInt8]: NftElement]] = [:]
        var found: [NftElement?] = []
        for wanted in elements {
            guard elements.count > NodeRules.fewElements else {
                found.append(try socket.element(wanted.element, of: wanted.set, in: wanted.table.table))
                continue
            }
            let place = "\(wanted.table) \(wanted.set)"
            if dumps[place] == nil {
                let list = try socket.elements(of: wanted.set, in: wanted.table.table)
                dumps[place] = Dictionary(list.map { ($0.key, $0) }) { first, _ in first }
            }
            found.append(dumps[place]?[wanted.element.key])
        }
        return found
    }

    /// Up to here elements are asked for one by one; beyond, the whole set is listed.
    private static let fewElements = 64

    /// Installs the rulesets and chains that the elements need.
    ///
    /// - Throws: `RulesError` of kind invalid when a table of that name is somebody else's.
    mutating func makeReady(_ rules: PodRules) throws {
        for table in OwnTable.allCases where rules.uses(table) { try install(table) }
        for chain in rules.conditionChains { try install(chain) }
    }

    mutating func install(_ table: OwnTable) throws {
        let present = try socket.chains(table.table.family).filter { $0.table.name == table.table.name }
        let isOurs = present.contains { $0.chain.name.hasPrefix(Ruleset.versionPrefix) }
        let exists = try !present.isEmpty || socket.hasTable(table.table)
        guard isOurs || !exists else {
            throw RulesError(
                .invalid, "table \(table.table) is there, but not made by swiftlet",
                advice: "rename or delete it: nft delete table \(table.table)")
        }
        var changes = Changes.batch()
        table.ruleset.install(over: present, &changes)
        try socket.execute(changes)
    }
}

extension Changes {
    mutating func add(_ elements: [OwnedElement]) {
        elements.forEachPiece { first, piece in
            let name = first.owner
            append("add elements of \(name) to \(first.set) in table \(first.table.table)") {
                $0.addElements(
                    ArraySlice(piece.map(\.element)), to: first.set, of: first.table.table, exclusive: first.isClaim)
            }
        }
    }

    mutating func delete(_ elements: [OwnedElement]) {
        elements.forEachPiece { first, piece in
            append("delete elements of \(first.owner) from \(first.set) in table \(first.table.table)") {
                $0.deleteElements(ArraySlice(piece.map(\.element)), of: first.set, in: first.table.table)
            }
        }
    }
}
