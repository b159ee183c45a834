internal import Kernel
internal import NetlinkCodec
public import Posix

extension NodeRules {
    /// What `repair` found and did.
    public struct RepairReport: Sendable, Hashable {
        /// Attachments whose rules were intact.
        public var whole: [String] = []
        /// Attachments whose rules were restored, and what was missing.
        public var repaired: [Repaired] = []
        /// Attachments whose namespace is gone: nothing is restored for them; DEL or GC will clean up.
        public var gone: [String] = []
        /// Attachments whose namespace is gone and whose remains were removed on request.
        public var forgotten: [String] = []
        /// Attachments whose repair failed, and why.
        public var failed: [String] = []

        fileprivate mutating func note(gone title: String, isForgotten: Bool) {
            isForgotten ? forgotten.append(title) : gone.append(title)
        }

        public struct Repaired: Sendable, Hashable {
            public var owner: String
            public var missing: [String]
        }
    }

    /// Restores what the records of all living attachments ask for, including the rulesets.
    ///
    /// - Parameter forgettingGone: whether to remove what is left of attachments whose namespace is gone.
    public mutating func repair(forgettingGone: Bool = false) throws(Failure) -> RepairReport {
        var report = RepairReport()
        for owner in try records.owners() {
            do throws(Failure) { try repair(owner, forgettingGone: forgettingGone, &report) } catch {
                report.failed.append("\(owner.title): \(error)")
            }
        }
        if let lock = try records.lockNode(alone: true) { try rebuildShared(lock) }
        if try NodeRules.routesLoopback {
            let missing = try LoopbackGuardTable.ruleset.deviations(&socket)
            if !missing.isEmpty {
                try install(.loopbackGuard)
                report.repaired.append(RepairReport.Repaired(owner: "127.0.0.0/8 of this node", missing: missing))
            }
        }
        return report
    }

    private mutating func repair(
        _ owner: RulesOwner, forgettingGone: Bool, _ report: inout RepairReport
    ) throws(Failure) {
        for _ in 0..<NodeRules.attempts {
            // DEL may have come first.
            guard let locked = try records.lock(owner.network, owner.plugin, create: false), try locked.has(owner)
            else {
                return
            }
            guard let record = try records.record(of: owner) else {
                throw Failure(.storage, "its record cannot be read", details: "detach the pod: DEL takes it away")
            }
            guard record.namespace.isAlive else {
                _ = consume locked
                if forgettingGone { try NodeRules.remove(owner) }
                return report.note(gone: owner.title, isForgotten: forgettingGone)
            }
            let missing = try deviations(record.rules, owner)
            guard !missing.isEmpty else { return report.whole.append(owner.title) }
            try makeReady(record.rules)
            guard let dead = try establish(record, owner, locked) else {
                return report.repaired.append(RepairReport.Repaired(owner: owner.title, missing: missing))
            }
            _ = consume locked
            try removeAll(ofAttachment: dead)
        }
        throw NodeRules.crowdedOut(owner)
    }
}

extension RulesOwner {
    fileprivate var title: String { "\(name) (\(plugin))" }
}

#if !hasFeature(Embedded)
    extension NodeRules.RepairReport: Encodable {}
    extension NodeRules.RepairReport.Repaired: Encodable {}
#endif
