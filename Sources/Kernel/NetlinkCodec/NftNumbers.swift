/// Loads a number that spreads packets: at random, or one after the other (nft's `numgen`).
public struct NftNumberGenerator: NftEncodable {
    public static let name = "numgen"

    public let order: Order
    /// Numbers are less than this, counted from the offset; not 0.
    public let modulus: UInt32
    public let offset: UInt32
    /// The number is in host byte order.
    public let register: NftRegister

    /// enum nft_ng_types.
    public enum Order: UInt32, Sendable, Hashable {
        case ascending = 0
        case random = 1
    }

    public init(_ order: Order, modulus: UInt32, offset: UInt32 = 0, into register: NftRegister = .first) {
        self.order = order
        self.modulus = modulus
        self.offset = offset
        self.register = register
    }

    public init?(_ attributes: Attributes) {
        guard let order = attributes[NFTANumberGenerator.type]?.bigEndian32.flatMap(Order.init),
            let modulus = attributes[NFTANumberGenerator.modulus]?.bigEndian32,
            let register = NftRegister(attributes[NFTANumberGenerator.destination])
        else { return nil }
        self.init(
            order, modulus: modulus, offset: attributes[NFTANumberGenerator.offset]?.bigEndian32 ?? 0, into: register)
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTANumberGenerator.destination, register)
        builder.attribute(NFTANumberGenerator.modulus, bigEndian: modulus)
        builder.attribute(NFTANumberGenerator.type, bigEndian: order.rawValue)
        builder.attribute(NFTANumberGenerator.offset, bigEndian: offset)
    }
}

/// Loads a number made of what registers hold, or of the packet's connection (nft's `jhash` and `symhash`).
public struct NftHash: NftEncodable {
    public static let name = "hash"

    public let source: Source
    /// Numbers are less than this, counted from the offset; the kernel wants more than 1.
    public let modulus: UInt32
    public let offset: UInt32
    /// The number is in host byte order.
    public let register: NftRegister

    public enum Source: Sendable, Hashable {
        /// Of the octets from a register on, 1...64 of them; without a seed the kernel takes one of its own (NFT_HASH_JENKINS).
        case octets(NftRegister, length: UInt32, seed: UInt32?)
        /// Of addresses and ports, the same in both directions (NFT_HASH_SYM).
        case symmetric
    }

    public init(_ source: Source, modulus: UInt32, offset: UInt32 = 0, into register: NftRegister = .first) {
        self.source = source
        self.modulus = modulus
        self.offset = offset
        self.register = register
    }

    public init?(_ attributes: Attributes) {
        guard let modulus = attributes[NFTAHash.modulus]?.bigEndian32,
            let register = NftRegister(attributes[NFTAHash.destination])
        else { return nil }
        let source: Source
        switch attributes[NFTAHash.type]?.bigEndian32 ?? 0 {
        case 0:
            guard let key = NftRegister(attributes[NFTAHash.source]),
                let length = attributes[NFTAHash.length]?.bigEndian32
            else { return nil }
            source = .octets(key, length: length, seed: attributes[NFTAHash.seed]?.bigEndian32)
        case 1: source = .symmetric
        default: return nil
        }
        self.init(source, modulus: modulus, offset: attributes[NFTAHash.offset]?.bigEndian32 ?? 0, into: register)
    }

    public func encode(_ builder: inout MessageBuilder) {
        if case .octets(let key, let length, _) = source {
            builder.attribute(NFTAHash.source, key)
            builder.attribute(NFTAHash.destination, register)
            builder.attribute(NFTAHash.length, bigEndian: length)
        } else {
            builder.attribute(NFTAHash.destination, register)
        }
        builder.attribute(NFTAHash.modulus, bigEndian: modulus)
        if case .octets(_, _, let seed?) = source { builder.attribute(NFTAHash.seed, bigEndian: seed) }
        if offset != 0 { builder.attribute(NFTAHash.offset, bigEndian: offset) }
        builder.attribute(NFTAHash.type, bigEndian: UInt32(source == .symmetric ? 1 : 0))
    }
}

/// enum nft_ng_attributes, linux/netfilter/nf_tables.h.
private enum NFTANumberGenerator {
    static let destination: UInt16 = 1
    static let modulus: UInt16 = 2
    static let type: UInt16 = 3
    static let offset: UInt16 = 4
}

/// enum nft_hash_attributes, linux/netfilter/nf_tables.h.
private enum NFTAHash {
    static let source: UInt16 = 1
    static let destination: UInt16 = 2
    static let length: UInt16 = 3
    static let modulus: UInt16 = 4
    static let seed: UInt16 = 5
    static let offset: UInt16 = 6
    static let type: UInt16 = 7
}
