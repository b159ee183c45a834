internal import Kernel
public import Posix
internal import Wire

extension NodeRules {
    /// What `repair` has found and done.
    public struct RepairReport: Sendable, Hashable {
        /// Attachments whose rules were whole.
        public var whole: [String] = []
        /// Attachments whose rules have been put back, and what of them was missing.
        public var repaired: [Repaired] = []
        /// Attachments whose namespace is gone: nothing is put back for them, and DEL or GC is to come.
        public var gone: [String] = []
        /// The same, but what was left of them has been taken away, as was asked for.
        public var forgotten: [String] = []
        /// Attachments for which it failed, and why.
        public var failed: [String] = []

        fileprivate mutating func note(gone title: String, isForgotten: Bool) {
            isForgotten ? forgotten.append(title) : gone.append(title)
        }

        public struct Repaired: Sendable, Hashable {
            public var owner: String
            public var missing: [String]
        }
    }

    /// Puts back what the records of all living attachments ask for, the rulesets included.
    ///
    /// - Parameter forgettingGone: whether to take away what is left of attachments whose namespace is gone.
    public mutating func repair(forgettingGone: Bool = false) throws(Failure) -> RepairReport {
        var report = RepairReport()
        for owner in try records.owners() {
            let title = "\(owner.name) (\(owner.plugin))"
            guard let record = try? records.record(of: owner) else {
                report.failed.append("\(title): its record cannot be read")
                continue
            }
            do throws(Failure) {
                guard record.namespace.isAlive else {
                    if forgettingGone { try NodeRules.remove(owner) }
                    report.note(gone: title, isForgotten: forgettingGone)
                    continue
                }
                let missing = try deviations(record.rules, owner)
                guard !missing.isEmpty else {
                    report.whole.append(title)
                    continue
                }
                try makeReady(record.rules)
                try apply(record.rules, owner, netns: record.namespace.path)
                report.repaired.append(RepairReport.Repaired(owner: title, missing: missing))
            } catch { report.failed.append("\(title): \(error)") }
        }
        try rebuildShared()
        return report
    }
}

#if !hasFeature(Embedded)
    extension NodeRules.RepairReport: Encodable {}
    extension NodeRules.RepairReport.Repaired: Encodable {}
#endif
