internal import Addresses
internal import Attachments
internal import Kernel
internal import EventLog
internal import NetlinkCodec
public import Posix

/// The rules of this node's attachments: made, checked and removed by their owner.
///
/// What an attachment wants is recorded first; then the kernel gets it in one batch. Removal goes the other way round.
/// If the process is killed in between, the record remains, with all that is needed to clean up.
public struct NodeRules: ~Copyable {
    var socket: NetlinkSocket
    let records: RecordDirectory

    /// Attempts at operations that others may disturb: dead owners of ports, a ruleset that vanishes in between.
    static let attempts = 16

    /// For the caller's network namespace.
    public init() throws(Failure) { try self.init(RecordDirectory()) }

    init(_ records: RecordDirectory) throws(Failure) {
        socket = try NetlinkSocket(.netfilter, closing: .leftToChild)
        self.records = records
    }

    /// Sets up what the attachment wants. If it already has different rules, those are removed first.
    ///
    /// - Parameter netns: the path of the pod's namespace.
    /// - Throws: code 103 if a port belongs to another attachment that is alive. The attachment then keeps its previous rules.
    public mutating func apply(_ rules: PodRules, _ owner: RulesOwner, netns: String) throws(Failure) {
        guard !rules.isEmpty else { return }
        let record = Record(rules, try NamespaceIdentity(netns))
        for _ in 0..<NodeRules.attempts {
            guard let locked = try records.lock(owner.network, owner.plugin, create: true) else { continue }
            guard let dead = try establish(record, owner, locked) else { return }
            // The dead attachment may be of this network, whose records are locked, so the lock is released first.
            _ = consume locked
            try removeAll(ofAttachment: dead)
        }
        throw NodeRules.crowdedOut(owner)
    }

    /// The same for one record.
    ///
    /// - Returns: a dead attachment that has what this one wants; nil when all is done.
    mutating func establish(
        _ record: Record, _ owner: RulesOwner, _ locked: borrowing RecordDirectory.LockedRecords
    ) throws(Failure) -> AttachmentName? {
        let isRepeated = try locked.has(owner)
        let before = isRepeated ? try records.record(of: owner) : nil
        if isRepeated, before != record { try removeElements(owner, locked) }
        do throws(Failure) {
            try locked.write(record, owner)
            guard let dead = try add(record.rules, owner, locked) else {
                try settle(record.rules, owner)
                return nil
            }
            if !isRepeated { try locked.remove(owner) }
            return dead
        } catch {
            if let before {
                surviving { () throws(Failure) in try locked.write(before, owner) }
                surviving { () throws(Failure) in
                    if before != record, try add(before.rules, owner, locked) == nil { try settle(before.rules, owner) }
                }
            } else if !isRepeated {
                surviving { () throws(Failure) in try remove(record.rules, of: owner, locked) }
                surviving { () throws(Failure) in try locked.remove(owner) }
            }
            throw error
        }
    }

    static func crowdedOut(_ owner: RulesOwner) -> Failure {
        Failure(
            .conflict, "set up the rules of \(owner.name): other programs keep changing the same",
            details: "try again later")
    }

    /// Adds the elements and what they require.
    ///
    /// - Returns: a dead attachment that has what this one wants; nil when all is done.
    private mutating func add(
        _ rules: PodRules, _ owner: RulesOwner, _ locked: borrowing RecordDirectory.LockedRecords
    ) throws(Failure) -> AttachmentName? {
        var elements = rules.elements(of: owner)
        var obsolete: [OwnedElement] = []
        for _ in 0..<NodeRules.attempts {
            do throws(Failure) {
                try change(adding: elements, deleting: obsolete, requiring: rules.tables)
                return nil
            } catch {
                switch error.errno {
                case .noSuchFile:
                    // Elements that existed may be gone as well.
                    (elements, obsolete) = (rules.elements(of: owner), [])
                    do throws(Failure) { try makeReady(rules) } catch {
                        guard error.errno == .noSuchFile else { throw error }
                    }
                case .fileExists:
                    let pending = elements.filter { !$0.isShared }.count
                    let shared = elements.filter { $0.isShared }
                    switch try sortOut(rules.elements(of: owner).filter { !$0.isShared }, owner) {
                    case .taken(let dead): return dead
                    case .wanting(let missing, let deviating): (elements, obsolete) = (missing, deviating)
                    }
                    if elements.count < pending || !obsolete.isEmpty {
                        elements += shared
                    } else {
                        // The conflict is not about ports: subnets of several networks overlap. Computed from all records.
                        try rebuildShared(locked.node)
                    }
                default: throw error
                }
            }
        }
        throw NodeRules.crowdedOut(owner)
    }

    private enum Comparison {
        /// What must be added, and what must first be deleted because it leads elsewhere.
        case wanting(missing: [OwnedElement], obsolete: [OwnedElement])
        /// A dead attachment holds what a living one wants.
        case taken(by: AttachmentName)
    }

