/// An expression of any rule, as the kernel lists it (linux/netfilter/nf_tables.h).
///
/// A value represents all of its octets. An expression with an attribute or a number that is not understood is ``other``, so that
/// no one mistakes a part for the whole.
public enum NftListedExpression: Sendable, Hashable {
    case meta(NftExpression.Meta, into: NftRegister)
    case setMeta(NftExpression.Meta, from: NftRegister)
    case payload(NftExpression.Base, offset: UInt32, length: UInt32, into: NftRegister)
    case setPayload(NftExpression.Base, offset: UInt32, length: UInt32, from: NftRegister, NftChecksum)
    /// `direction`: 0 for the direction of the connection's first packet, 1 for answers; nil if the key has no direction.
    case connection(NftExpression.Connection, direction: UInt8?, into: NftRegister)
    case setConnection(NftExpression.Connection, direction: UInt8?, from: NftRegister)
    case fib(NftFib.Result, NftFib.Flags, into: NftRegister)
    /// A constant, or the verdict.
    case immediate(NftData, into: NftRegister)
    case compare(NftExpression.Comparison, [UInt8], NftRegister)
    case range(isInside: Bool, first: [UInt8], last: [UInt8], NftRegister)
    case bitwise(keeping: [UInt8], flipping: [UInt8], from: NftRegister, into: NftRegister)
    /// Swaps the byte order of numbers with this many octets.
    case byteOrder(toNetwork: Bool, length: UInt32, size: UInt32, from: NftRegister, into: NftRegister)
    /// `into`: nil for a set; for a map, the verdict's register or another one.
    case lookup(String, inverted: Bool, NftRegister, into: NftRegister?)
    /// `operation`: NFT_DYNSET_OP_*.
    case dynamicSet(
        String, operation: UInt32, key: NftRegister, data: NftRegister?, timeout: UInt64?, inverted: Bool,
        [NftListedExpression])
    case nat(NftListedTranslation)
    /// `flags`: NF_NAT_RANGE_*, linux/netfilter/nf_nat.h.
    case masquerade(flags: UInt32, port: NftRegister?, lastPort: NftRegister?)
    case redirect(flags: UInt32, port: NftRegister?, lastPort: NftRegister?)
    /// `type`: NFT_REJECT_*.
    case reject(type: UInt32, code: UInt8?)
    case counter(packets: UInt64, octets: UInt64)
    /// `unit`: in seconds. `type`: NFT_LIMIT_*.
    case limit(rate: UInt64, unit: UInt64, burst: UInt32, type: UInt32, inverted: Bool)
    case connectionLimit(UInt32, inverted: Bool)
    /// In octets. `flags`: NFT_QUOTA_F_*.
    case quota(UInt64, consumed: UInt64, flags: UInt32)
    /// Applies a named object.
    case object(type: NftObjectType, String)
    case noTrack
    case xtablesMatch(String, revision: UInt32, [UInt8])
    case xtablesTarget(String, revision: UInt32, [UInt8])
    /// An expression that only loads a value: its name and attributes.
    case load(String, [UInt8], into: NftRegister)
    /// An expression after which the rule always continues, and which does not change the packet's addresses, ports or mark: its
    /// name and attributes.
    case record(String, [UInt8])
    /// An expression that is not understood: its name and attributes.
    case other(String, [UInt8])
}

/// How to update a checksum after writing into a packet: NFT_PAYLOAD_CSUM_*, and where the checksum is.
public struct NftChecksum: Sendable, Hashable {
    let type: UInt32
    let offset: UInt32
    let flags: UInt32
}

/// Rewrites addresses and ports to those in registers; each may have a second register for the end of a range.
public struct NftListedTranslation: Sendable, Hashable {
    public var isDestination: Bool
    /// NFPROTO_*, linux/netfilter.h.
    public var family: UInt32
    public var address: NftRegister?
    public var lastAddress: NftRegister?
    public var port: NftRegister?
    public var lastPort: NftRegister?
    /// NF_NAT_RANGE_*, linux/netfilter/nf_nat.h; nil if none are listed.
    public var flags: UInt32?

    public init(isDestination: Bool, _ family: NftFamily, address: NftRegister? = nil, port: NftRegister? = nil) {
        self.isDestination = isDestination
        self.family = UInt32(family.rawValue)
        self.address = address
        self.port = port
    }

