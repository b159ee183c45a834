internal import Addresses
public import Netfilter

extension Snapshot {
    /// The snapshot limited to one pod: the node's own data stays.
    public func limited(to pod: [Attachment]) -> Snapshot {
        var part = self
        part.attachments = pod
        part.networks.removeAll { network in !pod.contains { $0.id.network == network.name } }
        part.orphans = []
        return part
    }

    /// The snapshot limited to one network: the node's own data stays.
    public func limited(to network: String) -> Snapshot {
        var part = self
        part.networks.removeAll { $0.name != network }
        part.attachments.removeAll { $0.id.network != network }
        part.orphans.removeAll { $0.id?.network != network }
        return part
    }

    /// The bridge that most of a network's pods are ports of; nil if at least as many are not bridge ports.
    func mostUsedBridge(of network: String) -> String? {
        var counts: [String?: Int] = [:]
        for pod in attachments(of: network) where pod.hostInterface != nil { counts[pod.bridge, default: 0] += 1 }
        return counts.max { a, b in (a.value, b.key ?? "") < (b.value, a.key ?? "") }?.key
    }

    /// The second snapshot, but with only those oddities that the first one also has: by then, an ADD or DEL that was in
    /// progress has ended.
    public func confirmed(by second: Snapshot) -> Snapshot {
        var sure = second
        sure.orphans.removeAll { orphan in
            !orphans.contains {
                $0.id == orphan.id && $0.reason == orphan.reason && $0.reserved == orphan.reserved
                    && $0.unreserved == orphan.unreserved
            }
        }
        sure.remarks.removeAll { !remarks.contains($0) }
        return sure
    }

    /// The pause between two snapshots, in microseconds: longer than an ADD takes, and short enough not to annoy.
    public static let doubtMicroseconds: UInt32 = 300_000

    /// Whether the owner of the rules is attached.
    public func hasAttachment(_ owner: RulesOwner) -> Bool {
        attachments.contains { $0.id == owner.attachment }
    }

    /// The bridge that a pod's host side must be a port of; nil if unknown.
    public func home(of pod: Attachment) -> String? {
        guard let network = networks.first(where: { $0.name == pod.id.network }), !network.isEarlier(pod) else {
            return nil
        }
        // Without a configuration any bridge is accepted.
        return network.configuration == nil ? pod.bridge ?? network.bridge : network.bridge
    }
}

extension Network {
    /// Whether an earlier configuration attached the pod: none of its addresses is in a current subnet.
    public func isEarlier(_ pod: Attachment) -> Bool {
        let subnets = pools.flatMap { $0.subnets }
        return !subnets.isEmpty && !pod.addresses.isEmpty
            && !pod.addresses.contains { address in subnets.contains { $0.contains(address.address) } }
    }
}
