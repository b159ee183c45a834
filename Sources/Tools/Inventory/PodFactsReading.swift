internal import Addresses
internal import Kernel
internal import Netfilter
internal import NetlinkCodec
public import Posix

extension PodFacts {
    /// Asks the pod's namespace, the node and the gateways.
    ///
    /// Nothing is changed, except that the pod's kernel resolves the gateway's MAC, as the pod's next packet would make it do.
    /// - Precondition: the process has one thread, because it enters the pod's namespace.
    public static func read(_ attachment: Attachment, in snapshot: Snapshot) throws(Failure) -> PodFacts {
        var facts = PodFacts()
        facts.forwards = [:]
        for (family, name) in [(IPFamily.v4, "ipv4/ip_forward"), (.v6, "ipv6/conf/all/forwarding")] {
            facts.forwards[family] = try Sysctl(name).read().map { $0 != "0" }
        }
        try facts.readRules(of: attachment)
        guard let namespace = attachment.namespace else { return facts }
        var inside = try NetworkNamespace(namespace.path).netlinkSocket()
        let names = Dictionary(
            try inside.links().map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        for family in IPFamily.allCases {
            for route in try inside.routes(family) where route.table == Route.mainTable {
                facts.routes.append(
                    NodeRoute(
                        to: route.destination, via: route.gateway, interface: names[route.interface],
                        priority: route.priority))
                guard route.destination.prefixLength == 0, let gateway = route.gateway, facts.answers[gateway] == nil,
                    names[route.interface] == attachment.id.ifname
                else { continue }
                facts.answers[gateway] = try inside.answers(gateway, by: route.interface)
            }
        }
        return facts
    }

    private mutating func readRules(of attachment: Attachment) throws(Failure) {
        let id = attachment.id
        for record in try NodeRules.recorded() where record.owner.attachment == id {
            guard let rules = record.rules else {
                unreadableRecords.insert(record.owner.plugin)
                continue
            }
            var node = try NodeRules()
            do throws(Failure) { try node.check(rules, record.owner) } catch {
                guard error.code == .checkFailed else { throw error }
                ruleDeviations[record.owner.plugin] = error.message
            }
        }
    }
}

extension NetlinkSocket {
    /// How long a neighbour has to answer: the kernel asks three times, a second apart.
    private static let patienceMilliseconds = 3200

    /// Whether a neighbour's MAC is known, or it answers now.
    fileprivate mutating func answers(_ address: IPAddress, by interface: UInt32) throws(Failure) -> Bool {
        try execute("ask for the MAC of \(address)") { $0.useNeighbour(address, by: interface) }
        let end = MonotonicClock.milliseconds + NetlinkSocket.patienceMilliseconds
        while true {
            let entry = try neighbours().first { $0.address == address && $0.interface == interface }
            if let entry, entry.isResolved { return true }
            guard let entry, !entry.hasFailed, MonotonicClock.milliseconds < end else { return false }
            Pause.microseconds(2000)
        }
    }
}
