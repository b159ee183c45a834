public import Posix

/// Whole files, by their paths.
public enum File {
    /// A file's content.
    ///
    /// - Parameters:
    ///   - limit: in octets; a larger file is an error, not a reason to take the memory. The default, 64 MiB, is for files that
    ///     are the kernel's or this program's own.
    ///   - options: `nonBlocking` does not wait for a pipe's writer, so that a file that turns out to be a pipe stops nobody.
    /// - Throws: `EMSGSIZE` when there is more than the limit.
    public static func content(
        _ path: String, limit: Int = 64 << 20, _ options: OpenOptions = .nonBlocking
    ) throws(Errno) -> [UInt8] {
        try FileDescriptor.open(path, options).readAll(limit: limit)
    }
}

extension FileDescriptor {
    /// The content of a file in this directory. Symbolic links are not followed, and a pipe's writer is not waited for.
    ///
    /// - Parameter limit: in octets.
    /// - Throws: `EMSGSIZE` when there is more than the limit, `ELOOP` for a symbolic link.
    public func content(of name: String, limit: Int) throws(Errno) -> [UInt8] {
        try open(name, [.noFollow, .nonBlocking]).readAll(limit: limit)
    }
}

/// The time that this machine has been up.
public enum Boot {
    /// Where the kernel says which boot this is (random(4)): a UUID that is another after each start of the machine.
    public static let idPath = "/proc/sys/kernel/random/boot_id"

    /// What this boot is known by: 36 characters.
    ///
    /// - Throws: what opening or reading ``idPath`` failed with, `ENOENT` where /proc is not mounted.
    public static func id() throws(Errno) -> String {
        let text = try File.content(idPath, limit: 64)
        return String(decoding: text.prefix { $0 > 0x20 }, as: UTF8.self)
    }
}
