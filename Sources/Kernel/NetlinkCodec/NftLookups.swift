/// Loads the routing tables' result for the packet's addresses (nft's `fib`).
public struct NftFIB: NftEncodable {
    public static let name = "fib"

    public let result: Result
    public let flags: Flags
    public let register: NftRegister

    /// enum nft_fib_result.
    public enum Result: UInt32, Sendable, Hashable {
        /// Index of the interface; four octets in host byte order.
        case interface = 1
        /// Sixteen octets.
        case interfaceName = 2
        /// RTN_*; four octets in host byte order.
        case addressType = 3
    }

    /// enum nft_fib_flags. Exactly one of the addresses must be given.
    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt32

        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static let source = Flags(rawValue: 0x01)
        public static let destination = Flags(rawValue: 0x02)
        /// With the packet's mark.
        public static let mark = Flags(rawValue: 0x04)
        /// Only routes on the interface by which the packet came in.
        public static let inputInterface = Flags(rawValue: 0x08)
        /// Only routes on the interface by which it leaves.
        public static let outputInterface = Flags(rawValue: 0x10)
        /// Whether a route exists, 0 or 1 in four octets: only with ``Result/interface``.
        public static let exists = Flags(rawValue: 0x20)
    }

    public init(_ result: Result, of flags: Flags, into register: NftRegister = .first) {
        self.result = result
        self.flags = flags
        self.register = register
    }

    public init?(_ attributes: Attributes) {
        guard let result = attributes[NFTA.fibResult]?.bigEndian32.flatMap(Result.init),
            let flags = attributes[NFTA.fibFlags]?.bigEndian32,
            let register = NftRegister(attributes[NFTA.fibDestination])
        else { return nil }
        self.init(result, of: Flags(rawValue: flags), into: register)
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.fibDestination, register)
        builder.attribute(NFTA.fibResult, bigEndian: result.rawValue)
        builder.attribute(NFTA.fibFlags, bigEndian: flags.rawValue)
    }
}

/// Loads a part of the tuple of the packet's connection, before or after translation (nft's `ct original`, `ct reply`).
public struct NftConnectionTuple: NftEncodable {
    public static let name = "ct"

    public let part: Part
    public let direction: Direction
    public let register: NftRegister

    /// enum nft_ct_keys.
    public enum Part: UInt32, Sendable, Hashable {
        /// NFPROTO_*; one octet, the same in both directions.
        case networkProtocol = 7
        /// IPPROTO_*; one octet, the same in both directions.
        case transportProtocol = 10
        /// Two octets in network byte order. nft 1.0.6 recognises them as ports only after a comparison of
        /// ``NftExpression/Meta/transportProtocol``.
        case sourcePort = 11
        case destinationPort = 12
        /// Only for packets of that family; for others the rule ends (NFT_CT_SRC_IP and so on, since Linux 4.17).
        case sourceIPv4 = 19
        case destinationIPv4 = 20
        case sourceIPv6 = 21
        case destinationIPv6 = 22

        /// Whether the two directions may differ; otherwise the kernel lists no direction.
        fileprivate var hasDirection: Bool { self != .networkProtocol && self != .transportProtocol }
    }

    /// IP_CT_DIR_*, linux/netfilter/nf_conntrack_tuple_common.h.
    public enum Direction: UInt8, Sendable, Hashable {
        case original = 0
        case reply = 1
    }

    public init(_ part: Part, _ direction: Direction = .original, into register: NftRegister = .first) {
        self.part = part
        self.direction = part.hasDirection ? direction : .original
        self.register = register
    }

    public init?(_ attributes: Attributes) {
        guard let part = attributes[NFTA.connectionKey]?.bigEndian32.flatMap(Part.init),
            let direction = Direction(rawValue: attributes[NFTA.connectionDirection]?.uint8 ?? 0),
            let register = NftRegister(attributes[NFTA.connectionDestination])
        else { return nil }
        self.init(part, direction, into: register)
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.connectionDestination, register)
        builder.attribute(NFTA.connectionKey, bigEndian: part.rawValue)
        if part.hasDirection { builder.attribute(NFTA.connectionDirection, uint8: direction.rawValue) }
    }
}

/// Stores a register's value as the mark of the packet's connection (nft's `ct mark set`).
public struct NftConnectionMark: NftEncodable {
    public static let name = "ct"

    /// Four octets in host byte order.
    public let register: NftRegister

    public init(from register: NftRegister = .first) { self.register = register }

    public init?(_ attributes: Attributes) {
        guard attributes[NFTA.connectionKey]?.bigEndian32 == NftExpression.Connection.mark.rawValue,
            let register = NftRegister(attributes[NFTA.connectionSource])
        else { return nil }
        self.register = register
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.connectionKey, bigEndian: NftExpression.Connection.mark.rawValue)
        builder.attribute(NFTA.connectionSource, register)
    }
}

/// Exempts the packet from connection tracking; for chains of type `filter` that run before it, at priority -300 (nft's
/// `notrack`).
public struct NftNoTrack: NftEncodable {
    public static let name = "notrack"

    public init() {}

    public init?(_ attributes: Attributes) {}

    public func encode(_ builder: inout MessageBuilder) {}
}
