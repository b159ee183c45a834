internal import NetlinkCodec

/// Chains and rules.
///
/// It may be unknown whether a rule matches. The packet then continues as if it did not, and ``remarks`` say so. What would
/// happen otherwise is evaluated on a copy, and only the kind of the outcome is kept.
extension NftMachine {
    /// NFT_JUMP_STACK_SIZE, linux/netfilter/nf_tables.h of the kernel.
    private static let maximumDepth = 16

    /// The result of one expression.
    enum Step {
        case matched, noMatch
        case verdict(NftVerdict)
        case rejected
        /// It is unknown whether it matches; the text says why.
        case unknown(String)
        /// It may have any effect on the packet; the text says why.
        case anything(String)
    }

    /// Runs the packet through a base chain; false if the chain drops it.
    mutating func passes(_ base: NftListedChain) -> Bool {
        let outcomes = evaluate(base.chain.name, base.table, 0)
        // NF_DROP, linux/netfilter.h.
        let isStrict = base.policy == 0
        var others = outcomes.others
        if others.contains(.end) { others.insert(isStrict ? .drop : .accept) }
        let found: Drop? =
            switch outcomes.assumed {
            case .accept: nil
            case .drop(let drop): drop
            case .end where isStrict:
                Drop(table: base.table, chain: base.chain.name, rule: nil, comment: "", isRejected: false)
            case .end: nil
            }
        guard let found else {
            if others.contains(.drop) { mayBeDropped = true }
            return true
        }
        if drop == nil { drop = found }
        if !others.contains(.accept), certainDrop == nil { certainDrop = found }
        return false
    }

    private mutating func evaluate(_ chain: String, _ table: NftTable, _ depth: Int) -> Outcomes {
        guard depth < NftMachine.maximumDepth, let rules = ruleset.rules[Ruleset.Place(table: table, name: chain)]
        else { return Outcomes(assumed: .end, others: .anything) }
        return evaluate(rules[...], table, depth)
    }

    private mutating func evaluate(_ rules: ArraySlice<Ruleset.Rule>, _ table: NftTable, _ depth: Int) -> Outcomes {
        var others: Outcomes.Kinds = []
        for (position, rule) in zip(rules.indices, rules) {
            guard steps < NftMachine.maximumSteps else { return Outcomes(assumed: .end, others: .anything) }
            steps += 1
            let wasInDoubt = isInDoubt
            isInDoubt = false
            let (result, alternatives) = run(rule, table)
            let mayChange = isInDoubt
            isInDoubt = isInDoubt || wasInDoubt
            let place = "rule \(rule.handle) of chain \(rule.chain) in table \(table)"
            if let supposition { remarks.append("\(place): \(supposition)") }
            let kinds = trying { $0.kinds(of: alternatives, table, depth) }
            others.formUnion(kinds)
            let assumed: Outcomes.Outcome
            var mayGoOn = supposition != nil
            switch result {
            case .noMatch, .matched: continue
            case .unknown(let what):
                remarks.append("\(place) is taken as not matching: \(what)")
                if mayChange || kinds.contains(.drop) { isNotUnderstood = true }
                continue
            case .anything(let what):
                remarks.append("\(place) is taken as not matching: \(what)")
                others.formUnion(.anything)
                isNotUnderstood = true
                continue
            case .rejected: assumed = .drop(rule.drop(table, isRejected: true))
            case .verdict(.accept): assumed = .accept
            case .verdict(.drop): assumed = .drop(rule.drop(table, isRejected: false))
            case .verdict(.return): assumed = .end
            case .verdict(.goto(let target)):
                let inner = evaluate(target, table, depth + 1)
                others.formUnion(inner.others)
                assumed = inner.assumed
            case .verdict(.jump(let target)):
                let inner = evaluate(target, table, depth + 1)
                others.formUnion(inner.others.subtracting(.end))
                guard inner.assumed.isFinal else { continue }
                if inner.others.contains(.end) { mayGoOn = true }
                assumed = inner.assumed
            }
            if mayGoOn { others.formUnion(trying { $0.evaluate(rules[(position + 1)...], table, depth).all }) }
            return Outcomes(assumed: assumed, others: others)
        }
        return Outcomes(assumed: .end, others: others)
    }

