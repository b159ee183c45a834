/// Loads a number for distributing packets: random or incremental (nft's `numgen`).
public struct NftNumberGenerator: NftEncodable {
    public static let name = "numgen"

    public let order: Order
    /// The number of values, which start at the offset; not 0.
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
        guard let order = attributes[NFTA.generatorType]?.bigEndian32.flatMap(Order.init),
            let modulus = attributes[NFTA.generatorModulus]?.bigEndian32,
            let register = NftRegister(attributes[NFTA.generatorDestination])
        else { return nil }
        self.init(
            order, modulus: modulus, offset: attributes[NFTA.generatorOffset]?.bigEndian32 ?? 0, into: register)
    }

    public func encode(_ builder: inout MessageBuilder) {
        builder.attribute(NFTA.generatorDestination, register)
        builder.attribute(NFTA.generatorModulus, bigEndian: modulus)
        builder.attribute(NFTA.generatorType, bigEndian: order.rawValue)
        builder.attribute(NFTA.generatorOffset, bigEndian: offset)
    }
}

/// Loads a hash of registers or of the packet's connection (nft's `jhash` and `symhash`).
public struct NftHash: NftEncodable {
    public static let name = "hash"

    public let source: Source
    /// The number of values, which start at the offset; the kernel requires more than 1.
    public let modulus: UInt32
    public let offset: UInt32
    /// The number is in host byte order.
    public let register: NftRegister

    public enum Source: Sendable, Hashable {
        /// Of 1...64 octets from a register on; without a seed the kernel chooses one (NFT_HASH_JENKINS).
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
        guard let modulus = attributes[NFTA.hashModulus]?.bigEndian32,
            let register = NftRegister(attributes[NFTA.hashDestination])
        else { return nil }
        let source: Source
        switch attributes[NFTA.hashType]?.bigEndian32 ?? 0 {
        case 0:
            guard let key = NftRegister(attributes[NFTA.hashSource]),
                let length = attributes[NFTA.hashLength]?.bigEndian32
            else { return nil }
            source = .octets(key, length: length, seed: attributes[NFTA.hashSeed]?.bigEndian32)
        case 1: source = .symmetric
        default: return nil
        }
        self.init(source, modulus: modulus, offset: attributes[NFTA.hashOffset]?.bigEndian32 ?? 0, into: register)
    }

    public func encode(_ builder: inout MessageBuilder) {
        if case .octets(let key, let length, _) = source {
            builder.attribute(NFTA.hashSource, key)
            builder.attribute(NFTA.hashDestination, register)
            builder.attribute(NFTA.hashLength, bigEndian: length)
        } else {
            builder.attribute(NFTA.hashDestination, register)
        }
        builder.attribute(NFTA.hashModulus, bigEndian: modulus)
        if case .octets(_, _, let seed?) = source { builder.attribute(NFTA.hashSeed, bigEndian: seed) }
        if offset != 0 { builder.attribute(NFTA.hashOffset, bigEndian: offset) }
        builder.attribute(NFTA.hashType, bigEndian: UInt32(source == .symmetric ? 1 : 0))
    }
}
