public import CNI
internal import Posix

/// The plugin's side of a call to the daemon.
public struct DaemonClient: Sendable {
    /// Where the reference's daemon listens, and ours by default.
    public static let defaultSocket = "/run/cni/dhcp.sock"

    /// Why there is no answer.
    public enum Problem: Error, Sendable {
        /// No process listens there.
        case absent(String)
        /// The daemon's error text.
        case refused(String)
        /// The daemon does not have this method.
        case unknownMethod
        /// The daemon has not answered in time, or its answer is invalid.
        case broken(String)
    }

    private let path: String

    public init(socket path: String) { self.path = path }

    /// A new lease, or the attachment's existing one. The daemon limits the time; the reference's may take minutes.
    public func allocate(_ arguments: CallArguments) throws(Problem) -> CNIResult {
        try call(.allocate, arguments, seconds: 600)
    }

    public func release(_ arguments: CallArguments) throws(Problem) { try call(.release, arguments) }

    /// The current state of the attachment's lease.
    public func check(_ arguments: CallArguments) throws(Problem) -> CNIResult { try call(.check, arguments) }

    public func collectGarbage(_ arguments: CallArguments) throws(Problem) { try call(.collectGarbage, arguments) }

    public func status() throws(Problem) { try call(.status, CallArguments()) }

    @discardableResult
    private func call(
        _ method: RPC.Method, _ arguments: CallArguments, seconds: Int = 30
    ) throws(Problem) -> CNIResult {
        var connection = try ClientConnection(path, deadline: MonotonicClock.milliseconds + seconds * 1000)
        return try connection.call(method, arguments)
    }
}

private struct ClientConnection: ~Copyable {
    private let socket: FileDescriptor
    private let deadline: Int
    private var received: [UInt8] = []
    private var decoder = GobDecoder()

    init(_ path: String, deadline: Int) throws(DaemonClient.Problem) {
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
    ) throws(DaemonClient.Problem) -> CNIResult {
        let answer: Answer
        do throws(Failure) { answer = try ask(method, arguments) } catch { throw .broken("\(error)") }
        switch answer {
        case .result(let result): return result
        case .refusal(let words): throw words.hasPrefix("rpc: can't find") ? .unknownMethod : .refused(words)
        }
    }

    private enum Answer {
        case result(CNIResult)
        case refusal(String)
    }

    private mutating func ask(_ method: RPC.Method, _ arguments: CallArguments) throws(Failure) -> Answer {
        try send(RPC.greeting)
        var line = try RPC.takeGreeting(&received)
        while line == nil {
            try receive()
            line = try RPC.takeGreeting(&received)
        }
        guard let line, line.hasSuffix("200 Connected to Go RPC") else {
            throw Failure(.decodingFailure, "\"\(line ?? "")\" for a welcome")
        }
        var encoder = GobEncoder()
        try send(
            encoder.encode(.fields(["ServiceMethod": .text(method.rawValue), "Seq": .uint(0)]), as: RPC.request)
                + encoder.encode(arguments.gob, as: RPC.arguments))
        let header = try next()
        let error = header["Error"]?.text ?? ""
        guard error.isEmpty else { return .refusal(error) }
        let value = try next()
        return .result(method.hasResult ? try CNIResult(value) : CNIResult())
    }

    private mutating func next() throws(Failure) -> GobValue {
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

    private func send(_ octets: [UInt8]) throws(Failure) {
        do throws(Errno) {
            var rest = octets[...]
            while !rest.isEmpty {
                try wait(for: .writing)
                do throws(Errno) { rest = rest.dropFirst(try socket.send(rest)) } catch .tryAgain { continue }
            }
        } catch { throw Failure("write to it", error) }
    }

    private mutating func receive() throws(Failure) {
        do throws(Errno) {
            var chunk: [UInt8]?
            while chunk == nil {
                try wait(for: .reading)
                do throws(Errno) { chunk = try socket.receive(atMost: 65536) } catch .tryAgain { continue }
            }
            guard let chunk, !chunk.isEmpty else { throw .connectionReset }
            received += chunk
        } catch { throw Failure("read from it", error) }
    }
}
