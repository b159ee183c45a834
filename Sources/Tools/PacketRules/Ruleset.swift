public import Kernel
public import NetlinkCodec
public import Posix

/// The nf_tables rules of one network namespace, whichever program made them.
public struct Ruleset: Sendable {
    struct Place: Hashable, Sendable {
        let table: NftTable
        let name: String
    }

    struct Rule: Sendable {
        let chain: String
        let handle: UInt64
        let comment: String
        let expressions: [NftListedExpression]
        /// Whether it may affect what becomes of a packet, beyond counting or logging it.
        let matters: Bool

        init(_ listed: NftListedRule) {
            chain = listed.chain
            handle = listed.handle
            comment = listed.comment
            expressions = listed.expressions
            matters = expressions.contains { $0.matters }
        }
    }

    public private(set) var chains: [NftListedChain] = []
    /// The rules of each chain.
    private(set) var rules: [Place: [Rule]] = [:]
    private(set) var sets: [Place: ElementSet] = [:]
    /// Other rules that exist but are not read, such as those of iptables-legacy.
    public var unread: [String] = []
    /// The same, for those that see only the packets of one device, by its name: tables of the netdev family. A `*` at the end of
    /// a name stands for anything.
    public var unreadOnDevices: [String: Set<String>] = [:]
    /// Tables that decide about ARP.
    public var tablesOfARP: [String] = []

    /// An empty ruleset.
    public init() {}

    /// Reads the rules of the socket's network namespace.
    public init(_ socket: inout NetlinkSocket) throws(Failure) {
        for family in [NftFamily.ip, .ip6, .inet, .bridge] {
            try read(try socket.chains(family).filter { $0.table.family == family }, &socket)
        }
        tablesOfARP = Ruleset.tables(.arp, &socket)
        readNetdev(&socket)
    }

    private mutating func readNetdev(_ socket: inout NetlinkSocket) {
        let family = NftOtherFamily.netdev
        let chains =
            (try? socket.dump(
                "list chains",
                { message in
                    family.table(ofBaseChain: message).map { ($0, family.devices(ofBaseChain: message)) }
                }
            ) { $0.dumpChains(family) }) ?? []
        for (table, devices) in chains {
            for device in devices { unreadOnDevices[device, default: []].insert("table netdev \(table)") }
        }
    }

    /// Rules that see the packets of a device, and that are not read.
    public func unread(on device: String) -> [String] {
        unreadOnDevices.filter { name, _ in
            name == device || name.hasSuffix("*") && device.hasPrefix(name.dropLast())
        }.flatMap { $0.value }.sorted()
    }

    /// Reads the rules of these chains, and the sets that they use. The chains must include all chains of their tables.
    public init(of chains: [NftListedChain], _ socket: inout NetlinkSocket) throws(Failure) {
        try read(chains, &socket)
    }

    private mutating func read(_ chains: [NftListedChain], _ socket: inout NetlinkSocket) throws(Failure) {
        var seen: Set<NftTable> = []
        for chain in chains {
            add(chain)
            guard seen.insert(chain.table).inserted else { continue }
            for set in try socket.sets(of: chain.table) {
                add(set, in: chain.table, try socket.listedElements(of: set.name, in: chain.table))
            }
        }
        for table in seen {
            for rule in try socket.rules(in: table) { add(rule, of: table) }
        }
    }

    /// Adds a chain without rules.
    public mutating func add(_ chain: NftListedChain) {
        chains.append(chain)
        rules[Place(table: chain.table, name: chain.chain.name), default: []] += []
    }

    /// Appends a rule to its chain; ignores it if the chain does not exist.
    public mutating func add(_ rule: NftListedRule, of table: NftTable) {
        rules[Place(table: table, name: rule.chain)]?.append(Rule(rule))
    }

    public mutating func add(_ set: NftListedSet, in table: NftTable, _ elements: [NftListedElement]) {
        sets[Place(table: table, name: set.name)] = ElementSet(elements, isInterval: set.isInterval)
    }

    /// The tables of a family that have base chains; empty if the kernel lacks the family.
    private static func tables(_ family: NftOtherFamily, _ socket: inout NetlinkSocket) -> [String] {
        let tables = try? socket.dump("list chains", family.table(ofBaseChain:)) { $0.dumpChains(family) }
        return Set(tables ?? []).sorted()
    }

    /// The base chains that a packet traverses at a hook, in order.
    func baseChains(_ point: NftChain.Point, _ families: [NftFamily]) -> [NftListedChain] {
        chains.filter { families.contains($0.table.family) && $0.chain.hook?.point == point }
            .sorted { ($0.chain.hook?.priority ?? 0) < ($1.chain.hook?.priority ?? 0) }
    }
}

/// A set or map, whichever program made it.
struct ElementSet: Sendable {
    private var single: [[UInt8]: NftListedElement] = [:]
    /// Elements with several fields, each with a first and a last value.
    private var boxes: [NftListedElement] = []
    /// The beginnings and ends of ranges of one field, in order.
    private var edges: [NftListedElement] = []
    private var catchall: NftListedElement?
    /// In octets; nil for an empty set.
    let keyLength: Int?

    init(_ elements: [NftListedElement], isInterval: Bool) {
        keyLength = elements.first { !$0.isCatchall }?.key.count
        for element in elements {
            if element.isCatchall {
                catchall = element
            } else if element.keyEnd != nil {
                boxes.append(element)
            } else if isInterval {
                edges.append(element)
            } else {
                single[element.key] = element
            }
        }
        // At a key where one range ends and the next begins, the beginning counts.
        edges.sort { $0.key == $1.key ? $0.isRangeEnd && !$1.isRangeEnd : $0.key.lexicographicallyPrecedes($1.key) }
    }

    /// The keys of single elements, and where ranges begin and end.
    var keys: [[UInt8]] { Array(single.keys) + edges.map { $0.key } }

    /// All verdicts that a verdict map may give.
    var verdicts: [NftVerdict] {
        var found: Set<NftVerdict> = []
        for element in Array(single.values) + boxes + edges + (catchall.map { [$0] } ?? []) {
            if case .verdict(let verdict)? = element.data { found.insert(verdict) }
        }
        return Array(found)
    }

    /// The set's element for a key; nil if there is none.
    func element(for key: [UInt8]) -> NftListedElement? {
        if let found = single[key] { return found }
        if let found = boxes.first(where: { $0.holds(key) }) { return found }
        if let last = edges.last(where: { !key.lexicographicallyPrecedes($0.key) }), !last.isRangeEnd { return last }
        return catchall
    }
}

extension NftListedElement {
    /// Whether each field of the key is between the ends. Fields fill whole words, and most have one. A key of two IPv6
    /// addresses is compared address by address. In other combinations IPv6 addresses are compared word by word, which is the
    /// same for prefixes.
    fileprivate func holds(_ key: [UInt8]) -> Bool {
        guard let keyEnd, self.key.count == key.count, keyEnd.count == key.count, key.count % 4 == 0 else {
            return false
        }
        let width = key.count == 32 ? 16 : 4
        return stride(from: 0, to: key.count, by: width).allSatisfy { start in
            let field = start..<start + width
            return !key[field].lexicographicallyPrecedes(self.key[field])
                && !keyEnd[field].lexicographicallyPrecedes(key[field])
        }
    }
}
