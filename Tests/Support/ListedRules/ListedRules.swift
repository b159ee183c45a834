import NetlinkCodec
import PacketRules

/// Rules of one table, in the form in which the kernel lists them. Attribute numbers are from linux/netfilter/nf_tables.h.
public struct ListedRules {
    public typealias Expression = NftListedExpression

    public let table: NftTable
    public private(set) var ruleset = Ruleset()
    private var rules: UInt64 = 0

    public init(_ table: NftTable = NftTable(.inet, "theirs")) { self.table = table }

    /// Appends a base chain with one rule.
    public func chain(
        _ point: NftChain.Point, type: String = "filter", priority: Int32 = 0, _ rule: Expression...
    ) -> ListedRules {
        base("chain\(ruleset.chains.count)", point, type: type, priority: priority, rules: [rule])
    }

    /// Appends a base chain.
    ///
    /// - Parameter policy: NF_ACCEPT (1) or NF_DROP (0), linux/netfilter.h.
    public func base(
        _ name: String, _ point: NftChain.Point = .forward, type: String = "filter", priority: Int32 = 0,
        policy: UInt32 = 1, rules: [[Expression]]
    ) -> ListedRules {
        var copy = self
        copy.ruleset.add(
            NftListedChain(
                message {
                    $0.attribute(1, text: table.name)
                    $0.attribute(3, text: name)
                    $0.nested(4) {
                        $0.attribute(1, bigEndian: point.rawValue)
                        $0.attribute(2, bigEndian: priority)
                    }
                    $0.attribute(5, bigEndian: policy)
                    $0.attribute(7, text: type)
                })!)
        for rule in rules { copy.add(rule, to: name) }
        return copy
    }

    /// Appends a chain that is reached by jumps.
    public func chain(_ name: String, rules: [[Expression]]) -> ListedRules {
        var copy = self
        copy.ruleset.add(
            NftListedChain(
                message {
                    $0.attribute(1, text: table.name)
                    $0.attribute(3, text: name)
                })!)
        for rule in rules { copy.add(rule, to: name) }
        return copy
    }

    /// Appends a rule; its handle is the number of rules so far.
    private mutating func add(_ rule: [Expression], to chain: String) {
        add(
            rule.map {
                var builder = MessageBuilder()
                $0.encode(&builder)
                return builder.bytes
            }, to: chain)
    }

    /// Appends a rule made of captured expressions, without the header of each list element.
    public mutating func add(_ captured: [[UInt8]], to chain: String) {
        rules += 1
        let listed = NftListedRule(
            message { builder in
                builder.attribute(2, text: chain)
                builder.attribute(3, bigEndian: rules)
                builder.nested(4) { list in for octets in captured { list.attribute(1, octets) } }
            })!
        ruleset.add(listed, of: table)
    }

    /// Adds a set or map with single keys.
    public func set(_ name: String, _ elements: [NftElement] = []) -> ListedRules {
        set(name, NftListedElement.list(sent { $0.addElements(elements[...], to: name, of: table) }))
    }

    /// Adds a set of ranges: the first key of each, and the first key after it.
    public func set(_ name: String, ranges: [(first: [UInt8], end: [UInt8])]) -> ListedRules {
        let set = NftAnonymousSet(
            number: 1, key: .integer, isHostOrder: false, isInterval: true,
            elements: ranges.flatMap { [.init($0.first), .init($0.end, isEnd: true)] })
        return self.set(name, NftListedElement.list(sent { $0.addElements(of: set, in: table) }), isInterval: true)
    }

    /// Adds a map that has one verdict for all keys.
    ///
    /// - Parameter verdict: NF_ACCEPT (1) or NF_DROP (0), linux/netfilter.h.
    public func map(_ name: String, forAll verdict: UInt32) -> ListedRules {
        set(
            name,
            NftListedElement.list(
                message {
                    $0.nested(3) {
                        $0.nested(1) {
                            $0.attribute(3, bigEndian: UInt32(2))
                            $0.nested(2) { $0.nested(2) { $0.attribute(1, bigEndian: verdict) } }
                        }
                    }
                }))
    }

    private func set(_ name: String, _ elements: [NftListedElement], isInterval: Bool = false) -> ListedRules {
        var copy = self
        let set = sent { $0.addSet(NftSet(name, NftType(.ipv4), isInterval: isInterval), to: table, number: 1) }
        copy.ruleset.add(NftListedSet(set)!, in: table, elements)
        return copy
    }

    private func sent(_ body: (inout MessageBuilder) -> Void) -> Message {
        var builder = MessageBuilder()
        body(&builder)
        return Message.parse(builder.bytes[...])![0]
    }

    private func message(_ body: (inout MessageBuilder) -> Void) -> Message {
        sent { builder in
            builder.message(0, flags: 0) {
                // struct nfgenmsg.
                for octet in [table.family.rawValue, 0, 0, 0] { $0.append(octet) }
                body(&$0)
            }
        }
    }
}

extension NftListedExpression {
    public static let accept = verdict(.accept)
    public static let drop = verdict(.drop)
    public static func verdict(_ verdict: NftVerdict) -> Self { .immediate(.verdict(verdict), into: .verdict) }
    public static func value(_ octets: [UInt8]) -> Self { .immediate(.value(octets), into: .first) }
    public static func equal(_ octets: [UInt8]) -> Self { .compare(.equal, octets, .first) }
    public static func load(_ key: NftExpression.Meta) -> Self { .meta(key, into: .first) }
    public static func tracked(_ key: NftExpression.Connection) -> Self {
        .connection(key, direction: nil, into: .first)
    }
    /// Loads octets of the network header.
    public static func header(_ offset: UInt32, _ length: UInt32) -> Self {
        .payload(.network, offset: offset, length: length, into: .first)
    }
    public static let setMark = Self.setMeta(.mark, from: .first)
    public static let setConnectionMark = Self.setConnection(.mark, direction: nil, from: .first)
    public static func limit(over: Bool) -> Self { .limit(rate: 5, unit: 1, burst: 5, type: 0, inverted: over) }
    public static func connections(over count: UInt32) -> Self { .connectionLimit(count, inverted: true) }
    public static func quota(over octets: UInt64, used: UInt64) -> Self { .quota(octets, consumed: used, flags: 1) }
    /// Adds an element with its own expression to a set.
    public static func update(_ set: String, _ expression: Self) -> Self {
        .dynamicSet(set, operation: 1, key: .first, data: nil, timeout: nil, inverted: false, [expression])
    }
    /// Rewrites the destination to the address of the first register.
    public static let destinationNAT = Self.nat(NftListedTranslation(isDestination: true, .ip, address: .first))
    public static let masquerade = Self.masquerade(flags: 0, port: nil, lastPort: nil)
    /// Looks up a verdict in a map.
    public static func map(_ name: String) -> Self { .lookup(name, inverted: false, .first, into: .verdict) }
    public static func isIn(_ set: String) -> Self { .lookup(set, inverted: false, .first, into: nil) }
}
