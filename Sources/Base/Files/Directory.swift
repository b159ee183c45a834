public import Posix

/// Whole directories, by their paths.
public enum Directory {
    /// mkdir(2) of a directory and of those above it that are missing. That it is there already, whatever it is, is no error:
    /// who opens it next will tell.
    ///
    /// - Parameter mode: of all that are made, less the process's umask.
    /// - Throws: the path that could not be made; `ENOENT` where others keep removing what is above it.
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

    /// How often what is above a directory may vanish while it is made.
    private static let attempts = 4

    /// What a path is in; nil for the root, and for what is relative to the working directory.
    public static func parent(of path: String) -> String? {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else { return nil }
        return String(path[..<slash])
    }

    /// The names in a directory, without `.` and `..`, in no order; none where there is no such directory.
    ///
    /// - Parameters:
    ///   - limit: more names are an error, not a reason to take the memory.
    ///   - options: `noFollow` for one that may be no symbolic link.
    /// - Throws: `EMSGSIZE` for more names than the limit; `ENOTDIR`, or with `noFollow` `ELOOP`, for what is no directory.
    public static func names(
        _ path: String, limit: Int = 1 << 20, _ options: OpenOptions = []
    ) throws(Errno) -> [String] {
        // One that is removed while it is listed is not there either.
        do throws(Errno) {
            return try FileDescriptor.open(path, options.union(.directory)).names(limit: limit)
        } catch .noSuchFile { return [] }
    }
}

/// What failed at one of several paths.
public struct PathError: Error, Sendable {
    public let path: String
    public let errno: Errno
}
