/// One expression of a rule, with the names and attributes of linux/netfilter/nf_tables.h.
public enum NftExpression: Sendable, Hashable {
    /// Loads something that is known about the packet.
    case meta(Meta, NftRegister = .first)
    /// Loads octets of the packet.
    case payload(Base, offset: UInt32, length: UInt32, NftRegister = .first)
    /// Loads something that is known about its connection.
    case connection(Connection, NftRegister = .first)
    /// Loads the type of its destination (unicast, local, ...) as the routing table has it.
    case destinationType(NftRegister = .first)
    /// Keeps the bits of a mask.
    case mask([UInt8], NftRegister = .first)
    /// Turns a number of four octets from host to network byte order, in which numbers compare as octets do.
    case networkOrder(NftRegister = .first)
    /// Keeps the bits of a mask, and turns over those of the second value.
    case bits(keeping: [UInt8], flipping: [UInt8], NftRegister = .first)
    /// Stores what the register holds with the packet.
    case setMeta(Meta, NftRegister = .first)
    case compare(Comparison, [UInt8], NftRegister = .first)
    /// Goes on if the value is outside of the range. (Inside is two comparisons.)
    case outside(first: [UInt8], last: [UInt8], NftRegister = .first)
    /// Goes on if the register's value is in the set, or if not.
    case lookup(String, inverted: Bool = false, NftRegister = .first)
    /// The same with the anonymous set that has this number in the same batch.
    case anonymousLookup(UInt32, inverted: Bool = false, NftRegister = .first)
    /// Goes on with the map's value for the register's; into a register, or as a verdict.
    case map(String, NftRegister = .first, into: NftRegister)
    case verdict(NftVerdict)
    /// Loads a constant.
    case value([UInt8], NftRegister = .first)
    /// Rewrites the destination to the address and port in these registers.
    case destinationNAT(NftFamily, address: NftRegister, port: NftRegister)
    /// Rewrites the source to an address of the interface that the packet leaves by.
    case masquerade(fullyRandom: Bool)
    case counter
    /// A match of xtables, as iptables-nft writes it and can read.
    case xtables(String, revision: UInt32, [UInt8])
    /// The kernel's name of any other expression, and its attributes (``NftEncodable``).
    case encoded(String, [UInt8])

    /// enum nft_meta_keys.
    public enum Meta: UInt32, Sendable, Hashable {
        case mark = 3
        case inputInterfaceName = 6
        case outputInterfaceName = 7
        /// Whether the packet is traced; one octet.
        case trace = 12
        case networkProtocol = 15
        case transportProtocol = 16
    }

    /// enum nft_payload_bases.
    public enum Base: UInt32, Sendable, Hashable {
        case link = 0
        case network = 1
        case transport = 2
    }

    /// enum nft_ct_keys.
    public enum Connection: UInt32, Sendable, Hashable {
        case state = 0
        case mark = 3
        case status = 2
    }

    /// enum nft_cmp_ops.
    public enum Comparison: UInt32, Sendable, Hashable {
        case equal = 0
        case notEqual = 1
        case less = 2
        case lessOrEqual = 3
        case greater = 4
        case greaterOrEqual = 5
    }

    private var name: String {
        switch self {
        case .meta: "meta"
        case .payload: "payload"
        case .connection: "ct"
        case .destinationType: "fib"
        case .mask, .bits: "bitwise"
        case .setMeta: "meta"
        case .networkOrder: "byteorder"
        case .compare: "cmp"
        case .outside: "range"
        case .lookup, .anonymousLookup, .map: "lookup"
        case .verdict, .value: "immediate"
        case .destinationNAT: "nat"
        case .masquerade: "masq"
        case .counter: "counter"
        case .xtables: "match"
        case .encoded(let name, _): name
        }
    }

    /// - Parameter asListed: with what can be told from the kernel's listing, which has other names for anonymous sets.
    func encode(_ builder: inout MessageBuilder, asListed: Bool = false) {
        builder.attribute(NFTA.expressionName, text: name)
        builder.nested(NFTA.expressionData) { encodeAttributes(&$0, asListed) }
    }

