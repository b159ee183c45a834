internal import Attachments
internal import NetlinkCodec
internal import Posix

// One container may be attached to several networks with the same ports of the node: podman and nerdctl hand the ports to
// each network. The attachment that comes first has them; when it goes, they pass to the next.

extension RulesOwner {
    /// Whether the other owner, as the comment of an element, is an attachment of the same container.
    func sharesPorts(with other: String) -> Bool {
        AttachmentName(other)?.containerID == attachment.containerID
    }
}

extension NodeRules {
    /// Wanted elements beside those that the kernel has.
    struct Standing {
        /// What the owner has or may have, and what the kernel has under the same key.
        var own: [(wanted: OwnedElement, listed: NftElement?)] = []
        /// What others have, and whose it is. What else the owner wants for such a port is left out everywhere.
        var foreign: [(wanted: OwnedElement, holder: String)] = []
    }

    /// - Parameter elements: of one owner; who has a port comes before what else is wanted for it.
    mutating func standing(of elements: [OwnedElement], _ owner: RulesOwner) throws(Failure) -> Standing {
        var standing = Standing()
        var foreignPorts: [String: [[UInt8]: NftElement]] = [:]
        for (wanted, listed) in zip(elements, try lookUp(elements)) {
            if let listed, listed.comment != owner.name {
                standing.foreign.append((wanted, listed.comment))
                if wanted.isClaim { foreignPorts[wanted.set, default: [:]][listed.key] = listed }
            } else if foreignPorts.isEmpty
                || wanted.claimSet.map({ foreignPorts[$0]?[wanted.element.key] == nil }) ?? true
            {
                standing.own.append((wanted, listed))
            }
        }
        return standing
    }

    /// The other attachments of the container, and the other plugins of this one.
    private func heirs(of owner: RulesOwner) throws(Failure) -> [RulesOwner] {
        try records.owners(container: owner.attachment.containerID).filter { $0 != owner }
    }

    /// Gives the ports that an attachment has had to the next one of its container that wants them. Its elements are gone;
    /// its record stays until this is done, so that a DEL that is killed is completed by the next.
    mutating func handOverPorts(
        of owner: RulesOwner, _ lock: borrowing RecordDirectory.NodeLock
    ) throws(Failure) {
        guard try !heirs(of: owner).isEmpty else { return }
        // Whoever has found the ports taken has its record by now, and finishes first; nobody leaves meanwhile.
        try lock.becomeSole()
        var waiting: [(since: Timestamp, owner: RulesOwner)] = []
        for heir in try heirs(of: owner) {
            guard let time = try? records.time(of: heir) else { continue }
            waiting.append((time, heir))
        }
        waiting.sort { ($0.since.seconds, $0.since.nanoseconds) < ($1.since.seconds, $1.since.nanoseconds) }
        for (_, heir) in waiting {
            guard let record = try records.record(of: heir), record.namespace.isAlive else { continue }
            let wanted = record.rules.elements(of: heir).filter { $0.claimSet != nil }
            let missing = try standing(of: wanted, heir).own.filter { $0.listed == nil }.map { $0.wanted }
            guard !missing.isEmpty else { continue }
            for chain in record.rules.conditionChains { try install(chain) }
            do throws(Failure) { try change(adding: missing, deleting: []) } catch {
                // The table is gone: repair's business.
                guard error.errno == .noSuchFile else { throw error }
            }
        }
    }
}
