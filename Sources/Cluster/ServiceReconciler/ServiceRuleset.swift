internal import Addresses
internal import NetlinkCodec

/// Table `inet swiftlet_services`: what is the same whatever Services there are. docs/services.md shows it as nft lists it.
///
/// Chains of type `nat` see only the first packet of a connection.
enum ServiceRuleset {
    static let table = NftTable(.inet, "swiftlet_services")
    /// The name of an empty set: which edition of the rules this is. Change it with every change of them.
    static let version = "version_1"
    static let versionSet = NftSet(version, NftType(.protocolNumber))

    static let reject = NftVerdict.goto("reject")
    static let masquerade = NftVerdict.goto("masquerade")
    static let masqueradeNode = NftVerdict.goto("masquerade_node")

    /// NF_IP_PRI_NAT_DST, NF_IP_PRI_FILTER, NF_IP_PRI_NAT_SRC, linux/netfilter_ipv4.h.
    private static let (beforeRouting, filter, afterRouting): (Int32, Int32, Int32) = (-100, 0, 100)

    /// - Parameter dropsInvalid: whether packets that connection tracking takes for invalid are dropped on their way from pods. It
    ///   costs a rule for each packet, so it is only for nodes on which they cannot be taken for valid
    ///   (`nf_conntrack_tcp_be_liberal`).
    static func chains(dropsInvalid: Bool) -> [(chain: NftChain, rules: [NftRule])] {
        let each = { (rules: (IPFamily) -> [NftRule]) in IPFamily.allCases.flatMap(rules) }
        let entrance = each { [NftRule(RuleParts.isFamily($0) + [.verdict(.goto("to_services_\($0)"))])] }
        var chains: [(chain: NftChain, rules: [NftRule])] = [
            (NftChain("prerouting", NftChain.Hook("nat", .prerouting, priority: beforeRouting)), entrance),
            (NftChain("output", NftChain.Hook("nat", .output, priority: beforeRouting)), entrance),
            (NftChain("to_services_v4"), toServices(.v4)),
            (NftChain("to_services_v6"), toServices(.v6)),
            (
                NftChain("reject"),
                [
                    NftRule([
                        .meta(.transportProtocol), .compare(.equal, [6]), .of(NftReject.tcpReset),
                    ]),
                    NftRule([.of(NftReject.icmpx(.portUnreachable))]),
                ]
            ),
            (
                NftChain("postrouting", NftChain.Hook("nat", .postrouting, priority: afterRouting)),
                each {
                    [NftRule(RuleParts.isFamily($0) + RuleParts.isTranslated + [.verdict(.goto("to_endpoints_\($0)"))])]
                }
            ),
            // Of connections to endpoints that are on the node itself.
            (
                NftChain("input", NftChain.Hook("nat", .input, priority: afterRouting)),
                each { [remember($0, RuleParts.isTranslated)] }
            ),
            (NftChain("to_endpoints_v4"), toEndpoints(.v4)),
            (NftChain("to_endpoints_v6"), toEndpoints(.v6)),
            (NftChain("masquerade"), [NftRule([.masquerade(fullyRandom: true)])]),
            (
                NftChain("masquerade_node"),
                [NftRule(RuleParts.isFromThisNode + [.masquerade(fullyRandom: true)])]
            ),
        ]
        if dropsInvalid {
            let isInvalid: [NftExpression] = [
                // NF_CT_STATE_INVALID_BIT, linux/netfilter/nf_conntrack_common.h.
                .connection(.state), .mask(inHostOrder(1)), .compare(.notEqual, inHostOrder(0)),
            ]
            chains.append(
                (
                    NftChain("invalid", NftChain.Hook("filter", .forward, priority: filter)),
                    each {
                        [
                            NftRule(
                                isInvalid + RuleParts.isFamily($0) + [
                                    RuleParts.sourceAddress($0), .lookup(ServiceMap.pods.name($0)), .verdict(.drop),
                                ])
                        ]
                    }
                ))
        }
        return chains
    }

    /// Who may come in; what to do; and what looks like a Service but is none goes nowhere.
    private static func toServices(_ family: IPFamily) -> [NftRule] {
        let isFamily = RuleParts.isFamily(family)
        let words = RuleParts.words(family)
        return [
            NftRule(
                isFamily + RuleParts.frontend(family) + [.lookup(ServiceMap.limited.name(family))]
                    + RuleParts.frontend(family) + [
                        RuleParts.sourceAddress(family, into: words + 2),
                        .lookup(ServiceMap.allowed.name(family), inverted: true), .verdict(.drop),
                    ]),
            NftRule(
                isFamily + RuleParts.frontend(family) + [.map(ServiceMap.services.name(family), into: .verdict)]),
            NftRule(
                isFamily + [
                    RuleParts.destinationAddress(family), .lookup(ServiceMap.clusterIPs.name(family)), .verdict(reject),
                ]),
            NftRule(
                isFamily + [
                    RuleParts.destinationAddress(family), .lookup(ServiceMap.serviceRanges.name(family)),
                    .verdict(reject),
                ]),
        ]
    }

    private static func remember(_ family: IPFamily, _ condition: [NftExpression] = []) -> NftRule {
        NftRule(
            RuleParts.isFamily(family) + condition + RuleParts.originalFrontend(family) + [
                .map(ServiceMap.sticky.name(family), into: .verdict)
            ])
    }

    /// The first packet has an endpoint's address by now. No mark says what it was sent to: the connection itself knows.
    private static func toEndpoints(_ family: IPFamily) -> [NftRule] {
        let isFamily = RuleParts.isFamily(family)
        let isForeign: [NftExpression] = [
            RuleParts.sourceAddress(family), .lookup(ServiceMap.pods.name(family), inverted: true),
        ]
        func masqueradeForeign(_ addresses: ServiceMap) -> NftRule {
            NftRule(
                isFamily + isForeign + [
                    .of(NftConnectionTuple(family == .v4 ? .destinationIPv4 : .destinationIPv6, .original)),
                    .lookup(addresses.name(family)), .masquerade(fullyRandom: true),
                ])
        }
        return [
            remember(family),
            NftRule(
                isFamily + [
                    RuleParts.sourceAddress(family),
                    RuleParts.destinationAddress(family, into: RuleParts.words(family)),
                    .lookup(ServiceMap.hairpins.name(family)), .masquerade(fullyRandom: true),
                ]),
            NftRule(
                isFamily + RuleParts.originalFrontend(family) + [
                    .map(ServiceMap.externals.name(family), into: .verdict)
                ]),
            masqueradeForeign(.clusterIPs), masqueradeForeign(.serviceRanges),
        ]
    }
}
