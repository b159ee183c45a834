/// The handshake before the first message: SASL with the mechanism EXTERNAL, in which the bus asks the kernel for our identity.
enum Handshake {
    /// Longer than any line that a bus should send.
    static let lineLimit = 1024

    /// The first octets on a connection: a NUL, and the user ID's decimal digits in hexadecimal.
    static func request(user: UInt32) -> [UInt8] {
        var octets: [UInt8] = [0]
        octets += "AUTH EXTERNAL ".utf8
        for digit in String(user).utf8 { octets += String(digit, radix: 16).utf8 }
        octets += "\r\n".utf8
        return octets
    }

    /// Ends the handshake; messages follow.
    static let begin = Array("BEGIN\r\n".utf8)

    /// Removes the first line from the received octets and returns it without its end.
    ///
    /// - Returns: nil if no complete line has arrived yet.
    static func takeLine(_ received: inout [UInt8]) throws(BusError) -> [UInt8]? {
        let carriageReturn = UInt8(ascii: "\r")
        let lineFeed = UInt8(ascii: "\n")
        guard let end = received.prefix(lineLimit).firstIndex(of: lineFeed) else {
            guard received.count < lineLimit else { throw .malformed("a line of the handshake without an end") }
            return nil
        }
        guard end > 0, received[end - 1] == carriageReturn else {
            throw .malformed("a line of the handshake that does not end with CR LF")
        }
        let line = Array(received[..<(end - 1)])
        received.removeFirst(end + 1)
        return line
    }

    /// Reads the bus's answer to the request.
    ///
    /// - Throws: if the bus rejects us.
    static func check(answer line: [UInt8]) throws(BusError) {
        guard let text = String(validating: line, as: UTF8.self) else {
            throw .malformed("a line of the handshake that is not text")
        }
        switch text.split(separator: " ").first {
        case "OK": return
        case "REJECTED", "ERROR": throw .rejected(text)
        default: throw .malformed("\(text.debugDescription) in the handshake")
        }
    }
}
