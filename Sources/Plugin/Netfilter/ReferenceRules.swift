public import Addresses
public import Attachments
internal import Kernel
internal import NetlinkCodec
public import Posix

/// Rules that a reference plugin made for an attachment that this program removes in its place, after a node has been
/// switched over. They would outlive the pod and forward its host ports to nowhere.
///
/// Rules written by iptables-nft can be removed, and those that the plugins write themselves with nftables (since 1.6).
/// Tables of iptables-legacy are not part of nf_tables.
public enum ReferenceRules: Sendable, Hashable {
    /// Of `bridge` and `ptp` with ipMasq.
    case masquerade
    /// Of `portmap`.
    case hostPorts
    /// Of `firewall`: only the pod's addresses identify them.
    case passage([IPAddress])
}

extension NodeRules {
    /// Removes what the reference plugin made for the attachment. If there is nothing, that costs two requests to the kernel.
    public static func remove(_ rules: ReferenceRules, of owner: RulesOwner) throws(Failure) {
        guard var socket = try netfilterSocket() else { return }
        switch rules {
        case .masquerade:
            try socket.remove(.masquerade, of: [owner.attachment.containerID], owner.network)
            try socket.remove([.masquerade { $0.hasPrefix(RuleList.mark(owner.attachment)) }])
        case .hostPorts:
            try socket.remove(.hostPorts, of: [owner.attachment.containerID], owner.network)
            try socket.remove(RuleList.hostPorts(of: owner.attachment.containerID))
            UsedPorts.forget(&socket)
        case .passage(let addresses): try socket.remove(RuleList.passage(addresses))
        }
    }

    /// Removes what reference plugins made for attachments to the network that are not kept, as far as it names the network.
    public static func collectReferenceRules(
        network: String, keeping kept: Set<Attachment>
    ) throws(Failure) {
        guard var socket = try netfilterSocket() else { return }
        for detour in [Detour.masquerade, .hostPorts] {
            var stale: Set<String> = []
            for (parent, table) in try socket.presentChains(Detour.tables.map { (detour.parent, $0) }) {
                let rules = try socket.rules(of: parent, in: table)
                stale.formUnion(rules.compactMap { detour.containerID($0.comment, network) })
            }
            stale.subtract(kept.map { $0.containerID })
            try socket.remove(detour, of: stale, network)
            if !stale.isEmpty { UsedPorts.forget(&socket) }
        }
        let marks = kept.map { RuleList.mark(AttachmentName(network: network, $0)) }
        try socket.remove([
            .masquerade { comment in
                comment.hasPrefix(RuleList.mark(network)) && !marks.contains(where: comment.hasPrefix)
            }
        ])
    }

    /// Nil if the kernel has no netfilter.
    private static func netfilterSocket() throws(Failure) -> NetlinkSocket? {
        do throws(Failure) { return try NetlinkSocket(.netfilter, closing: .leftToChild) } catch {
            guard error.errno == .protocolNotSupported else { throw error }
            return nil
        }
    }
}

/// A chain of the attachment in iptables' table nat, and the chain that jumps to it.
private struct Detour {
    let beginning: String
    let parent: String
    /// The jump's comment up to the network's name.
    let remark: String

    static let masquerade = Detour(beginning: "CNI-", parent: "POSTROUTING", remark: "name: ")
    static let hostPorts = Detour(beginning: "CNI-DN-", parent: "CNI-HOSTPORT-DNAT", remark: "dnat name: ")

    static let tables = [NftTable(.ip, "nat"), NftTable(.ip6, "nat")]

    /// At most 28 characters, the limit of iptables. The interface is not part of the name.
    func chain(_ network: String, _ containerID: String) -> String {
        String((beginning + base16(sha512(network + containerID))).prefix(28))
    }

    /// The container named by a jump's comment, if it is of this network.
    func containerID(_ comment: String, _ network: String) -> String? {
        let (before, after) = ("\(remark)\"\(network)\" id: \"", "\"")
        guard comment.hasPrefix(before), comment.hasSuffix(after) else { return nil }
        return String(comment.dropFirst(before.count).dropLast(after.count))
    }
}

/// Rules for attachments in a chain shared by all of them.
private struct RuleList {
    let chain: String
    let table: NftTable
    let isMeant: (NftListedRule) -> Bool

