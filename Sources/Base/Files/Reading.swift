public import Posix

/// Whole files, by their paths.
public enum File {
    /// A file's content.
    ///
    /// - Parameters:
    ///   - limit: in octets; a larger file is an error, so as not to use unbounded memory. The default, 64 MiB, suits files that
    ///     belong to the kernel or to this program.
    ///   - options: `nonBlocking` does not wait for a pipe's writer, so that a pipe in place of a file does not block the caller.
    /// - Throws: `EMSGSIZE` when there is more than the limit.
    public static func content(
        _ path: String, limit: Int = 64 << 20, _ options: OpenOptions = .nonBlocking
    ) throws(Errno) -> [UInt8] {
        try FileDescriptor.open(path, options).readAll(limit: limit)
    }
}

extension FileDescriptor {
    /// The content of a file in this directory. Does not follow symbolic links or wait for a pipe's writer.
    ///
    /// - Parameter limit: in octets.
    /// - Throws: `EMSGSIZE` when there is more than the limit, `ELOOP` for a symbolic link.
    public func content(of name: String, limit: Int) throws(Errno) -> [UInt8] {
        try open(name, [.noFollow, .nonBlocking]).readAll(limit: limit)
    }
}

/// The current boot of this machine.
public enum Boot {
    /// The kernel's ID of the current boot (random(4)): a UUID that changes with each start of the machine.
    public static let idPath = "/proc/sys/kernel/random/boot_id"

    /// The ID of this boot: 36 characters.
    ///
    /// - Throws: the error of opening or reading ``idPath``; `ENOENT` if /proc is not mounted.
    public static func id() throws(Errno) -> String {
        let text = try File.content(idPath, limit: 64)
        return String(decoding: text.prefix { $0 > 0x20 }, as: UTF8.self)
    }
}
