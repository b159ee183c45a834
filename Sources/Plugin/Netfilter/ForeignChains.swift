internal import Addresses
internal import Kernel
internal import NetlinkCodec
public import Posix

/// Other programs' chains that forwarded traffic passes: an accept in our own table does not overrule a drop in theirs.
///
/// Rules are added only to the chain that iptables calls FORWARD (Docker sets its policy to drop). iptables can read them, as it
/// can those of the reference plugin. All other chains are left to their owners; `STATUS` reports what they do.
extension NodeRules {
    private static func forwardChain(_ family: IPFamily) -> (table: NftTable, chain: String) {
        (NftTable(family == .v4 ? .ip : .ip6, "filter"), "FORWARD")
    }

    private static func prefix(_ network: String) -> String { "swiftlet \(network) " }

    mutating func letThrough(_ passage: Passage, network: String) throws(Failure) {
        for subnet in passage.subnets {
            let (table, chain) = NodeRules.forwardChain(subnet.family)
            guard try hasForwardChain(table, chain) else { continue }
            let present = try socket.rules(of: chain, in: table).map { $0.comment }
            var changes = Changes.batch()
            for rule in NodeRules.rules(subnet, network) where !present.contains(rule.comment) {
                changes.append("let \(subnet) through chain \(chain) of table \(table)") {
                    $0.addRule(rule, to: chain, of: table, first: true)
                }
            }
            try socket.execute(changes)
        }
    }

    mutating func stopLettingThrough(network: String) throws(Failure) {
        for family in IPFamily.allCases {
            let (table, chain) = NodeRules.forwardChain(family)
            var changes = Changes.batch()
            for rule in try socket.rules(of: chain, in: table)
            where rule.comment.hasPrefix(NodeRules.prefix(network)) {
                changes.append("delete a rule of network \(network) from chain \(chain) of table \(table)") {
                    $0.deleteRule(rule.handle, of: chain, in: table)
                }
            }
            try socket.execute(changes)
        }
    }

    mutating func deviations(of passage: Passage, network: String) throws(Failure) -> [String] {
        var found: [String] = []
        for subnet in passage.subnets {
            let (table, chain) = NodeRules.forwardChain(subnet.family)
            guard try hasForwardChain(table, chain) else { continue }
            let present = try socket.rules(of: chain, in: table).map { $0.comment }
            for rule in NodeRules.rules(subnet, network) where !present.contains(rule.comment) {
                found.append("rule \"\(rule.comment)\" is missing from chain \(chain) of table \(table)")
            }
        }
        return found
    }

    private mutating func hasForwardChain(_ table: NftTable, _ chain: String) throws(Failure) -> Bool {
        try socket.chains(table.family).contains { $0.table.name == table.name && $0.chain.name == chain }
    }

    /// The chains whose policy drops forwarded traffic and that have no rules for pods.
    ///
    /// - Returns: for each chain a sentence that names it and says what it does.
    public static func blockingChains() throws(Failure) -> [String] {
        var node = try NodeRules()
        var found: [String] = []
        for family in [NftFamily.ip, .ip6, .inet] {
            for listed in try node.socket.chains(family)
            where listed.chain.hook?.point == .forward && listed.policy == 0 && listed.table.family == family {
                let isIPTables = IPFamily.allCases.contains {
                    forwardChain($0) == (NftTable(family, listed.table.name), listed.chain.name)
                }
                // firewalld is handled by zones.
                guard !isIPTables, listed.table.name != "firewalld" else { continue }
                let rules = try node.socket.rules(of: listed.chain.name, in: listed.table)
                guard !rules.contains(where: { $0.comment.hasPrefix("swiftlet") }) else { continue }
                found.append(
                    "chain \(listed.chain.name) of table \(listed.table) drops forwarded traffic that none of its rules accepts (policy drop)"
                )
            }
        }
        return found
    }

    /// In reverse order: each rule is inserted before those already in the chain.
    private static func rules(_ subnet: CIDR, _ network: String) -> [NftRule] {
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
                address(at: offset + width) + [.xtables("conntrack", revision: 3, answersAndHostPorts)] + accept,
                comment: prefix(network) + "to \(subnet)"),
            NftRule(address(at: offset) + accept, comment: prefix(network) + "from \(subnet)"),
        ]
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