    fileprivate init?(_ reader: inout Reader) {
        guard let type = reader.number(NFTA.natType),
            type == NftConstant.natSource || type == NftConstant.natDestination,
            let family = reader.number(NFTA.natFamily)
        else { return nil }
        isDestination = type == NftConstant.natDestination
        self.family = family
        address = reader.register(NFTA.natAddress)
        lastAddress = reader.register(NFTA.natLastAddress)
        port = reader.register(NFTA.natPort)
        lastPort = reader.register(NFTA.natLastPort)
        flags = reader.number(NFTA.natFlags)
    }
}

/// Parameters of `fib`, which queries the routing table.
public enum NftFib {
    /// enum nft_fib_result.
    public enum Result: UInt32, Sendable, Hashable {
        case outputInterface = 1
        case outputInterfaceName = 2
        /// RTN_*, linux/rtnetlink.h.
        case addressType = 3
    }

    /// enum nft_fib_flags.
    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static let source = Flags(rawValue: 1)
        public static let destination = Flags(rawValue: 2)
        public static let mark = Flags(rawValue: 4)
        public static let inputInterface = Flags(rawValue: 8)
        public static let outputInterface = Flags(rawValue: 16)
        /// Only whether a route exists.
        public static let present = Flags(rawValue: 32)
    }
}

/// NFT_OBJECT_*: an object that rules share.
public struct NftObjectType: Sendable, Hashable {
    let rawValue: UInt32

    /// Objects that pass only some packets.
    public static let quota = NftObjectType(rawValue: 2)
    public static let limit = NftObjectType(rawValue: 4)
    public static let connectionLimit = NftObjectType(rawValue: 5)
}

/// Reads attributes and records which have been read.
private struct Reader {
    private let attributes: Attributes
    private var seen: UInt32 = 0

    init(_ octets: ArraySlice<UInt8>) { attributes = Attributes(octets) }

    /// Whether every attribute was read, and none occurs twice.
    var isReadWhole: Bool {
        var left = seen
        for type in attributes.types {
            guard type < 32, left & 1 << UInt32(type) != 0 else { return false }
            left &= ~(1 << UInt32(type))
        }
        return true
    }

    mutating func attribute(_ type: UInt16) -> Attribute? {
        seen |= 1 << UInt32(type)
        return attributes[type]
    }
    mutating func number(_ type: UInt16) -> UInt32? { attribute(type)?.bigEndian32 }
    mutating func long(_ type: UInt16) -> UInt64? { attribute(type)?.bigEndian64 }
    mutating func text(_ type: UInt16) -> String? { attribute(type)?.text }
    mutating func octet(_ type: UInt16) -> UInt8? { attribute(type)?.uint8 }
    mutating func octets(_ type: UInt16) -> [UInt8]? { attribute(type).map { Array($0.bytes) } }
    mutating func register(_ type: UInt16) -> NftRegister? { number(type).map { NftRegister(rawValue: $0) } }
    mutating func data(_ type: UInt16) -> NftData? { attribute(type).flatMap { NftData(Attributes($0.bytes)) } }
    mutating func value(_ type: UInt16) -> [UInt8]? {
        guard case .value(let octets)? = data(type) else { return nil }
        return octets
    }
    /// Whether the flags have ``NftConstant/inverted``; nil if they have any other flag.
    mutating func isInverted(_ type: UInt16) -> Bool? {
        let flags = number(type) ?? 0
        return flags & ~NftConstant.inverted == 0 ? flags != 0 : nil
    }
    mutating func list(_ type: UInt16) -> [Attributes] {
        attribute(type).map { Attributes($0.bytes).all.map { Attributes($0.bytes) } } ?? []
    }
}

extension NftListedExpression {
    /// Reads one element of a list of expressions.
    init(_ expression: Attributes) { self.init(expression, isInner: false) }

    /// - Parameter isInner: whether it is inside another expression; the kernel allows no nested ones there.
    private init(_ expression: Attributes, isInner: Bool) {
        let name = expression[NFTA.expressionName]?.text ?? ""
        let octets = expression[NFTA.expressionData]?.bytes ?? []
        var reader = Reader(octets)
        self =
            switch name {
            case "log", "last", "dup", "flow_offload": .record(name, Array(octets))
            case "numgen", "rt", "osf", "xfrm", "hash", "socket", "tunnel":
                NftListedExpression.load(name, octets, &reader) ?? .other(name, Array(octets))
            // It can also write an option, such as TCP's maximum segment size.
            case "exthdr": NftListedExpression.load(name, octets, &reader) ?? .record(name, Array(octets))
            default:
                NftListedExpression.read(name, &reader, isInner).flatMap { reader.isReadWhole ? $0 : nil }
                    ?? .other(name, Array(octets))
            }
    }

