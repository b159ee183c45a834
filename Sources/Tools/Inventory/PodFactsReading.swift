internal import Addresses
internal import Kernel
internal import Netfilter
public import Posix

extension PodFacts {
    /// Asks the node. Nothing is changed, and no packet is sent: what the pod's kernel knows of its neighbours is in the snapshot.
    public static func read(_ attachment: Attachment, in snapshot: Snapshot) throws(Failure) -> PodFacts {
        var facts = PodFacts()
        for (family, name) in [(IPFamily.v4, "ipv4/ip_forward"), (.v6, "ipv6/conf/all/forwarding")] {
            facts.forwards[family] = try Sysctl(name).read().map { $0 != "0" }
        }
        if let link = attachment.bridge ?? attachment.hostInterface {
            // A link that vanishes meanwhile is reported as missing.
            let own = (try? Sysctl("ipv4/conf/\(link)/forwarding").read()) ?? nil
            if own == "0" { facts.closedInterfaces.append(link) }
        }
        try facts.readRules(of: attachment)
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
