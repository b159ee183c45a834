internal import CNI
internal import Posix

/// One connection to the daemon. It never waits: output that cannot be sent now is kept.
final class DaemonConnection {
    private let socket: FileDescriptor
    private var conversation = ServerConversation()
    private var output: [UInt8] = []
    /// Calls that are not answered yet.
    private var pending = 0
    private(set) var isClosed = false
    /// The time in milliseconds by which the client must have sent or received something.
    private var patience: Int

    /// The longest time for a client to send a request or receive an answer; milliseconds.
    private static let longestPause = 10_000
    private static let maximumPending = 16

    init(_ socket: consuming FileDescriptor, at now: Int) {
        self.socket = socket
        patience = now + DaemonConnection.longestPause
    }

    var descriptor: Int32 { socket.rawValue }
    var wantsToSend: Bool { !output.isEmpty }
    /// No deadline while one of its calls is being processed.
    var deadline: Int { pending > 0 && output.isEmpty ? .max : patience }

    func receive(at now: Int) -> [ServerConversation.Call] {
        let chunk: [UInt8]
        do throws(Errno) { chunk = try socket.receive(atMost: 65536) } catch {
            if error != .tryAgain { close(because: "\(error)") }
            return []
        }
        guard !chunk.isEmpty else {
            isClosed = true
            return []
        }
        do throws(Failure) {
            let (calls, answer) = try conversation.receive(chunk)
            patience = now + DaemonConnection.longestPause
            pending += calls.count
            guard pending <= DaemonConnection.maximumPending else {
                throw Failure(.decodingFailure, "too many calls at once")
            }
            send(answer)
            return calls
        } catch {
            close(because: "\(error)")
            return []
        }
    }

    private func close(because reason: String) {
        Daemon.log("connection closed: \(reason)")
        isClosed = true
    }

    func answer(_ call: ServerConversation.Call, _ result: CNIResult? = nil) {
        pending -= 1
        send(conversation.answer(call, result))
    }

    func refuse(_ call: ServerConversation.Call, because error: String) {
        pending -= 1
        send(conversation.refuse(call, because: error))
    }

    private func send(_ octets: [UInt8]) {
        output += octets
        flush()
    }

    func flush() {
        guard !output.isEmpty, !isClosed else { return }
        do throws(Errno) { output.removeFirst(try socket.send(output[...])) } catch {
            if error != .tryAgain { isClosed = true }
        }
    }
}
