/// How addresses and ports are chosen where there is a choice (NF_NAT_RANGE_*, linux/netfilter/nf_nat.h).
public struct NftTranslationFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Ports at random, from a hash.
    public static let random = NftTranslationFlags(rawValue: 0x04)
    /// The same address for each connection of a client.
    public static let persistent = NftTranslationFlags(rawValue: 0x08)
    /// Ports at random, from the generator of random numbers.
    public static let fullyRandom = NftTranslationFlags(rawValue: 0x10)

    static let known: NftTranslationFlags = [.random, .persistent, .fullyRandom]
    /// NF_NAT_RANGE_MAP_IPS and _PROTO_SPECIFIED: that there is an address, or a port. The kernel adds them.
    fileprivate static let address: UInt32 = 0x01
    fileprivate static let port: UInt32 = 0x02

    /// What to send: as the kernel lists it, so that a rule is found again as what it is.
    fileprivate func listed(address: NftRegister?, port: NftRegister?) -> UInt32 {
        rawValue | (address == nil ? 0 : Self.address) | (port == nil ? 0 : Self.port)
    }

    fileprivate init(_ attribute: Attribute?) {
        self = Self(rawValue: attribute?.bigEndian32 ?? 0).intersection(.known)
    }
}

/// Rewrites the source or the destination of a connection to what registers hold; in chains of type `nat`.
public struct NftTranslation: NftEncodable {
    public static let name = "nat"

    public let side: Side
    /// Of the address: `ip` or `ip6`.
    public let family: NftFamily
    /// At least one of both.
    public let address: NftRegister?
    public let port: NftRegister?
    /// The last of a range; nil for a single one.
    public let lastAddress: NftRegister?
    public let lastPort: NftRegister?
    public let flags: NftTranslationFlags

    /// enum nft_nat_types.
    public enum Side: UInt32, Sendable, Hashable {
        case source = 0
        case destination = 1
    }

    public init(
        _ side: Side, _ family: NftFamily, address: NftRegister?, port: NftRegister? = nil,
        lastAddress: NftRegister? = nil, lastPort: NftRegister? = nil, flags: NftTranslationFlags = []
    ) {
        self.side = side
        self.family = family
        self.address = address
        self.port = port
        self.lastAddress = lastAddress
        self.lastPort = lastPort
        self.flags = flags
    }

    public init?(_ attributes: Attributes) {
        guard let side = attributes[NFTANAT.type]?.bigEndian32.flatMap(Side.init),
            let family = attributes[NFTANAT.family]?.bigEndian32.flatMap({
                NftFamily(rawValue: UInt8(truncatingIfNeeded: $0))
            })
        else { return nil }
        self.init(
            side, family, address: NftRegister(attributes[NFTANAT.address]),
            port: NftRegister(attributes[NFTANAT.port]),
            lastAddress: NftRegister(attributes[NFTANAT.lastAddress], unless: attributes[NFTANAT.address]),
            lastPort: NftRegister(attributes[NFTANAT.lastPort], unless: attributes[NFTANAT.port]),
            flags: NftTranslationFlags(attributes[NFTANAT.flags]))
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTANAT.type, bigEndian: side.rawValue)
        builder.attribute(NFTANAT.family, bigEndian: UInt32(family.rawValue))
        if let address { builder.attribute(NFTANAT.address, address) }
        if let lastAddress { builder.attribute(NFTANAT.lastAddress, lastAddress) }
        if let port { builder.attribute(NFTANAT.port, port) }
        if let lastPort { builder.attribute(NFTANAT.lastPort, lastPort) }
        builder.attribute(NFTANAT.flags, bigEndian: flags.listed(address: address, port: port))
    }
}

/// Rewrites the source to an address of the interface that the packet leaves by, and the port to one of a range.
public struct NftMasquerade: NftEncodable {
    public static let name = "masq"

    public let port: NftRegister?
    public let lastPort: NftRegister?
    public let flags: NftTranslationFlags

    public init(port: NftRegister? = nil, lastPort: NftRegister? = nil, flags: NftTranslationFlags = []) {
        self.port = port
        self.lastPort = lastPort
        self.flags = flags
    }

    public init?(_ attributes: Attributes) {
        self.init(
            port: NftRegister(attributes[NFTAMasquerade.port]),
            lastPort: NftRegister(attributes[NFTAMasquerade.lastPort], unless: attributes[NFTAMasquerade.port]),
            flags: NftTranslationFlags(attributes[NFTAMasquerade.flags]))
    }

    public func encode(_ builder: inout MessageBuilder) {
        let flags = flags.listed(address: nil, port: port)
        if flags != 0 { builder.attribute(NFTAMasquerade.flags, bigEndian: flags) }
        if let port { builder.attribute(NFTAMasquerade.port, port) }
        if let lastPort { builder.attribute(NFTAMasquerade.lastPort, lastPort) }
    }
}

/// Rewrites the destination to this node itself, and the port to one that a register holds.
public struct NftRedirect: NftEncodable {
    public static let name = "redir"

    public let port: NftRegister?
    public let lastPort: NftRegister?
    public let flags: NftTranslationFlags

    public init(port: NftRegister? = nil, lastPort: NftRegister? = nil, flags: NftTranslationFlags = []) {
        self.port = port
        self.lastPort = lastPort
        self.flags = flags
    }

    public init?(_ attributes: Attributes) {
        self.init(
            port: NftRegister(attributes[NFTARedirect.port]),
            lastPort: NftRegister(attributes[NFTARedirect.lastPort], unless: attributes[NFTARedirect.port]),
            flags: NftTranslationFlags(attributes[NFTARedirect.flags]))
    }

    public func encode(_ builder: inout MessageBuilder) {
        if let port { builder.attribute(NFTARedirect.port, port) }
        if let lastPort { builder.attribute(NFTARedirect.lastPort, lastPort) }
        let flags = flags.listed(address: nil, port: port)
        if flags != 0 { builder.attribute(NFTARedirect.flags, bigEndian: flags) }
    }
}

extension NftRegister {
    /// The end of a range; nil where it is the beginning, as the kernel lists a single one.
    fileprivate init?(_ attribute: Attribute?, unless first: Attribute?) {
        guard attribute?.bigEndian32 != first?.bigEndian32 else { return nil }
        self.init(attribute)
    }
}

/// enum nft_nat_attributes, linux/netfilter/nf_tables.h.
private enum NFTANAT {
    static let type: UInt16 = 1
    static let family: UInt16 = 2
    static let address: UInt16 = 3
    static let lastAddress: UInt16 = 4
    static let port: UInt16 = 5
    static let lastPort: UInt16 = 6
    static let flags: UInt16 = 7
}

/// enum nft_masq_attributes, linux/netfilter/nf_tables.h.
private enum NFTAMasquerade {
    static let flags: UInt16 = 1
    static let port: UInt16 = 2
    static let lastPort: UInt16 = 3
}

/// enum nft_redir_attributes, linux/netfilter/nf_tables.h.
private enum NFTARedirect {
    static let port: UInt16 = 1
    static let lastPort: UInt16 = 2
    static let flags: UInt16 = 3
}
