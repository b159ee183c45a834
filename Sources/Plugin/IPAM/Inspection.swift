public import Addresses
public import Attachments
public import Posix

/// A reservation as its file states it.
public struct Reservation: Sendable, Hashable {
    /// A single address (with the full prefix length) or a block.
    public let unit: CIDR
    /// Nil if the file names no owner; such a file is removed when everything is next read.
    public let owner: Attachment?

    public init(unit: CIDR, owner: Attachment?) {
        self.unit = unit
        self.owner = owner
    }
}

/// A reservation with further details of its file.
public struct ListedReservation: Sendable, Hashable {
    public let reservation: Reservation
    /// When it was made.
    public let time: Timestamp
    /// Whether it was made before the last start of the machine: the next change of the store frees it.
    public let isOfEarlierBoot: Bool

    public init(_ reservation: Reservation, time: Timestamp, isOfEarlierBoot: Bool = false) {
        self.reservation = reservation
        self.time = time
        self.isOfEarlierBoot = isOfEarlierBoot
    }
}

/// How much of a range set is in use.
public struct Usage: Sendable, Hashable {
    /// Addresses or blocks that are in use.
    public let used: UInt128
    /// Addresses or blocks that can be handed out; `UInt128.max` also stands for one more than that.
    public let total: UInt128
}

// Inspection takes no lock and changes nothing, so it works on a read-only file system and never waits.
extension Store {
    /// An owner's addresses and blocks: those under its own name, or else those that old releases of the reference plugin
    /// recorded under the container's.
    public func reservations(of owner: Attachment) throws(Failure) -> [CIDR] {
        try checkNames()
        guard let directory = try ReservationDirectory.open(path) else { return [] }
        for name in [owner, owner.legacy] {
            var units: [CIDR] = []
            for unit in try candidates(of: name, in: directory) where (try? directory.holder(of: unit)) == .owner(name)
            {
                units.append(unit)
            }
            if !units.isEmpty { return units }
        }
        return []
    }

    /// The candidates: from the index if it is valid, else all units.
    private func candidates(
        of owner: Attachment, in directory: borrowing ReservationDirectory
    ) throws(Failure) -> [CIDR] {
        if let index = (try? Index.open(Index.name(bootID: bootID), in: directory)) ?? nil,
            let time = index.modificationTime(), directory.census(sealedAt: time) != nil
        {
            return try index.entries(of: owner).compactMap { $0 }
        }
        return try directory.units()
    }

    /// Every reservation of the network, by address.
    public func all() throws(Failure) -> [Reservation] {
        try checkNames()
        guard let directory = try ReservationDirectory.open(path) else { return [] }
        var found: [Reservation] = []
        for unit in try directory.units() {
            switch try? directory.holder(of: unit) {
            case .owner(let owner): found.append(Reservation(unit: unit, owner: owner))
            case .nobody, .stranger, nil: found.append(Reservation(unit: unit, owner: nil))
            case .some(.none): continue
            }
        }
        return found.sorted { ($0.unit.address, $0.unit.prefixLength) < ($1.unit.address, $1.unit.prefixLength) }
    }

    /// Every reservation of the network, by address, with its age.
    public func listed() throws(Failure) -> [ListedReservation] {
        let all = try all()
        guard !all.isEmpty, let directory = try ReservationDirectory.open(path) else { return [] }
        let stale = try unitsOfEarlierBoots(in: directory)
        var listed: [ListedReservation] = []
        for reservation in all {
            // It may have been freed just now.
            guard let status = try? directory.descriptor.status(of: reservation.unit.reservationName) else { continue }
            listed.append(
                ListedReservation(
                    reservation, time: status.modified, isOfEarlierBoot: stale.contains(reservation.unit)))
        }
        return listed
    }

    /// The units in indexes of earlier boots, which the first session of this boot frees.
    private func unitsOfEarlierBoots(in directory: borrowing ReservationDirectory) throws(Failure) -> Set<CIDR> {
        let own = Index.name(bootID: bootID)
        let indexes = try directory.names().filter { $0.hasPrefix(Index.prefix) }
        guard !indexes.contains(own) else { return [] }
        var units: Set<CIDR> = []
        for name in indexes { units.formUnion((try? Index.open(name, in: directory)?.units()) ?? []) }
        return units
    }

    /// How much of each set is in use.
    public func usage(of sets: [RangeSet]) throws(Failure) -> [Usage] {
        try checkNames()
        let units = try ReservationDirectory.open(path)?.units() ?? []
        return sets.map { $0.usage(units) }
    }

    /// Whether one of the sets has nothing left, so that a reservation from all of them would fail.
    ///
    /// Usually this looks at a single name; it lists the directory only if a set is nearly full.
    public func isFull(_ sets: [RangeSet]) throws(Failure) -> Bool {
        try checkNames()
        guard let directory = try ReservationDirectory.open(path) else { return sets.contains { $0.capacity == 0 } }
        for (position, set) in sets.enumerated() {
            guard try !hasRoom(set, position, in: directory) else { continue }
            return true
        }
        return false
    }

    private func hasRoom(
        _ set: RangeSet, _ position: Int, in directory: borrowing ReservationDirectory
    ) throws(Failure) -> Bool {
        let last = Cursor(set: position, in: directory).last
        let census = (try? directory.descriptor.status().modified).flatMap { Seal.census(at: $0) }
        if let census {
            for unit in set.units(after: last).prefix(Session.maximumProbes) {
                guard census.isFlat(for: unit) else { break }
                if (try? directory.exists(unit)) == false { return true }
            }
        }
        let units = try directory.units()
        let family = set.pools[0].subnet.family
        if set.firstFree(after: last, avoiding: TakenRanges(units, family: family)) != nil { return true }
        // A reservation would take over a unit without an owner.
        let owned = units.filter { $0.family == family && (try? directory.holder(of: $0)) != .nobody }
        return owned.count < units.count
            && set.firstFree(after: last, avoiding: TakenRanges(owned, family: family)) != nil
    }
}

extension RangeSet {
    /// How much of the set is in use if these addresses and blocks are reserved.
    public func usage(_ units: [CIDR]) -> Usage {
        Usage(used: used(TakenRanges(units, family: pools[0].subnet.family)), total: capacity)
    }
}
