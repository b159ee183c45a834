internal import Addresses
package import Posix

/// Reading whole files and directories, with errors that name them.
package enum File {
    static func content(_ path: String, limit: Int) throws(Failure) -> [UInt8] {
        try storing("read \(path)") { () throws(Errno) in
            try FileDescriptor.open(path, [.readOnly, .nonBlocking]).readAll(limit: limit)
        }
    }

    /// What this boot is known by to the address stores.
    package static func bootID() throws(Failure) -> String { try text("/proc/sys/kernel/random/boot_id", limit: 64) }

    /// The first line.
    static func text(_ path: String, limit: Int) throws(Failure) -> String {
        String(decoding: try content(path, limit: limit).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// More names than this are an error, not a reason to take the memory.
    private static let maximumNames = 1 << 20

    /// The names in a directory; none where there is no such directory.
    static func names(_ path: String) throws(Failure) -> [String] {
        do throws(Errno) {
            return try FileDescriptor.open(path, [.directory]).names(limit: maximumNames)
        } catch {
            guard error != .noSuchFile else { return [] }
            throw Failure(.storage, "list \(path): \(error)", errno: error)
        }
    }

    /// Reservations that name nobody since they are no files.
    static func notFiles(_ store: SeenStore) throws(Failure) -> Set<CIDR> {
        // Blocks are this plugin's alone, which makes files.
        let withoutOwner = store.reservations.map { $0.reservation }.filter { $0.owner == nil && $0.unit.hostBits == 0 }
        guard !withoutOwner.isEmpty else { return [] }
        return try storing("look into \(store.directory)") { () throws(Errno) in
            let directory = try FileDescriptor.open(store.directory, [.directory])
            return Set(
                withoutOwner.map { $0.unit }.filter { unit in
                    (try? directory.status(of: "\(unit.address)")).map { $0.kind != .file } ?? false
                })
        }
    }

    /// The directories in a directory.
    static func directories(_ path: String) throws(Failure) -> [String] {
        try names(path).filter { name in
            (try? FileStatus.of("\(path)/\(name)").kind == .directory) ?? false
        }.sorted()
    }
}
