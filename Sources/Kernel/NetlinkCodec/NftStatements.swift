/// Drops a packet and notifies its sender.
public enum NftReject: NftEncodable {
    public static let name = "reject"

    /// An RST segment; the rule must have matched TCP (NFT_REJECT_TCP_RST).
    case tcpReset
    /// Destination unreachable with that code. In a table of family `ip` it is ICMP's (linux/icmp.h), 3 for the port; in one of
    /// `ip6`, ICMPv6's (linux/icmpv6.h), 4 for the port.
    case icmp(code: UInt8)
    /// For a table of family `inet`: uses the packet's own IP version.
    case icmpx(Reason)

    /// enum nft_reject_inet_code.
    public enum Reason: UInt8, Sendable, Hashable {
        case noRoute = 0
        case portUnreachable = 1
        case hostUnreachable = 2
        case administrativelyProhibited = 3
    }

    public init?(_ attributes: Attributes) {
        let code = attributes[NFTA.rejectCode]?.uint8 ?? 0
        switch attributes[NFTA.rejectType]?.bigEndian32 {
        case NftConstant.rejectUnreachable: self = .icmp(code: code)
        case NftConstant.rejectTcpReset: self = .tcpReset
        case NftConstant.rejectUnreachableOfEither:
            guard let reason = Reason(rawValue: code) else { return nil }
            self = .icmpx(reason)
        default: return nil
        }
    }

    public func encode(_ builder: inout MessageBuilder) {
        switch self {
        case .tcpReset:
            builder.attribute(NFTA.rejectType, bigEndian: NftConstant.rejectTcpReset)
        case .icmp(let code):
            builder.attribute(NFTA.rejectType, bigEndian: NftConstant.rejectUnreachable)
            builder.attribute(NFTA.rejectCode, uint8: code)
        case .icmpx(let reason):
            builder.attribute(NFTA.rejectType, bigEndian: NftConstant.rejectUnreachableOfEither)
            builder.attribute(NFTA.rejectCode, uint8: reason.rawValue)
        }
    }
}

/// Sends a copy of the packet to programs that listen to an NFLOG group (linux/netfilter/nfnetlink_log.h).
public struct NftLog: NftEncodable {
    public static let name = "log"

    public let group: UInt16
    /// At most 127 octets (NF_LOG_PREFIXLEN).
    public let prefix: String
    /// How many octets of the packet; nil for all.
    public let snapLength: UInt32?
    /// How many packets the kernel collects before it sends them; nil for one.
    public let queueThreshold: UInt16?

    public init(group: UInt16, prefix: String = "", snapLength: UInt32? = nil, queueThreshold: UInt16? = nil) {
        self.group = group
        self.prefix = prefix
        self.snapLength = snapLength
        self.queueThreshold = queueThreshold
    }

    /// Nil if it writes to the kernel's log.
    public init?(_ attributes: Attributes) {
        guard let group = attributes[NFTA.logGroup]?.bigEndian16 else { return nil }
        self.init(
            group: group, prefix: attributes[NFTA.logPrefix]?.text ?? "",
            snapLength: attributes[NFTA.logSnapLength]?.bigEndian32,
            queueThreshold: attributes[NFTA.logQueueThreshold]?.bigEndian16)
    }

    public func encode(_ builder: inout MessageBuilder) {
        if !prefix.isEmpty { builder.attribute(NFTA.logPrefix, text: prefix) }
        builder.attribute(NFTA.logGroup, bigEndian: group)
        if let snapLength { builder.attribute(NFTA.logSnapLength, bigEndian: snapLength) }
        if let queueThreshold { builder.attribute(NFTA.logQueueThreshold, bigEndian: queueThreshold) }
    }
}

/// Continues while at most this many packets or octets pass per unit, or only above that.
public struct NftLimit: NftEncodable {
    public static let name = "limit"

    public let rate: UInt64
    /// Seconds: nft knows 1, 60, 3600, 86400 and 604800.
    public let unit: UInt64
    /// How much may additionally pass at once; packets or octets.
    public let burst: UInt32
    public let measure: Measure
    /// Whether it continues above the rate.
    public let isOver: Bool

    /// enum nft_limit_type.
    public enum Measure: UInt32, Sendable, Hashable {
        case packets = 0
        case octets = 1
    }

    public init(
        _ rate: UInt64, _ measure: Measure = .packets, perSeconds unit: UInt64 = 1, burst: UInt32 = 5,
        isOver: Bool = false
    ) {
        self.rate = rate
        self.unit = unit
        self.burst = burst
        self.measure = measure
        self.isOver = isOver
    }

    public init?(_ attributes: Attributes) {
        guard let rate = attributes[NFTA.limitRate]?.bigEndian64, let unit = attributes[NFTA.limitUnit]?.bigEndian64,
            let measure = Measure(rawValue: attributes[NFTA.limitType]?.bigEndian32 ?? 0)
        else { return nil }
        self.init(
            rate, measure, perSeconds: unit, burst: attributes[NFTA.limitBurst]?.bigEndian32 ?? 0,
            isOver: (attributes[NFTA.limitFlags]?.bigEndian32 ?? 0) & NftConstant.limitOver != 0)
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.limitRate, bigEndian: rate)
        builder.attribute(NFTA.limitUnit, bigEndian: unit)
        builder.attribute(NFTA.limitBurst, bigEndian: burst)
        builder.attribute(NFTA.limitType, bigEndian: measure.rawValue)
        builder.attribute(NFTA.limitFlags, bigEndian: isOver ? NftConstant.limitOver : 0)
    }
}

/// The values of a counter; as an expression it starts with them.
public struct NftCounter: NftEncodable {
    public static let name = "counter"

    public let packets: UInt64
    public let octets: UInt64

    public init(packets: UInt64 = 0, octets: UInt64 = 0) {
        self.packets = packets
        self.octets = octets
    }

    public init?(_ attributes: Attributes) {
        guard let packets = attributes[NFTA.counterPackets]?.bigEndian64,
            let octets = attributes[NFTA.counterOctets]?.bigEndian64
        else { return nil }
        self.init(packets: packets, octets: octets)
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.counterOctets, bigEndian: octets)
        builder.attribute(NFTA.counterPackets, bigEndian: packets)
    }
}
