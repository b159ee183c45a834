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

    /// The number of elements of each attachment, by its name (`NETWORK/CONTAINERID/IFNAME`); elements of networks are
    /// not counted.
    public mutating func elementCounts() throws(Failure) -> [String: Int] {
        var counts: [String: Int] = [:]
        for table in OwnTable.allCases {
            for set in try socket.sets(of: table.table) {
                for element in try list(set.name, in: table) where !element.isShared {
                    counts[element.owner, default: 0] += 1
                }
            }
        }
        return counts
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
