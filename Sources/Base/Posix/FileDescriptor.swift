internal import CKernel

/// How a file is opened: the O_ flags of open(2).
public struct OpenOptions: OptionSet, Sendable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let readOnly: OpenOptions = []
    public static let writeOnly = OpenOptions(rawValue: O_WRONLY)
    public static let readWrite = OpenOptions(rawValue: O_RDWR)
    public static let create = OpenOptions(rawValue: O_CREAT)
    /// With `create`: `EEXIST` when the file is there already.
    public static let exclusive = OpenOptions(rawValue: O_EXCL)
    public static let truncate = OpenOptions(rawValue: O_TRUNC)
    public static let append = OpenOptions(rawValue: O_APPEND)
    public static let directory = OpenOptions(rawValue: O_DIRECTORY)
    /// `ELOOP` when the last component is a symbolic link.
    public static let noFollow = OpenOptions(rawValue: O_NOFOLLOW)
    public static let nonBlocking = OpenOptions(rawValue: O_NONBLOCK)
}

/// An open file, closed when its owner lets go of it. Always close-on-exec.
@frozen
public struct FileDescriptor: ~Copyable, Sendable {
    public let rawValue: Int32

    /// Takes ownership of a descriptor that no one else closes.
    public init(owning rawValue: Int32) { self.rawValue = rawValue }

    deinit { _ = CKernel.close(rawValue) }

    /// Gives the descriptor to a caller who will close it.
    public consuming func release() -> Int32 {
        let value = rawValue
        discard self
        return value
    }

    /// fcntl(2) with F_DUPFD_CLOEXEC: another descriptor of the same open file.
    public static func duplicate(of descriptor: Int32) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try once { ck_duplicate(descriptor) })
    }

    /// openat(2), relative to the working directory. `mode` matters only if `options` create the file.
    public static func open(_ path: String, _ options: OpenOptions, mode: UInt32 = 0o600) throws(Errno)
        -> FileDescriptor
    {
        FileDescriptor(owning: try retrying { unsafe ck_open(path, options.rawValue | O_CLOEXEC, mode) })
    }

    /// openat(2), relative to this directory.
    public func open(_ path: String, _ options: OpenOptions, mode: UInt32 = 0o600) throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try retrying { unsafe ck_openat(rawValue, path, options.rawValue | O_CLOEXEC, mode) })
    }

    /// read(2) to the end of the file.
    ///
    /// - Throws: `EMSGSIZE` when there is more than `limit` octets.
    public func readAll(limit: Int) throws(Errno) -> [UInt8] {
        var content: [UInt8] = []
        while true {
            let chunk = try read(atMost: min(limit + 1 - content.count, 65536))
            if chunk.isEmpty { return content }
            content += chunk
            guard content.count <= limit else { throw .messageTooLarge }
        }
    }

    /// read(2) once; an empty result is the end of the file.
    public func read(atMost count: Int) throws(Errno) -> [UInt8] {
        var failure: Errno?
        let chunk = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do throws(Errno) {
                filled = try retrying { unsafe CKernel.read(rawValue, buffer.baseAddress, count) }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return chunk
    }

    /// write(2) until everything is written.
    public func writeAll(_ content: some Sequence<UInt8>) throws(Errno) {
        let content = Array(content)
        var written = 0
        while written < content.count {
            written += try retrying {
                unsafe content.withUnsafeBytes { buffer in
                    unsafe CKernel.write(rawValue, buffer.baseAddress! + written, content.count - written)
                }
            }
        }
    }

    /// ftruncate(2).
    public func truncate(to size: Int) throws(Errno) { try retrying { ftruncate(rawValue, off_t(size)) } }

    /// fstat(2).
    public func status() throws(Errno) -> FileStatus {
        var info = stat()
        try retrying { unsafe fstat(rawValue, &info) }
        return FileStatus(info)
    }

    /// fstatat(2) of a name in this directory, without following a symbolic link.
    public func status(of name: String) throws(Errno) -> FileStatus {
        var info = stat()
        try retrying { unsafe fstatat(rawValue, name, &info, AT_SYMLINK_NOFOLLOW) }
        return FileStatus(info)
    }

    /// mkdir(2), relative to the working directory.
    public static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(Errno) {
        try once { unsafe mkdir(path, mode) }
    }

    /// mkdirat(2).
    public func makeDirectory(_ name: String, mode: UInt32 = 0o755) throws(Errno) {
        try once { unsafe mkdirat(rawValue, name, mode) }
    }

    /// unlinkat(2) of a file.
    public func unlink(_ name: String) throws(Errno) { try once { unsafe unlinkat(rawValue, name, 0) } }

    /// unlinkat(2) of an empty directory.
    public func removeDirectory(_ name: String) throws(Errno) {
        try once { unsafe unlinkat(rawValue, name, AT_REMOVEDIR) }
    }

    /// renameat(2) within this directory; replaces whatever has the new name.
    public func rename(_ name: String, to newName: String) throws(Errno) {
        try once { unsafe renameat(rawValue, name, rawValue, newName) }
    }

    /// linkat(2) within this directory: gives a file a second name.
    ///
    /// - Throws: `EEXIST` when something has that name.
    public func link(_ name: String, to newName: String) throws(Errno) {
        try once { unsafe linkat(rawValue, name, rawValue, newName, 0) }
    }

    /// fsync(2) of this file, or of the names in this directory.
    public func synchronize() throws(Errno) { try retrying { fsync(rawValue) } }

    /// rmdir(2), relative to the working directory.
    public static func removeDirectory(_ path: String) throws(Errno) { try once { unsafe rmdir(path) } }

    /// symlinkat(2): makes `name` in this directory point to `target`.
    public func makeSymbolicLink(_ name: String, to target: String) throws(Errno) {
        try once { unsafe symlinkat(target, rawValue, name) }
    }

    /// readlinkat(2).
    public func readSymbolicLink(_ name: String) throws(Errno) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let capacity = buffer.count
        let count = try retrying {
            unsafe buffer.withUnsafeMutableBufferPointer {
                unsafe readlinkat(rawValue, name, $0.baseAddress!, capacity)
            }
        }
        return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// utimensat(2): sets the modification time of this file.
    public func setModificationTime(_ time: Timestamp) throws(Errno) {
        let modified = timespec(tv_sec: time.seconds, tv_nsec: time.nanoseconds)
        let times = [timespec(tv_sec: 0, tv_nsec: utimeOmit), modified]
        try once { unsafe futimens(rawValue, times) }
    }

    /// The names in this directory, without `.` and `..`, in no order. Bounded by `limit`.
    ///
    /// - Throws: `EMSGSIZE` when there are more than `limit` names.
    public func names(limit: Int) throws(Errno) -> [String] {
        var names: [String] = []
        let isComplete = try eachName { name in
            guard names.count < limit else { return false }
            names.append(name)
            return true
        }
        guard isComplete else { throw .messageTooLarge }
        return names
    }

    /// Whether this directory has a matching name; reads little beyond the first match.
    public func hasName(_ predicate: (String) -> Bool) throws(Errno) -> Bool {
        // The kernel fills the whole buffer, which takes time in a directory of thousands.
        try !eachName(chunk: 1024) { !predicate($0) }
    }

    /// Calls `body` with each name until it returns false; returns whether it never did.
    ///
    /// - Parameter chunk: octets to read at a time, at least the size of the longest entry: 280.
    private func eachName(chunk: Int = 32768, _ body: (String) -> Bool) throws(Errno) -> Bool {
        // A separate descriptor has its own read position.
        let copy = try self.open(".", .directory)
        var buffer = [UInt8](repeating: 0, count: chunk)
        while true {
            let count = try retrying {
                unsafe buffer.withUnsafeMutableBytes { unsafe ck_read_directory(copy.rawValue, $0.baseAddress, chunk) }
            }
            guard count > 0 else { return true }
            var entry = 0
            while entry < count {
                // struct linux_dirent64, getdents64(2): inode and offset of 8 octets, length of 2, type, name.
                let length = unsafe buffer.withUnsafeBytes {
                    unsafe $0.loadUnaligned(fromByteOffset: entry + 16, as: UInt16.self)
                }
                let end = entry + Int(length)
                let name = String(decoding: buffer[(entry + 19)..<end].prefix { $0 != 0 }, as: UTF8.self)
                entry = end
                guard name == "." || name == ".." || body(name) else { return false }
            }
        }
    }
}

