internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import Posix

/// What a network wants of chain FORWARD of iptables' table `filter`, in one family: its traffic is let through, after the rules of the
/// administrator's chain (CNI-ADMIN), as with the reference plugin. There the administrator's DROP drops and the ACCEPT lets in.
///
/// Where the administrator's chain is missing, it is made where iptables-nft looks for it. It stays while it holds rules.
struct ForwardChain {
    let table: NftTable
    private let network: String
    private var subnets: [CIDR] = []
    /// The name of the administrator's chain.
    private var override: String?

    static let name = "FORWARD"
    private static let accepts = "swiftlet "
    /// No network's accepts begin like this.
    private static let jumps = "swiftlet: "
    /// The end of a jump's comment where more than the jump is ours.
    private static let (madeChain, madeTable) = (" (swiftlet made it)", " (swiftlet made it and the table)")

    static func table(_ family: IPFamily) -> NftTable { NftTable(family == .v4 ? .ip : .ip6, "filter") }

    static func of(_ passage: Passage, _ network: String, hasFirewalld: Bool) -> [ForwardChain] {
        IPFamily.allCases.compactMap { family in
            var chain = ForwardChain(family, network)
            chain.subnets = passage.subnets.filter { $0.family == family }
            if let override = passage.override, override.besideFirewalld || !hasFirewalld {
                chain.override = override.chain
            }
            return chain.subnets.isEmpty ? nil : chain
        }
    }

    init(_ family: IPFamily, _ network: String) {
        table = ForwardChain.table(family)
        self.network = network
    }

    /// Whether it is one of the network's accepts.
    func isOwn(_ rule: NftListedRule) -> Bool { rule.comment.hasPrefix("\(ForwardChain.accepts)\(network) ") }

    private static func isJump(_ rule: NftListedRule) -> Bool { rule.comment.hasPrefix(jumps) }

    /// What is missing; empty if all is well, or if nobody has a chain FORWARD and the network needs none.
    func deviations(_ socket: inout NetlinkSocket) throws(Failure) -> [String] {
        let names = [ForwardChain.name] + (override.map { [$0] } ?? [])
        let present = try socket.present(names.map { (name: $0, table: table) }).map { $0.name }
        guard override != nil || !present.isEmpty else { return [] }
        var found = names.filter { !present.contains($0) }.map { "chain \($0) is missing from table \(table)" }
        guard present.contains(ForwardChain.name) else { return found }
        let listed = try socket.rules(of: ForwardChain.name, in: table)
        if let override {
            let jump = listed.firstIndex { ForwardChain.isJump($0) && $0.target == override }
            let accept = listed.firstIndex { $0.comment.hasPrefix(ForwardChain.accepts) }
            if jump ?? .max > accept ?? .max - 1 {
                found.append(
                    "chain \(ForwardChain.name) of table \(table) does not jump to \(override) before it lets pods through"
                )
            }
        }
        for rule in rules where !listed.contains(where: { $0.comment == rule.comment }) {
            found.append("rule \"\(rule.comment)\" is missing from chain \(ForwardChain.name) of table \(table)")
        }
        return found
    }

    /// Adds what is missing. All jumps are put before all accepts, whichever network they are for.
    func complete(_ socket: inout NetlinkSocket, _ changes: inout Changes) throws(Failure) {
        let chains = try socket.chains(table.family).filter { $0.table == table }.map { $0.chain.name }
        let listed = try socket.rules(of: ForwardChain.name, in: table)
        if !chains.contains(ForwardChain.name) {
            changes.append("make table \(table)") { $0.addTable(table) }
            let hook = NftChain.Hook("filter", .forward, priority: Priority.filter)
            addChain(NftChain(ForwardChain.name, hook), &changes)
        }
        for rule in rules where !listed.contains(where: { $0.comment == rule.comment }) { addFirst(rule, &changes) }
        var jumps: [NftRule] = []
        for old in listed where ForwardChain.isJump(old) {
            changes.append("move the jump to \(old.target ?? "") to the start of \(ForwardChain.name)") {
                $0.deleteRule(old.handle, of: ForwardChain.name, in: table)
            }
            if let target = old.target { jumps.append(jump(to: target, old.comment)) }
        }
        if let override {
            if !chains.contains(override) { addChain(NftChain(override), &changes) }
            if !listed.contains(where: { ForwardChain.isJump($0) && $0.target == override }) {
                let isNew = try socket.flags(of: table) == nil
                let end = isNew ? ForwardChain.madeTable : chains.contains(override) ? "" : ForwardChain.madeChain
                jumps.append(jump(to: override, "\(ForwardChain.jumps)\(override) comes first\(end)"))
            }
        }
        for jump in jumps { addFirst(jump, &changes) }
    }

