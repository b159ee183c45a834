public import Attachments
internal import Files
internal import JSON
internal import Posix

/// Where leases are kept across restarts of the daemon: one file each, named after its owner.
public struct LeaseDirectory: Sendable {
    let path: String
    private let bootID: String
    private static let maximumRecordSize = 65536
    /// More leases than a daemon ever has.
    private static let maximumRecords = 1 << 16

    /// Beside the socket, so that each daemon with its own socket has its own leases.
    public static func path(besideSocket socket: String) -> String {
        socket.hasSuffix(".sock") ? String(socket.dropLast(5)) : socket + ".leases"
    }

    init(_ path: String) throws(Errno) {
        self.path = path
        bootID = try Boot.id()
        do throws(PathError) { try Directory.make(path, mode: 0o700) } catch { throw error.errno }
    }

    /// Locks out other daemons until the descriptor is closed.
    ///
    /// - Throws: `EAGAIN` if another daemon holds the lock.
    func lock() throws(Errno) -> FileDescriptor {
        let directory = try open()
        try directory.lockExclusively(milliseconds: 0)
        return directory
    }

    private func open() throws(Errno) -> FileDescriptor { try FileDescriptor.open(path, [.directory, .noFollow]) }

    /// Saves a lease atomically.
    func write(
        _ owner: AttachmentName, _ netns: String, _ identity: ClientIdentity, _ hardware: [UInt8], _ lease: Lease
    )
        throws(Errno)
    {
        let record = LeaseRecord(
            netns: netns, settings: identity, serverHardware: hardware, lease: lease, bootID: bootID)
        let directory = try open()
        // No owner's name begins with a dot.
        try directory.write(record.json.serialized(), to: owner.fileName, by: ".new")
    }

    func remove(_ owner: AttachmentName) { try? open().unlink(owner.fileName) }

    /// Removes an attachment's lease when no daemon is running to do it.
    public static func forget(_ owner: AttachmentName, in path: String) {
        try? FileDescriptor.open(path, [.directory, .noFollow]).unlink(owner.fileName)
    }

    /// The leases of an earlier daemon. Files that cannot be read, or are from an earlier boot, are removed.
    func records() throws(Errno) -> [(AttachmentName, LeaseRecord)] {
        let directory = try open()
        var records: [(AttachmentName, LeaseRecord)] = []
        for name in try directory.names(limit: LeaseDirectory.maximumRecords) {
            guard let owner = AttachmentName(fileName: name) else { continue }
            if let content = try? directory.content(of: name, limit: LeaseDirectory.maximumRecordSize),
                let json = try? JSON(parsing: content), let record = try? LeaseRecord(JSONReader(json)),
                record.bootID == bootID
            {
                records.append((owner, record))
            } else {
                try? directory.unlink(name)
            }
        }
        return records
    }
}
