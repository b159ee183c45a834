import ContainerRuntime
import Foundation

/// TCP connections between namespaces.
enum Dial {
    private static let patience: Int32 = 3000

    /// Connects from `client` to `address` and `port`, which must lead to a listener in `server` on `listeningPort`.
    ///
    /// - Returns: the source address that the listener sees.
    static func connect(
        _ machine: Machine, from client: String, to address: String, _ port: UInt16, listening server: String,
        on listeningPort: UInt16
    ) throws -> String {
        let listener = try machine.inside(server) { try listen(listeningPort) }
        defer { close(listener) }
        let connection = try machine.inside(client) { try TCPSocket() }
        defer { close(connection.descriptor) }
        let failure = connection.connect(address, port)
        guard failure == 0 else {
            throw VerificationError("TCP to \(address):\(port): \(String(cString: strerror(failure)))")
        }

        var polled = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        guard poll(&polled, 1, patience) > 0 else {
            throw VerificationError("TCP to \(address):\(port) leads to somebody else than the pod")
        }
        var peer = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let accepted = withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { accept(listener, $0, &length) }
        }
        try require(accepted >= 0, "accept a connection")
        defer { close(accepted) }
        try exchange(connection.descriptor, accepted)
        try exchange(accepted, connection.descriptor)
        var text = [CChar](repeating: 0, count: Int(INET_ADDRSTRLEN))
        inet_ntop(AF_INET, &peer.sin_addr, &text, socklen_t(text.count))
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Throws unless the port is closed: nothing listens on it or is mapped to it.
    static func isRefused(_ machine: Machine, from client: String, by address: String, _ port: UInt16) throws {
        let connection = try machine.inside(client) { try TCPSocket() }
        defer { close(connection.descriptor) }
        let failure = connection.connect(address, port)
        guard failure == ECONNREFUSED else {
            let what = failure == 0 ? "is answered" : String(cString: strerror(failure))
            throw VerificationError("TCP to \(address):\(port) should be refused after DEL: \(what)")
        }
    }

    private static func listen(_ port: UInt16) throws -> Int32 {
        let socket = try TCPSocket()
        var one: Int32 = 1
        setsockopt(socket.descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        let bound = withAddress("0.0.0.0", port) { bind(socket.descriptor, $0, $1) }
        if bound != 0 || Glibc.listen(socket.descriptor, 1) != 0 {
            close(socket.descriptor)
            throw RuntimeError.system("listen on port \(port)", errno)
        }
        return socket.descriptor
    }

    private static func exchange(_ from: Int32, _ to: Int32) throws {
        var octet: UInt8 = 42
        try require(send(from, &octet, 1, Int32(MSG_NOSIGNAL)) == 1, "send an octet")
        var polled = pollfd(fd: to, events: Int16(POLLIN), revents: 0)
        guard poll(&polled, 1, patience) > 0, recv(to, &octet, 1, 0) == 1, octet == 42 else {
            throw VerificationError("a connection carries no data")
        }
    }

    /// Belongs to the network namespace of the thread that creates it, wherever it is used.
    private struct TCPSocket {
        let descriptor: Int32

        init() throws {
            descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            try require(descriptor >= 0, "open a TCP socket")
            var limit = timeval(tv_sec: Int(patience / 1000), tv_usec: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        }

        /// Returns 0 or errno.
        func connect(_ address: String, _ port: UInt16) -> Int32 {
            withAddress(address, port) { Glibc.connect(descriptor, $0, $1) } == 0 ? 0 : errno
        }
    }

    private static func withAddress<T>(
        _ address: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> T
    ) -> T {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        inet_pton(AF_INET, address, &name.sin_addr)
        return withUnsafePointer(to: name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