    /// Compares elements of the owner with those in the kernel.
    ///
    /// - Throws: a conflict with an attachment that is alive.
    private mutating func sortOut(_ elements: [OwnedElement], _ owner: RulesOwner) throws(Failure) -> Comparison {
        var (missing, obsolete): ([OwnedElement], [OwnedElement]) = ([], [])
        let standing = try standing(of: elements, owner)
        var alive = ""
        for (wanted, holder) in standing.foreign where holder != alive {
            if let dead = try deadOwner(of: holder) { return .taken(by: dead) }
            guard owner.sharesPorts(with: holder) else {
                throw Failure(
                    .conflict, "\(wanted.subject) belongs to \(holder), so \(owner.name) cannot use it",
                    details:
                        "choose another one, or DEL \(holder) first; swiftletctl gc frees what pods that are gone have left"
                )
            }
            alive = holder
        }
        for (wanted, listed) in standing.own {
            guard listed == nil || listed?.data != wanted.element.data else { continue }
            if listed != nil { obsolete.append(wanted) }
            missing.append(wanted)
        }
        return .wanting(missing: missing, obsolete: obsolete)
    }

    /// Executes one batch. It looks up the version sets first, so that it fails if a ruleset is missing or older.
    mutating func change(
        adding: [OwnedElement] = [], deleting: [OwnedElement], requiring tables: [OwnTable] = []
    ) throws(Failure) {
        var changes = Changes.batch()
        for table in tables {
            changes.append("find the ruleset of table \(table.table)") {
                $0.requireSet(table.version, in: table.table)
            }
        }
        changes.delete(deleting)
        changes.add(adding)
        try socket.execute(changes)
    }

    /// The owner that a comment names, if it is dead: its namespace is gone. An owner without a record is alive while
    /// the host side of its link exists.
    private func deadOwner(of comment: String) throws(Failure) -> AttachmentName? {
        guard let named = AttachmentName(comment) else { return nil }
        let known = try records.owners(network: named.network).filter { $0.attachment == named }
        for owner in known where try records.record(of: owner)?.namespace.isAlive ?? true { return nil }
        guard known.isEmpty else { return named }
        var route = try NetlinkSocket()
        return try route.links().contains { $0.alias == named.linkAlias } ? nil : named
    }

    /// The elements as the kernel has them, in the same order; nil for those it lacks.
    mutating func lookUp(_ elements: [OwnedElement]) throws(Failure) -> [NftElement?] {
        var dumps: [String: [[UInt8]: NftElement]] = [:]
        var found: [NftElement?] = []
        guard elements.count > NodeRules.fewElements else {
            return try socket.elements(elements.map { ($0.element, $0.set, $0.table.table) })
        }
        for wanted in elements {
            let place = "\(wanted.table.table) \(wanted.set)"
            if dumps[place] == nil {
                var dump: [[UInt8]: NftElement] = [:]
                for element in try socket.elements(of: wanted.set, in: wanted.table.table) {
                    dump[element.key] = element
                }
                dumps[place] = dump
            }
            found.append(dumps[place]?[wanted.element.key])
        }
        return found
    }

    /// All elements of a set, of all owners.
    mutating func list(_ set: String, in table: OwnTable) throws(Failure) -> [OwnedElement] {
        try socket.elements(of: set, in: table.table).map { OwnedElement(table, set, listed: $0) }
    }

    /// Up to this many elements are looked up by key; for more the whole set is dumped.
    private static let fewElements = 64

    /// Installs the rulesets and chains that the elements need.
    ///
    /// - Throws: code 7 if another program owns a table of that name.
    mutating func makeReady(_ rules: PodRules) throws(Failure) {
        for table in rules.tables { try install(table) }
        // If everything is restored because all tables were deleted, other pods need this one.
        if !rules.tables.contains(.loopbackGuard), try NodeRules.routesLoopback { try install(.loopbackGuard) }
        for chain in rules.conditionChains { try install(chain) }
    }

    mutating func install(_ table: OwnTable) throws(Failure) {
        let isOurs = { (sets: [NftListedSet]) in sets.contains { $0.name.hasPrefix(Ruleset.versionPrefix) } }
        var present = try socket.sets(of: table.table)
        var exists = !present.isEmpty
        if !exists, try socket.flags(of: table.table) != nil {
            // Another pod's ADD has just created it, or it belongs to another program.
            exists = true
            present = try socket.sets(of: table.table)
        }
        guard isOurs(present) || !exists else {
            throw Failure(
                .invalidConfiguration, "table \(table.table) exists, but was not made by swiftlet",
                details: "rename or delete it: nft delete table \(table.table)")
        }
        var changes = Changes.batch()
        let chains = try socket.chains(table.table.family).filter { $0.table.name == table.table.name }
        table.ruleset.install(over: present, chains.map { $0.chain.name }, &changes)
        try socket.execute(changes)
    }
}

extension Changes {
    mutating func add(_ elements: [OwnedElement]) {
        elements.forEachPiece { first, piece in
            let name = first.owner
            append("add elements of \(name) to \(first.set) in table \(first.table.table)") {
                $0.addElements(
                    ArraySlice(piece.map { $0.element }), to: first.set, of: first.table.table, exclusive: first.isClaim
                )
            }
        }
    }

    mutating func delete(_ elements: [OwnedElement]) {
        elements.forEachPiece { first, piece in
            append("delete elements of \(first.owner) from \(first.set) in table \(first.table.table)") {
                $0.deleteElements(ArraySlice(piece.map { $0.element }), of: first.set, in: first.table.table)
            }
        }
    }
}
