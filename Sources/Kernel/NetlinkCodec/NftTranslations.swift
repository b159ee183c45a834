/// How to choose among several addresses and ports (NF_NAT_RANGE_*, linux/netfilter/nf_nat.h).
public struct NftTranslationFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Random ports, from a hash.
    public static let random = NftTranslationFlags(rawValue: 0x04)
    /// The same address for each connection of a client.
    public static let persistent = NftTranslationFlags(rawValue: 0x08)
    /// Random ports, from the random number generator.
    public static let fullyRandom = NftTranslationFlags(rawValue: 0x10)

    static let known: NftTranslationFlags = [.random, .persistent, .fullyRandom]
    /// NF_NAT_RANGE_MAP_IPS and _PROTO_SPECIFIED: whether an address or a port is given. The kernel adds them.
    fileprivate static let address: UInt32 = 0x01
    fileprivate static let port: UInt32 = 0x02

    /// The flags to send: as the kernel lists them, so that a listed rule compares equal.
    fileprivate func listed(address: NftRegister?, port: NftRegister?) -> UInt32 {
        rawValue | (address == nil ? 0 : Self.address) | (port == nil ? 0 : Self.port)
    }

    fileprivate init(_ attribute: Attribute?) {
        self = Self(rawValue: attribute?.bigEndian32 ?? 0).intersection(.known)
    }
}

/// Rewrites the source or the destination of a connection to the values in registers; for chains of type `nat`.
public struct NftTranslation: NftEncodable {
    public static let name = "nat"

    public let side: Side
    /// Of the address: `ip` or `ip6`.
    public let family: NftFamily
    /// At least one of address and port must be given.
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
        guard let side = attributes[NFTA.natType]?.bigEndian32.flatMap(Side.init),
            let family = attributes[NFTA.natFamily]?.bigEndian32.flatMap({
                NftFamily(rawValue: UInt8(truncatingIfNeeded: $0))
            })
        else { return nil }
        self.init(
            side, family, address: NftRegister(attributes[NFTA.natAddress]),
            port: NftRegister(attributes[NFTA.natPort]),
            lastAddress: NftRegister(attributes[NFTA.natLastAddress], unless: attributes[NFTA.natAddress]),
            lastPort: NftRegister(attributes[NFTA.natLastPort], unless: attributes[NFTA.natPort]),
            flags: NftTranslationFlags(attributes[NFTA.natFlags]))
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.natType, bigEndian: side.rawValue)
        builder.attribute(NFTA.natFamily, bigEndian: UInt32(family.rawValue))
        if let address { builder.attribute(NFTA.natAddress, address) }
        if let lastAddress { builder.attribute(NFTA.natLastAddress, lastAddress) }
        if let port { builder.attribute(NFTA.natPort, port) }
        if let lastPort { builder.attribute(NFTA.natLastPort, lastPort) }
        builder.attribute(NFTA.natFlags, bigEndian: flags.listed(address: address, port: port))
    }
}

/// Rewrites the source to an address of the interface by which the packet leaves, and the port to one of a range.
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
            port: NftRegister(attributes[NFTA.masqueradePort]),
            lastPort: NftRegister(attributes[NFTA.masqueradeLastPort], unless: attributes[NFTA.masqueradePort]),
            flags: NftTranslationFlags(attributes[NFTA.masqueradeFlags]))
    }

    public func encode(_ builder: inout MessageBuilder) {
        let flags = flags.listed(address: nil, port: port)
        if flags != 0 { builder.attribute(NFTA.masqueradeFlags, bigEndian: flags) }
        if let port { builder.attribute(NFTA.masqueradePort, port) }
        if let lastPort { builder.attribute(NFTA.masqueradeLastPort, lastPort) }
    }
}

/// Rewrites the destination to this node itself, and the port to the value in a register.
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
            port: NftRegister(attributes[NFTA.redirectPort]),
            lastPort: NftRegister(attributes[NFTA.redirectLastPort], unless: attributes[NFTA.redirectPort]),
            flags: NftTranslationFlags(attributes[NFTA.redirectFlags]))
    }

    public func encode(_ builder: inout MessageBuilder) {
        if let port { builder.attribute(NFTA.redirectPort, port) }
        if let lastPort { builder.attribute(NFTA.redirectLastPort, lastPort) }
        let flags = flags.listed(address: nil, port: port)
        if flags != 0 { builder.attribute(NFTA.redirectFlags, bigEndian: flags) }
    }
}

extension NftRegister {
    /// The end of a range; nil if it equals the beginning, as the kernel lists a single one.
    fileprivate init?(_ attribute: Attribute?, unless first: Attribute?) {
        guard attribute?.bigEndian32 != first?.bigEndian32 else { return nil }
        self.init(attribute)
    }
}
