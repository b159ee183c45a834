import CBench
import Foundation

enum Family: String, Sendable, CaseIterable {
    case v4 = "IPv4"
    case v6 = "IPv6"

    init(of address: String) { self = address.contains(":") ? .v6 : .v4 }

    var number: Int32 { self == .v4 ? AF_INET : AF_INET6 }
    /// The address that stands for every one.
    var any: String { self == .v4 ? "0.0.0.0" : "::" }
}

enum Transport: String, Sendable, CaseIterable {
    case tcp
    case udp
    case sctp

    var type: Int32 { Int32((self == .udp ? SOCK_DGRAM : SOCK_STREAM).rawValue) }

    var number: Int32 {
        switch self {
        case .tcp: Int32(IPPROTO_TCP)
        case .udp: Int32(IPPROTO_UDP)
        case .sctp: Int32(IPPROTO_SCTP)
        }
    }
}

/// Nobody answered: refused, no way there, or nothing came in time.
struct NoAnswer: Error, CustomStringConvertible {
    let description: String
}

/// What a server told its client: its own name, and whom it saw.
struct Answer: Equatable, Sendable, CustomStringConvertible {
    let server: String
    let client: String
    let port: UInt16

    var description: String { "\(server) \(client) \(port)" }

    init(_ text: String) throws {
        let words = text.split(separator: " ")
        guard words.count == 3, let port = UInt16(words[2]) else {
            throw CommandError(description: "not an answer of a Responder: \(text)")
        }
        (server, client, self.port) = (String(words[0]), String(words[1]), port)
    }
}

extension Namespace {
    /// Runs the body in a thread that is in this namespace. Sockets made there stay of this namespace.
    func inside<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let path = path
        return try inThread {
            let namespace = open(path, O_RDONLY | O_CLOEXEC)
            defer { close(namespace) }
            guard namespace >= 0, cbench_setns_net(namespace) == 0 else { throw CommandError.system("enter \(path)") }
            return try body()
        }
    }

    /// Asks a ``Responder`` who it is and whom it sees.
    ///
    /// - Parameter source: the address and port to ask from; nil leaves both to the kernel.
    /// - Parameter patience: how long the connection, and then the answer, may take.
    func ask(
        _ address: String, _ port: UInt16, _ transport: Transport = .tcp, from source: (String, UInt16)? = nil,
        within patience: Duration = .seconds(5)
    ) throws -> Answer {
        let client = try Socket(in: self, Family(of: address), transport)
        client.wait(atMost: patience)
        if let source { try client.bind(source.0, source.1) }
        try client.connect(address, port)
        if transport == .udp { try client.send("?") }
        return try Answer(client.receive())
    }
}

/// One flow of datagrams: a client that keeps its port.
final class DatagramFlow: Sendable {
    private let client: Socket

    init(from namespace: some Namespace, port: UInt16, to address: String, _ target: UInt16) throws {
        client = try Socket(in: namespace, Family(of: address), .udp)
        client.wait(atMost: .seconds(3))
        try client.bind(Family(of: address).any, port)
        try client.connect(address, target)
    }

    /// Sends exactly one packet and waits for its answer.
    func ask() throws -> Answer {
        try client.send("?")
        return try Answer(client.receive())
    }
}

/// A socket that closes itself.
final class Socket: Sendable {
    let descriptor: Int32

    /// In a namespace, whoever uses it afterwards.
    convenience init(in namespace: some Namespace, _ family: Family, _ transport: Transport) throws {
        let descriptor = try namespace.inside {
            let descriptor = socket(family.number, transport.type | Int32(SOCK_CLOEXEC.rawValue), transport.number)
            guard descriptor >= 0 else { throw CommandError.system("\(transport) socket") }
            return descriptor
        }
        try self.init(taking: descriptor)
        let IPV6_V6ONLY: Int32 = 26
        try set(SOL_SOCKET, SO_REUSEADDR, 1)
        if family == .v6 { try set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
    }

    init(taking descriptor: Int32) throws {
        guard descriptor >= 0 else { throw CommandError.system("socket") }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// From now on it waits so long for its peer, and not longer.
    func wait(atMost patience: Duration) {
        let parts = patience.components
        var limit = timeval(tv_sec: Int(parts.seconds), tv_usec: Int(parts.attoseconds / 1_000_000_000_000))
        for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    func set(_ level: Int32, _ option: Int32, _ value: Int32) throws {
        var value = value
        guard setsockopt(descriptor, level, option, &value, 4) == 0 else {
            throw CommandError.system("socket option \(option)")
        }
    }

    func bind(_ address: String, _ port: UInt16) throws {
        try withSocketAddress(address, port) {
            guard Glibc.bind(descriptor, $0, $1) == 0 else { throw CommandError.system("bind \(address) port \(port)") }
        }
    }

    func connect(_ address: String, _ port: UInt16) throws {
        try withSocketAddress(address, port) {
            guard Glibc.connect(descriptor, $0, $1) == 0 else { throw NoAnswer.system("connect") }
        }
    }

    func send(_ text: String) throws {
        guard Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL)) >= 0 else {
            throw NoAnswer.system("send")
        }
    }

    func receive() throws -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count >= 0 else { throw NoAnswer.system("receive") }
        guard count > 0 else { throw NoAnswer(description: "closed without an answer") }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}

extension CommandError {
    /// With the reason of the last system call.
    static func system(_ what: String) -> CommandError {
        CommandError(description: "\(what): \(String(cString: strerror(errno)))")
    }
}

extension NoAnswer {
    fileprivate static func system(_ what: String) -> NoAnswer {
        NoAnswer(description: "\(what): \(String(cString: strerror(errno)))")
    }
}
