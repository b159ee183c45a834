/// A table of nf_tables.
public struct NftTable: Sendable, Hashable, CustomStringConvertible {
    public let family: NftFamily
    public let name: String
    /// Shown by `nft list`; empty for none.
    public let comment: String

    public init(_ family: NftFamily, _ name: String, comment: String = "") {
        self.family = family
        self.name = name
        self.comment = comment
    }

    public var description: String { "\(family) \(name)" }
}

/// A chain; a base chain if it has a hook.
public struct NftChain: Sendable, Hashable {
    public let name: String
    public let hook: Hook?

    public init(_ name: String, _ hook: Hook? = nil) {
        self.name = name
        self.hook = hook
    }

    /// Where a base chain is on a packet's path.
    public struct Hook: Sendable, Hashable {
        /// `filter` or `nat`.
        public let type: String
        public let point: Point
        /// Lower ones run first (enum nf_ip_hook_priorities, linux/netfilter_ipv4.h).
        public let priority: Int32

        public init(_ type: String, _ point: Point, priority: Int32) {
            self.type = type
            self.point = point
            self.priority = priority
        }
    }

    /// enum nf_inet_hooks, linux/netfilter.h; bridge hooks have the same numbers.
    public enum Point: UInt32, Sendable, Hashable {
        case prerouting = 0
        case input = 1
        case forward = 2
        case output = 3
        case postrouting = 4
    }
}

/// A rule: expressions evaluated in order until one does not match.
public struct NftRule: Sendable, Hashable {
    public let expressions: [NftExpression]
    public let comment: String

    public init(_ expressions: [NftExpression], comment: String = "") {
        self.expressions = expressions
        self.comment = comment
    }
}

/// A named set, or a map if its elements have data.
public struct NftSet: Sendable, Hashable {
    public let name: String
    public let key: NftType
    public let data: Data
    /// Whether elements are ranges. A range of several fields is one element; a range of one field is two
    /// (``NftSetElement/range(_:through:)``).
    public let isInterval: Bool
    /// How many elements rules may add to it (NFT_SET_EVAL); nil if only batches change it.
    public let dynamicSize: UInt32?

    public enum Data: Sendable, Hashable {
        case none
        case verdict
        case value(NftType)
    }

    public init(
        _ name: String, _ key: NftType, _ data: Data = .none, isInterval: Bool = false, dynamicSize: UInt32? = nil
    ) {
        self.name = name
        self.key = key
        self.data = data
        self.isInterval = isInterval
        self.dynamicSize = dynamicSize
    }

    var isRangeOfFields: Bool { isInterval && key.fields.count > 1 }

    /// NFT_SET_INTERVAL, NFT_SET_CONCAT, NFT_SET_MAP, NFT_SET_EVAL.
    var flags: UInt32 {
        (isInterval ? 0x4 : 0) | (isRangeOfFields ? 0x80 : 0) | (data == .none ? 0 : 0x8)
            | (dynamicSize == nil ? 0 : 0x20)
    }
}

/// The type of a key or of data: fields, each padded to words of four octets.
public struct NftType: Sendable, Hashable {
    public let fields: [Field]
    /// User data that libnftables needs to print the set's type, if the type numbers do not suffice.
    let userData: [UInt8]
    /// In octets, where the fields do not say it: an integer may have any length.
    private let knownLength: UInt32?

    public init(_ fields: Field...) {
        self.fields = fields
        knownLength = nil
        // NFTNL_UDATA_SET_KEYBYTEORDER: host byte order (1), in which nft reads a name; for several fields nft knows it.
        userData = fields == [.interfaceName] ? [0x00, 0x04, 1, 0, 0, 0] : []
    }

    init(_ fields: [Field], userData: [UInt8], length: UInt32? = nil) {
        self.fields = fields
        self.userData = userData
        knownLength = length
    }

    /// nft's own type numbers (enum datatypes, its include/datatype.h), which the kernel only stores.
    public enum Field: UInt32, Sendable, Hashable {
        case integer = 4
        case ipv4 = 7
        case ipv6 = 8
        case mac = 9
        case protocolNumber = 12
        case port = 13
        case mark = 19
        case userID = 24
        case groupID = 25
        case connectionState = 26
        case connectionDirection = 27
        case connectionStatus = 28
        case packetType = 31
        case addressType = 38
        case interfaceName = 41

        /// In octets.
        public var length: UInt32 {
            switch self {
            case .protocolNumber, .packetType, .connectionDirection: 1
            case .port: 2
            case .ipv4, .mark, .connectionState, .connectionStatus, .addressType, .userID, .groupID: 4
            case .mac: 6
            case .ipv6, .interfaceName, .integer: 16
            }
        }
    }

    var length: UInt32 {
        knownLength ?? (fields.count == 1 ? fields[0].length : fields.reduce(0) { $0 + ($1.length + 3) & ~3 })
    }

    /// Six bits for each field.
    var typeNumber: UInt32 { fields.reduce(0) { $0 << 6 | $1.rawValue } }

