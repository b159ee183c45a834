internal import CKernel
internal import EventLog
public import Posix

/// An open network namespace. Its path may vanish or be replaced; this stays the one that was checked.
public struct NetworkNamespace: ~Copyable {
    /// The path it was opened by, for messages.
    public let path: String
    private let file: FileDescriptor

    /// The descriptor, for messages that refer to the namespace (IFLA_NET_NS_FD).
    public var descriptor: Int32 { file.rawValue }

    /// Opens a namespace file.
    ///
    /// - Throws: `ENOENT` if the file does not exist; `EINVAL` if it is not a network namespace.
    public init(_ path: String) throws(Failure) {
        let standIn: KernelStandIn? = .current
        let file = try attempting("open network namespace \(path)") { () throws(Errno) in
            guard let standIn else { return try NetworkNamespace.open(path) }
            return try standIn.openNamespace(path) { () throws(Errno) in try NetworkNamespace.open(path) }
        }
        let isNamespace = standIn == nil ? ck_is_namespace_file(file.rawValue) : 1
        guard isNamespace == 1, standIn != nil || ck_namespace_type(file.rawValue) == ck_clone_newnet else {
            throw Failure(
                "open network namespace \(path)", .invalidArgument,
                kernelText: isNamespace == 1 ? "it is a namespace of another type" : "it is not a namespace file")
        }
        self.path = path
        self.file = file
    }

    private static func open(_ path: String) throws(Errno) -> FileDescriptor {
        // A FIFO of that name must not block us.
        try FileDescriptor.open(path, [.readOnly, .nonBlocking])
    }

    /// The calling thread's namespace.
    public static func current() throws(Failure) -> NetworkNamespace {
        // The kernel provides this file; it needs no check.
        let path = "/proc/thread-self/ns/net"
        let file = try attempting("open network namespace \(path)") { () throws(Errno) in
            try FileDescriptor.open(path, .readOnly)
        }
        return NetworkNamespace(path, file)
    }

    private init(_ path: String, _ file: consuming FileDescriptor) {
        self.path = path
        self.file = file
    }

    /// The inode number, which is unique as long as the namespace exists.
    public func inode() throws(Failure) -> UInt64 { try status().inode }

    /// The status of the namespace's file, which distinguishes it from other namespaces.
    public func status() throws(Failure) -> FileStatus {
        try attempting("look at \(path)") { () throws(Errno) in try file.status() }
    }

    /// Locks the namespace's file (flock(2)) against others who lock it too, as long as this value lives.
    ///
    /// - Throws: `EAGAIN` when the time is over.
    public func lock(milliseconds: UInt32, waiting: LockWait = .polling()) throws(Failure) {
        try attempting("lock network namespace \(path)") { () throws(Errno) in
            try file.lockExclusively(path, milliseconds: milliseconds, waiting: waiting)
        }
    }

    /// Runs the body with the calling thread in this namespace, then returns to the previous one.
    ///
    /// - Precondition: the process has one thread, because a namespace belongs to a thread, not to a process.
    public func run<Value: ~Copyable>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
        let home = try NetworkNamespace.current()
        try enter()
        let value: Value
        do throws(Failure) { value = try body() } catch {
            try? home.enter()
            throw error
        }
        try home.enter()
        return value
    }

    /// A routing socket opened in this namespace; it can be used from outside.
    public func netlinkSocket(linkNotifications: Bool = false) throws(Failure) -> NetlinkSocket {
        try run { () throws(Failure) in try NetlinkSocket(linkNotifications: linkNotifications) }
    }

    /// Moves the calling thread into this namespace for good.
    public func enter() throws(Failure) {
        try attempting("enter network namespace \(path)") { () throws(Errno) in
            guard let standIn = KernelStandIn.current else { return try setNamespace() }
            try standIn.enterNamespace(path) { () throws(Errno) in try setNamespace() }
        }
    }

    private func setNamespace() throws(Errno) {
        guard ck_setns(descriptor, ck_clone_newnet) == 0 else { throw .last }
    }

    /// Moves the calling thread into a new namespace for good.
    public static func enterNew() throws(Failure) {
        try attempting("make a network namespace") { () throws(Errno) in
            guard ck_unshare(ck_clone_newnet) == 0 else { throw .last }
        }
    }
}
