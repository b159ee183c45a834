internal import Posix

/// Reading whole files and directories, with errors that name them.
enum File {
    static func content(_ path: String, limit: Int) throws(Failure) -> [UInt8] {
        try storing("read \(path)") { () throws(Errno) in
            try FileDescriptor.open(path, [.readOnly, .nonBlocking]).readAll(limit: limit)
        }
    }

    /// What this boot is known by to the address stores.
    static func bootID() throws(Failure) -> String { try text("/proc/sys/kernel/random/boot_id", limit: 64) }

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

    /// The directories in a directory.
    static func directories(_ path: String) throws(Failure) -> [String] {
        try names(path).filter { name in
            (try? FileStatus.of("\(path)/\(name)").kind == .directory) ?? false
        }.sorted()
    }
}
