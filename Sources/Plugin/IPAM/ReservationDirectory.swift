internal import Addresses
internal import Attachments
internal import Files
internal import Posix

/// The directory of one network in the reference plugin's layout: a file for each unit, named by its address.
struct ReservationDirectory: ~Copyable {
    let path: String
    let descriptor: FileDescriptor

    /// More names are an error, so as not to use unbounded memory.
    static let maximumNames = 1 << 22

    /// Nil if it does not exist.
    static func open(_ path: String) throws(Failure) -> ReservationDirectory? {
        do throws(Errno) {
            return ReservationDirectory(path: path, descriptor: try .open(path, [.directory, .noFollow]))
        } catch .noSuchFile {
            return nil
        } catch {
            throw Failure.storage(error, "open directory \(path): \(error)")
        }
    }

    /// Opens it, and creates it and its parents first if necessary.
    static func create(_ path: String) throws(Failure) -> ReservationDirectory {
        if let directory = try open(path) { return directory }
        do throws(PathError) { try Directory.make(path) } catch {
            throw Failure.storage(error.errno, "make directory \(error.path): \(error.errno)")
        }
        guard let directory = try open(path) else {
            throw Failure.storage(.noSuchFile, "open directory \(path): it was removed right after it was made")
        }
        return directory
    }

    /// Takes the lock that everyone takes to change the directory, including the reference plugin.
    ///
    /// - Returns: nil if the lock file was deleted while we waited, perhaps with the whole directory.
    func lock(milliseconds: UInt32) throws(Failure) -> FileDescriptor? {
        let lock = try storing("open \(path)/lock") { () throws(Errno) in
            try descriptor.open("lock", [.create, .noFollow, .nonBlocking])
        }
        do throws(Errno) {
            guard try lock.lock("\(path)/lock", milliseconds: milliseconds, waiting: .queued) else { return nil }
            return lock
        } catch .tryAgain {
            throw Failure(
                .tryAgainLater, "lock \(path): another process has held it for \(milliseconds) ms; try again later")
        } catch {
            throw Failure.storage(error, "lock \(path): \(error)")
        }
    }

    /// The units that have a file, in no order.
    func units() throws(Failure) -> [CIDR] { try names().compactMap { CIDR(reservationName: $0) } }

    func names() throws(Failure) -> [String] {
        try storing("list \(path)") { () throws(Errno) in
            try descriptor.names(limit: ReservationDirectory.maximumNames)
        }
    }

    /// Who holds a unit.
    enum Holder: Sendable, Hashable {
        case owner(Attachment)
        /// The file names no owner: its writer was killed, or the power failed.
        case nobody
        /// There is no file.
        case none
        /// Not a possible reservation file, such as a symbolic link; we treat it as taken.
        case stranger
    }

    func holder(of unit: CIDR) throws(Errno) -> Holder {
        do throws(Errno) {
            let file = try descriptor.open(unit.reservationName, [.noFollow, .nonBlocking])
            let record = try file.read(atMost: Attachment.maximumRecordSize + 1)
            if let owner = Attachment(record: record) { return .owner(owner) }
            return try file.status().kind == .file ? .nobody : .stranger
        } catch .noSuchFile {
            return .none
        } catch {
            guard [.tooManySymlinks, .isDirectory, .noSuchDeviceOrAddress, .tryAgain].contains(error),
                try descriptor.status(of: unit.reservationName).kind != .file
            else { throw error }
            return .stranger
        }
    }

    /// The census, if this directory's seal and the index's (whose time is given) are equal and intact.
    func census(sealedAt time: Timestamp) -> Census? {
        guard let census = Seal.census(at: time), (try? descriptor.status().modified) == time else { return nil }
        return census
    }

    func exists(_ unit: CIDR) throws(Errno) -> Bool {
        do throws(Errno) {
            _ = try descriptor.status(of: unit.reservationName)
            return true
        } catch .noSuchFile { return false }
    }

    /// Writes a reservation; a failure leaves none.
    ///
    /// - Throws: `EEXIST` if the unit has one.
    func create(_ unit: CIDR, for owner: Attachment) throws(Errno) {
        let file = try descriptor.open(unit.reservationName, [.writeOnly, .create, .exclusive, .noFollow])
        do throws(Errno) { try file.writeAll(owner.record) } catch {
            try? remove(unit)
            throw error
        }
    }

    /// Removes a reservation; a missing one is not an error.
    func remove(_ unit: CIDR) throws(Errno) {
        do throws(Errno) { try descriptor.unlink(unit.reservationName) } catch .noSuchFile {}
    }
}

extension CIDR {
    /// The name of a unit's file: the address, and for a block `_` and its length, because a file name cannot contain a `/`.
    var reservationName: String { hostBits == 0 ? address.description : "\(address)_\(prefixLength)" }

    init?(reservationName name: String) {
        let parts = name.utf8.split(separator: UInt8(ascii: "_"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(Substring(parts[0]))) else { return nil }
        if parts.count == 2 {
            guard let length = Int(String(Substring(parts[1]))), (1..<address.family.bitWidth).contains(length) else {
                return nil
            }
            self.init(address, length)
        } else {
            self.init(address, address.family.bitWidth)
        }
        // A unit has exactly one file name; an IPv4 address has no other.
        guard isNetwork, family == .v4 && hostBits == 0 || reservationName == name else { return nil }
    }
}
