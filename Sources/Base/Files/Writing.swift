public import Posix

extension FileDescriptor {
    /// Makes a file in this directory have a content, whole or not at all: it is written under another name and renamed.
    ///
    /// Whoever reads it, and whatever kills this process, finds the old content or the new one. Where it fails, the old one
    /// stays, and the file under the other name is removed; a kill leaves that file, and the next call removes it.
    ///
    /// - Parameters:
    ///   - temporary: the other name, in this directory. Nobody else may use it meanwhile: hold a lock, or choose a name of
    ///     your own.
    ///   - mode: of the new file, less the process's umask. The old one's does not count.
    ///   - replacing: whether there may be an old file. Without it the name is given to the new file by a hard link, which
    ///     replaces nothing.
    ///   - durably: whether it has to outlast a power failure: fsync(2) of the file before it gets its name and of the directory
    ///     thereafter. If only the latter fails, the new content is there, but perhaps not for good.
    /// - Throws: `EEXIST` when the file is there and is not to be replaced; `EISDIR` when one of the names is a directory's.
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

    /// A file that is new in any case: what somebody has left under that name, a link or a pipe perhaps, is not written to.
    private func create(_ name: String, mode: UInt32) throws(Errno) -> FileDescriptor {
        let options: OpenOptions = [.writeOnly, .create, .exclusive, .noFollow]
        do throws(Errno) { return try open(name, options, mode: mode) } catch .fileExists {
            try unlink(name)
            return try open(name, options, mode: mode)
        }
    }
}