    private static func load(_ name: String, _ octets: ArraySlice<UInt8>, _ reader: inout Reader) -> Self? {
        let type =
            switch name {
            case "hash": NFTA.hashDestination
            case "socket", "tunnel": NFTA.socketDestination
            default: NFTA.otherDestination
            }
        return reader.register(type).map { .load(name, Array(octets), into: $0) }
    }

    private static func read(_ name: String, _ reader: inout Reader, _ isInner: Bool) -> Self? {
        switch name {
        case "meta", "payload", "ct", "fib": load(name, &reader)
        case "immediate", "cmp", "range", "bitwise", "byteorder", "lookup": calculation(name, &reader)
        case "dynset": isInner ? nil : dynamicSet(&reader)
        case "nat": NftListedTranslation(&reader).map { .nat($0) }
        case "masq":
            .masquerade(
                flags: reader.number(NFTA.masqueradeFlags) ?? 0, port: reader.register(NFTA.masqueradePort),
                lastPort: reader.register(NFTA.masqueradeLastPort))
        case "redir":
            .redirect(
                flags: reader.number(NFTA.redirectFlags) ?? 0, port: reader.register(NFTA.redirectPort),
                lastPort: reader.register(NFTA.redirectLastPort))
        case "reject":
            reader.number(NFTA.rejectType).map { .reject(type: $0, code: reader.octet(NFTA.rejectCode)) }
        case "notrack": .noTrack
        case "match", "target": xtables(name, &reader)
        default: account(name, &reader)
        }
    }

    private static func load(_ name: String, _ reader: inout Reader) -> Self? {
        switch name {
        case "meta":
            guard let key = reader.number(NFTA.metaKey).map({ NftExpression.Meta(rawValue: $0) }) else { return nil }
            if let source = reader.register(NFTA.metaSource) { return .setMeta(key, from: source) }
            return reader.register(NFTA.metaDestination).map { .meta(key, into: $0) }
        case "payload":
            guard let base = reader.number(NFTA.payloadBase).map({ NftExpression.Base(rawValue: $0) }),
                let offset = reader.number(NFTA.payloadOffset), let length = reader.number(NFTA.payloadLength)
            else { return nil }
            if let destination = reader.register(NFTA.payloadDestination) {
                return .payload(base, offset: offset, length: length, into: destination)
            }
            let checksum = NftChecksum(
                type: reader.number(NFTA.payloadChecksumType) ?? 0,
                offset: reader.number(NFTA.payloadChecksumOffset) ?? 0,
                flags: reader.number(NFTA.payloadChecksumFlags) ?? 0)
            return reader.register(NFTA.payloadSource).map {
                .setPayload(base, offset: offset, length: length, from: $0, checksum)
            }
        case "ct":
            guard let key = reader.number(NFTA.connectionKey).map({ NftExpression.Connection(rawValue: $0) }) else {
                return nil
            }
            let direction = reader.octet(NFTA.connectionDirection)
            if let source = reader.register(NFTA.connectionSource) {
                return .setConnection(key, direction: direction, from: source)
            }
            return reader.register(NFTA.connectionDestination).map {
                .connection(key, direction: direction, into: $0)
            }
        default:
            guard let result = reader.number(NFTA.fibResult).flatMap({ NftFib.Result(rawValue: $0) }),
                let flags = reader.number(NFTA.fibFlags)
            else { return nil }
            return reader.register(NFTA.fibDestination).map {
                .fib(result, NftFib.Flags(rawValue: flags), into: $0)
            }
        }
    }

