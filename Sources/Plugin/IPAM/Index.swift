internal import Addresses
internal import Attachments
internal import Posix

/// Finds an owner's reservations without reading those of others: a directory of symbolic links, one for each unit.
///
/// The link `<owner's key>.<slot>` points to the reservation's file; an owner's slots are numbered from 0 without a gap. The
/// reference plugin reads through the links, so it removes an owner's links together with its reservations. Each boot of the
/// machine has its own index. A link is only a hint: the reader must check the file's content.
struct Index: ~Copyable {
    static let prefix = ".swiftlet."

    let descriptor: FileDescriptor
    let path: String

    /// The most reservations of one owner in one network.
    private static let maximumSlots = 4096

    static func name(bootID: String) -> String { prefix + bootID }

    /// Nil if this boot has none yet.
    static func open(_ name: String, in directory: borrowing ReservationDirectory) throws(Failure) -> Index? {
        let path = "\(directory.path)/\(name)"
        do throws(Errno) {
            return Index(descriptor: try directory.descriptor.open(name, [.directory, .noFollow]), path: path)
        } catch .noSuchFile {
            return nil
        } catch {
            throw Failure.storage(error, "open directory \(path): \(error)")
        }
    }

    private static func entry(_ key: String, _ slot: Int) -> String { "\(key).\(slot)" }

    private static func target(_ unit: CIDR) -> String { "../\(unit.reservationName)" }

    /// The unit that an entry points to; nil if it is not one of our entries.
    func unit(at entry: String) throws(Errno) -> CIDR? {
        do throws(Errno) {
            let target = try descriptor.readSymbolicLink(entry)
            return target.hasPrefix("../") ? CIDR(reservationName: String(target.dropFirst(3))) : nil
        } catch .invalidArgument { return nil }
    }

    /// The targets of an owner's slots, from slot 0 upwards.
    func entries(of owner: Attachment) throws(Failure) -> [CIDR?] {
        let key = owner.key
        var units: [CIDR?] = []
        while units.count < Index.maximumSlots {
            do throws(Errno) { units.append(try unit(at: Index.entry(key, units.count))) } catch .noSuchFile {
                break
            } catch {
                throw Failure.storage(error, "read \(path)/\(Index.entry(key, units.count)): \(error)")
            }
        }
        return units
    }

    /// The targets of all entries.
    func units() throws(Failure) -> [CIDR] {
        try storing("list \(path)") { () throws(Errno) in
            try descriptor.names(limit: ReservationDirectory.maximumNames).compactMap { (try? unit(at: $0)) ?? nil }
        }
    }

    func add(_ unit: CIDR, of owner: Attachment, slot: Int) throws(Failure) {
        let entry = Index.entry(owner.key, slot)
        try storing("make symbolic link \(path)/\(entry)") { () throws(Errno) in
            try descriptor.makeSymbolicLink(entry, to: Index.target(unit))
        }
    }

    /// Removes an owner's slots, the highest first, so that a kill in between leaves no gap.
    func remove(_ slots: Range<Int>, of owner: Attachment) throws(Failure) {
        let key = slots.isEmpty ? "" : owner.key
        for slot in slots.reversed() {
            let entry = Index.entry(key, slot)
            do throws(Errno) { try descriptor.unlink(entry) } catch .noSuchFile {
                continue
            } catch {
                throw Failure.storage(error, "remove \(path)/\(entry): \(error)")
            }
        }
    }

    func modificationTime() -> Timestamp? { try? descriptor.status().modified }

    func setModificationTime(_ time: Timestamp) throws(Errno) { try descriptor.setModificationTime(time) }

    /// Makes the index match `owners`, without touching correct entries.
    func rebuild(from owners: [Attachment: [CIDR]]) throws(Errno) {
        var present: [String: [String: String]] = [:]
        for name in try descriptor.names(limit: ReservationDirectory.maximumNames) {
            let target = (try? descriptor.readSymbolicLink(name)) ?? ""
            present[String(name.prefix { $0 != "." }), default: [:]][name] = target
        }
        for (owner, units) in owners {
            let key = owner.key
            var wanted: [String: String] = [:]
            for (slot, unit) in units.enumerated() { wanted[Index.entry(key, slot)] = Index.target(unit) }
            let found = present.removeValue(forKey: key) ?? [:]
            let isRight =
                found.count == wanted.count && found.keys.allSatisfy { wanted[$0] != nil }
                && Set(found.values) == Set(wanted.values)
            guard !isRight else { continue }
            for name in found.keys { try descriptor.unlink(name) }
            for (name, target) in wanted { try descriptor.makeSymbolicLink(name, to: target) }
        }
        for name in present.values.joined().map({ $0.key }) { try descriptor.unlink(name) }
    }

    /// Frees the reservations in the index, because their owners ended with their boot, and empties the index.
    ///
    /// A reservation whose file now names another owner stays. So does an entry whose reservation could not be removed, or that
    /// is not an entry.
    func retire(_ directory: borrowing ReservationDirectory) throws(Errno) {
        for name in try descriptor.names(limit: ReservationDirectory.maximumNames) {
            if let unit = (try? self.unit(at: name)) ?? nil, case .owner(let owner) = try directory.holder(of: unit),
                owner.key == name.prefix(while: { $0 != "." })
            {
                try directory.remove(unit)
            }
            do throws(Errno) { try descriptor.unlink(name) } catch .isDirectory {}
        }
    }
}
