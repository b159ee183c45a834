public import Posix

extension FileDescriptor {
    /// Replaces a file's content in this directory atomically: writes it under another name and renames that.
    ///
    /// Even if this process is killed, readers see either the old content or the new. On an error the old content stays, and the
    /// temporary file is removed. After a kill the temporary file remains, and the next call removes it.
    ///
    /// - Parameters:
    ///   - temporary: the other name, in this directory. No one else may use it meanwhile: hold a lock, or choose a unique name.
    ///   - mode: of the new file, less the process's umask. The old file's mode does not matter.
    ///   - replacing: whether an old file may exist. If false, the new file gets its name by a hard link, which replaces nothing.
    ///   - durably: whether the content must survive a power failure: fsync(2) of the file before it gets its name, and of the
    ///     directory afterwards. If only the latter fails, the new content is there but may be lost.
    /// - Throws: `EEXIST` if the file exists and `replacing` is false; `EISDIR` if one of the names is a directory's.
    public func write(
        _ content: [UInt8], to name: String, by temporary: String, mode: UInt32 = 0o600, replacing: Bool = true,
        durably: Bool = false
    ) throws(Errno) {
        let file = try create(temporary, mode: mode)
        do throws(Errno) {
            try file.writeAll(content)
            if durably { try file.synchronize() }
            file.close()
            if replacing {
                try rename(temporary, to: name)
            } else {
                try link(temporary, to: name)
                try unlink(temporary)
            }
            if durably { try synchronize() }
        } catch {
            try? unlink(temporary)
            throw error
        }
    }

    /// Always creates a new file: never writes to an existing one of that name, which may be a link or a pipe.
    private func create(_ name: String, mode: UInt32) throws(Errno) -> FileDescriptor {
        let options: OpenOptions = [.writeOnly, .create, .exclusive, .noFollow]
        do throws(Errno) { return try open(name, options, mode: mode) } catch .fileExists {
            try unlink(name)
            return try open(name, options, mode: mode)
        }
    }
}
