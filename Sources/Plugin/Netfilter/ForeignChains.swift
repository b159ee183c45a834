internal import Addresses
internal import Kernel
internal import NetlinkCodec
public import Posix

/// Other programs' chains that forwarded traffic passes: an accept in our own table does not overrule a drop in theirs.
///
/// Rules are added only to the chain that iptables calls FORWARD (Docker sets its policy to drop). iptables can read them, as it
/// can those of the reference plugin. All other chains are left to their owners; `STATUS` reports what they do.
extension NodeRules {
    mutating func letThrough(_ passage: Passage, network: String, hasFirewalld: Bool) throws(Failure) {
        for chain in ForwardChain.of(passage, network, hasFirewalld: hasFirewalld) {
            // Most often another pod of the network has done it.
            guard try !chain.deviations(&socket).isEmpty else { continue }
            try socket.change { socket, changes throws(Failure) in try chain.complete(&socket, &changes) }
        }
    }

    mutating func stopLettingThrough(network: String) throws(Failure) {
        for family in IPFamily.allCases {
            let chain = ForwardChain(family, network)
            guard try socket.rules(of: ForwardChain.name, in: chain.table).contains(where: chain.isOwn) else {
                continue
            }
            try socket.change { socket, changes throws(Failure) in try chain.leave(&socket, &changes) }
        }
    }

    mutating func deviations(
        of passage: Passage, network: String, hasFirewalld: Bool
    ) throws(Failure) -> [String] {
        var found: [String] = []
        for chain in ForwardChain.of(passage, network, hasFirewalld: hasFirewalld) {
            found += try chain.deviations(&socket)
        }
        return found
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
                let isIPTables =
                    listed.chain.name == ForwardChain.name
                    && IPFamily.allCases.contains { ForwardChain.table($0) == listed.table }
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
}
