import FoundationEssentials
import Posix

/// A file that comes to be all at once.
struct NewFile {
    let path: String

    /// - Throws: when it is there already and is not to be replaced.
    func write(_ content: [UInt8], replacing: Bool) throws {
        let temporary = "\(path).new.\(ProcessInfo.processInfo.processIdentifier)"
        do {
            do throws(Errno) {
                try FileDescriptor.open(temporary, [.writeOnly, .create, .truncate, .noFollow], mode: 0o644)
                    .writeAll(content)
            } catch { throw Failure("write \(temporary)", error) }
            defer { try? FileManager.default.removeItem(atPath: temporary) }
            // A link, unlike a rename, replaces nothing.
            if replacing, (try? FileStatus.of(path)) != nil { try rename(temporary) } else { try link(temporary) }
        }
    }

    private func link(_ temporary: String) throws {
        do { try FileManager.default.linkItem(atPath: temporary, toPath: path) } catch {
            guard (try? FileStatus.of(path)) != nil else { throw error }
            throw Failure(.conflict, "write \(path): it is there already", details: "--force replaces it")
        }
    }

    private func rename(_ temporary: String) throws {
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let name = { (path: String) in String(path.split(separator: "/").last ?? "") }
        try attempting("replace \(path)") { () throws(Errno) in
            try FileDescriptor.open(directory, [.readOnly, .directory]).rename(name(temporary), to: name(path))
        }
    }
}
