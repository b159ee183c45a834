internal import Net
internal import Node
internal import Wire

/// Where a packet is when rules look at it, and what is known of it beside its headers.
struct HookContext {
    var point: NftChain.Point
    /// `ip` and `inet`, `ip6` and `inet`, or `bridge`.
    var families: [NftFamily]
    var input: Interface?
    var output: Interface?
    /// Ends of the frame, where there is one.
    var macs: (source: MACAddress?, destination: MACAddress?)
    /// The bridge that the ports belong to.
    var bridge: String?
    /// Whether the packet answers one that has come through here.
    var isAnswer = false
    /// Rewritten so far: IPS_SRC_NAT 0x10, IPS_DST_NAT 0x20 (linux/netfilter/nf_conntrack_common.h).
    var rewritten: UInt32 = 0
    /// RTN_* of addresses.
    var addressTypes: [IPAddress: UInt8] = [:]
    /// Index of the interface by which the source is reached; 0 for none, nil where nobody has asked.
    var sourceInterface: UInt32?
    /// What `masquerade` puts for the source.
    var masqueradeSource: IPAddress?

    var family: NftFamily { families.contains(.bridge) ? .bridge : families[0] }
}

/// Runs a packet through rules, as nf_tables does.
///
/// What it cannot know (who sent the packet, random numbers, extensions of xtables) it says, and takes such a rule as not
/// matching.
struct NftMachine {
    let ruleset: Ruleset
    var packet: Packet
    var context: HookContext
    private(set) var rewrites: [String] = []
    private(set) var remarks: [String] = []
    private(set) var drop: Drop?
    var headers: PacketHeaders

    /// Who has taken a packet away.
    struct Drop {
        let table: NftTable
        let chain: String
        /// Nil for the chain's policy.
        let rule: UInt64?
        let comment: String
        let isRejected: Bool
    }

    init(_ ruleset: Ruleset, _ packet: Packet, _ context: HookContext) {
        self.ruleset = ruleset
        self.packet = packet
        self.context = context
        headers = PacketHeaders(
            packet, source: context.macs.source, destination: context.macs.destination, isAnswer: context.isAnswer)
    }

    private static let maximumDepth = 16

    /// Runs it through all base chains of the hook.
    ///
    /// - Parameter types: of chains, such as `filter`; nil for all.
    mutating func run(types: Set<String>? = nil) {
        for base in ruleset.baseChains(context.point, context.families) {
            guard let hook = base.chain.hook, types?.contains(hook.type) ?? true else { continue }
            if hook.type == "nat", context.isAnswer || context.rewritten & rewriting != 0 { continue }
            switch evaluate(base.chain.name, base.table, 0) {
            case .drop: return
            case .accept: continue
            case .end:
                guard base.policy == 0 else { continue }
                drop = Drop(table: base.table, chain: base.chain.name, rule: nil, comment: "", isRejected: false)
                return
            }
        }
    }

    /// What chains of type nat rewrite at this hook.
    private var rewriting: UInt32 { context.point == .prerouting || context.point == .output ? 0x20 : 0x10 }

    private enum Outcome { case accept, drop, end }

    enum RuleResult {
        case noMatch
        case matched
        case verdict(NftVerdict)
        case rejected
        case unknown(String)
    }

    private mutating func evaluate(_ chain: String, _ table: NftTable, _ depth: Int) -> Outcome {
        guard depth < NftMachine.maximumDepth else { return .end }
        for rule in ruleset.rules[Ruleset.Place(table: table, name: chain)] ?? [] {
            switch run(rule, table) {
            case .noMatch, .matched: continue
            case .unknown(let what):
                remarks.append(
                    "rule \(rule.handle) of chain \(chain) in table \(table) is taken as not matching: \(what)")
            case .rejected: return dropped(table, rule, isRejected: true)
            case .verdict(.accept): return .accept
            case .verdict(.drop): return dropped(table, rule, isRejected: false)
            case .verdict(.return): return .end
            case .verdict(.goto(let target)): return evaluate(target, table, depth + 1)
            case .verdict(.jump(let target)):
                let outcome = evaluate(target, table, depth + 1)
                guard case .end = outcome else { return outcome }
            }
        }
        return .end
    }

    private mutating func dropped(_ table: NftTable, _ rule: NftListedRule, isRejected: Bool) -> Outcome {
        drop = Drop(
            table: table, chain: rule.chain, rule: rule.handle, comment: rule.comment, isRejected: isRejected)
        return .drop
    }

    private mutating func run(_ rule: NftListedRule, _ table: NftTable) -> RuleResult {
        var registers = Registers()
        let expressions = rule.listedExpressions
        for expression in expressions {
            switch step(expression.name, expression.attributes, &registers, table, rule.chain) {
            case .matched: continue
            case .unknown(let what):
                // What only counts or writes a log changes nothing.
                let matters = expressions.contains {
                    ["immediate", "nat", "masq", "redir", "reject", "queue", "target", "tproxy"].contains($0.name)
                }
                return matters || expression.name == "lookup" ? .unknown(what) : .noMatch
            case let result: return result
            }
        }
        return .matched
    }

    /// Rewrites the packet for good, and says so.
    mutating func rewrite(
        source: IPAddress? = nil, destination: IPAddress? = nil, port: UInt16? = nil, _ table: NftTable,
        _ chain: String
    ) -> RuleResult {
        let place = "table \(table), chain \(chain)"
        if source != nil || (destination == nil && rewriting == 0x10) {
            packet.source = source ?? packet.source
            if let port, packet.transport != .icmp { packet.sourcePort = port }
            context.rewritten |= 0x10
            rewrites.append("source becomes \(packet.source) (\(place))")
        } else {
            packet.destination = destination ?? packet.destination
            if let port, packet.transport != .icmp { packet.destinationPort = port }
            context.rewritten |= 0x20
            rewrites.append("destination becomes \(packet.destinationText) (\(place))")
        }
        headers = PacketHeaders(
            packet, source: context.macs.source, destination: context.macs.destination, isAnswer: context.isAnswer)
        return .verdict(.accept)
    }
}