/// UTIME_OMIT, linux/stat.h: a cast macro that Swift does not import.
private let utimeOmit = (1 << 30) - 2

/// Seconds and nanoseconds since 1970-01-01T00:00:00Z.
public struct Timestamp: Sendable, Hashable {
    public let seconds: Int
    public let nanoseconds: Int

    public init(seconds: Int, nanoseconds: Int) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }
}

/// The part of stat(2) that is used here.
public struct FileStatus: Sendable {
    public enum Kind: Sendable, Hashable { case file, directory, symbolicLink, other }

    public let kind: Kind
    public let device: UInt64
    public let inode: UInt64
    public let size: Int
    public let linkCount: Int
    public let modified: Timestamp
    /// Permission bits, such as 0o755.
    public let mode: UInt32
    public let owner: UInt32

    init(_ info: stat) {
        kind =
            switch Int32(bitPattern: info.st_mode) & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            default: .other
            }
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
        size = Int(info.st_size)
        linkCount = Int(info.st_nlink)
        modified = Timestamp(seconds: info.st_mtim.tv_sec, nanoseconds: info.st_mtim.tv_nsec)
        mode = info.st_mode & 0o7777
        owner = info.st_uid
    }

    /// Whether both are the same file: device and inode agree.
    public func isSameFile(as other: FileStatus) -> Bool { device == other.device && inode == other.inode }

    /// access(2) with W_OK: whether this process may write there.
    ///
    /// - Throws: `EROFS`, `EACCES`, `ENOENT` and so on when it may not.
    public static func requireWritable(_ path: String) throws(Errno) { try once { unsafe access(path, W_OK) } }

    /// stat(2), following symbolic links.
    public static func of(_ path: String) throws(Errno) -> FileStatus {
        var info = stat()
        try retrying { unsafe stat(path, &info) }
        return FileStatus(info)
    }
}

extension FileDescriptor {
    /// close(2) now rather than at the end of the scope.
    public consuming func close() {}
}