    /// Removes the network's accepts, and with the last network's what was made for administrators and holds nothing of theirs.
    func leave(_ socket: inout NetlinkSocket, _ changes: inout Changes) throws(Failure) {
        let listed = try socket.rules(in: table)
        var rest = listed.filter { $0.chain != ForwardChain.name || !isOwn($0) }
        for rule in listed where rule.chain == ForwardChain.name && isOwn(rule) {
            changes.append("delete a rule of network \(network) from chain \(ForwardChain.name) of table \(table)") {
                $0.deleteRule(rule.handle, of: ForwardChain.name, in: table)
            }
        }
        guard !rest.contains(where: { $0.comment.hasPrefix(ForwardChain.accepts) }) else { return }
        for jump in rest where ForwardChain.isJump(jump) {
            guard let target = jump.target, !rest.contains(where: { $0.chain == target }) else { continue }
            changes.append("delete the jump to \(target) from chain \(ForwardChain.name) of table \(table)") {
                $0.deleteRule(jump.handle, of: ForwardChain.name, in: table)
            }
            rest.removeAll { $0.handle == jump.handle }
            // Somebody else's rules may have come to need it.
            guard jump.comment.hasSuffix(ForwardChain.madeChain) || jump.comment.hasSuffix(ForwardChain.madeTable),
                !rest.contains(where: { $0.target == target })
            else { continue }
            changes.append("delete chain \(target) of table \(table)") { $0.deleteChain(target, of: table) }
            guard jump.comment.hasSuffix(ForwardChain.madeTable), rest.isEmpty else { continue }
            let chains = try socket.chains(table.family).filter { $0.table == table }
            guard chains.allSatisfy({ [ForwardChain.name, target].contains($0.chain.name) && $0.policy != 0 }),
                try socket.sets(of: table).isEmpty
            else { continue }
            changes.append("delete table \(table)") { $0.deleteTable(table) }
        }
    }

    private func addChain(_ chain: NftChain, _ changes: inout Changes) {
        changes.append("make chain \(chain.name) in table \(table)") { $0.addChain(chain, to: table) }
    }

    private func addFirst(_ rule: NftRule, _ changes: inout Changes) {
        changes.append("add rule \"\(rule.comment)\" to chain \(ForwardChain.name) of table \(table)") {
            $0.addRule(rule, to: ForwardChain.name, of: table, first: true)
        }
    }

    private func jump(to chain: String, _ comment: String) -> NftRule {
        NftRule([.counter, .verdict(.jump(chain))], comment: comment)
    }

    /// In reverse order: each rule is inserted before those already in the chain.
    private var rules: [NftRule] {
        subnets.flatMap { subnet in
            let offset: UInt32 = subnet.family == .v4 ? 12 : 8
            let width = UInt32(subnet.family.byteWidth)
            func address(at offset: UInt32) -> [NftExpression] {
                [
                    .payload(.network, offset: offset, length: width), .mask(subnet.mask.bytes),
                    .compare(.equal, subnet.first.bytes),
                ]
            }
            let accept: [NftExpression] = [.counter, .verdict(.accept)]
            return [
                NftRule(
                    address(at: offset + width)
                        + [.xtables("conntrack", revision: 3, ForwardChain.answersAndHostPorts)] + accept,
                    comment: "\(ForwardChain.accepts)\(network) to \(subnet)"),
                NftRule(
                    address(at: offset) + accept, comment: "\(ForwardChain.accepts)\(network) from \(subnet)"),
            ]
        }
    }

    /// `--ctstate RELATED,ESTABLISHED,DNAT` as struct xt_conntrack_mtinfo3, linux/netfilter/xt_conntrack.h.
    private static var answersAndHostPorts: [UInt8] {
        var info = [UInt8](repeating: 0, count: 164)
        // match_flags: XT_CONNTRACK_STATE. state_mask: XT_CONNTRACK_STATE_BIT of both states, and ..._DNAT.
        for (offset, value) in [(146, UInt16(1)), (150, 0x2 | 0x4 | 0x80)] {
            info.replaceSubrange(offset..<offset + 2, with: inHostOrder(value))
        }
        return info
    }
}
