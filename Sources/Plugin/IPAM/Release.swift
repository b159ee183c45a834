internal import Addresses
internal import Attachments
internal import Posix

extension Session {
    /// Frees all reservations of an owner or, if it has none, those that an old release of the reference plugin wrote for its
    /// container.
    mutating func release(_ owner: Attachment, hints: [IPAddress]) throws(Failure) {
        if try free(owner, hints: hints).isEmpty { _ = try free(owner.legacy, hints: hints) }
    }

    /// Frees all reservations of exactly this owner, continuing after errors; the first error is thrown at the end.
    mutating func free(_ owner: Attachment, hints: [IPAddress] = []) throws(Failure) -> [CIDR] {
        var (slots, units) = try candidates(of: owner)
        for hint in hints.map(CIDR.host) where !units.contains(hint) { units.append(hint) }
        var freed: [CIDR] = []
        var failure: Failure?
        for unit in units {
            do throws(Failure) {
                guard try isHeld(unit, by: owner) else { continue }
                willChange()
                try storing("remove reservation \(directory.path)/\(unit.reservationName)") { () throws(Errno) in
                    try directory.remove(unit)
                }
                freed.append(unit)
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        if slots > 0 {
            willChange()
            forget(0..<slots, of: owner)
        }
        return freed
    }

    /// Frees all reservations whose owner is not in `kept`, continuing after errors; all errors are thrown together at the end.
    mutating func collectGarbage(keeping kept: Set<Attachment>) throws(Failure) -> [Reservation] {
        if owners == nil { try recover() }
        let containers = Set(kept.map { $0.containerID })
        var freed: [Reservation] = []
        var failures = self.failures
        for owner in (owners ?? [:]).keys {
            let isKept = owner.ifname.isEmpty ? containers.contains(owner.containerID) : kept.contains(owner)
            guard !isKept else { continue }
            do throws(Failure) {
                for unit in try free(owner) { freed.append(Reservation(unit: unit, owner: owner)) }
            } catch { failures.append(error) }
        }
        if let first = failures.first {
            throw Failure(first.kind, failures.map { $0.message }.joined(separator: "; "), details: first.details)
        }
        return freed.sorted { $0.unit.address < $1.unit.address }
    }
}