    private func encodeAttributes(_ builder: inout MessageBuilder, _ asListed: Bool) {
        switch self {
        case .meta(let key, let register):
            builder.attribute(2, bigEndian: key.rawValue)
            builder.attribute(1, bigEndian: register.rawValue)
        case .payload(let base, let offset, let length, let register):
            builder.attribute(1, bigEndian: register.rawValue)
            builder.attribute(2, bigEndian: base.rawValue)
            builder.attribute(3, bigEndian: offset)
            builder.attribute(4, bigEndian: length)
        case .connection(let key, let register):
            builder.attribute(1, bigEndian: register.rawValue)
            builder.attribute(2, bigEndian: key.rawValue)
        case .destinationType(let register):
            builder.attribute(1, bigEndian: register.rawValue)
            // NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR.
            builder.attribute(2, bigEndian: UInt32(3))
            builder.attribute(3, bigEndian: UInt32(2))
        case .setMeta(let key, let register):
            builder.attribute(2, bigEndian: key.rawValue)
            builder.attribute(3, bigEndian: register.rawValue)
        case .bits(let mask, let flipped, let register):
            builder.attribute(1, bigEndian: register.rawValue)
            builder.attribute(2, bigEndian: register.rawValue)
            builder.attribute(3, bigEndian: UInt32(mask.count))
            builder.nested(4) { $0.attribute(NFTA.dataValue, mask) }
            builder.nested(5) { $0.attribute(NFTA.dataValue, flipped) }
        case .mask(let mask, let register):
            builder.attribute(1, bigEndian: register.rawValue)
            builder.attribute(2, bigEndian: register.rawValue)
            builder.attribute(3, bigEndian: UInt32(mask.count))
            builder.nested(4) { $0.attribute(NFTA.dataValue, mask) }
            builder.nested(5) { $0.attribute(NFTA.dataValue, [UInt8](repeating: 0, count: mask.count)) }
        case .networkOrder(let register):
            builder.attribute(1, bigEndian: register.rawValue)
            builder.attribute(2, bigEndian: register.rawValue)
            // NFT_BYTEORDER_HTON.
            builder.attribute(3, bigEndian: UInt32(1))
            builder.attribute(4, bigEndian: UInt32(4))
            builder.attribute(5, bigEndian: UInt32(4))
        case .compare(let comparison, let value, let register):
            builder.attribute(1, bigEndian: register.rawValue)
            builder.attribute(2, bigEndian: comparison.rawValue)
            builder.nested(3) { $0.attribute(NFTA.dataValue, value) }
        case .outside(let first, let last, let register):
            builder.attribute(1, bigEndian: register.rawValue)
            // NFT_RANGE_NEQ.
            builder.attribute(2, bigEndian: UInt32(1))
            builder.nested(3) { $0.attribute(NFTA.dataValue, first) }
            builder.nested(4) { $0.attribute(NFTA.dataValue, last) }
        case .lookup(let set, let inverted, let register):
            builder.attribute(1, text: set)
            builder.attribute(2, bigEndian: register.rawValue)
            // NFT_LOOKUP_F_INV.
            builder.attribute(5, bigEndian: UInt32(inverted ? 1 : 0))
        case .anonymousLookup(let number, let inverted, let register):
            builder.attribute(2, bigEndian: register.rawValue)
            if inverted || asListed { builder.attribute(5, bigEndian: UInt32(inverted ? 1 : 0)) }
            guard !asListed else { return }
            builder.attribute(1, text: NftAnonymousSet.name)
            builder.attribute(4, bigEndian: number)
        case .map(let map, let register, let destination):
            builder.attribute(1, text: map)
            builder.attribute(2, bigEndian: register.rawValue)
            builder.attribute(3, bigEndian: destination.rawValue)
        case .verdict(let verdict):
            builder.attribute(1, bigEndian: NftRegister.verdict.rawValue)
            builder.nested(NFTA.immediateData) { NftData.verdict(verdict).encode(&$0) }
        case .value(let value, let register):
            builder.attribute(1, bigEndian: register.rawValue)
            builder.nested(NFTA.immediateData) { NftData.value(value).encode(&$0) }
        case .destinationNAT(let family, let address, let port):
            // NFT_NAT_DNAT.
            builder.attribute(1, bigEndian: UInt32(1))
            builder.attribute(2, bigEndian: UInt32(family.rawValue))
            builder.attribute(3, bigEndian: address.rawValue)
            builder.attribute(5, bigEndian: port.rawValue)
        case .masquerade(let fullyRandom):
            // NF_NAT_RANGE_PROTO_RANDOM_FULLY, linux/netfilter/nf_nat.h.
            if fullyRandom { builder.attribute(1, bigEndian: UInt32(0x10)) }
        case .counter:
            break
        case .xtables(let name, let revision, let info):
            builder.attribute(1, text: name)
            builder.attribute(2, bigEndian: revision)
            builder.attribute(3, info)
        case .encoded(_, let attributes):
            builder.append(attributes)
        }
    }
}

/// A register of the nf_tables machine: sixteen words of four octets, and one for the verdict.
public struct NftRegister: Sendable, Hashable {
    let rawValue: UInt32

    public static let verdict = NftRegister(rawValue: 0)
    /// The first word; also what a value of up to sixteen octets starts at.
    public static let first = word(0)

    /// The word of that number, 0...15. The first of each four has the number of the older, sixteen octets wide register.
    public static func word(_ number: UInt32) -> NftRegister {
        NftRegister(rawValue: number % 4 == 0 ? 1 + number / 4 : 8 + number)
    }
}
