internal import CNI
internal import Posix

/// The daemon's side of one connection, without I/O: octets in, calls out, answers back to octets.
struct ServerConversation: Sendable {
    /// One call; its answer returns its number.
    struct Call: Sendable {
        let method: String
        let number: UInt64
        let arguments: CallArguments
    }

    private var received: [UInt8] = []
    private var isGreeted = false
    private var header: GobValue?
    private var decoder = GobDecoder()
    private var encoder = GobEncoder()

    /// Whether something has begun and is not complete yet.
    var isMidway: Bool { !isGreeted || header != nil || !received.isEmpty }

    /// - Returns: the calls that are now complete, and what to send before any answer.
    mutating func receive(_ octets: [UInt8]) throws(Failure) -> (calls: [Call], output: [UInt8]) {
        received += octets
        var output: [UInt8] = []
        if !isGreeted {
            guard let line = try RPC.takeGreeting(&received) else { return ([], []) }
            guard line.hasPrefix("CONNECT /_goRPC_ HTTP/") else {
                throw Failure(.decodingFailure, "a greeting of another protocol")
            }
            isGreeted = true
            output = RPC.welcome
        }
        var calls: [Call] = []
        while let value = try decoder.next(&received, limit: RPC.maximumMessage) {
            guard let header else {
                header = value
                continue
            }
            calls.append(
                Call(
                    method: header["ServiceMethod"]?.text ?? "", number: header["Seq"]?.number ?? 0,
                    arguments: CallArguments(value)))
            self.header = nil
        }
        return (calls, output)
    }

    /// - Parameter result: nil for calls without one.
    mutating func answer(_ call: Call, _ result: CNIResult?) -> [UInt8] {
        respond(call, error: "")
            + (result.map { encoder.encode($0.gob, as: RPC.result) } ?? encoder.encode(.structure([:]), as: RPC.empty))
    }

    mutating func refuse(_ call: Call, because error: String) -> [UInt8] {
        respond(call, error: error) + encoder.encode(.structure([:]), as: RPC.empty)
    }

    private mutating func respond(_ call: Call, error: String) -> [UInt8] {
        encoder.encode(
            .fields(["ServiceMethod": .text(call.method), "Seq": .uint(call.number), "Error": .text(error)]),
            as: RPC.response)
    }
}
