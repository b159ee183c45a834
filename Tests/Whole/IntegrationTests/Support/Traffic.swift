import Foundation
import Testing

extension Namespace {
    /// Sends one echo request and waits for the answer.
    func ping(_ address: String) throws {
        try exec("ping", "-n", "-q", "-c", "1", "-W", "5", address)
    }

    func cannotPing(_ address: String) -> Bool {
        (try? exec("ping", "-n", "-q", "-c", "2", "-i", "0.2", "-W", "1", address)) == nil
    }

    /// A socket that belongs to this namespace, whoever uses it.
    func socket(_ family: Int32, _ type: Int32, _ protocol: Int32 = 0) throws -> Int32 {
        try inside {
            let descriptor = Glibc.socket(family, type | Int32(SOCK_CLOEXEC.rawValue), `protocol`)
            guard descriptor >= 0 else { throw CommandError.system("socket") }
            var limit = timeval(tv_sec: 10, tv_usec: 0)
            for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
                setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
            }
            return descriptor
        }
    }

    /// Fetches a text from a server in another namespace, or this one, over TCP; returns what arrived and from whom.
    func fetch(from server: some Namespace, at address: String) throws -> (text: String, client: String) {
        func check(_ result: Int32, _ what: String) throws {
            guard result >= 0 else { throw CommandError(description: "\(what): \(String(cString: strerror(errno)))") }
        }
        let family = address.contains(":") ? AF_INET6 : AF_INET
        let listener = try server.socket(family, Int32(SOCK_STREAM.rawValue))
        defer { close(listener) }
        try withSocketAddress(address, 0) { try check(bind(listener, $0, $1), "bind \(address)") }
        try check(listen(listener, 1), "listen")
        let client = try socket(family, Int32(SOCK_STREAM.rawValue))
        defer { close(client) }
        let port = try boundPort(listener)
        // The kernel accepts for the listener, so that nothing here has to run side by side.
        try withSocketAddress(address, port) {
            try check(connect(client, $0, $1), "connect to \(address) port \(port)")
        }
        var peer = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let connection = withUnsafeMutablePointer(to: &peer) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { accept(listener, $0, &size) }
        }
        try check(connection, "accept")
        defer { close(connection) }
        let page = "served at \(address)"
        try check(Int32(write(connection, page, page.utf8.count)), "write")
        shutdown(connection, Int32(SHUT_WR))
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = read(client, &buffer, buffer.count)
        try check(Int32(count), "read")
        return (String(decoding: buffer[..<count], as: UTF8.self), try numericHost(&peer, size))
    }
}

/// Calls with the socket address of a numeric address.
func withSocketAddress<Value>(
    _ address: String, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) throws -> Value
) throws -> Value {
    var hints = addrinfo()
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(address, "\(port)", &hints, &list) == 0, let first = list else {
        throw CommandError(description: "\(address) is no address")
    }
    defer { freeaddrinfo(list) }
    return try body(first.pointee.ai_addr, first.pointee.ai_addrlen)
}

private func boundPort(_ descriptor: Int32) throws -> UInt16 {
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutablePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    guard result == 0 else { throw CommandError.system("getsockname") }
    return port(of: &storage)
}

/// Both families have it at the same place.
func port(of storage: inout sockaddr_storage) -> UInt16 {
    withUnsafePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { UInt16(bigEndian: $0.pointee.sin_port) }
    }
}

func numericHost(_ storage: inout sockaddr_storage, _ size: socklen_t) throws -> String {
    var text = [CChar](repeating: 0, count: 64)
    let result = withUnsafePointer(to: &storage) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            getnameinfo($0, size, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
        }
    }
    guard result == 0 else { throw CommandError(description: "getnameinfo failed") }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Both reach each other, by echo and by TCP, each seen under its own address: no NAT between them.
func expectConnected(
    _ a: some Namespace, _ addressOfA: String, _ b: some Namespace, _ addressOfB: String,
    sourceLocation: SourceLocation = #_sourceLocation
) throws {
    try a.ping(addressOfB)
    try b.ping(addressOfA)
    let fetched = try a.fetch(from: b, at: addressOfB)
    #expect(fetched.text == "served at \(addressOfB)", sourceLocation: sourceLocation)
    #expect(fetched.client == addressOfA, sourceLocation: sourceLocation)
    let back = try b.fetch(from: a, at: addressOfA)
    #expect(back.client == addressOfB, sourceLocation: sourceLocation)
}
