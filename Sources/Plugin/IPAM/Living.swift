internal import Addresses
internal import Attachments
internal import Posix

extension Session {
    /// Puts back the reservations of living pods that somebody has removed, emptied or given to somebody who is not here. The index
    /// still names them: the store itself always changes both. What cannot be put back is left as it is.
    func keepLiving() {
        guard let living, let lost = try? index?.lost(directory), !lost.isEmpty else { return }
        var owners: [String: Attachment] = [:]
        for owner in living() { owners[owner.key] = owner }
        for (key, unit) in lost {
            guard let owner = owners[key] else { continue }
            switch try? directory.holder(of: unit) {
            case .owner(let other) where owners[other.key] != nil: continue
            case .owner, .nobody: try? directory.remove(unit)
            case .some(.none): break
            case .stranger, nil: continue
            }
            try? directory.create(unit, for: owner)
        }
    }

    mutating func putBack(_ unit: CIDR, of owner: Attachment, insteadOf wrongOwner: Attachment?) throws(Failure) {
        let path = "\(directory.path)/\(unit.reservationName)"
        try storing("put back reservation \(path)") { () throws(Errno) in
            switch try directory.holder(of: unit) {
            case .owner(owner): return
            case .owner(let other) where other != wrongOwner: throw .fileExists
            case .stranger: throw .fileExists
            case .owner, .nobody, .none: break
            }
            mistrust()
            willChange()
            try directory.remove(unit)
            try directory.create(unit, for: owner)
        }
    }
}

extension Index {
    /// Entries whose reservation is missing, or names somebody else: the owner's key and the unit.
    fileprivate func lost(_ directory: borrowing ReservationDirectory) throws(Errno) -> [(key: String, unit: CIDR)] {
        var lost: [(key: String, unit: CIDR)] = []
        for name in try descriptor.names(limit: ReservationDirectory.maximumNames) {
            guard let unit = (try? unit(at: name)) ?? nil else { continue }
            let key = String(Substring(name.utf8.prefix { $0 != UInt8(ascii: ".") }))
            if case .owner(let owner)? = try? directory.holder(of: unit), owner.key == key { continue }
            lost.append((key, unit))
        }
        return lost
    }
}
