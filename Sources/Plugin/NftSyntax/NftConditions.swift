public import Addresses
public import NetlinkCodec

/// Conditions on packets in the syntax of nft, such as `ip saddr != 10.0.0.0/8 tcp dport { 80, 443 }`. All must hold. They are
/// compiled to the same expressions as by nft itself.
///
/// Supported are `ip saddr|daddr|protocol`, `ip6 saddr|daddr|nexthdr`, `ether saddr|daddr`, `tcp|udp|sctp|th sport|dport`, `[meta]
/// iif|iifname|oif|oifname|mark|skuid|skgid`, `meta l4proto|nfproto|pkttype`, `ct state|status|direction|mark`,
/// `fib saddr|daddr [. mark] [. iif|oif] type`; with `==` (or nothing), `!=`, `<`, `>`, `<=`, `>=`, prefixes, ranges, and lists in
/// braces; marks also with a mask (`meta mark and 0xff == 1`).
///
/// One thing that nft does is left out: it joins comparisons of adjacent fields into one. That changes nothing except for `!=`,
/// where nft 1.0.6 wrongly turns it into "neither".
public struct NftConditions: Sendable, Hashable {
    /// For the beginning of a rule.
    public let expressions: [NftExpression]
    /// The sets that the expressions refer to; make them in the rule's batch, before the rule.
    public let anonymousSets: [NftAnonymousSet]

    /// - Parameters:
    ///   - family: of the packets; conditions on the other family are an error.
    ///   - table: the family of the table; in `inet`, the IP version is checked first, as nft does.
    ///   - firstSetNumber: the number of the first anonymous set; later ones follow. Unique in a batch, not 0.
    public init(
        parsing text: String, family: IPFamily, table: NftFamily = .inet, firstSetNumber: UInt32 = 1
    ) throws(NftSyntaxError) {
        var parser = try Parser(text, family)
        var expressions: [NftExpression] = []
        var sets: [NftAnonymousSet] = []
        // What earlier matches already guarantee.
        var isFamilyKnown = table != .inet
        var isEthernet = false
        var transport: UInt128?
        var isOneOfSeveral = false
        repeat {
            let match = try parser.match()
            let subject = match.subject
            if subject.kind == .networkProtocol, table != .inet {
                throw NftSyntaxError(parser.beginning, "works only in tables of the family inet")
            }
            if subject.isInNetworkHeader, !isFamilyKnown {
                expressions += [.meta(.networkProtocol), .compare(.equal, [family == .v4 ? 2 : 10])]
                isFamilyKnown = true
            }
            if subject.kind == .mac, !isEthernet {
                // ARPHRD_ETHER, linux/if_arp.h.
                var ethernet = MessageBuilder()
                ethernet.append(UInt16(1))
                expressions += [.meta(.inputInterfaceType), .compare(.equal, ethernet.bytes)]
                isEthernet = true
            }
            if let wanted = subject.transport {
                guard !isOneOfSeveral else {
                    throw NftSyntaxError(parser.beginning, "does not fit the list of protocols before it: use th")
                }
                guard transport == nil || transport == UInt128(wanted.number) else {
                    throw NftSyntaxError(parser.beginning, "can never match: another protocol was asked for before")
                }
                if transport == nil {
                    expressions += [.meta(.transportProtocol), .compare(.equal, [wanted.number])]
                    transport = UInt128(wanted.number)
                }
            }
            let (own, set) = match.expressions(setNumber: firstSetNumber + UInt32(sets.count))
            expressions += own
            if let set { sets.append(set) }
            guard !match.comparator.isNegated, case .single(let value) = match.values[0] else { continue }
            switch subject.kind {
            case .networkProtocol: isFamilyKnown = true
            case .protocolNumber:
                transport = value
                isOneOfSeveral = match.values.count > 1
            default: break
            }
        } while !parser.isAtEnd
        self.expressions = expressions
        anonymousSets = sets
    }
}
