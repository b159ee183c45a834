internal import Addresses
public import Netfilter

extension Snapshot {
    /// This one with nothing but one network in it: what the node has of its own stays.
    public func limited(to pod: [Attachment]) -> Snapshot {
        var part = self
        part.attachments = pod
        part.networks.removeAll { network in !pod.contains { $0.id.network == network.name } }
        part.orphans = []
        return part
    }

    /// The same with nothing but one network in it: what the node has of its own stays.
    public func limited(to network: String) -> Snapshot {
        var part = self
        part.networks.removeAll { $0.name != network }
        part.attachments.removeAll { $0.id.network != network }
        part.orphans.removeAll { $0.id?.network != network }
        return part
    }

    /// The bridge that most of a network's pods are ports of; nil where as many or more are ports of none.
    func mostUsedBridge(of network: String) -> String? {
        var counts: [String?: Int] = [:]
        for pod in attachments(of: network) where pod.hostInterface != nil { counts[pod.bridge, default: 0] += 1 }
        return counts.max { a, b in (a.value, b.key ?? "") < (b.value, a.key ?? "") }?.key
    }

    /// What a second look has seen, with only those oddities that the first has seen as well: an ADD or DEL that was
    /// under way has ended by then.
    public func confirmed(by second: Snapshot) -> Snapshot {
        var sure = second
        sure.orphans.removeAll { orphan in
            !orphans.contains { $0.id == orphan.id && $0.reason == orphan.reason && $0.reserved == orphan.reserved }
        }
        sure.remarks.removeAll { !remarks.contains($0) }
        return sure
    }

    /// Between two looks: longer than an ADD takes, and shorter than people mind. In microseconds.
    public static let doubtMicroseconds: UInt32 = 300_000

    /// Whether the owner of rules is attached.
    public func hasAttachment(_ owner: RulesOwner) -> Bool {
        attachments.contains { $0.id == owner.attachment }
    }

    /// The bridge that a pod's end on the node has to be a port of; nil where nothing says so.
    public func home(of pod: Attachment) -> String? {
        guard let network = networks.first(where: { $0.name == pod.id.network }), !network.isEarlier(pod) else {
            return nil
        }
        // Without a configuration one bridge is as good as another.
        return network.configuration == nil ? pod.bridge ?? network.bridge : network.bridge
    }
}

extension Network {
    /// Whether a pod was attached by another configuration: all its addresses are of other subnets than there are now.
    public func isEarlier(_ pod: Attachment) -> Bool {
        let subnets = pools.flatMap { $0.subnets }
        return !subnets.isEmpty && !pod.addresses.isEmpty
            && !pod.addresses.contains { address in subnets.contains { $0.contains(address.address) } }
    }
}
