internal import Addresses
internal import NetlinkCodec

/// A chain that exists as long as some Service has this number of endpoints, or this affinity.
struct CountedChain: Hashable {
    let kind: Kind
    let family: IPFamily
    /// As many as the kind needs, each at least 0.
    let numbers: [Int]

    enum Kind: String, CaseIterable {
        /// One of that many endpoints.
        case pick
        /// One of that many endpoints on this node.
        case own
        /// The endpoint that the client had, or else one of that many.
        case sticky
        case stickyOwn = "stickyown"
        /// One of all for pods and this node, one of its own for others; two numbers.
        case split
        case stickySplit = "stickysplit"
        /// Remembers which endpoint the client has, for that many seconds.
        case remember
    }

    init(_ kind: Kind, _ family: IPFamily, _ numbers: Int...) {
        self.kind = kind
        self.family = family
        self.numbers = numbers
    }

    var name: String { "\(kind.rawValue)_\(family)_" + numbers.map(String.init).joined(separator: "_") }

    /// Nil for a name that is none of ours.
    init?(_ name: String) {
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count >= 3, let kind = Kind(rawValue: String(parts[0])),
            let family = IPFamily.allCases.first(where: { $0.description == parts[1] })
        else { return nil }
        let numbers = parts.dropFirst(2).compactMap { Int($0) }
        guard numbers.count == (kind == .split || kind == .stickySplit ? 2 : 1), numbers.allSatisfy({ $0 >= 0 }) else {
            return nil
        }
        self.kind = kind
        self.family = family
        self.numbers = numbers
        guard self.name == name else { return nil }
    }

    /// The chains to which its rules go.
    var targets: [CountedChain] {
        let count = numbers[0]
        switch kind {
        case .pick, .own, .remember: return []
        case .sticky: return [CountedChain(.pick, family, count)]
        case .stickyOwn: return [CountedChain(.own, family, count)]
        case .split, .stickySplit:
            let isSticky = kind == .stickySplit
            return [CountedChain(isSticky ? .sticky : .pick, family, count)]
                + (numbers[1] > 0 ? [CountedChain(isSticky ? .stickyOwn : .own, family, numbers[1])] : [])
        }
    }

    var rules: [NftRule] {
        switch kind {
        case .pick: [choice(from: .endpoints)]
        case .own: [choice(from: .ownEndpoints)]
        case .sticky, .stickyOwn: [formerEndpoint, NftRule([.verdict(.goto(targets[0].name))])]
        case .split, .stickySplit:
            [
                NftRule(
                    RuleParts.isFamily(family) + [
                        RuleParts.sourceAddress(family), .lookup(ServiceMap.pods.name(family)),
                        .verdict(.goto(targets[0].name)),
                    ]),
                NftRule(RuleParts.isFromThisNode + [.verdict(.goto(targets[0].name))]),
                NftRule([.verdict(targets.count > 1 ? .goto(targets[1].name) : .drop)]),
            ]
        case .remember: [remembering]
        }
    }

    /// `dnat ip to ip daddr . meta l4proto . th dport . numgen random mod N map @endpoints_v4`
    private func choice(from map: ServiceMap) -> NftRule {
        let modulus = UInt32(clamping: numbers[0])
        return NftRule(
            RuleParts.isFamily(family) + RuleParts.frontend(family) + [
                .of(NftNumberGenerator(.random, modulus: modulus, into: .word(RuleParts.words(family) + 2))),
                .map(map.name(family), into: .first), RuleParts.lead(family),
            ])
    }

    /// `dnat ip to ip saddr . ip daddr . meta l4proto . th dport map @affinity_v4`
    private var formerEndpoint: NftRule {
        NftRule(
            RuleParts.isFamily(family) + [RuleParts.sourceAddress(family)]
                + RuleParts.frontend(family, from: RuleParts.words(family)) + [
                    .map(ServiceMap.affinity.name(family), into: .first), RuleParts.lead(family),
                ])
    }

    /// `update @affinity_v4 { ct original ip saddr . ct original ip daddr . meta l4proto . ct original proto-dst timeout T :
    /// ip daddr . th dport }`
    private var remembering: NftRule {
        let words = RuleParts.words(family)
        return NftRule(
            RuleParts.isFamily(family) + [RuleParts.originalSource(family)]
                + RuleParts.originalFrontend(family, from: words) + [
                    RuleParts.destinationAddress(family, into: 2 * words + 2),
                    RuleParts.destinationPort(into: 3 * words + 2),
                    .of(
                        NftSetUpdate(
                            .update, ServiceMap.affinity.name(family), data: .word(2 * words + 2),
                            timeout: UInt64(numbers[0]) * 1000)),
                ])
    }
}