    /// Those that the plugins write with nftables.
    static func masquerade(_ isMeant: @escaping (String) -> Bool) -> RuleList {
        RuleList(chain: "masq_checks", table: NftTable(.inet, "cni_plugins_masquerade")) { isMeant($0.comment) }
    }

    static func hostPorts(of containerID: String) -> [RuleList] {
        [NftFamily.ip, .ip6].flatMap { family in
            ["hostports", "hostip_hostports", "masquerading"].map { chain in
                RuleList(chain: chain, table: NftTable(family, "cni_hostport")) { $0.comment == containerID }
            }
        }
    }

    /// Those in iptables' table filter.
    static func passage(_ addresses: [IPAddress]) -> [RuleList] {
        IPFamily.allCases.map { family in
            let matches = addresses.filter { $0.family == family }.flatMap { $0.asSourceOrDestination }
            return RuleList(chain: "CNI-FORWARD", table: NftTable(family == .v4 ? .ip : .ip6, "filter")) {
                matches.contains(where: $0.begins)
            }
        }
    }

    /// The prefix of the comments of a network's masquerade rules.
    static func mark(_ network: String) -> String { hash(network) + "-" }

    static func mark(_ owner: AttachmentName) -> String {
        mark(owner.network) + hash("\(owner.ifname):\(owner.containerID)")
    }

    private static func hash(_ text: String) -> String { String(base16(sha512(text)).prefix(16)) }
}

extension NetlinkSocket {
    /// Empty if the kernel has no nf_tables.
    fileprivate mutating func presentChains(
        _ chains: [(name: String, table: NftTable)]
    ) throws(Failure) -> [(name: String, table: NftTable)] {
        do throws(Failure) { return try present(chains) } catch {
            guard error.errno == .invalidArgument else { throw error }
            return []
        }
    }

    fileprivate mutating func remove(
        _ detour: Detour, of containerIDs: Set<String>, _ network: String
    ) throws(Failure) {
        let chains = containerIDs.flatMap { containerID in
            Detour.tables.map { (name: detour.chain(network, containerID), table: $0) }
        }
        for (chain, table) in try presentChains(chains) {
            try change { socket, changes throws(Failure) in
                for rule in try socket.rules(of: detour.parent, in: table) where rule.target == chain {
                    changes.append("delete the jump to chain \(chain) from \(detour.parent) of table \(table)") {
                        $0.deleteRule(rule.handle, of: detour.parent, in: table)
                    }
                }
                guard try !socket.present([(chain, table)]).isEmpty else { return }
                changes.append("empty chain \(chain) of table \(table)") { $0.deleteRule(of: chain, in: table) }
                changes.append("delete chain \(chain) of table \(table)") { $0.deleteChain(chain, of: table) }
            }
        }
    }

    fileprivate mutating func remove(_ lists: [RuleList]) throws(Failure) {
        let chains = try presentChains(lists.map { (name: $0.chain, table: $0.table) })
        for list in lists where chains.contains(where: { $0 == (list.chain, list.table) }) {
            try change { socket, changes throws(Failure) in
                for rule in try socket.rules(of: list.chain, in: list.table) where list.isMeant(rule) {
                    changes.append("delete a pod's rule from chain \(list.chain) of table \(list.table)") {
                        $0.deleteRule(rule.handle, of: list.chain, in: list.table)
                    }
                }
            }
        }
    }

    /// Computes changes from the current state, and again if another program has changed it in between.
    mutating func change(
        _ body: (inout NetlinkSocket, inout Changes) throws(Failure) -> Void
    ) throws(Failure) {
        for attempt in 1...NodeRules.attempts {
            var changes = Changes.batch(generation: try generation())
            do throws(Failure) {
                try body(&self, &changes)
                return try execute(changes)
            } catch {
                guard error.errno == .restart || error.errno == .noSuchFile, attempt < NodeRules.attempts else {
                    throw error
                }
            }
        }
    }
}

extension IPAddress {
    /// Of an IPv4 or IPv6 header.
    fileprivate var asSourceOrDestination: [[NftExpression]] {
        let (source, length) = family == .v4 ? (UInt32(12), UInt32(4)) : (8, 16)
        return [source, source + length].map {
            [.payload(.network, offset: $0, length: length), .compare(.equal, bytes)]
        }
    }
}
