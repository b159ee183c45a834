internal import Addresses
internal import Attachments
internal import Posix

/// A hold of a network's lock, with an up-to-date index; every change happens within one.
struct Session: ~Copyable {
    let directory: ReservationDirectory
    private let lock: FileDescriptor
    let index: Index?
    /// Why there is no index, if it is missing: the disk is full or read-only, or something else has its name.
    let indexFailure: Failure?
    /// The sizes of the units in the directory.
    var census = Census()
    /// All reservations, if this session had to read them.
    private(set) var owners: [Attachment: [CIDR]]?
    /// What could not be read or removed while reading them.
    private(set) var failures: [Failure] = []
    /// Whether the index holds every reservation; our changes keep it so.
    private var isIndexed = true
    private var isSealed = false
    let living: (@Sendable () -> [Attachment])?

    /// Opens and locks the directory, and ensures that every reservation can be found by its owner.
    ///
    /// - Returns: nil if the directory does not exist and `create` is false.
    static func open(_ store: Store, create: Bool) throws(Failure) -> Session? {
        for _ in 0..<8 {
            guard let directory = create ? try .create(store.path) : try ReservationDirectory.open(store.path) else {
                return nil
            }
            // Without this lock file, the next process locks a different file than we did.
            guard let lock = try directory.lock(milliseconds: store.lockTimeoutMilliseconds) else { continue }
            return try Session(directory, lock, store)
        }
        throw Failure(.tryAgainLater, "lock \(store.path): the lock file is being deleted again and again")
    }

    private init(
        _ directory: consuming ReservationDirectory, _ lock: consuming FileDescriptor, _ store: Store
    ) throws(Failure) {
        living = store.living
        var failure: Failure?
        do throws(Failure) { index = try Session.openIndex(Index.name(bootID: store.bootID), in: directory) } catch {
            index = nil
            failure = error
        }
        indexFailure = failure
        self.directory = directory
        self.lock = lock
        if let census = sealedCensus {
            self.census = census
            isSealed = true
        } else {
            try recover()
        }
    }

    /// This boot's index. Before the first index of this boot is made, those of earlier boots are retired, so that the next
    /// session can complete that after a kill.
    private static func openIndex(
        _ name: String, in directory: borrowing ReservationDirectory
    ) throws(Failure) -> Index {
        if let index = try Index.open(name, in: directory) { return index }
        for old in try directory.names() where old.hasPrefix(Index.prefix) && old != name {
            // What cannot be freed now stays in use; the next failing call will report it.
            guard let index = (try? Index.open(old, in: directory)) ?? nil, (try? index.retire(directory)) != nil else {
                continue
            }
            try? directory.descriptor.removeDirectory(old)
        }
        try storing("make directory \(directory.path)/\(name)") { () throws(Errno) in
            try directory.descriptor.makeDirectory(name)
        }
        guard let index = try Index.open(name, in: directory) else {
            throw Failure.storage(.noSuchFile, "open directory \(directory.path)/\(name): it was removed right away")
        }
        return index
    }

    private var sealedCensus: Census? {
        guard let time = index?.modificationTime() else { return nil }
        return directory.census(sealedAt: time)
    }

    /// Reads every reservation, puts back those that living pods have lost, removes those without an owner, and rebuilds the
    /// index. Takes time for each reservation.
    mutating func recover() throws(Failure) {
        willChange()
        keepLiving()
        failures = []
        var owners: [Attachment: [CIDR]] = [:]
        var census = Census()
        for unit in try directory.units().sorted(by: { ($0.address, $0.prefixLength) < ($1.address, $1.prefixLength) })
        {
            do throws(Errno) {
                switch try directory.holder(of: unit) {
                case .owner(let owner): owners[owner, default: []].append(unit)
                case .stranger: break
                case .none: continue
                case .nobody:
                    try directory.remove(unit)
                    continue
                }
            } catch {
                // One bad file must not block everything. It stays in use, and the next session checks it again.
                failures.append(Failure.storage(error, "read \(directory.path)/\(unit.reservationName): \(error)"))
            }
            census.add(unit)
        }
        self.census = census
        self.owners = owners
        isIndexed = (try? index?.rebuild(from: owners)) != nil && failures.isEmpty
    }

    /// Call this before every change: the kernel's time stamp breaks the seal, and `seal` must be called again.
    mutating func willChange() { isSealed = false }

    /// Call this if something could not be removed: the next session then reads everything.
    mutating func mistrust() { isIndexed = false }

    /// Removes index entries that have no reservation. A remaining one does no harm, but must not stay for ever.
    mutating func forget(_ slots: Range<Int>, of owner: Attachment) {
        do throws(Failure) { try index?.remove(slots, of: owner) } catch { mistrust() }
    }

    /// Marks the index as valid. If that fails, the next session reads everything again.
    consuming func seal() {
        guard isIndexed, !isSealed else { return }
        let time = Seal.time(of: census)
        guard (try? directory.descriptor.setModificationTime(time)) != nil else { return }
        try? index?.setModificationTime(time)
    }

    /// Where an owner's reservations may be: the index's entries, and the results of reading everything.
    func candidates(of owner: Attachment) throws(Failure) -> (slots: Int, units: [CIDR]) {
        let entries = try index?.entries(of: owner) ?? []
        var units = entries.compactMap { $0 }
        for unit in owners?[owner] ?? [] where !units.contains(unit) { units.append(unit) }
        return (entries.count, units)
    }

    /// Whether the unit is reserved for exactly this owner.
    func isHeld(_ unit: CIDR, by owner: Attachment) throws(Failure) -> Bool {
        try storing("read \(directory.path)/\(unit.reservationName)") { () throws(Errno) in
            try directory.holder(of: unit) == .owner(owner)
        }
    }
}
