internal import Kernel
public import Net
internal import Posix
internal import Wire

/// Rules that a reference plugin has made for an attachment which this program takes away in its stead, after a node has
/// been switched over. They would outlive the pod, and lead its host ports into the void.
///
/// Only what iptables-nft has written can be reached; tables of iptables-legacy are not nf_tables'.
public enum ReferenceRules: Sendable, Hashable {
    /// Of `bridge` and `ptp` with ipMasq: chain `CNI-...` of table nat.
    case masquerade
    /// Of `portmap`: chain `CNI-DN-...` of table nat.
    case hostPorts
    /// Of `firewall`: rules of chain CNI-FORWARD of table filter, which bear no owner but the pod's addresses.
    case passage([IPAddress])

    /// A chain of the attachment, and the one that jumps to it.
    fileprivate struct Detour {
        let beginning: String
        let parent: String
        /// What the jump's comment says before the network's name.
        let remark: String

        static let masquerade = Detour(beginning: "CNI-", parent: "POSTROUTING", remark: "name: ")
        static let hostPorts = Detour(beginning: "CNI-DN-", parent: "CNI-HOSTPORT-DNAT", remark: "dnat name: ")

        /// 28 characters, which is all that iptables takes. The interface counts for nothing.
        func chain(_ network: String, _ containerID: String) -> String {
            String((beginning + base16(sha512(network + containerID))).prefix(28))
        }

        /// The container that a jump's comment names, if it is of this network.
        func containerID(_ comment: String, _ network: String) -> String? {
            let (before, after) = ("\(remark)\"\(network)\" id: \"", "\"")
            guard comment.hasPrefix(before), comment.hasSuffix(after) else { return nil }
            return String(comment.dropFirst(before.count).dropLast(after.count))
        }
    }

    fileprivate static func tables(_ name: String) -> [NftTable] { [NftTable(.ip, name), NftTable(.ip6, name)] }
}

extension NodeRules {
    /// Takes away what the reference plugin has made for the attachment. Where there is nothing of it, that costs one
    /// question to the kernel.
    public static func remove(_ rules: ReferenceRules, network: String, containerID: String) throws {
        guard var socket = try netfilterSocket() else { return }
        switch rules {
        case .masquerade: try socket.remove(.masquerade, of: [containerID], network)
        case .hostPorts: try socket.remove(.hostPorts, of: [containerID], network)
        case .passage(let addresses): try socket.removePassage(addresses)
        }
    }

    /// Takes away what reference plugins have made for containers of the network that are not kept.
    public static func collectReferenceRules(network: String, keeping kept: Set<String>) throws {
        guard var socket = try netfilterSocket() else { return }
        for detour in [ReferenceRules.Detour.masquerade, .hostPorts] {
            var stale: Set<String> = []
            for table in ReferenceRules.tables("nat") where try !socket.presentChains([(detour.parent, table)]).isEmpty
            {
                let rules = try socket.rules(of: detour.parent, in: table)
                stale.formUnion(rules.compactMap { detour.containerID($0.comment, network) })
            }
            try socket.remove(detour, of: stale.subtracting(kept), network)
        }
    }

    /// Nil where the kernel has no netfilter.
    private static func netfilterSocket() throws(KernelError) -> NetlinkSocket? {
        do throws(KernelError) { return try NetlinkSocket(.netfilter) } catch {
            guard error.errno == .protocolNotSupported else { throw error }
            return nil
        }
    }
}

extension NetlinkSocket {
    /// None where the kernel has no nf_tables.
    fileprivate mutating func presentChains(
        _ chains: [(name: String, table: NftTable)]
    ) throws(KernelError) -> [(name: String, table: NftTable)] {
        do throws(KernelError) { return try present(chains) } catch {
            guard error.errno == .invalidArgument else { throw error }
            return []
        }
    }

    fileprivate mutating func remove(
        _ detour: ReferenceRules.Detour, of containerIDs: Set<String>, _ network: String
    ) throws(KernelError) {
        let chains = containerIDs.flatMap { containerID in
            ReferenceRules.tables("nat").map { (detour.chain(network, containerID), $0) }
        }
        for (chain, table) in try presentChains(chains) {
            try change { socket, changes throws(KernelError) in
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

    fileprivate mutating func removePassage(_ addresses: [IPAddress]) throws(KernelError) {
        let chain = "CNI-FORWARD"
        for (_, table) in try presentChains(ReferenceRules.tables("filter").map { (chain, $0) }) {
            let matches = addresses.filter { NftTable($0.family == .v4 ? .ip : .ip6, "filter") == table }
                .flatMap(\.asSourceOrDestination)
            try change { socket, changes throws(KernelError) in
                for rule in try socket.rules(of: chain, in: table) where matches.contains(where: rule.begins) {
                    changes.append("delete a pod's rule from chain \(chain) of table \(table)") {
                        $0.deleteRule(rule.handle, of: chain, in: table)
                    }
                }
            }
        }
    }

    /// Works changes out from what is there, and again when somebody else has changed it in between.
    private mutating func change(
        _ body: (inout NetlinkSocket, inout Changes) throws(KernelError) -> Void
    ) throws(KernelError) {
        for attempt in 1...NodeRules.attempts {
            var changes = Changes.batch(generation: try generation())
            do throws(KernelError) {
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
