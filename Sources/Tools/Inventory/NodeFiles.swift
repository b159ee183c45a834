internal import Addresses
internal import Files
package import Posix

/// Reads files, with errors that name them.
package enum NodeFiles {
    /// The identifier of this boot that address stores use.
    package static func bootID() throws(Failure) -> String {
        try storing("read \(Boot.idPath)") { () throws(Errno) in try Boot.id() }
    }

    static func content(_ path: String, limit: Int) throws(Failure) -> [UInt8] {
        try storing("read \(path)") { () throws(Errno) in try File.content(path, limit: limit) }
    }

    /// The first line.
    static func text(_ path: String, limit: Int) throws(Failure) -> String {
        String(decoding: try content(path, limit: limit).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    /// The names in a directory; empty if the directory does not exist.
    static func names(_ path: String) throws(Failure) -> [String] {
        try storing("list \(path)") { () throws(Errno) in try Directory.names(path) }
    }

    /// Reservations without an owner because they are not files.
    static func notFiles(_ store: SeenStore) throws(Failure) -> Set<CIDR> {
        // Only this plugin reserves blocks, and it always makes files.
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
