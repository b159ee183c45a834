/// A chain as the kernel lists it.
public struct NftListedChain: Sendable, Hashable {
    public let table: NftTable
    public let chain: NftChain
    /// NF_DROP (0) or NF_ACCEPT (1); nil unless it is a base chain.
    public let policy: UInt32?

    public init?(_ message: Message) {
        guard let (family, attributes) = netfilterPayload(message), let table = attributes[NFTA.chainTable]?.text,
            let name = attributes[NFTA.chainName]?.text
        else { return nil }
        self.table = NftTable(family, table)
        policy = attributes[NFTA.chainPolicy]?.bigEndian32
        let hook = attributes.nested(NFTA.chainHook)
        if let number = hook[NFTA.hookNumber]?.bigEndian32, let point = NftChain.Point(rawValue: number),
            let priority = hook[NFTA.hookPriority]?.bigEndian32, let type = attributes[NFTA.chainType]?.text
        {
            chain = NftChain(name, NftChain.Hook(type, point, priority: Int32(bitPattern: priority)))
        } else {
            chain = NftChain(name)
        }
    }
}

/// Families of which we only read whether they have rules, linux/netfilter.h.
public enum NftOtherFamily: UInt8, Sendable, Hashable {
    case arp = 3
    case netdev = 5

    /// The table of a listed base chain of this family; nil for other chains.
    public func table(ofBaseChain message: Message) -> String? {
        guard message.payload.count >= 4, message.payload.first == rawValue else { return nil }
        let attributes = Attributes(message.payload.dropFirst(4))
        return attributes[NFTA.chainHook].flatMap { _ in attributes[NFTA.chainTable]?.text }
    }

    /// The names of the devices whose packets a listed base chain of the netdev family sees; a `*` at the end stands for anything.
    public func devices(ofBaseChain message: Message) -> [String] {
        guard message.payload.count >= 4, message.payload.first == rawValue else { return [] }
        let hook = Attributes(message.payload.dropFirst(4)).nested(NFTA.chainHook)
        // One device is listed in both places.
        let list = hook.nested(NFTA.hookDevices).all.compactMap { $0.text }
        return list.isEmpty ? [hook[NFTA.hookDevice]?.text].compactMap { $0 } : list
    }
}

extension MessageBuilder {
    public mutating func dumpChains(_ family: NftOtherFamily) {
        message(
            NfnlSubsystem.nftables << 8 | NftMessageType.getChain, flags: MessageFlag.request | MessageFlag.dump
        ) { $0.netfilterHeader(family.rawValue) }
    }
}

/// A rule as the kernel lists it.
public struct NftListedRule: Sendable {
    public let chain: String
    public let handle: UInt64
    public let comment: String
    let listed: [Attributes]

    /// What the rule does.
    public var expressions: [NftListedExpression] { listed.map { NftListedExpression($0) } }

    public init?(_ message: Message) {
        guard let (_, attributes) = netfilterPayload(message), let chain = attributes[NFTA.ruleChain]?.text,
            let handle = attributes[NFTA.ruleHandle]?.bigEndian64
        else { return nil }
        self.chain = chain
        self.handle = handle
        listed = attributes.nested(NFTA.ruleExpressions).all.map { Attributes($0.bytes) }
        // A rule saved and restored by iptables has its comment in a match (linux/netfilter/xt_comment.h).
        let match = listed.lazy.filter { $0[NFTA.expressionName]?.text == "match" }
            .map { $0.nested(NFTA.expressionData) }.first { $0[NFTA.xtablesName]?.text == "comment" }
        comment =
            attributes[NFTA.ruleUserData].flatMap { NftUserData.comment(in: $0.bytes) }
            ?? match?[NFTA.xtablesInfo]?.text ?? ""
    }

    /// The chain that the rule jumps or goes to; nil for another verdict, or none.
    public var target: String? {
        let verdict = listed.lazy.filter { $0[NFTA.expressionName]?.text == "immediate" }
            .compactMap { NftData($0.nested(NFTA.expressionData).nested(NFTA.immediateData)) }.first
        switch verdict {
        case .verdict(.jump(let chain)), .verdict(.goto(let chain)): return chain
        default: return nil
        }
    }

    /// Whether these are the rule's expressions. The kernel lists each as it was given, plus defaults. It gives anonymous sets
    /// its own names, so their contents are not compared.
    public func isSame(as rule: NftRule) -> Bool {
        listed.count == rule.expressions.count && begins(with: rule.expressions)
    }

