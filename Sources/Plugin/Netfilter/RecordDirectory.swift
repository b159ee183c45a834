internal import Attachments
internal import Files
internal import JSON
internal import EventLog
internal import Posix

/// The directory of records: `/run/swiftlet/NODE/NETWORK/PLUGIN/CONTAINERID:IFNAME`. A reboot clears it, as it does the rules.
///
/// NODE is the inode of the network namespace that holds the rules, so that nodes with a common file system do not share records.
struct RecordDirectory: Sendable {
    static let root = "/run/swiftlet"
    private static let lockTimeoutMilliseconds: UInt32 = 10_000

    /// The directory of this node.
    let path: String

    init() throws(Failure) {
        let namespace = try storing("look at /proc/thread-self/ns/net") { () throws(Errno) in
            try FileStatus.of("/proc/thread-self/ns/net")
        }
        path = "\(RecordDirectory.root)/\(namespace.inode)"
    }

    private func directory(_ network: String, _ plugin: String) -> String { "\(path)/\(network)/\(plugin)" }

    /// Only records have such names.
    private static func name(_ owner: RulesOwner) -> String { owner.attachment.attachment.fileName }

    /// Locks the records of one plugin in one network, so that its last owner knows that it is the last.
    ///
    /// - Returns: nil if there are none and `create` is false.
    func lock(_ network: String, _ plugin: String, create: Bool) throws(Failure) -> LockedRecords? {
        let path = directory(network, plugin)
        for _ in 0..<16 {
            guard let descriptor = try RecordDirectory.lock(path, alone: true) else {
                guard create else {
                    // The process that removed it may have been killed before it removed the parents.
                    RecordDirectory.removeEmpty(Directory.parent(of: path))
                    return nil
                }
                try RecordDirectory.make(path)
                continue
            }
            // Its parents stay while it is locked.
            guard let node = try lockNode() else { continue }
            return LockedRecords(path: path, descriptor: descriptor, node: node)
        }
        throw RecordDirectory.unstable(path)
    }

    /// - Returns: nil if there are no records.
    func lockNode(alone: Bool = false) throws(Failure) -> NodeLock? {
        guard let descriptor = try RecordDirectory.lock(path, alone: alone) else { return nil }
        return NodeLock(path: path, descriptor: descriptor)
    }

    /// Opens and locks a directory.
    ///
    /// - Returns: nil if it does not exist.
    private static func lock(_ path: String, alone: Bool) throws(Failure) -> FileDescriptor? {
        for _ in 0..<16 {
            guard let descriptor = try open(path) else { return nil }
            let hold: LockHold = alone ? .exclusive : .shared
            let isThere = try waiting(path) { () throws(Errno) in
                try descriptor.lock(path, hold, milliseconds: lockTimeoutMilliseconds, waiting: .queued)
            }
            // Its last owner may have removed it while we waited.
            if isThere { return descriptor }
        }
        throw unstable(path)
    }

    private static func waiting<Value>(_ path: String, _ lock: () throws(Errno) -> Value) throws(Failure) -> Value {
        do throws(Errno) { return try lock() } catch {
            throw Failure(.storage, "lock \(path): \(error)", details: error == .tryAgain ? "try again later" : "")
        }
    }

    private static func unstable(_ path: String) -> Failure {
        Failure(.storage, "lock \(path): it is being removed again and again", details: "try again later")
    }

    /// Held by every call that changes rules, from before the record is written until the kernel has the rules; on removal the
    /// order is reversed. It is shared, so that networks do not wait for each other. Elements shared by networks are computed
    /// from all records under an exclusive lock, so that no record appears or disappears between reading and changing.
    struct NodeLock: ~Copyable {
        fileprivate let path: String
        fileprivate let descriptor: FileDescriptor

        /// Waits for an exclusive lock. Others may have held one since this lock was taken.
        func becomeSole() throws(Failure) {
            try waiting(path) { () throws(Errno) in
                try descriptor.lockExclusively(path, milliseconds: lockTimeoutMilliseconds, waiting: .queued)
            }
        }
    }

    private static func open(_ path: String) throws(Failure) -> FileDescriptor? {
        do throws(Errno) { return try FileDescriptor.open(path, [.directory, .noFollow]) } catch {
            guard error == .noSuchFile else { throw Failure(.storage, "open \(path): \(error)") }
            return nil
        }
    }

    /// It is no error if the directory is gone again.
    private static func make(_ path: String) throws(Failure) {
        do throws(PathError) { try Directory.make(path, mode: 0o700) } catch {
            guard error.errno != .noSuchFile else { return }
            throw Failure(.storage, "make directory \(error.path): \(error.errno)")
        }
    }

