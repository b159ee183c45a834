import Foundation

/// What should have been there.
struct Absent: Error {}

/// `#require`, which takes nothing that cannot be copied.
func present<Value: ~Copyable>(_ value: consuming Value?) throws -> Value {
    guard let value else { throw Absent() }
    return value
}

/// Makes messages as a bus might, or as none should. Written apart from the code under test, after the specification.
struct Outgoing {
    enum Value {
        case string(String)
        case octets([UInt8])
        case number(UInt32)
        case signature(String)
    }

    var isBigEndian = false
    var type: UInt8 = 2
    var version: UInt8 = 1
    var serial: UInt32 = 77
    /// Code, signature and value of each header field.
    var fields: [(code: UInt8, signature: String, value: Value)] = []
    var body: [Value] = []

    /// An answer to a call, with its body.
    init(answering serial: UInt32, from sender: String = "org.freedesktop.DBus", _ signature: String, _ body: Value...)
    {
        fields = [
            (5, "u", .number(serial)), (7, "s", .string(sender)), (8, "g", .signature(signature)),
        ]
        self.body = body
    }

    private func append(_ number: UInt32, to octets: inout [UInt8]) {
        while octets.count % 4 != 0 { octets.append(0) }
        withUnsafeBytes(of: isBigEndian ? number.bigEndian : number.littleEndian) { octets += $0 }
    }

    private func append(_ value: Value, to octets: inout [UInt8]) {
        switch value {
        case .octets(let raw): octets += raw
        case .number(let number): append(number, to: &octets)
        case .signature(let text): octets += [UInt8(text.utf8.count)] + Array(text.utf8) + [0]
        case .string(let text):
            append(UInt32(text.utf8.count), to: &octets)
            octets += Array(text.utf8) + [0]
        }
    }

    var octets: [UInt8] {
        var body: [UInt8] = []
        for value in self.body { append(value, to: &body) }
        var header: [UInt8] = []
        for field in fields {
            while header.count % 8 != 0 { header.append(0) }
            header.append(field.code)
            append(.signature(field.signature), to: &header)
            append(field.value, to: &header)
        }
        var message: [UInt8] = [isBigEndian ? 0x42 : 0x6c, type, 0, version]
        append(UInt32(body.count), to: &message)
        append(serial, to: &message)
        append(UInt32(header.count), to: &message)
        message += header
        while message.count % 8 != 0 { message.append(0) }
        return message + body
    }
}

/// Something that listens where a bus would, and does what a test says to the first who connects.
final class FakeBus: @unchecked Sendable {
    let path: String
    private let listener: Int32
    private let done = DispatchSemaphore(value: 0)

    /// - Parameter backlog: how many may wait for being accepted.
    init(backlog: Int32 = 4, _ conversation: (@Sendable (Peer) -> Void)? = nil) throws {
        path = NSTemporaryDirectory() + "swt-\(getpid())-\(UInt32.random(in: 0 ... .max)).bus"
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        self.listener = listener
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, listen(listener, backlog) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        guard let conversation else {
            done.signal()
            return
        }
        let done = done
        Thread {
            let connection = accept(listener, nil, nil)
            conversation(Peer(connection))
            // The end for the client, even if a child that another test is just starting holds it open.
            shutdown(connection, Int32(SHUT_RDWR))
            close(connection)
            done.signal()
        }.start()
    }

    var address: String { "unix:path=\(path)" }

    /// Stops listening; the file stays, as it does when a bus is killed.
    func stopListening() { shutdown(listener, Int32(SHUT_RDWR)) }

    deinit {
        // Ends an accept that nobody has come to.
        stopListening()
        done.wait()
        close(listener)
        unlink(path)
    }
}

/// The client, as a bus sees it.
struct Peer: Sendable {
    private let connection: Int32

    init(_ connection: Int32) { self.connection = connection }

    /// What has come, or the end (empty).
    func receive() -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = recv(connection, &buffer, buffer.count, 0)
        return Array(buffer[..<max(0, count)])
    }

    /// False when the client is gone.
    @discardableResult
    func send(_ octets: [UInt8]) -> Bool {
        Glibc.send(connection, octets, octets.count, Int32(MSG_NOSIGNAL)) == octets.count
    }

    /// Waits until the client has taken all that was sent, or is gone.
    func awaitReading() {
        var unread: Int32 = 0
        // SIOCOUTQ, linux/sockios.h: as much as the kernel holds of it.
        while ioctl(connection, 0x5411, &unread) == 0, unread > 0, !isOver { sched_yield() }
    }

    private var isOver: Bool {
        var state = pollfd(fd: connection, events: 0, revents: 0)
        return poll(&state, 1, 0) > 0
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    /// Lets the client in, up to its Hello.
    func shakeHands() {
        _ = receive()
        send("OK 0123456789abcdef0123456789abcdef\r\n")
        // BEGIN, and Hello behind it, all at once or not: 7 octets and 128.
        var count = 0
        while count < 135 {
            let more = receive()
            if more.isEmpty { return }
            count += more.count
        }
    }

    /// Lets the client in, and tells it its name.
    func welcome() {
        shakeHands()
        send(Outgoing(answering: 1, "s", .string(":1.1")).octets)
    }

    /// Waits until the client is gone.
    func awaitEnd() { while !receive().isEmpty {} }
}
