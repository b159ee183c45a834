internal import CKernel
internal import Files
public import Posix

/// Network namespaces with names, as in ip-netns(8): files in /run/netns on which a namespace is mounted.
public struct NamedNamespaces: Sendable {
    /// The directory of the names.
    public let directory: String

    public init(directory: String = "/run/netns") { self.directory = directory }

    public func path(of name: String) -> String { "\(directory)/\(name)" }

    /// Makes a namespace that exists until ``delete(_:)``, whether or not it has processes.
    ///
    /// - Throws: `EINVAL` for an invalid file name, `EEXIST` for a name that is taken.
    public func create(_ name: String) throws(Failure) {
        let attempt = "create network namespace \(name)"
        try requireFileName(name, attempt)
        try prepareDirectory(attempt)
        let path = path(of: name)
        try attempting(attempt, details: "delete it first, or choose another name") { () throws(Errno) in
            try FileDescriptor.open(path, [.readOnly, .create, .exclusive], mode: 0o444).close()
        }
        do throws(Failure) {
            try attempting(attempt) { () throws(Errno) in
                let home = try FileDescriptor.open("/proc/thread-self/ns/net", .readOnly)
                guard ck_unshare(ck_clone_newnet) == 0 else { throw .last }
                let mounted = unsafe ck_bind_mount("/proc/thread-self/ns/net", path)
                let error = Errno.last
                guard ck_setns(home.rawValue, ck_clone_newnet) == 0 else { throw .last }
                guard mounted == 0 else { throw error }
            }
        } catch {
            unsafe unlink(path)
            throw error
        }
    }

    /// Removes the name; the namespace ends with its last process.
    ///
    /// - Throws: `ENOENT` if the name does not exist.
    public func delete(_ name: String) throws(Failure) {
        let attempt = "delete network namespace \(name)"
        try requireFileName(name, attempt)
        let path = path(of: name)
        // A file without a mount is left over from an interrupted creation.
        _ = unsafe ck_unmount(path)
        try attempting(attempt) { () throws(Errno) in
            guard unsafe unlink(path) == 0 else { throw .last }
        }
    }

    /// The names, sorted; empty if the directory does not exist.
    public func list() throws(Failure) -> [String] {
        try attempting("list \(directory)") { () throws(Errno) in try Directory.names(directory).sorted() }
    }

    private func requireFileName(_ name: String, _ attempt: String) throws(Failure) {
        guard !name.isEmpty, name != ".", name != "..", !name.utf8.contains(UInt8(ascii: "/")), name.utf8.count <= 255
        else { throw Failure(attempt, .invalidArgument, kernelText: "\"\(name)\" is not a file name") }
    }

    /// Makes the directory a shared mount, so that every mount namespace sees names come and go. Under a lock: two processes
    /// doing this at once would mount it twice.
    private func prepareDirectory(_ attempt: String) throws(Failure) {
        try attempting("\(attempt): prepare \(directory)") { () throws(Errno) in
            do throws(PathError) { try Directory.make(directory) } catch { throw error.errno }
            let lock = try FileDescriptor.open(directory, [.readOnly, .directory])
            try lock.lockExclusively(milliseconds: 10_000)
            guard unsafe ck_make_shared_mount(directory) == 0 else { throw .last }
        }
    }
}

extension NetworkNamespace {
    /// Replaces this process with another program, in this namespace, with our standard streams and environment.
    ///
    /// - Parameter arguments: the program, looked up in PATH, and its arguments. Not empty.
    /// - Throws: if the program cannot be run; the process is in the namespace then.
    public func execute(_ arguments: [String]) throws(Failure) -> Never {
        try enter()
        throw Failure("run \(arguments[0]) in \(path)", ProcessImage.replace(with: arguments))
    }
}