    /// The owners that have a record.
    ///
    /// - Parameters:
    ///   - network: nil for those of all networks.
    ///   - container: nil for those of all containers.
    func owners(network: String? = nil, container: String? = nil) throws(Failure) -> [RulesOwner] {
        let beginning = container.map { "\($0):" } ?? ""
        var owners: [RulesOwner] = []
        let networks = if let network { [network] } else { try RecordDirectory.names(path) }
        for network in networks {
            for plugin in try RecordDirectory.names("\(path)/\(network)") {
                for name in try RecordDirectory.names(directory(network, plugin)) where name.hasPrefix(beginning) {
                    guard let attachment = Attachment(fileName: name) else { continue }
                    owners.append(RulesOwner(AttachmentName(network: network, attachment), plugin: plugin))
                }
            }
        }
        return owners
    }

    /// The names in a directory; empty for anything else.
    private static func names(_ path: String) throws(Failure) -> [String] {
        do throws(Errno) {
            return try Directory.names(path, .noFollow)
        } catch {
            guard ![.notDirectory, .tooManySymlinks].contains(error) else { return [] }
            throw Failure(.storage, "list \(path): \(error)")
        }
    }

    /// Removes what killed calls left of a network: unfinished records and empty directories.
    func tidy(_ network: String) throws(Failure) {
        for plugin in try RecordDirectory.names("\(path)/\(network)") {
            // Something other than a directory may have that name.
            surviving { () throws(Failure) in try lock(network, plugin, create: false)?.tidy() }
        }
        RecordDirectory.removeEmpty("\(path)/\(network)")
    }

    /// Removes a directory and its parents, as far as they are empty or already gone.
    private static func removeEmpty(_ path: String?) {
        var next = path
        while let directory = next, directory.hasPrefix("\(root)/") {
            do throws(Errno) { try FileDescriptor.removeDirectory(directory) } catch {
                guard error == .noSuchFile else { return }
            }
            next = Directory.parent(of: directory)
        }
    }

    /// The record of an owner; nil if there is none or the file is not a record.
    ///
    /// - Throws: if it cannot be read, which says nothing about its content.
    func record(of owner: RulesOwner) throws(Failure) -> Record? {
        let path = "\(directory(owner.network, owner.plugin))/\(RecordDirectory.name(owner))"
        do throws(Errno) {
            let content = try File.content(path, limit: Record.maximumSize, [.noFollow, .nonBlocking])
            return try? Record(content)
        } catch {
            let isNone: [Errno] = [
                .noSuchFile, .tooManySymlinks, .isDirectory, .noSuchDeviceOrAddress, .messageTooLarge,
            ]
            guard isNone.contains(error) else { throw Failure(.storage, "read \(path): \(error)") }
            return nil
        }
    }

    /// When the record was written.
    func time(of owner: RulesOwner) throws(Errno) -> Timestamp {
        try FileStatus.of("\(directory(owner.network, owner.plugin))/\(RecordDirectory.name(owner))").modified
    }

    /// The locked records of one plugin in one network.
    struct LockedRecords: ~Copyable {
        /// The name of a record while it is being written.
        private let unfinished = ".new"
        let path: String
        let descriptor: FileDescriptor
        let node: NodeLock

        /// Writes the record atomically.
        ///
        /// - Throws: code 7 if the record would be too large to read again.
        func write(_ record: Record, _ owner: RulesOwner) throws(Failure) {
            let name = RecordDirectory.name(owner)
            let content = record.content
            guard content.count <= Record.maximumSize else {
                throw Failure(
                    .invalidConfiguration,
                    "write \(path)/\(name): \(content.count) octets, at most \(Record.maximumSize)",
                    details: "ask for fewer port mappings, or for ranges of ports")
            }
            try storing("write \(path)/\(name)") { () throws(Errno) in
                try descriptor.write(content, to: name, by: unfinished)
            }
        }

        func has(_ owner: RulesOwner) throws(Failure) -> Bool {
            let name = RecordDirectory.name(owner)
            return try storing("look at \(path)/\(name)") { () throws(Errno) in
                do throws(Errno) { _ = try descriptor.status(of: name) } catch .noSuchFile { return false }
                return true
            }
        }

        /// Whether no other owner has a record here.
        func isLast(_ owner: RulesOwner) throws(Failure) -> Bool {
            let own = RecordDirectory.name(owner)
            return try storing("list \(path)") { () throws(Errno) in
                try !descriptor.hasName { $0 != own && Attachment(fileName: $0) != nil }
            }
        }

        /// Removes the record and the directories that become empty.
        func remove(_ owner: RulesOwner) throws(Failure) {
            try storing("remove \(path)/\(RecordDirectory.name(owner))") { () throws(Errno) in
                do throws(Errno) { try descriptor.unlink(RecordDirectory.name(owner)) } catch .noSuchFile {}
            }
            tidy()
        }

        /// Removes the directory and its parents, as far as they are empty. The root stays: a container may have it
        /// mounted, and a mount vanishes with its directory.
        func tidy() {
            try? descriptor.unlink(unfinished)
            RecordDirectory.removeEmpty(path)
        }
    }
}
