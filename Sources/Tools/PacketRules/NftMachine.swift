public import Addresses
public import Inventory
public import NetlinkCodec

/// Where a packet is when rules examine it, and what is known about it besides its headers.
public struct HookContext: Sendable {
    public var point: NftChain.Point
    /// `ip` and `inet`, `ip6` and `inet`, or `bridge`.
    public var families: [NftFamily]
    /// Nil if unknown, for a forwarded packet.
    public var input: Interface?
    public var output: Interface?
    /// The frame's addresses, if known.
    public var macs: (source: MACAddress?, destination: MACAddress?)
    /// The bridge of the ports.
    public var bridge: String?
    /// Whether the packet answers one that has passed through here.
    public var isAnswer = false
    /// The connection tracking entry of the packet.
    public var connection: TrackedConnection
    /// Whether the packet's mark is known: not only rules set it.
    public var isMarkKnown = true
    /// RTN_* of addresses.
    public var addressTypes: [IPAddress: UInt8] = [:]
    /// Index of the interface through which the source is reached; 0 if there is none, nil if it was not looked up.
    public var sourceInterface: UInt32?
    /// The source address that `masquerade` sets.
    public var masqueradeSource: IPAddress?
    /// The branch to take where chance decides; nil if that is to remain unknown.
    public var choices: Choices?

    public init(point: NftChain.Point, families: [NftFamily], connection: TrackedConnection) {
        self.point = point
        self.families = families
        self.connection = connection
    }

    var family: NftFamily { families.contains(.bridge) ? .bridge : families[0] }
}

/// Runs a packet through the rules of a hook, as nf_tables does.
///
/// Some things are unknown: what the sender has put into other parts of the packet, xtables extensions, rules of a kind that is
/// not understood, random numbers unless ``HookContext/choices`` has them. A rule that depends on them is assumed not to match, and ``remarks`` say so. ``packet``,
/// ``rewrites`` and ``drop`` follow from that assumption. ``fate`` says whether the packet passes in any case.
public struct NftMachine {
    let ruleset: Ruleset
    public internal(set) var packet: Packet
    public internal(set) var context: HookContext
    public private(set) var rewrites: [String] = []
    public internal(set) var remarks: [String] = []
    /// Whether a locally sent packet has to be routed again. A filter chain that marks the packet does not cause that.
    public private(set) var isRerouted = false
    /// The assumption about a rule under which evaluation continued.
    var supposition: String?
    /// What drops the packet, under the assumptions made.
    public internal(set) var drop: Drop?
    /// What drops the packet in every case.
    var certainDrop: Drop?
    /// Whether a rule that is assumed not to match would drop it.
    var mayBeDropped = false
    /// Whether such a rule would change the packet.
    var isInDoubt = false
    /// Whether a rule is not understood that may drop or change the packet.
    public internal(set) var isNotUnderstood = false
    /// The expressions of the current rule after the current one.
    var following: ArraySlice<NftListedExpression> = []
    var headers: PacketHeaders
    /// How many rules were evaluated, on all paths.
    var steps = 0

    /// The fate is unknown if a ruleset needs more.
    static let maximumSteps = 500_000

    public init(_ ruleset: Ruleset, _ packet: Packet, _ context: HookContext) {
        self.ruleset = ruleset
        self.packet = packet
        self.context = context
        headers = PacketHeaders(
            packet, source: context.macs.source, destination: context.macs.destination, isAnswer: context.isAnswer)
    }

    /// Whether ``drop`` happens whatever the unknown facts are.
    public var isDropCertain: Bool { certainDrop != nil && !isInDoubt }

    /// What becomes of the packet, whatever the unknown facts are.
    public var fate: Fate {
        guard !isInDoubt else { return .notKnown }
        if let certainDrop { return .dropped(certainDrop) }
        return drop == nil && !mayBeDropped ? .passes : .notKnown
    }

    /// One step at a hook.
    private enum Stage {
        /// Connection tracking looks at the packet.
        case tracking
        /// These chains rewrite addresses, or the original ones are restored.
        case translation([NftListedChain])
        case chain(NftListedChain)
    }

    /// The steps at the hook, in the kernel's order: nat chains run at a fixed place, whatever their priority is
    /// (enum nf_ip_hook_priorities, linux/netfilter_ipv4.h).
    private var stages: [Stage] {
        let all = ruleset.baseChains(context.point, context.families)
        var stages: [(priority: Int32, stage: Stage)] = all.filter { $0.chain.hook?.type != "nat" }
            .map { ($0.chain.hook?.priority ?? 0, .chain($0)) }
        func insert(_ stage: Stage, _ priority: Int32) {
            stages.insert((priority, stage), at: stages.firstIndex { $0.priority > priority } ?? stages.endIndex)
        }
        if context.point == .prerouting || context.point == .output { insert(.tracking, -200) }
        if context.family != .bridge, context.point != .forward {
            insert(
                .translation(all.filter { $0.chain.hook?.type == "nat" }),
                rewriting == TrackedConnection.destinationRewritten ? -100 : 100)
        }
        return stages.map { $0.stage }
    }

    /// Runs the packet through all steps at the hook.
    public mutating func run() { run(stages[...]) }

    private mutating func run(_ stages: ArraySlice<Stage>) {
        for (position, stage) in zip(stages.indices, stages) where !passes(stage) {
            guard certainDrop == nil else { return }
            // The packet may have passed this stage; then the later ones decide.
            var other = self
            other.run(stages[(position + 1)...])
            certainDrop = other.certainDrop
            isInDoubt = other.isInDoubt
            return
        }
    }

    private mutating func passes(_ stage: Stage) -> Bool {
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
                    guard passes(chain) else { return false }
                }
                context.connection.settled |= rewriting
            case .invalid, .untracked: break
            }
            if packet.destination != before { isRerouted = true }
        case .chain(let chain):
            let before = packet.mark
            guard passes(chain) else { return false }
            if chain.chain.hook?.type == "route", packet.mark != before { isRerouted = true }
        }
        return true
    }

    /// What this hook rewrites: destinations or sources.
    private var rewriting: UInt32 {
        context.point == .prerouting || context.point == .output
            ? TrackedConnection.destinationRewritten : TrackedConnection.sourceRewritten
    }

    /// Restores in an answer what was rewritten in the question: the destination first, the source last.
    private mutating func restore() {
        let wanted = context.connection.original.reversed
        if rewriting == TrackedConnection.destinationRewritten {
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

    /// Rewrites the packet and adds that to ``rewrites``.
    mutating func rewrite(
        source: IPAddress? = nil, destination: IPAddress? = nil, port: UInt16? = nil, _ table: NftTable,
        _ chain: String
    ) -> Step {
        let place = "table \(table), chain \(chain)"
        if source != nil || (destination == nil && rewriting == TrackedConnection.sourceRewritten) {
            packet.source = source ?? packet.source
            if let port, packet.transport != .icmp { packet.sourcePort = port }
            context.connection.rewritten |= TrackedConnection.sourceRewritten
            rewrites.append("source becomes \(packet.source) (\(place))")
        } else {
            packet.destination = destination ?? packet.destination
            if let port, packet.transport != .icmp { packet.destinationPort = port }
            context.connection.rewritten |= TrackedConnection.destinationRewritten
            rewrites.append("destination becomes \(packet.destinationText) (\(place))")
        }
        refresh()
        return .verdict(.accept)
    }
}
