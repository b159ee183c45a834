internal import Addresses
internal import Inventory
internal import NetlinkCodec

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
    /// What connection tracking knows of it.
    var connection: Connection
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
    var rewrites: [String] = []
    private(set) var remarks: [String] = []
    /// Whether what is sent from here has to be routed again: filter chains may mark it, and that changes nothing.
    private(set) var isRerouted = false
    /// What has been supposed of a rule to go on with it.
    var supposition: String?
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

    /// What happens at a hook.
    private enum Stage {
        /// Connection tracking looks at the packet.
        case tracking
        /// Addresses are rewritten by these chains, or put back.
        case translation([NftListedChain])
        case chain(NftListedChain)
    }

    /// What happens at the hook, in the kernel's order: chains of type nat are asked at a place of their own, whatever their
    /// priority is (enum nf_ip_hook_priorities, linux/netfilter_ipv4.h).
    private var stages: [Stage] {
        let all = ruleset.baseChains(context.point, context.families)
        var stages: [(priority: Int32, stage: Stage)] = all.filter { $0.chain.hook?.type != "nat" }
            .map { ($0.chain.hook?.priority ?? 0, .chain($0)) }
        func insert(_ stage: Stage, _ priority: Int32) {
            stages.insert((priority, stage), at: stages.firstIndex { $0.priority > priority } ?? stages.endIndex)
        }
        if context.point == .prerouting || context.point == .output { insert(.tracking, -200) }
        if context.family != .bridge, context.point != .forward {
            insert(.translation(all.filter { $0.chain.hook?.type == "nat" }), rewriting == 0x20 ? -100 : 100)
        }
        return stages.map { $0.stage }
    }

    /// Runs it through everything that happens at the hook.
    mutating func run() {
        for stage in stages {
            switch stage {
            case .tracking:
                if context.connection.tracking == .invalid { context.connection.tracking = context.connection.finding }
            case .translation(let chains):
                let before = packet.destination
                switch context.connection.tracking {
                case .established: restore()
                case .new:
                    guard context.connection.settled & rewriting == 0 else { break }
                    for chain in chains where context.connection.rewritten & rewriting == 0 {
                        guard passes(chain) else { return }
                    }
                    context.connection.settled |= rewriting
                case .invalid, .untracked: break
                }
                if packet.destination != before { isRerouted = true }
            case .chain(let chain):
                let before = packet.mark
                guard passes(chain) else { return }
                if chain.chain.hook?.type == "route", packet.mark != before { isRerouted = true }
            }
        }
    }

    /// Runs it through a base chain; false where that takes it away.
    private mutating func passes(_ base: NftListedChain) -> Bool {
        switch evaluate(base.chain.name, base.table, 0) {
        case .drop: return false
        case .accept: return true
        case .end:
            guard base.policy == 0 else { return true }
            drop = Drop(table: base.table, chain: base.chain.name, rule: nil, comment: "", isRejected: false)
            return false
        }
    }

    /// What is rewritten at this hook: destinations or sources.
    private var rewriting: UInt32 { context.point == .prerouting || context.point == .output ? 0x20 : 0x10 }

    /// Of an answer, puts back what was rewritten of the question: the destination first, the source last.
    private mutating func restore() {
        let wanted = context.connection.original.reversed
        if rewriting == 0x20 {
            guard packet.destination != wanted.destination || packet.destinationPort != wanted.destinationPort else {
                return
            }
            packet.destination = wanted.destination
            packet.destinationPort = wanted.destinationPort
            rewrites.append("destination becomes \(packet.destinationText) again (connection tracking)")
        } else {
            guard packet.source != wanted.source || packet.sourcePort != wanted.sourcePort else { return }
            packet.source = wanted.source
            packet.sourcePort = wanted.sourcePort
            rewrites.append("source becomes \(packet.sourceText) again (connection tracking)")
        }
        refresh()
    }

    private mutating func refresh() {
        headers = PacketHeaders(
            packet, source: context.macs.source, destination: context.macs.destination, isAnswer: context.isAnswer)
    }

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
            let result = run(rule, table)
            if let supposition {
                remarks.append("rule \(rule.handle) of chain \(chain) in table \(table): \(supposition)")
            }
            switch result {
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
        // What only counts or writes a log changes nothing.
        let matters = expressions.contains { NftMachine.matters($0.name, $0.attributes) }
        supposition = nil
        defer { if !matters { supposition = nil } }
        for expression in expressions {
            switch step(expression.name, expression.attributes, &registers, table, rule.chain) {
            case .matched: continue
            case .unknown(let what):
                return matters || expression.name == "lookup" ? .unknown(what) : .noMatch
            case let result: return result
            }
        }
        return .matched
    }

    /// Whether what becomes of a packet may depend on the expression.
    private static func matters(_ name: String, _ attributes: Attributes) -> Bool {
        switch name {
        // Marks, which other rules and routes look at.
        case "meta": attributes[3] != nil && attributes[2]?.bigEndian32 == 3
        case "ct": attributes[4] != nil && attributes[2]?.bigEndian32 == 3
        case "payload": attributes[5] != nil
        // Into the register of verdicts.
        case "lookup": attributes[3]?.bigEndian32 == 0
        default:
            [
                "immediate", "nat", "masq", "redir", "reject", "queue", "target", "tproxy", "notrack", "synproxy",
                "fwd",
            ].contains(name)
        }
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
            context.connection.rewritten |= 0x10
            rewrites.append("source becomes \(packet.source) (\(place))")
        } else {
            packet.destination = destination ?? packet.destination
            if let port, packet.transport != .icmp { packet.destinationPort = port }
            context.connection.rewritten |= 0x20
            rewrites.append("destination becomes \(packet.destinationText) (\(place))")
        }
        refresh()
        return .verdict(.accept)
    }
}
