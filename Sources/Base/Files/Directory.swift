public import Posix

/// Whole directories, by their paths.
public enum Directory {
    /// mkdir(2) of a directory and its missing parents. If the path exists already, whatever it is, that is not an error: opening
    /// it will show what it is.
    ///
    /// - Parameter mode: for all directories that are created, less the process's umask.
    /// - Throws: the path that could not be created; `ENOENT` if other processes keep removing its parents.
    public static func make(_ path: String, mode: UInt32 = 0o755) throws(PathError) {
        for _ in 0..<attempts {
            do throws(Errno) { return try FileDescriptor.makeDirectory(path, mode: mode) } catch {
                switch error {
                case .fileExists: return
                case .noSuchFile: break
                default: throw PathError(path: path, errno: error)
                }
            }
            guard let parent = parent(of: path) else { break }
            try make(parent, mode: mode)
        }
        throw PathError(path: path, errno: .noSuchFile)
    }

    /// How often a parent may vanish while the directory is created.
    private static let attempts = 4

    /// The parent directory; nil for the root and for a name relative to the working directory.
    public static func parent(of path: String) -> String? {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else { return nil }
        return String(path[..<slash])
    }

    /// The names in a directory, without `.` and `..`, in no order; empty if the directory does not exist.
    ///
    /// - Parameters:
    ///   - limit: more names are an error, so as not to use unbounded memory.
    ///   - options: `noFollow` to reject a symbolic link.
    /// - Throws: `EMSGSIZE` for more names than the limit; `ENOTDIR`, or with `noFollow` `ELOOP`, if it is not a directory.
    public static func names(
        _ path: String, limit: Int = 1 << 20, _ options: OpenOptions = []
    ) throws(Errno) -> [String] {
        // A directory that is removed while it is listed does not exist either.
        do throws(Errno) {
            return try FileDescriptor.open(path, options.union(.directory)).names(limit: limit)
        } catch .noSuchFile { return [] }
    }
}

/// An error at one of several paths.
public struct PathError: Error, Sendable {
    public let path: String
    public let errno: Errno
}
