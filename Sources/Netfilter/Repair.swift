internal import Kernel
internal import Wire

extension NodeRules {
    /// What `repair` has found and done.
    public struct RepairReport: Sendable, Hashable, Encodable {
        /// Attachments whose rules were whole.
        public var whole: [String] = []
        /// Attachments whose rules have been put back, and what of them was missing.
        public var repaired: [Repaired] = []
        /// Attachments whose namespace is gone: nothing is put back for them, and DEL or GC is to come.
        public var gone: [String] = []
        /// Attachments for which it failed, and why.
        public var failed: [String] = []

        public struct Repaired: Sendable, Hashable, Encodable {
            public var owner: String
            public var missing: [String]
        }
    }

    /// Puts back what the records of all living attachments ask for, the rulesets included.
    public mutating func repair() throws -> RepairReport {
        var report = RepairReport()
        for owner in try records.owners() {
            guard let record = records.record(of: owner) else {
                report.failed.append("\(owner.name) (\(owner.plugin)): its record cannot be read")
                continue
            }
            guard record.namespace.isAlive else {
                report.gone.append("\(owner.name) (\(owner.plugin))")
                continue
            }
            let title = "\(owner.name) (\(owner.plugin))"
            do {
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
