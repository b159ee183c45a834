internal import Files
public import Posix

/// The file that the runtime reads. It is replaced at one stroke, and only if its content changes: runtimes watch the directory.
public struct ConfigurationFile: Sendable, Hashable {
    public let directory: String
    public let name: String

    public init(directory: String, name: String) {
        self.directory = directory
        self.name = name
    }

    public var path: String { "\(directory)/\(name)" }

    /// - Returns: whether the file has changed.
    @discardableResult
    public func write(_ content: [UInt8]) throws(Failure) -> Bool {
        if (try? File.content(path, limit: 1 << 20)) == content { return false }
        do throws(PathError) { try Directory.make(directory) } catch {
            throw Failure(.storage, "make \(error.path): \(error.errno)", errno: error.errno)
        }
        try storing("write \(path)") { () throws(Errno) in
            let folder = try FileDescriptor.open(directory, [.readOnly, .directory])
            // The name begins with a dot and has no extension of a configuration: runtimes do not read it.
            try folder.write(content, to: name, by: ".\(name).swiftlet-agent", durably: true)
        }
        return true
    }

    /// What the file has; nil without one.
    public func read() throws(Failure) -> [UInt8]? {
        try storing("read \(path)") { () throws(Errno) in
            do throws(Errno) { return try File.content(path, limit: 1 << 20) } catch .noSuchFile { return nil }
        }
    }

    /// Removes the file; it may be gone already.
    public func remove() throws(Failure) {
        try storing("remove \(path)") { () throws(Errno) in
            do throws(Errno) {
                try FileDescriptor.open(directory, [.readOnly, .directory]).unlink(name)
            } catch .noSuchFile { return }
        }
    }
}
