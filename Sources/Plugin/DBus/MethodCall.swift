/// A method call whose arguments are strings.
public struct MethodCall: Sendable, Hashable {
    /// A name on the bus: a service's, or a connection's unique name (`:1.7`).
    public let destination: String
    public let path: String
    public let interface: String
    public let member: String
    public let arguments: [String]

    public init(
        _ member: String, _ arguments: [String], destination: String, path: String, interface: String
    ) {
        self.destination = destination
        self.path = path
        self.interface = interface
        self.member = member
        self.arguments = arguments
    }

    /// The message, little-endian on every machine, as its first octet states.
    ///
    /// - Parameter serial: not 0; the answer refers to the call by it.
    /// - Throws: `unsendable` for a text with a NUL, `messageTooLarge`.
    func encoded(serial: UInt32) throws(BusError) -> [UInt8] {
        var body = MessageWriter()
        for argument in arguments { try body.append(string: argument) }
        var fields = MessageWriter()
        try fields.append(.path, "o", text: path)
        try fields.append(.interface, "s", text: interface)
        try fields.append(.member, "s", text: member)
        try fields.append(.destination, "s", text: destination)
        if !arguments.isEmpty {
            try fields.append(.signature, "g", text: String(repeating: "s", count: arguments.count))
        }
        var message = MessageWriter()
        let flags = MessageFlag.noAutoStart
        message.bytes += [UInt8(ascii: "l"), MessageType.methodCall.rawValue, flags, IncomingMessage.protocolVersion]
        message.append(UInt32(clamping: body.bytes.count))
        message.append(serial)
        // The fields begin at octet 16, so values aligned within them are also aligned in the message.
        message.append(UInt32(clamping: fields.bytes.count))
        message.bytes += fields.bytes
        message.align(8)
        message.bytes += body.bytes
        guard message.bytes.count <= IncomingMessage.sizeLimit else { throw .messageTooLarge(message.bytes.count) }
        return message.bytes
    }
}

/// Writes values in the format of a message.
private struct MessageWriter {
    var bytes: [UInt8] = []

    mutating func align(_ boundary: Int) {
        while bytes.count % boundary != 0 { bytes.append(0) }
    }

    mutating func append(_ value: UInt32) {
        align(4)
        for shift: UInt32 in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func append(string: String) throws(BusError) {
        guard !string.utf8.contains(0) else { throw .unsendable(string) }
        append(UInt32(clamping: string.utf8.count))
        bytes += string.utf8
        bytes.append(0)
    }

    /// At most 255 octets; ours exceed that only if a call has that many arguments.
    mutating func append(signature: String) throws(BusError) {
        guard let length = UInt8(exactly: signature.utf8.count) else { throw .unsendable(signature) }
        bytes.append(length)
        bytes += signature.utf8
        bytes.append(0)
    }

    /// A header field: its code, and a variant.
    mutating func append(_ code: HeaderField, _ type: String, text: String) throws(BusError) {
        align(8)
        bytes.append(code.rawValue)
        try append(signature: type)
        if type == "g" { try append(signature: text) } else { try append(string: text) }
    }
}