    /// The possible outcomes of the verdicts that a rule may give.
    private mutating func kinds(of verdicts: [NftVerdict], _ table: NftTable, _ depth: Int) -> Outcomes.Kinds {
        verdicts.reduce(into: []) { kinds, verdict in
            switch verdict {
            case .accept: kinds.insert(.accept)
            case .drop: kinds.insert(.drop)
            case .return: kinds.insert(.end)
            case .goto(let target): kinds.formUnion(trying { $0.evaluate(target, table, depth + 1).all })
            case .jump(let target):
                kinds.formUnion(trying { $0.evaluate(target, table, depth + 1).all.subtracting(.end) })
            }
        }
    }

    /// Runs the body on a copy, and keeps only its number of steps.
    private mutating func trying<Value>(_ body: (inout NftMachine) -> Value) -> Value {
        var copy = self
        let value = body(&copy)
        steps = copy.steps
        return value
    }

    /// Runs the packet through one rule.
    ///
    /// - Returns: the result and, if it is unknown, the verdicts that the rule may give.
    private mutating func run(_ rule: Ruleset.Rule, _ table: NftTable) -> (Step, alternatives: [NftVerdict]) {
        var registers = Registers()
        supposition = nil
        defer { if !rule.matters { supposition = nil } }
        for (position, expression) in zip(rule.expressions.indices, rule.expressions) {
            let earlier = supposition
            if case .load = expression { following = rule.expressions[(position + 1)...] }
            switch step(expression, &registers, table, rule.chain) {
            case .matched: continue
            case .noMatch where supposition != earlier && rule.matters:
                return (.noMatch, suppose(rule.expressions[position...], registers, table, rule.chain))
            case .unknown(let what):
                guard rule.matters || expression.isLookup else { return (.noMatch, []) }
                return (.unknown(what), suppose(rule.expressions[position...], registers, table, rule.chain))
            case .anything(let what): return rule.matters ? (.anything(what), []) : (.noMatch, [])
            case let result: return (result, [])
            }
        }
        if supposition != nil, rule.matters { isInDoubt = true }
        return (.matched, [])
    }

    /// Evaluates the expressions as if the first one, whose result is unknown, matched.
    private mutating func suppose(
        _ expressions: ArraySlice<NftListedExpression>, _ registers: Registers, _ table: NftTable, _ chain: String
    ) -> [NftVerdict] {
        var (other, registers) = (self, registers)
        var result = verdicts(ofUnknown: expressions[expressions.startIndex], &registers, table)
        for expression in expressions.dropFirst() {
            guard result == nil else { break }
            switch other.step(expression, &registers, table, chain) {
            case .matched: continue
            case .noMatch: return []
            case .verdict(let verdict): result = [verdict]
            case .rejected: result = [.drop]
            case .unknown: result = verdicts(ofUnknown: expression, &registers, table)
            case .anything: isInDoubt = true
            }
        }
        if other.packet.mark != packet.mark || !other.context.isMarkKnown { context.isMarkKnown = false }
        if other.context.connection.mark != context.connection.mark || !other.context.connection.isMarkKnown {
            context.connection.isMarkKnown = false
        }
        other.packet.mark = packet.mark
        if other.packet != packet || other.context.connection.tracking != context.connection.tracking {
            isInDoubt = true
        }
        context.connection.updated.formUnion(other.context.connection.updated)
        return result ?? []
    }

    /// The verdicts that a verdict map may give; nil for other expressions, after which the rule continues.
    private func verdicts(
        ofUnknown expression: NftListedExpression, _ registers: inout Registers, _ table: NftTable
    ) -> [NftVerdict]? {
        guard case .lookup(let name, _, _, let destination?) = expression else { return nil }
        guard destination == .verdict else {
            registers.store(nil, destination)
            return nil
        }
        return ruleset.sets[Ruleset.Place(table: table, name: name)]?.verdicts ?? [.accept, .drop, .return]
    }
}

extension Outcomes.Outcome {
    fileprivate var isFinal: Bool { if case .end = self { false } else { true } }
}

extension Ruleset.Rule {
    fileprivate func drop(_ table: NftTable, isRejected: Bool) -> Drop {
        Drop(table: table, chain: chain, rule: handle, comment: comment, isRejected: isRejected)
    }
}

extension NftListedExpression {
    fileprivate var isLookup: Bool { if case .lookup = self { true } else { false } }

    /// Whether a rule with this expression may affect what becomes of a packet.
    var matters: Bool {
        switch self {
        // Other rules and routes may depend on marks.
        case .setMeta(let key, _): key == .mark
        case .setConnection(let key, _, _): key == .mark
        case .lookup(_, _, _, let destination): destination == .verdict
        case .setPayload, .immediate, .nat, .masquerade, .redirect, .reject, .noTrack, .xtablesTarget, .other: true
        default: false
        }
    }
}
