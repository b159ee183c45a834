public import CNI
internal import Posix

/// The plugin's side: one call of the daemon.
public struct DaemonClient: Sendable {
    /// Where the reference's daemon listens, and ours.
    public static let defaultSocket = "/run/cni/dhcp.sock"

    /// Why there is no answer.
    public enum Failure: Error, Sendable {
        /// Nobody listens there.
        case absent(String)
        /// The daemon's own words.
        case refused(String)
        /// It does not have this method.
        case unknownMethod
        /// It has not answered in time, or not sensibly.
        case broken(String)
    }

    private let path: String

    public init(socket path: String) { self.path = path }

    /// A new lease, or the one that the attachment has. The daemon limits the time; the reference's may take minutes.
    public func allocate(_ arguments: CallArguments) throws(Failure) -> CNIResult {
        try call(.allocate, arguments, seconds: 600)
    }

    public func release(_ arguments: CallArguments) throws(Failure) { try call(.release, arguments) }

    /// What the attachment's lease says now.
    public func check(_ arguments: CallArguments) throws(Failure) -> CNIResult { try call(.check, arguments) }

    public func collectGarbage(_ arguments: CallArguments) throws(Failure) { try call(.collectGarbage, arguments) }

    public func status() throws(Failure) { try call(.status, CallArguments()) }

    @discardableResult
    private func call(
        _ method: RPC.Method, _ arguments: CallArguments, seconds: Int = 30
    ) throws(Failure) -> CNIResult {
        var connection = try ClientConnection(path, deadline: MonotonicClock.milliseconds + seconds * 1000)
        return try connection.call(method, arguments)
    }
}

private struct ClientConnection: ~Copyable {
    private let socket: FileDescriptor
    private let deadline: Int
    private var received: [UInt8] = []
    private var decoder = GobDecoder()

    init(_ path: String, deadline: Int) throws(DaemonClient.Failure) {
        do throws(Errno) {
            let socket = try FileDescriptor.unixStreamSocket()
            try socket.setSendTimeout(milliseconds: 10_000)
            try socket.connect(to: .path(path))
            self.socket = socket
        } catch { throw .absent("\(error)") }
        self.deadline = deadline
    }

    mutating func call(
        _ method: RPC.Method, _ arguments: CallArguments
    ) throws(DaemonClient.Failure) -> CNIResult {
        do {
            try send(RPC.greeting)
            var line = try RPC.takeGreeting(&received)
            while line == nil {
                try receive()
                line = try RPC.takeGreeting(&received)
            }
            guard line?.hasSuffix("200 Connected to Go RPC") == true else {
                throw GobError("\(line.debugDescription) for a welcome")
            }
            var encoder = GobEncoder()
            try send(
                encoder.encode(.fields(["ServiceMethod": .text(method.rawValue), "Seq": .uint(0)]), as: RPC.request)
                    + encoder.encode(arguments.gob, as: RPC.arguments))
            let header = try next()
            let error = header["Error"]?.text ?? ""
            guard error.isEmpty else {
                let isUnknown = error.hasPrefix("rpc: can't find")
                throw isUnknown ? DaemonClient.Failure.unknownMethod : .refused(error)
            }
            let value = try next()
            return method.hasResult ? try CNIResult(value) : CNIResult()
        } catch let error as DaemonClient.Failure { throw error } catch { throw .broken("\(error)") }
    }

    private mutating func next() throws -> GobValue {
        while true {
            if let value = try decoder.next(&received, limit: RPC.maximumMessage) { return value }
            try receive()
        }
    }

    private func wait(for readiness: FileDescriptor.Readiness) throws(Errno) {
        let left = deadline - MonotonicClock.milliseconds
        guard left > 0 else { throw .timedOut }
        try socket.wait(for: readiness, milliseconds: Int32(clamping: left))
    }

    private func send(_ octets: [UInt8]) throws(Errno) {
        var rest = octets[...]
        while !rest.isEmpty {
            try wait(for: .writing)
            do throws(Errno) { rest = rest.dropFirst(try socket.send(rest)) } catch .tryAgain { continue }
        }
    }

    private mutating func receive() throws(Errno) {
        while true {
            try wait(for: .reading)
            do throws(Errno) {
                let chunk = try socket.receive(atMost: 65536)
                guard !chunk.isEmpty else { throw .connectionReset }
                received += chunk
                return
            } catch .tryAgain { continue }
        }
    }
}
