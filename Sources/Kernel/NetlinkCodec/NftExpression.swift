/// One expression of a rule, with the names and attributes of linux/netfilter/nf_tables.h.
public enum NftExpression: Sendable, Hashable {
    /// Loads metadata of the packet.
    case meta(Meta, NftRegister = .first)
    /// Loads octets of the packet.
    case payload(Base, offset: UInt32, length: UInt32, NftRegister = .first)
    /// Loads a property of its connection.
    case connection(Connection, NftRegister = .first)
    /// Loads the type (unicast, local, ...) that the routing table gives to its source or destination.
    case addressType(NftFib.Flags, NftRegister = .first)
    /// Applies a mask to the register.
    case mask([UInt8], NftRegister = .first)
    /// Converts a number of four octets from host to network byte order, in which numbers can be compared as octets.
    case networkOrder(NftRegister = .first)
    /// Applies a mask, then flips the bits of the second value.
    case bits(keeping: [UInt8], flipping: [UInt8], NftRegister = .first)
    /// Stores the register's value in the packet's metadata.
    case setMeta(Meta, NftRegister = .first)
    case compare(Comparison, [UInt8], NftRegister = .first)
    /// Continues if the value is outside the range. (Inside takes two comparisons.)
    case outside(first: [UInt8], last: [UInt8], NftRegister = .first)
    /// Continues if the register's value is in the set, or if it is not when inverted.
    case lookup(String, inverted: Bool = false, NftRegister = .first)
    /// The same with the anonymous set that has this number in the same batch.
    case anonymousLookup(UInt32, inverted: Bool = false, NftRegister = .first)
    /// Looks up the register's value in a map; puts the result into a register, or applies it as a verdict.
    case map(String, NftRegister = .first, into: NftRegister)
    /// Adds the register's value to a set, unless it is there.
    case note(in: String, NftRegister = .first)
    case verdict(NftVerdict)
    /// Loads a constant.
    case value([UInt8], NftRegister = .first)
    /// Rewrites the destination to the address and port in these registers.
    case destinationNAT(NftFamily, address: NftRegister, port: NftRegister)
    /// Rewrites the source to an address of the interface by which the packet leaves.
    case masquerade(fullyRandom: Bool)
    case counter
    /// A match of xtables, as iptables-nft writes and reads it.
    case xtables(String, revision: UInt32, [UInt8])
    /// The kernel's name of any other expression, and its attributes (``NftEncodable``).
    case encoded(String, [UInt8])

    /// enum nft_meta_keys; a kernel may list others than these.
    public struct Meta: Sendable, Hashable {
        let rawValue: UInt32

        /// The EtherType, in network byte order.
        public static let linkProtocol = Meta(rawValue: 1)
        public static let mark = Meta(rawValue: 3)
        public static let inputInterface = Meta(rawValue: 4)
        public static let outputInterface = Meta(rawValue: 5)
        public static let inputInterfaceName = Meta(rawValue: 6)
        public static let outputInterfaceName = Meta(rawValue: 7)
        /// ARPHRD_*, linux/if_arp.h; two octets.
        public static let inputInterfaceType = Meta(rawValue: 8)
        /// Of the sending socket.
        public static let userID = Meta(rawValue: 10)
        public static let groupID = Meta(rawValue: 11)
        /// Whether the packet is traced; one octet.
        public static let trace = Meta(rawValue: 12)
        /// NFPROTO_*, linux/netfilter.h; one octet.
        public static let networkProtocol = Meta(rawValue: 15)
        public static let transportProtocol = Meta(rawValue: 16)
        /// The bridges of which the interfaces are ports.
        public static let inputBridgeName = Meta(rawValue: 17)
        public static let outputBridgeName = Meta(rawValue: 18)
        /// PACKET_*, linux/if_packet.h; one octet.
        public static let packetType = Meta(rawValue: 19)
    }

    /// enum nft_payload_bases; a kernel may list others than these.
    public struct Base: Sendable, Hashable {
        let rawValue: UInt32

        public static let link = Base(rawValue: 0)
        public static let network = Base(rawValue: 1)
        public static let transport = Base(rawValue: 2)
    }

    /// enum nft_ct_keys; a kernel may list others than these.
    public struct Connection: Sendable, Hashable {
        let rawValue: UInt32