    private static func calculation(_ name: String, _ reader: inout Reader) -> Self? {
        switch name {
        case "immediate":
            guard let destination = reader.register(NFTA.immediateDestination) else { return nil }
            return reader.data(NFTA.immediateData).map { .immediate($0, into: destination) }
        case "cmp":
            guard let source = reader.register(NFTA.compareSource), let value = reader.value(NFTA.compareData),
                let number = reader.number(NFTA.compareOperation)
            else { return nil }
            return NftExpression.Comparison(rawValue: number).map { .compare($0, value, source) }
        case "range":
            guard let source = reader.register(NFTA.rangeSource), let first = reader.value(NFTA.rangeFrom),
                let last = reader.value(NFTA.rangeTo), let operation = reader.number(NFTA.rangeOperation),
                operation == NftConstant.rangeInside || operation == NftConstant.rangeOutside
            else { return nil }
            return .range(isInside: operation == NftConstant.rangeInside, first: first, last: last, source)
        case "bitwise":
            // Shifts use other attributes.
            guard let source = reader.register(NFTA.bitwiseSource),
                let destination = reader.register(NFTA.bitwiseDestination),
                let length = reader.number(NFTA.bitwiseLength), let mask = reader.value(NFTA.bitwiseMask),
                let flipped = reader.value(NFTA.bitwiseXor), mask.count == length, flipped.count == length,
                reader.number(NFTA.bitwiseOperation) ?? NftConstant.bitwiseMaskXor == NftConstant.bitwiseMaskXor
            else { return nil }
            return .bitwise(keeping: mask, flipping: flipped, from: source, into: destination)
        case "byteorder":
            guard let source = reader.register(NFTA.byteOrderSource),
                let destination = reader.register(NFTA.byteOrderDestination),
                let operation = reader.number(NFTA.byteOrderOperation), operation <= NftConstant.hostToNetwork,
                let length = reader.number(NFTA.byteOrderLength), let size = reader.number(NFTA.byteOrderSize)
            else { return nil }
            return .byteOrder(
                toNetwork: operation == NftConstant.hostToNetwork, length: length, size: size, from: source,
                into: destination)
        default:
            guard let set = reader.text(NFTA.lookupSet), let source = reader.register(NFTA.lookupSource),
                let isInverted = reader.isInverted(NFTA.lookupFlags)
            else { return nil }
            return .lookup(set, inverted: isInverted, source, into: reader.register(NFTA.lookupDestination))
        }
    }

    private static func dynamicSet(_ reader: inout Reader) -> Self? {
        guard let set = reader.text(NFTA.dynsetSet), let operation = reader.number(NFTA.dynsetOperation),
            let key = reader.register(NFTA.dynsetKey), let isInverted = reader.isInverted(NFTA.dynsetFlags)
        else { return nil }
        let one = reader.attribute(NFTA.dynsetExpression).map { [Attributes($0.bytes)] } ?? []
        let inner = one + reader.list(NFTA.dynsetExpressions)
        _ = reader.attribute(NFTA.dynsetPadding)
        return .dynamicSet(
            set, operation: operation, key: key, data: reader.register(NFTA.dynsetData),
            timeout: reader.long(NFTA.dynsetTimeout), inverted: isInverted,
            inner.map { NftListedExpression($0, isInner: true) })
    }

    private static func xtables(_ name: String, _ reader: inout Reader) -> Self? {
        guard let own = reader.text(NFTA.xtablesName), let revision = reader.number(NFTA.xtablesRevision),
            let info = reader.octets(NFTA.xtablesInfo)
        else { return nil }
        return name == "match"
            ? .xtablesMatch(own, revision: revision, info) : .xtablesTarget(own, revision: revision, info)
    }

    /// Expressions that count.
    private static func account(_ name: String, _ reader: inout Reader) -> Self? {
        switch name {
        case "counter":
            _ = reader.attribute(NFTA.counterPadding)
            return .counter(
                packets: reader.long(NFTA.counterPackets) ?? 0, octets: reader.long(NFTA.counterOctets) ?? 0)
        case "limit":
            _ = reader.attribute(NFTA.limitPadding)
            guard let rate = reader.long(NFTA.limitRate), let unit = reader.long(NFTA.limitUnit),
                let isInverted = reader.isInverted(NFTA.limitFlags)
            else { return nil }
            return .limit(
                rate: rate, unit: unit, burst: reader.number(NFTA.limitBurst) ?? 0,
                type: reader.number(NFTA.limitType) ?? 0, inverted: isInverted)
        case "connlimit":
            guard let count = reader.number(NFTA.connectionLimitCount),
                let isInverted = reader.isInverted(NFTA.connectionLimitFlags)
            else { return nil }
            return .connectionLimit(count, inverted: isInverted)
        case "quota":
            _ = reader.attribute(NFTA.quotaPadding)
            guard let octets = reader.long(NFTA.quotaOctets) else { return nil }
            return .quota(
                octets, consumed: reader.long(NFTA.quotaConsumed) ?? 0, flags: reader.number(NFTA.quotaFlags) ?? 0)
        case "objref":
            guard let type = reader.number(NFTA.objectType), let own = reader.text(NFTA.objectName) else { return nil }
            return .object(type: NftObjectType(rawValue: type), own)
        default: return nil
        }
    }
}
