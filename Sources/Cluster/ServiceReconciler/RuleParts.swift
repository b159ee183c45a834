internal import Addresses
internal import NetlinkCodec

/// Parts of rules that several chains have.
enum RuleParts {
    /// Offset of the source address in a header, octets.
    private static func source(_ family: IPFamily) -> UInt32 { family == .v4 ? 12 : 8 }
    private static func destination(_ family: IPFamily) -> UInt32 { source(family) + UInt32(family.byteWidth) }
    static func nft(_ family: IPFamily) -> NftFamily { family == .v4 ? .ip : .ip6 }
    /// Registers that an address fills.
    static func words(_ family: IPFamily) -> UInt32 { UInt32(family.byteWidth / 4) }

    /// `meta nfproto ipv4`: the tables are of both families.
    static func isFamily(_ family: IPFamily) -> [NftExpression] {
        [.meta(.networkProtocol), .compare(.equal, [nft(family).rawValue])]
    }

    static func sourceAddress(_ family: IPFamily, into word: UInt32 = 0) -> NftExpression {
        .payload(.network, offset: source(family), length: UInt32(family.byteWidth), .word(word))
    }

    static func destinationAddress(_ family: IPFamily, into word: UInt32 = 0) -> NftExpression {
        .payload(.network, offset: destination(family), length: UInt32(family.byteWidth), .word(word))
    }

    static func destinationPort(into word: UInt32) -> NftExpression {
        .payload(.transport, offset: 2, length: 2, .word(word))
    }

    /// `ip daddr . meta l4proto . th dport`
    static func frontend(_ family: IPFamily, from word: UInt32 = 0) -> [NftExpression] {
        [
            destinationAddress(family, into: word), .meta(.transportProtocol, .word(word + words(family))),
            destinationPort(into: word + words(family) + 1),
        ]
    }

    /// `ct original ip daddr . meta l4proto . ct original proto-dst`: the frontend, when the packet has an endpoint's address.
    static func originalFrontend(_ family: IPFamily, from word: UInt32 = 0) -> [NftExpression] {
        [
            .of(
                NftConnectionTuple(family == .v4 ? .destinationIPv4 : .destinationIPv6, .original, into: .word(word))),
            .meta(.transportProtocol, .word(word + words(family))),
            .of(NftConnectionTuple(.destinationPort, .original, into: .word(word + words(family) + 1))),
        ]
    }

    static func originalSource(_ family: IPFamily) -> NftExpression {
        .of(NftConnectionTuple(family == .v4 ? .sourceIPv4 : .sourceIPv6, .original))
    }

    /// `ct status dnat`: IPS_DST_NAT, linux/netfilter/nf_conntrack_common.h.
    static let isTranslated: [NftExpression] = [
        .connection(.status), .mask(inHostOrder(0x20)), .compare(.notEqual, inHostOrder(0)),
    ]

    /// `fib saddr type local`: RTN_LOCAL, linux/rtnetlink.h.
    static let isFromThisNode: [NftExpression] = [.addressType(.source), .compare(.equal, inHostOrder(2))]

    /// To the address and port that a lookup has put into the first registers.
    static func lead(_ family: IPFamily) -> NftExpression {
        .destinationNAT(nft(family), address: .first, port: .word(words(family)))
    }
}

func inHostOrder(_ number: UInt32) -> [UInt8] {
    let ordered = number.littleEndian
    return (0..<4).map { UInt8(truncatingIfNeeded: ordered >> ($0 * 8)) }
}
