internal import Kernel
internal import NetlinkCodec
public import Posix

/// What `swiftletctl` and the tests inspect.
extension NodeRules {
    /// The tables, as nft names them: `inet swiftlet`. Each exists once an attachment has needed it.
    public static let tables: [String] = OwnTable.allCases.map { "\($0.table)" }

    /// Those of ``tables`` that the pods of this node need.
    public static func requiredTables() throws(Failure) -> Set<String> {
        var required = Set(try recorded().flatMap { $0.isNamespaceAlive == true ? $0.rules?.tables ?? [] : [] })
        if try routesLoopback { required.insert(.loopbackGuard) }
        return Set(required.map { "\($0.table)" })
    }

    /// Prefix of the chains that exist only while ports have conditions. The other chains are fixed.
    public static let conditionChainPrefix = ConditionChain.prefix

    /// The records of this node's attachments, including attachments that are otherwise gone.
    public static func recorded() throws(Failure) -> [RecordedRules] {
        let records = try RecordDirectory()
        return try records.owners().map { owner throws(Failure) in
            let record = try? records.record(of: owner)
            return RecordedRules(
                owner: owner, rules: record?.rules, namespacePath: record?.namespace.path,
                isNamespaceAlive: record?.namespace.isAlive, time: try? records.time(of: owner))
        }
    }

    /// What is in the kernel, held against what is recorded.
    public struct Holdings: Sendable {
        /// The number of elements of each attachment, by its name (`NETWORK/CONTAINERID/IFNAME`); elements of networks are not
        /// counted.
        public var counts: [String: Int] = [:]
        /// What is recorded for an attachment and does not work, by its name: `ports`, `masquerade`, `antiSpoof`, `isolation`.
        public var missing: [String: Set<String>] = [:]

        public init() {}
    }

    /// Reads each set once, however many attachments there are.
    public mutating func holdings(_ records: [RecordedRules]) throws(Failure) -> Holdings {
        var holdings = Holdings()
        var sets: [String: [OwnedElement]] = [:]
        var isWhole: [OwnTable: Bool] = [:]
        for table in OwnTable.allCases {
            isWhole[table] = try table.ruleset.deviations(&socket).isEmpty
            for set in try socket.sets(of: table.table) {
                let elements = try list(set.name, in: table)
                sets["\(table.table) \(set.name)"] = elements
                for element in elements where !element.isShared { holdings.counts[element.owner, default: 0] += 1 }
            }
        }
        var known: [String: Set<[UInt8]>] = [:]
        for (place, elements) in sets {
            for element in elements { known["\(place) \(element.owner)", default: []].insert(element.element.key) }
        }
        func isThere(_ elements: [OwnedElement], _ tables: [OwnTable]) -> Bool {
            tables.allSatisfy { isWhole[$0] == true }
                && elements.allSatisfy { wanted in
                    let place = "\(wanted.table.table) \(wanted.set)"
                    guard wanted.isShared else {
                        return known["\(place) \(wanted.owner)"]?.contains(wanted.element.key) == true
                    }
                    // An element of another network may cover it.
                    return (sets[place] ?? []).reduce([wanted]) { rest, present in
                        rest.flatMap { $0.without(present) }
                    }.isEmpty
                }
        }
        for record in records {
            guard record.isNamespaceAlive == true, let rules = record.rules else { continue }
            let (owner, network) = (record.owner, record.owner.network)
            for (name, elements, tables) in [
                ("ports", rules.ports?.elements(of: owner), [OwnTable.main]),
                ("masquerade", rules.masquerade?.elements(of: network), [.main]),
                ("antiSpoof", rules.spoofGuard?.elements(of: owner), [.spoofGuard]),
                ("isolation", rules.isolation?.elements(of: network), [.isolation]),
            ] {
                guard let elements, !isThere(elements, tables) else { continue }
                holdings.missing[owner.name, default: []].insert(name)
            }
        }
        return holdings
    }

    /// Creates all tables, without elements.
    public mutating func installRulesets() throws(Failure) {
        for table in OwnTable.allCases { try install(table) }
    }
}

/// The record of what one plugin wants for one attachment.
public struct RecordedRules: Sendable, Hashable {
    public let owner: RulesOwner
    /// Nil for a record that cannot be read.
    public let rules: PodRules?
    /// Where the pod's namespace was.
    public let namespacePath: String?
    /// Whether the path still leads to that namespace; nil for a record that cannot be read.
    public let isNamespaceAlive: Bool?
    /// When it was written.
    public let time: Timestamp?

    public init(
        owner: RulesOwner, rules: PodRules?, namespacePath: String?, isNamespaceAlive: Bool?, time: Timestamp?
    ) {
        self.owner = owner
        self.rules = rules
        self.namespacePath = namespacePath
        self.isNamespaceAlive = isNamespaceAlive
        self.time = time
    }
}
