import Files
import Posix

/// A file that appears atomically and durably.
struct NewFile {
    let path: String

    /// - Throws: when the file exists and is not to be replaced.
    func write(_ content: [UInt8], replacing: Bool) throws(Failure) {
        let name = path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
        let directory = path.contains("/") ? Directory.parent(of: path) ?? "/" : "."
        do throws(Errno) {
            try FileDescriptor.open(directory, [.readOnly, .directory]).write(
                content, to: name, by: "\(name).new.\(ProcessEnvironment.processID)", mode: 0o644,
                replacing: replacing, durably: true)
        } catch .fileExists {
            throw Failure(.conflict, "write \(path): it already exists", details: "--force replaces it")
        } catch { throw Failure("write \(path)", error) }
    }
}
