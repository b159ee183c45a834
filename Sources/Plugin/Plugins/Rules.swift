internal import Attachments
internal import CNI
internal import Kernel
internal import Netfilter
internal import Posix

// Common to all plugins that have rules.

extension RulesOwner {
    init(_ request: Request, _ plugin: String) {
        self.init(AttachmentName(request), plugin: plugin)
    }
}

extension Request {
    func apply(_ rules: PodRules, as plugin: String) throws(Failure) {
        guard !rules.isEmpty else { return }
        var node = try NodeRules()
        try node.apply(rules, RulesOwner(self, plugin), netns: invocation.netns ?? "")
    }

    /// The same for an ADD that may still fail.
    func apply(_ rules: PodRules, as plugin: String, _ undo: inout UndoStack) throws(Failure) {
        guard !rules.isEmpty else { return }
        try apply(rules, as: plugin)
        undo.push { [owner = RulesOwner(self, plugin)] (_) throws(Failure) in try NodeRules.remove(owner) }
    }

    /// Compares rules with the current state, unless another program attached the pod: it has its own rules.
    func check(_ rules: PodRules, as plugin: String) throws(Failure) {
        let owner = RulesOwner(self, plugin)
        guard !rules.isEmpty else { return }
        if try !NodeRules.hasRecord(of: owner) { guard try isAttachedByUs() else { return } }
        var node = try NodeRules()
        try node.check(rules, owner)
    }

    /// Removes a plugin's rules for the attachment: ours, or those that the reference plugin made before the node was
    /// switched over.
    ///
    /// - Parameter theirs: the reference plugin's rules; nil if the reference set has no such plugin.
    func removeRules(as plugin: String, orTheirs theirs: ReferenceRules?) throws(Failure) {
        let owner = RulesOwner(self, plugin)
        try NodeRules.remove(owner) { () throws(Failure) in
            // An unreadable prevResult proves nothing.
            guard let theirs, !((try? isAttachedByUs()) ?? false) else { return }
            try NodeRules.remove(theirs, of: owner)
        }
    }

    /// Whether this program made the pod's bridge port.
    private func isAttachedByUs() throws(Failure) -> Bool {
        let name = AttachmentName(self).hostName
        return try configuration.previousResult()?.interfaces.contains { $0.name == name && $0.sandbox == nil } ?? false
    }

    func collectRules() throws(Failure) {
        let kept = try configuration.validAttachments()
        try NodeRules.collectGarbage(network: configuration.name, isOver: kept.isEmpty, keeping: kept.contains)
        try NodeRules.collectReferenceRules(network: configuration.name, keeping: kept)
    }

    /// For STATUS: what only some pods need does not make the node unready for all.
    func tellingOnly(_ consequence: String, _ requirement: () throws(Failure) -> Void) {
        do throws(Failure) { try requirement() } catch { log("\(consequence): \(error)") }
    }

    /// - Throws: code 50 if the kernel has no nf_tables, or does not let us use it.
    func requireNftables() throws(Failure) {
        do throws(Failure) { try NodeRules.requireSupport() } catch {
            throw Failure(
                .notAvailable, error.message,
                details: "the kernel needs nf_tables: load its modules")
        }
    }
}
