internal import Posix

/// A short conversation with a message bus (D-Bus Specification 0.42): a few consecutive calls.
///
/// Everything received is checked before use. Signals and calls from others are ignored.
public struct BusConnection: ~Copyable {
    /// The standard address of the system bus on Linux.
    public static let systemBus = "unix:path=/run/dbus/system_bus_socket"

    /// The time limit of a whole conversation, in milliseconds.
    public static let defaultLimit = 5000

    private let socket: FileDescriptor
    private let limit: Int
    private let deadline: Int
    private var received: [UInt8] = []
    private var lastSerial: UInt32 = 0
    /// The name that the bus assigned to this connection, such as `:1.7`.
    public private(set) var uniqueName = ""

    /// Connects as this process's effective user.
    ///
    /// - Parameter address: in the format of the D-Bus Specification; of several, the first that has a listener.
    /// - Parameter milliseconds: the time limit of the whole conversation, from here to the last answer.
    /// - Returns: nil if there is no bus: the socket does not exist, or no process listens there.
    public static func open(
        _ address: String = systemBus, milliseconds: Int = defaultLimit
    ) throws(BusError) -> BusConnection? {
        let deadline = MonotonicClock.milliseconds + milliseconds
        for place in try BusAddress.parse(address) {
            guard let socket = try connect(to: place, deadline: deadline, limit: milliseconds) else { continue }
            var connection = BusConnection(socket, limit: milliseconds, deadline: deadline)
            try connection.introduce()
            return connection
        }
        return nil
    }

    /// - Returns: nil if no process listens there.
    private static func connect(
        to place: UnixSocketAddress, deadline: Int, limit: Int
    ) throws(BusError) -> FileDescriptor? {
        do throws(Errno) {
            let socket = try FileDescriptor.unixStreamSocket()
            // 0 would mean no limit.
            try socket.setSendTimeout(milliseconds: max(1, deadline - MonotonicClock.milliseconds))
            try socket.connect(to: place)
            return socket
        } catch {
            switch error {
            case .noSuchFile, .connectionRefused: return nil
            case .tryAgain: throw .timedOut(milliseconds: limit)
            default: throw .system(attempt: "connect to the bus at \(place)", error)
            }
        }
    }

    private init(_ socket: consuming FileDescriptor, limit: Int, deadline: Int) {
        self.socket = socket
        self.limit = limit
        self.deadline = deadline
    }

    /// Authenticates, then calls Hello.
    private mutating func introduce() throws(BusError) {
        try send(Handshake.request(user: ProcessEnvironment.effectiveUser))
        var line = try Handshake.takeLine(&received)
        while line == nil {
            try receive()
            line = try Handshake.takeLine(&received)
        }
        try Handshake.check(answer: line ?? [])
        try send(Handshake.begin)
        guard case .string(let name) = try callBus("Hello") else { throw .malformed("a hello without a name") }
        uniqueName = name
    }

    /// Calls a method of the bus itself.
    public mutating func callBus(_ member: String, _ arguments: String...) throws(BusError) -> Answer {
        try call(
            MethodCall(
                member, arguments, destination: BusConnection.busName, path: "/org/freedesktop/DBus",
                interface: BusConnection.busName))
    }

    private static let busName = "org.freedesktop.DBus"

    /// The connection that currently owns a name; nil if there is none. Does not start the service.
    public mutating func owner(of name: String) throws(BusError) -> String? {
        do throws(BusError) {
            guard case .string(let owner) = try callBus("GetNameOwner", name) else {
                throw .malformed("an owner without a name")
            }
            return owner
        } catch .refused(name: "org.freedesktop.DBus.Error.NameHasNoOwner", _) {
            return nil
        }
    }

    /// Calls a method and waits for its answer. Does not start a missing service.
    ///
    /// - Throws: `refused` if the method, or the bus in its place, answers with an error.
    public mutating func call(_ call: MethodCall) throws(BusError) -> Answer {
        lastSerial += 1
        try send(try call.encoded(serial: lastSerial))
        while true {
            let message = try nextMessage()
            guard message.replySerial == lastSerial, isFrom(call.destination, message) else { continue }
            switch message.type {
            case .methodReturn: return try message.answer()
            case .error: throw .refused(name: message.errorName ?? "", text: try message.errorText())
            default: continue
            }
        }
    }

    /// Whether a message may be the answer of that destination: either its own, or the bus's in its place.
    ///
    /// The bus guarantees the sender names. If a service was called by its well-known name, the sender's name differs.
    private func isFrom(_ destination: String, _ message: IncomingMessage) -> Bool {
        guard destination.hasPrefix(":") || destination == BusConnection.busName else { return true }
        return message.sender == destination || message.sender == BusConnection.busName
    }

    private mutating func nextMessage() throws(BusError) -> IncomingMessage {
        while true {
            if let size = try IncomingMessage.size(of: received), size <= received.count {
                let message = try IncomingMessage(Array(received[..<size]))
                received.removeFirst(size)
                return message
            }
            try receive()
        }
    }

    private func wait(for readiness: FileDescriptor.Readiness) throws(BusError) {
        let left = deadline - MonotonicClock.milliseconds
        guard left > 0 else { throw .timedOut(milliseconds: limit) }
        do throws(Errno) { try socket.wait(for: readiness, milliseconds: Int32(clamping: left)) } catch {
            throw .system(attempt: "wait for the bus", error)
        }
    }

    private func send(_ octets: [UInt8]) throws(BusError) {
        var rest = octets[...]
        while !rest.isEmpty {
            try wait(for: .writing)
            do throws(Errno) { rest = rest.dropFirst(try socket.send(rest)) } catch {
                switch error {
                case .tryAgain: continue
                case .brokenPipe, .connectionReset: throw .closed
                default: throw .system(attempt: "send to the bus", error)
                }
            }
        }
    }

    /// Waits for data and appends it to what was received.
    private mutating func receive() throws(BusError) {
        while true {
            try wait(for: .reading)
            do throws(Errno) {
                let chunk = try socket.receive(atMost: 4096)
                if !chunk.isEmpty {
                    received += chunk
                    return
                }
            } catch {
                switch error {
                case .tryAgain: continue
                case .connectionReset: throw .closed
                default: throw .system(attempt: "receive from the bus", error)
                }
            }
            throw .closed
        }
    }
}