    /// `typeof iifname . @th,64,128`: an interface, and the target address of an ND message, for which nft 1.0.6 has no name. The
    /// octets are those that nft writes for that text.
    public static let interfaceAndTarget = NftType(
        [.interfaceName, .integer],
        userData: [
            0x00, 0x04, 0, 0, 0, 0, 0x03, 0x40, 0x00, 0x04, 0x0d, 0, 0, 0, 0x01, 0x38, 0x00, 0x0e, 0x00, 0x04,
            0x09, 0, 0, 0, 0x01, 0x06, 0x00, 0x04, 0x06, 0, 0, 0, 0x01, 0x26, 0x00, 0x04, 0x07, 0, 0, 0,
            0x01, 0x1e, 0x00, 0x04, 0, 0, 0, 0, 0x01, 0x04, 0, 0, 0, 0, 0x02, 0x04, 0x03, 0, 0, 0,
            0x03, 0x04, 0x40, 0, 0, 0, 0x04, 0x04, 0x80, 0, 0, 0,
        ])
}

/// One element of a set or map.
public struct NftElement: Sendable, Hashable {
    /// Its fields in order, each padded to whole words.
    public var key: [UInt8]
    /// The last key of a range; nil for a single key.
    public var keyEnd: [UInt8]?
    public var data: NftData?
    /// At most ``maximumCommentLength`` octets; names the owner.
    public var comment: String

    /// NFT_USERDATA_MAXLEN, less type, length and the NUL.
    public static let maximumCommentLength = 253

    public init(key: [UInt8], keyEnd: [UInt8]? = nil, data: NftData? = nil, comment: String = "") {
        self.key = key
        self.keyEnd = keyEnd
        self.data = data
        self.comment = comment
    }

    func encode(_ builder: inout MessageBuilder, keyOnly: Bool) {
        builder.nested(NFTA.elementKey) { $0.attribute(NFTA.dataValue, key) }
        if let keyEnd { builder.nested(NFTA.elementKeyEnd) { $0.attribute(NFTA.dataValue, keyEnd) } }
        guard !keyOnly else { return }
        if let data { builder.nested(NFTA.elementData) { data.encode(&$0) } }
        if !comment.isEmpty { builder.attribute(NFTA.elementUserData, NftUserData.comment(comment)) }
    }

    init?(_ attributes: Attributes) {
        guard let key = attributes.nested(NFTA.elementKey)[NFTA.dataValue]?.bytes else { return nil }
        self.key = Array(key)
        keyEnd = attributes.nested(NFTA.elementKeyEnd)[NFTA.dataValue].map { Array($0.bytes) }
        data = attributes[NFTA.elementData].flatMap { NftData(Attributes($0.bytes)) }
        comment = attributes[NFTA.elementUserData].flatMap { NftUserData.comment(in: $0.bytes) } ?? ""
    }

    /// The elements of a message of the kernel.
    public static func list(_ message: Message) -> [NftElement] {
        guard message.payload.count >= 4 else { return [] }
        return Attributes(message.payload.dropFirst(4)).nested(NFTA.elementsList).all
            .compactMap { NftElement(Attributes($0.bytes)) }
    }
}

/// The value of a map's element or of an immediate expression.
public enum NftData: Sendable, Hashable {
    case value([UInt8])
    case verdict(NftVerdict)

    func encode(_ builder: inout MessageBuilder) {
        switch self {
        case .value(let bytes): builder.attribute(NFTA.dataValue, bytes)
        case .verdict(let verdict): builder.nested(NFTA.dataVerdict) { verdict.encode(&$0) }
        }
    }

    public init?(_ attributes: Attributes) {
        if let bytes = attributes[NFTA.dataValue]?.bytes {
            self = .value(Array(bytes))
        } else if let verdict = NftVerdict(attributes.nested(NFTA.dataVerdict)) {
            self = .verdict(verdict)
        } else {
            return nil
        }
    }
}

/// What happens to a packet.
public enum NftVerdict: Sendable, Hashable {
    case accept
    case drop
    case `return`
    case jump(String)
    case goto(String)

    /// NF_DROP, NF_ACCEPT (linux/netfilter.h), enum nft_verdicts.
    private var code: Int32 {
        switch self {
        case .drop: 0
        case .accept: 1
        case .jump: -3
        case .goto: -4
        case .return: -5
        }
    }

    func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.verdictCode, bigEndian: UInt32(bitPattern: code))
        switch self {
        case .jump(let chain), .goto(let chain): builder.attribute(NFTA.verdictChain, text: chain)
        case .accept, .drop, .return: break
        }
    }

    init?(_ attributes: Attributes) {
        let chain = attributes[NFTA.verdictChain]?.text ?? ""
        switch attributes[NFTA.verdictCode]?.bigEndian32.map(Int32.init(bitPattern:)) {
        case 0: self = .drop
        case 1: self = .accept
        case -3: self = .jump(chain)
        case -4: self = .goto(chain)
        case -5: self = .return
        default: return nil
        }
    }
}

/// Type, length and value, which the kernel stores with an object without interpreting them. Comments are type 0 everywhere.
enum NftUserData {
    static func comment(_ text: String) -> [UInt8] {
        let octets = Array(text.utf8.prefix(NftElement.maximumCommentLength))
        return [0, UInt8(octets.count + 1)] + octets + [0]
    }

    static func comment(in bytes: ArraySlice<UInt8>) -> String? {
        var rest = bytes
        while rest.count >= 2 {
            let type = rest[rest.startIndex]
            let length = Int(rest[rest.startIndex + 1])
            guard rest.count >= 2 + length else { return nil }
            let value = rest.dropFirst(2).prefix(length)
            if type == 0 { return String(decoding: value.prefix { $0 != 0 }, as: UTF8.self) }
            rest = rest.dropFirst(2 + length)
        }
        return nil
    }
}