        /// NF_CT_STATE_BIT, linux/netfilter/nf_conntrack_common.h.
        public static let state = Connection(rawValue: 0)
        public static let direction = Connection(rawValue: 1)
        /// IPS_*, of the same header.
        public static let status = Connection(rawValue: 2)
        public static let mark = Connection(rawValue: 3)
        /// Addresses of one direction: of any family, and per family.
        public static let source = Connection(rawValue: 8)
        public static let destination = Connection(rawValue: 9)
        public static let transportProtocol = Connection(rawValue: 10)
        public static let sourcePort = Connection(rawValue: 11)
        public static let destinationPort = Connection(rawValue: 12)
        public static let sourceIPv4 = Connection(rawValue: 19)
        public static let destinationIPv4 = Connection(rawValue: 20)
        public static let sourceIPv6 = Connection(rawValue: 21)
        public static let destinationIPv6 = Connection(rawValue: 22)
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
        case .addressType: "fib"
        case .mask, .bits: "bitwise"
        case .setMeta: "meta"
        case .networkOrder: "byteorder"
        case .compare: "cmp"
        case .outside: "range"
        case .lookup, .anonymousLookup, .map: "lookup"
        case .note: "dynset"
        case .verdict, .value: "immediate"
        case .destinationNAT: "nat"
        case .masquerade: "masq"
        case .counter: "counter"
        case .xtables: "match"
        case .encoded(let name, _): name
        }
    }

    /// - Parameter asListed: encodes only what can be compared with the kernel's listing, which has other names for anonymous
    ///   sets.
    func encode(_ builder: inout MessageBuilder, asListed: Bool = false) {
        builder.attribute(NFTA.expressionName, text: name)
        builder.nested(NFTA.expressionData) { encodeAttributes(&$0, asListed) }
    }

    private func encodeAttributes(_ builder: inout MessageBuilder, _ asListed: Bool) {
        switch self {
        case .meta(let key, let register):
            builder.attribute(NFTA.metaKey, bigEndian: key.rawValue)
            builder.attribute(NFTA.metaDestination, bigEndian: register.rawValue)
        case .payload(let base, let offset, let length, let register):
            builder.attribute(NFTA.payloadDestination, bigEndian: register.rawValue)
            builder.attribute(NFTA.payloadBase, bigEndian: base.rawValue)
            builder.attribute(NFTA.payloadOffset, bigEndian: offset)
            builder.attribute(NFTA.payloadLength, bigEndian: length)
        case .connection(let key, let register):
            builder.attribute(NFTA.connectionDestination, bigEndian: register.rawValue)
            builder.attribute(NFTA.connectionKey, bigEndian: key.rawValue)
        case .addressType(let flags, let register):
            builder.attribute(NFTA.fibDestination, bigEndian: register.rawValue)
            builder.attribute(NFTA.fibResult, bigEndian: NftFib.Result.addressType.rawValue)
            builder.attribute(NFTA.fibFlags, bigEndian: flags.rawValue)
        case .setMeta(let key, let register):
            builder.attribute(NFTA.metaKey, bigEndian: key.rawValue)
            builder.attribute(NFTA.metaSource, bigEndian: register.rawValue)
        case .bits(let mask, let flipped, let register):
            builder.attribute(NFTA.bitwiseSource, bigEndian: register.rawValue)
            builder.attribute(NFTA.bitwiseDestination, bigEndian: register.rawValue)
            builder.attribute(NFTA.bitwiseLength, bigEndian: UInt32(mask.count))
            builder.nested(NFTA.bitwiseMask) { $0.attribute(NFTA.dataValue, mask) }
            builder.nested(NFTA.bitwiseXor) { $0.attribute(NFTA.dataValue, flipped) }
        case .mask(let mask, let register):
            builder.attribute(NFTA.bitwiseSource, bigEndian: register.rawValue)
            builder.attribute(NFTA.bitwiseDestination, bigEndian: register.rawValue)
            builder.attribute(NFTA.bitwiseLength, bigEndian: UInt32(mask.count))
            builder.nested(NFTA.bitwiseMask) { $0.attribute(NFTA.dataValue, mask) }
            builder.nested(NFTA.bitwiseXor) { $0.attribute(NFTA.dataValue, [UInt8](repeating: 0, count: mask.count)) }
        case .networkOrder(let register):
            builder.attribute(NFTA.byteOrderSource, bigEndian: register.rawValue)
            builder.attribute(NFTA.byteOrderDestination, bigEndian: register.rawValue)
            builder.attribute(NFTA.byteOrderOperation, bigEndian: NftConstant.hostToNetwork)
            builder.attribute(NFTA.byteOrderLength, bigEndian: UInt32(4))
            builder.attribute(NFTA.byteOrderSize, bigEndian: UInt32(4))
        case .compare(let comparison, let value, let register):
            builder.attribute(NFTA.compareSource, bigEndian: register.rawValue)
            builder.attribute(NFTA.compareOperation, bigEndian: comparison.rawValue)
            builder.nested(NFTA.compareData) { $0.attribute(NFTA.dataValue, value) }
        case .outside(let first, let last, let register):
            builder.attribute(NFTA.rangeSource, bigEndian: register.rawValue)
            builder.attribute(NFTA.rangeOperation, bigEndian: NftConstant.rangeOutside)
            builder.nested(NFTA.rangeFrom) { $0.attribute(NFTA.dataValue, first) }
            builder.nested(NFTA.rangeTo) { $0.attribute(NFTA.dataValue, last) }
        case .lookup(let set, let inverted, let register):
            builder.attribute(NFTA.lookupSet, text: set)
            builder.attribute(NFTA.lookupSource, bigEndian: register.rawValue)
            builder.attribute(NFTA.lookupFlags, bigEndian: inverted ? NftConstant.inverted : 0)
        case .anonymousLookup(let number, let inverted, let register):
            builder.attribute(NFTA.lookupSource, bigEndian: register.rawValue)
            if inverted || asListed {
                builder.attribute(NFTA.lookupFlags, bigEndian: inverted ? NftConstant.inverted : 0)
            }
            guard !asListed else { return }
            builder.attribute(NFTA.lookupSet, text: NftAnonymousSet.name)
            builder.attribute(NFTA.lookupSetID, bigEndian: number)
        case .map(let map, let register, let destination):
            builder.attribute(NFTA.lookupSet, text: map)
            builder.attribute(NFTA.lookupSource, bigEndian: register.rawValue)
            builder.attribute(NFTA.lookupDestination, bigEndian: destination.rawValue)
        case .note(let set, let register):
            builder.attribute(NFTA.dynsetSet, text: set)
            // NFT_DYNSET_OP_ADD.
            builder.attribute(NFTA.dynsetOperation, bigEndian: UInt32(0))
            builder.attribute(NFTA.dynsetKey, bigEndian: register.rawValue)
        case .verdict(let verdict):
            builder.attribute(NFTA.immediateDestination, bigEndian: NftRegister.verdict.rawValue)
            builder.nested(NFTA.immediateData) { NftData.verdict(verdict).encode(&$0) }
        case .value(let value, let register):
            builder.attribute(NFTA.immediateDestination, bigEndian: register.rawValue)
            builder.nested(NFTA.immediateData) { NftData.value(value).encode(&$0) }
        case .destinationNAT(let family, let address, let port):
            builder.attribute(NFTA.natType, bigEndian: NftConstant.natDestination)
            builder.attribute(NFTA.natFamily, bigEndian: UInt32(family.rawValue))
            builder.attribute(NFTA.natAddress, bigEndian: address.rawValue)
            builder.attribute(NFTA.natPort, bigEndian: port.rawValue)
        case .masquerade(let fullyRandom):
            if fullyRandom { builder.attribute(NFTA.masqueradeFlags, bigEndian: NftConstant.fullyRandomPorts) }
        case .counter:
            break
        case .xtables(let name, let revision, let info):
            builder.attribute(NFTA.xtablesName, text: name)
            builder.attribute(NFTA.xtablesRevision, bigEndian: revision)
            builder.attribute(NFTA.xtablesInfo, info)
        case .encoded(_, let attributes):
            builder.append(attributes)
        }
    }
}

/// A register of the nf_tables machine: one of sixteen words of four octets, or the verdict register.
public struct NftRegister: Sendable, Hashable {
    let rawValue: UInt32

    public static let verdict = NftRegister(rawValue: 0)
    /// The first word; values of up to sixteen octets start here.
    public static let first = word(0)

    /// The word of that number, 0...15. The first word of each four has the number of the older register of sixteen octets.
    public static func word(_ number: UInt32) -> NftRegister {
        NftRegister(rawValue: number % 4 == 0 ? 1 + number / 4 : 8 + number)
    }

    /// The number of its first word, 0...15; nil for the verdict.
    public var firstWord: Int? {
        switch rawValue {
        case 1...4: Int(rawValue - 1) * 4
        case 8...23: Int(rawValue - 8)
        default: nil
        }
    }
}
