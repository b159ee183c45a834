internal import Addresses
public import Attachments
internal import Kernel
internal import NetlinkCodec
public import Posix

extension NodeRules {
    /// Whether the plugin has made rules for the attachment.
    public static func hasRecord(of owner: RulesOwner) throws(Failure) -> Bool {
        try RecordDirectory().record(of: owner) != nil
    }

    /// - Throws: when the kernel has no nf_tables, or does not let us use it.
    public static func requireSupport() throws(Failure) {
        var socket = try NetlinkSocket(.netfilter, closing: .leftToChild)
        _ = try socket.generation()
    }

    /// Removes what this plugin made for the attachment. If there is nothing, that is no error and costs no netfilter call.
    ///
    /// - Parameter otherwise: what to do instead if there is nothing.
    public static func remove(_ owner: RulesOwner, otherwise: () throws(Failure) -> Void = {}) throws(Failure) {
        let records = try RecordDirectory()
        guard let locked = try records.lock(owner.network, owner.plugin, create: false) else { return try otherwise() }
        guard try locked.has(owner) else {
            locked.tidy()
            return try otherwise()
        }
        var node = try NodeRules(records)
        try node.removeElements(owner, locked)
        try locked.remove(owner)
    }

    /// Removes what any plugin made for an attachment.
    mutating func removeAll(ofAttachment dead: AttachmentName) throws(Failure) {
        for owner in try records.owners(network: dead.network) where owner.attachment == dead {
            guard let locked = try records.lock(owner.network, owner.plugin, create: false) else { continue }
            try removeElements(owner, locked)
            try locked.remove(owner)
        }
        // Elements without a record.
        try sweep { $0 == dead.description }
    }

    /// Removes the owner's elements and, with the last owner, the network's. The record stays.
    mutating func removeElements(_ owner: RulesOwner, _ locked: borrowing RecordDirectory.LockedRecords) throws(Failure)
    {
        guard let rules = try records.record(of: owner)?.rules else {
            // It is unknown what the owner had, so all elements are searched.
            try sweep { $0 == owner.name }
            try handOverPorts(of: owner, locked.node)
            // It is also unknown which of its elements others rely on.
            try rebuildShared(locked.node, except: owner)
            guard try locked.isLast(owner) else { return }
            return try stopLettingThrough(network: owner.network)
        }
        try remove(rules, of: owner, locked)
    }

    /// Removes the owner's part of these rules and, with the last owner, the network's. Rules that other plugins made
    /// for the same attachment stay.
    mutating func remove(
        _ rules: PodRules, of owner: RulesOwner, _ locked: borrowing RecordDirectory.LockedRecords
    ) throws(Failure) {
        try delete(rules.elements(of: owner).filter { !$0.isShared }, of: owner)
        if rules.ports != nil { try handOverPorts(of: owner, locked.node) }
        // Owners that left earlier may have asked for more of the network than this one.
        if try locked.isLast(owner) {
            try rebuildShared(locked.node, except: owner)
            if rules.passage != nil { try stopLettingThrough(network: owner.network) }
        }
        try forget(rules)
    }

    /// Continues after errors and throws the first one, so that the record stays and everything is tried again.
    private mutating func forget(_ rules: PodRules) throws(Failure) {
        var failures: [Failure] = []
        for chain in rules.conditionChains {
            do throws(Failure) { try removeIfUnused(chain) } catch { failures.append(error) }
        }
        do throws(Failure) { if let ports = rules.ports { try forgetConnections(to: ports) } } catch {
            failures.append(error)
        }
        do throws(Failure) { if let passage = rules.passage { try leaveZone(passage) } } catch {
            failures.append(error)
        }
        if let failure = failures.first { throw failure }
    }

    /// Deletes the elements that exist and carry the owner's name: a port may have a new owner by now.
    private mutating func delete(_ elements: [OwnedElement], of owner: RulesOwner) throws(Failure) {
        for attempt in 1...NodeRules.attempts {
            let listed = try lookUp(elements)
            let own = zip(elements, listed).filter { $0.1?.comment == owner.name }.map { $0.0 }
            do throws(Failure) { return try change(deleting: own) } catch {
                // The set has been emptied, or the table is gone.
                guard error.errno == .noSuchFile, attempt < NodeRules.attempts else { throw error }
            }
        }
    }

    /// Deletes all elements whose comment satisfies the predicate.
    mutating func sweep(_ isMeant: (String) -> Bool) throws(Failure) {
        for table in OwnTable.allCases {
            for set in try socket.sets(of: table.table) {
                try change(deleting: try list(set.name, in: table).filter { isMeant($0.owner) })
            }
        }
    }

    /// Removes what belongs to the network but to none of the attachments that are kept.
    ///
    /// - Parameter isOver: whether no attachment is kept, so that the network's own elements are not needed either.
    public static func collectGarbage(
        network: String, isOver: Bool, keeping isKept: (Attachment) -> Bool
    ) throws(Failure) {
        let records = try RecordDirectory()
        for owner in try records.owners(network: network) where !isKept(owner.attachment.attachment) {
            try remove(owner)
        }
        try records.tidy(network)
        var node = try NodeRules(records)
        try node.sweep { comment in
            guard let named = AttachmentName(comment) else { return false }
            return named.network == network && !isKept(named.attachment)
        }
        try node.removeUnusedConditionChains()
        guard isOver else { return }
        if let lock = try records.lockNode(alone: true) {
            try node.rebuildShared(lock, ending: network)
        } else {
            try node.sweep { $0 == network }
        }
        if try records.owners(network: network).isEmpty { try node.stopLettingThrough(network: network) }
    }
}
