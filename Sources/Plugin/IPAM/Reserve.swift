internal import Addresses
internal import Attachments
internal import Posix

extension Session {
    /// Reserves one unit of each set, or none at all.
    ///
    /// - Parameter wishes: for each set, the address that its unit must contain, or nil.
    mutating func reserve(
        _ owner: Attachment, from sets: [RangeSet], wishes: [IPAddress?]
    ) throws(Failure) -> [Allocation] {
        if let indexFailure { throw indexFailure }
        try refuseDuplicate(of: owner)
        var allocations: [Allocation] = []
        var taken: [CIDR] = []
        var moves: [(Cursor, IPAddress)] = []
        do throws(Failure) {
            for (position, set) in sets.enumerated() {
                do throws(Failure) {
                    let cursor = Cursor(set: position, in: directory)
                    let unit =
                        if let wish = wishes[position] {
                            try take(wish, from: set, for: owner, slot: taken.count)
                        } else {
                            try takeFree(from: set, after: cursor.last, for: owner, slot: taken.count)
                        }
                    taken.append(unit)
                    moves.append((cursor, unit.address))
                    if let place = set.place(of: unit.address) {
                        allocations.append(set.pools[place.pool].allocation(of: unit))
                    }
                } catch { throw error.during("failed to allocate for range \(position)") }
            }
            for (cursor, address) in moves { try cursor.move(to: address, in: directory) }
        } catch {
            undo(taken, of: owner)
            throw error
        }
        return allocations
    }

    /// Entries without a reservation by the owner are leftovers and are removed.
    private mutating func refuseDuplicate(of owner: Attachment) throws(Failure) {
        for name in [owner, owner.legacy] {
            let (slots, units) = try candidates(of: name)
            for unit in units where try isHeld(unit, by: name) {
                throw Failure(
                    .conflict,
                    "\(unit.hostBits == 0 ? unit.address.description : unit.description) has been allocated to "
                        + "\(owner.containerID), duplicate allocation is not allowed", details: "DEL it first")
            }
            guard slots > 0 else { continue }
            willChange()
            try index?.remove(0..<slots, of: name)
        }
    }

    /// Reserves the requested unit.
    private mutating func take(
        _ address: IPAddress, from set: RangeSet, for owner: Attachment, slot: Int
    ) throws(Failure) -> CIDR {
        let unavailable = Failure(
            .addressNotAvailable, "requested IP address \(address) is not available in range set \(set)")
        guard let place = set.place(of: address) else { throw unavailable }
        let unit = set.unit(at: place)
        guard !set.holdsGateway(unit) else {
            throw Failure(.addressNotAvailable, "requested ip \(address) is subnet's gateway")
        }
        if !census.isFlat(for: unit) {
            let taken = TakenRanges(try directory.units(), family: unit.family)
            guard taken.firstOverlap(with: unit) == nil else { throw unavailable }
        }
        if try take(unit, for: owner, slot: slot) { return unit }
        // Units without an owner have been removed only if everything had to be read.
        if try isNobodys(unit) {
            try recover()
            if try take(unit, for: owner, slot: slot) { return unit }
        }
        throw unavailable
    }

    private func isNobodys(_ unit: CIDR) throws(Failure) -> Bool {
        try storing("read \(directory.path)/\(unit.reservationName)") { () throws(Errno) in
            try directory.holder(of: unit) == .nobody
        }
    }

    /// How many names to try before listing the directory.
    static let maximumProbes = 64

    private mutating func takeFree(
        from set: RangeSet, after last: IPAddress?, for owner: Attachment, slot: Int
    ) throws(Failure) -> CIDR {
        var probes = 0
        for unit in set.units(after: last) {
            guard probes < Session.maximumProbes, census.isFlat(for: unit) else { break }
            if try take(unit, for: owner, slot: slot) { return unit }
            probes += 1
        }
        while true {
            let units = try directory.units()
            let taken = TakenRanges(units, family: set.pools[0].subnet.family)
            if let unit = set.firstFree(after: last, avoiding: taken) {
                census = Census(units)
                if try take(unit, for: owner, slot: slot) { return unit }
                throw Failure(
                    .tryAgainLater,
                    "reserve \(unit) in \(directory.path): another process took it without holding the lock; try again")
            }
            // The last resort, tried once: files without an owner.
            guard owners == nil else { break }
            try recover()
        }
        throw Failure.exhausted("no IP addresses available in range set: \(set)")
    }

    /// Makes the index entry and then the file. If a power failure loses the later one, everything that is still reserved will be
    /// freed by the next boot.
    ///
    /// - Returns: whether the unit was free.
    private mutating func take(_ unit: CIDR, for owner: Attachment, slot: Int) throws(Failure) -> Bool {
        let path = "\(directory.path)/\(unit.reservationName)"
        guard try !storing("stat \(path)", { () throws(Errno) in try directory.exists(unit) }) else { return false }
        willChange()
        try index?.add(unit, of: owner, slot: slot)
        do throws(Errno) { try directory.create(unit, for: owner) } catch {
            forget(slot..<slot + 1, of: owner)
            if error == .fileExists { return false }
            mistrust()
            throw Failure.storage(error, "create reservation \(path): \(error)")
        }
        census.add(unit)
        return true
    }

    /// Frees what was reserved before an error. What cannot be freed stays in the index, for DEL.
    private mutating func undo(_ units: [CIDR], of owner: Attachment) {
        for (slot, unit) in units.enumerated().reversed() {
            guard (try? directory.remove(unit)) != nil else { return }
            forget(slot..<slot + 1, of: owner)
        }
    }
}
