internal import CKernel

/// Where a unix socket listens (unix(7)).
public enum UnixSocketAddress: Sendable, Hashable, CustomStringConvertible {
    /// A file.
    case path(String)
    /// A name in the network namespace, without a file.
    case abstract(String)

    public var description: String {
        switch self {
        case .path(let path): path
        case .abstract(let name): "@\(name)"
        }
    }

    /// The octets of sun_path; a path includes its NUL.
    fileprivate var octets: [UInt8] {
        switch self {
        case .path(let path): Array(path.utf8) + [0]
        case .abstract(let name): [0] + Array(name.utf8)
        }
    }
}

extension FileDescriptor {
    /// What poll(2) waits for.
    public enum Readiness: Sendable {
        case reading, writing

        var events: Int16 { Int16(self == .reading ? POLLIN : POLLOUT) }
    }

    /// socket(2): a unix stream socket, not connected yet.
    public static func unixStreamSocket() throws(Errno) -> FileDescriptor {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        return FileDescriptor(owning: try once { socket(AF_UNIX, type, 0) })
    }

    /// socket(2): a unix datagram socket, not connected yet.
    public static func unixDatagramSocket() throws(Errno) -> FileDescriptor {
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue)
        return FileDescriptor(owning: try once { socket(AF_UNIX, type, 0) })
    }

    /// setsockopt(2) with SO_SNDTIMEO, which also limits connect(2) to a listener with a full queue.
    public func setSendTimeout(milliseconds: Int) throws(Errno) {
        var time = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        try once {
            unsafe setsockopt(rawValue, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    /// bind(2) and listen(2). A file is created with mode 0600, for its owner only.
    ///
    /// - Throws: `EADDRINUSE` if the file exists already, even if no process listens there.
    public func listen(at address: UnixSocketAddress, queue: Int32 = 64) throws(Errno) {
        let before = umask(0o177)
        defer { umask(before) }
        try unsafe withAddress(address) { unsafe CKernel.bind(rawValue, $0, $1) }
        try once { CKernel.listen(rawValue, queue) }
    }

    /// accept4(2). The new one is close-on-exec.
    public func accept() throws(Errno) -> FileDescriptor {
        FileDescriptor(owning: try retrying { ck_accept(rawValue) })
    }

    /// connect(2).
    ///
    /// - Throws: `ENOENT` if the file does not exist, `ECONNREFUSED` if no process listens, `EAGAIN` after the send timeout,
    ///   `ENAMETOOLONG` above 107 octets, `EINVAL` for a path with a NUL in it.
    public func connect(to address: UnixSocketAddress) throws(Errno) {
        try unsafe withAddress(address) { unsafe CKernel.connect(rawValue, $0, $1) }
    }

    private func withAddress(
        _ address: UnixSocketAddress, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(Errno) {
        let octets = address.octets
        if case .path(let path) = address, path.utf8.contains(0) { throw .invalidArgument }
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        guard octets.count <= MemoryLayout.size(ofValue: target.sun_path) else { throw .nameTooLong }
        unsafe withUnsafeMutableBytes(of: &target.sun_path) { unsafe $0.copyBytes(from: octets) }
        // The length determines an abstract name, which may contain NULs.
        let length = socklen_t(MemoryLayout.size(ofValue: target.sun_family) + octets.count)
        try retrying {
            unsafe withUnsafePointer(to: target) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe call($0, length) }
            }
        }
    }

    /// send(2) of as much as there is room for, without waiting and without SIGPIPE.
    ///
    /// - Returns: how many octets were taken.
    /// - Throws: `EAGAIN` when there is no room, `EPIPE` when the other end is closed.
    public func send(_ content: ArraySlice<UInt8>) throws(Errno) -> Int {
        let flags = Int32(MSG_NOSIGNAL | MSG_DONTWAIT)
        return try retrying {
            unsafe content.withUnsafeBytes { unsafe CKernel.send(rawValue, $0.baseAddress, $0.count, flags) }
        }
    }

    /// recv(2) of what has arrived, without waiting. Ignores passed descriptors.
    ///
    /// - Returns: at most `count` octets; none when the other end is closed.
    /// - Throws: `EAGAIN` when nothing is there.
    public func receive(atMost count: Int) throws(Errno) -> [UInt8] {
        var failure: Errno?
        let chunk = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            do throws(Errno) {
                filled = try retrying {
                    unsafe recv(rawValue, buffer.baseAddress, count, Int32(MSG_DONTWAIT))
                }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return chunk
    }

    /// poll(2) once. A signal ends it early: the caller must check the time and call again.
    public func wait(for readiness: Readiness, milliseconds: Int32) throws(Errno) {
        var waiting = pollfd(fd: rawValue, events: readiness.events, revents: 0)
        guard unsafe poll(&waiting, 1, milliseconds) >= 0 || errno == EINTR else { throw .last }
    }
}