    /// Whether these are the rule's first expressions, compared the same way.
    public func begins(with others: [NftExpression]) -> Bool {
        guard listed.count >= others.count else { return false }
        return zip(listed, others).allSatisfy { listed, wanted in
            var builder = MessageBuilder()
            wanted.encode(&builder, asListed: true)
            let given = Attributes(builder.bytes[...])
            guard listed[NFTA.expressionName]?.text == given[NFTA.expressionName]?.text else { return false }
            return listed.nested(NFTA.expressionData).holds(given.nested(NFTA.expressionData))
        }
    }
}

extension Attributes {
    /// Whether each of the others is here with the same value.
    fileprivate func holds(_ others: Attributes) -> Bool {
        zip(others.types, others.all).allSatisfy { type, wanted in
            // A value is flat or holds one level of nested attributes; padding and flags may differ there.
            guard let own = self[type] else { return false }
            if own.bytes.elementsEqual(wanted.bytes) { return true }
            let (inner, others) = (Attributes(own.bytes), Attributes(wanted.bytes))
            return !others.types.isEmpty && inner.types.count >= others.types.count && inner.holds(others)
        }
    }
}

/// A set as the kernel lists it.
public struct NftListedSet: Sendable, Hashable {
    public let name: String
    private let flags: UInt32
    private let keyType: UInt32
    private let dataType: UInt32

    public init?(_ message: Message) {
        guard let (_, attributes) = netfilterPayload(message), let name = attributes[NFTA.setName]?.text,
            let keyType = attributes[NFTA.setKeyType]?.bigEndian32
        else { return nil }
        self.name = name
        flags = attributes[NFTA.setFlags]?.bigEndian32 ?? 0
        self.keyType = keyType
        dataType = attributes[NFTA.setDataType]?.bigEndian32 ?? 0
    }

    /// Whether its elements are ranges (NFT_SET_INTERVAL).
    public var isInterval: Bool { flags & 0x4 != 0 }

    public func isSame(as set: NftSet) -> Bool {
        let wanted: UInt32 =
            switch set.data {
            case .none: 0
            case .verdict: NftConstant.verdictType
            case .value(let type): type.typeNumber
            }
        return name == set.name && flags == set.flags && keyType == set.key.typeNumber && dataType == wanted
    }
}

/// An element of any set, as the kernel lists it.
public struct NftListedElement: Sendable, Hashable {
    public let key: [UInt8]
    /// The last key of a range of several fields.
    public let keyEnd: [UInt8]?
    /// Whether it is the first key after a range of one field (NFT_SET_ELEM_INTERVAL_END).
    public let isRangeEnd: Bool
    /// Whether it applies to all keys without an element (NFT_SET_ELEM_CATCHALL).
    public let isCatchall: Bool
    public let data: NftData?
    public let comment: String

    private init(_ attributes: Attributes) {
        func value(_ type: UInt16) -> [UInt8]? {
            attributes.nested(type)[NFTA.dataValue].map { Array($0.bytes) }
        }
        key = value(NFTA.elementKey) ?? []
        keyEnd = value(NFTA.elementKeyEnd)
        let flags = attributes[NFTA.elementFlags]?.bigEndian32 ?? 0
        isRangeEnd = flags & 1 != 0
        isCatchall = flags & 2 != 0
        data = attributes[NFTA.elementData].flatMap { NftData(Attributes($0.bytes)) }
        comment = attributes[NFTA.elementUserData].flatMap { NftUserData.comment(in: $0.bytes) } ?? ""
    }

    /// The elements of a message of the kernel.
    public static func list(_ message: Message) -> [NftListedElement] {
        guard message.payload.count >= 4 else { return [] }
        return Attributes(message.payload.dropFirst(4)).nested(NFTA.elementsList).all
            .map { NftListedElement(Attributes($0.bytes)) }
    }
}

extension NftTable {
    /// NFT_TABLE_F_ of a listed table, linux/netfilter/nf_tables.h.
    public static func flags(_ message: Message) -> UInt32 {
        netfilterPayload(message)?.1[NFTA.tableFlags]?.bigEndian32 ?? 0
    }
}

/// The generation of the ruleset: each committed batch makes a new one.
public struct NftGeneration: Sendable, Hashable {
    public let number: UInt32

    public init?(_ message: Message) {
        guard let number = netfilterPayload(message)?.1[NFTA.generationID]?.bigEndian32 else { return nil }
        self.number = number
    }
}

/// What follows struct nfgenmsg.
func netfilterPayload(_ message: Message) -> (NftFamily, Attributes)? {
    guard message.payload.count >= 4, let first = message.payload.first, let family = NftFamily(rawValue: first) else {
        return nil
    }
    return (family, Attributes(message.payload.dropFirst(4)))
}
