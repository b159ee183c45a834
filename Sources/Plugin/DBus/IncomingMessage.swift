/// The message types that matter to a caller; others are ignored.
enum MessageType: UInt8 { case methodCall = 1, methodReturn, error, signal }

/// Flags of a message's header.
enum MessageFlag {
    /// Asks the bus not to start a service: if firewalld is not running, it is not needed.
    static let noAutoStart: UInt8 = 2
}

/// The fields of a message's header.
enum HeaderField: UInt8 {
    case path = 1, interface, member, errorName, replySerial, destination, sender, signature, unixDescriptors
}

/// A method's answer.
public enum Answer: Sendable, Hashable {
    case nothing
    case boolean(Bool)
    case string(String)
}

/// A message received from the bus, as far as a caller needs it.
struct IncomingMessage: Sendable, Hashable {
    /// Nil for types unknown to the specification, which must be ignored.
    let type: MessageType?
    let errorName: String?
    let replySerial: UInt32?
    let sender: String?
    /// Types of the body's values; empty without a body.
    let signature: String
    private let message: [UInt8]
    private let bodyStart: Int

    static let protocolVersion: UInt8 = 1
    /// Length of the fixed part, including the length of the header fields.
    static let fixedSize = 16
    /// In octets. The longest expected answer is a name or an error's text.
    static let sizeLimit = 1 << 17

    /// The length of the message that begins with these octets.
    ///
    /// - Returns: nil if there are too few octets to tell.
    static func size(of received: [UInt8]) throws(BusError) -> Int? {
        guard received.count >= fixedSize else { return nil }
        let size = try Header(received).size
        guard size <= sizeLimit else { throw .messageTooLarge(size) }
        return size
    }

    /// Reads one complete message.
    init(_ message: [UInt8]) throws(BusError) {
        guard message.count >= IncomingMessage.fixedSize else { throw .malformed("it ends in its header") }
        let header = try Header(message)
        guard header.size == message.count else {
            throw .malformed("\(message.count) octets instead of \(header.size)")
        }
        guard header.type != 0, header.serial != 0 else { throw .malformed("type or serial is 0") }
        var fields = Fields()
        var reader = MessageReader(
            message, at: IncomingMessage.fixedSize, isBigEndian: header.isBigEndian, end: header.fieldsEnd)
        while !reader.isAtEnd { try fields.read(&reader) }
        guard message[header.fieldsEnd..<header.bodyStart].allSatisfy({ $0 == 0 }) else {
            throw .malformed("padding that is not zero")
        }
        type = MessageType(rawValue: header.type)
        errorName = fields.errorName
        replySerial = fields.replySerial
        sender = fields.sender
        signature = fields.signature ?? ""
        self.message = message
        bodyStart = header.bodyStart
        guard !signature.isEmpty || bodyStart == message.count else { throw .malformed("a body without a signature") }
        let isAnswer = type == .methodReturn || type == .error
        guard !isAnswer || replySerial != nil, type != .error || errorName != nil else {
            throw .malformed("an answer that does not say to what")
        }
    }

    private var body: MessageReader {
        MessageReader(message, at: bodyStart, isBigEndian: Header.isBigEndian(message), end: message.count)
    }

    /// The body of a method's return.
    ///
    /// - Throws: `malformed` unless it is empty, one boolean or one string.
    func answer() throws(BusError) -> Answer {
        var reader = body
        let answer: Answer
        switch signature {
        case "": answer = .nothing
        case "b": answer = .boolean(try reader.boolean())
        case "s": answer = .string(try reader.string())
        default: throw .malformed("an answer of type \(signature.debugDescription)")
        }
        guard reader.isAtEnd else { throw .malformed("an answer with more in it than its type says") }
        return answer
    }

    /// The text of an error: its first value if that is a string.
    func errorText() throws(BusError) -> String {
        guard signature.hasPrefix("s") else { return "" }
        var reader = body
        return try reader.string()
    }
}

/// The fixed part of a message.
private struct Header {
    let isBigEndian: Bool
    let type: UInt8
    let serial: UInt32
    let fieldsEnd: Int
    let bodyStart: Int
    let size: Int

    static func isBigEndian(_ message: [UInt8]) -> Bool { message.first == UInt8(ascii: "B") }

    /// - Precondition: the fixed part is complete.
    init(_ message: [UInt8]) throws(BusError) {
        isBigEndian = Header.isBigEndian(message)
        guard isBigEndian || message[0] == UInt8(ascii: "l") else { throw .malformed("an unknown byte order") }
        guard message[3] == IncomingMessage.protocolVersion else {
            throw .malformed("version \(message[3]) of the protocol")
        }
        type = message[1]
        var reader = MessageReader(message, at: 4, isBigEndian: isBigEndian, end: IncomingMessage.fixedSize)
        let bodySize = Int(try reader.uint32())
        serial = try reader.uint32()
        // The sum of three numbers of at most 32 bits cannot overflow.
        fieldsEnd = IncomingMessage.fixedSize + Int(try reader.uint32())
        bodyStart = (fieldsEnd + 7) & ~7
        size = bodyStart + bodySize
    }
}

/// The header fields that a caller needs.
private struct Fields {
    var errorName: String?
    var replySerial: UInt32?
    var sender: String?
    var signature: String?

    mutating func read(_ reader: inout MessageReader) throws(BusError) {
        try reader.align(8)
        let code = try reader.octet()
        let type = try reader.signature()
        switch HeaderField(rawValue: code) {
        case .errorName where type == "s" && errorName == nil: errorName = try reader.string()
        case .replySerial where type == "u" && replySerial == nil: replySerial = try reader.uint32()
        case .sender where type == "s" && sender == nil: sender = try reader.string()
        case .signature where type == "g" && signature == nil: signature = try reader.signature()
        case .errorName, .replySerial, .sender, .signature:
            throw .malformed("header field \(code) comes twice, or has type \(type.debugDescription)")
        default: try reader.skip(type)
        }
    }
}
