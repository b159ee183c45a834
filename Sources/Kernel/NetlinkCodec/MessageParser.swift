/// A netlink message received from the kernel.
public struct Message: Sendable {
    public let type: UInt16
    public let flags: UInt16
    public let sequence: UInt32
    /// What follows the header.
    public let payload: ArraySlice<UInt8>

    // Control messages, linux/netlink.h.
    public static let errorType: UInt16 = 2
    public static let doneType: UInt16 = 3
    static let headerSize = 16

    /// The same contents under another type.
    func retyped(_ type: UInt16) -> Message {
        Message(type: type, flags: flags, sequence: sequence, payload: payload)
    }

    /// Splits a datagram into its messages.
    ///
    /// - Returns: nil if a length points outside the datagram or is too short for a header.
    public static func parse(_ datagram: ArraySlice<UInt8>) -> [Message]? {
        var messages: [Message] = []
        var rest = datagram
        while rest.count >= headerSize {
            let length = Int(rest.load(UInt32.self, at: 0))
            guard length >= headerSize, length <= rest.count else { return nil }
            messages.append(
                Message(
                    type: rest.load(UInt16.self, at: 4), flags: rest.load(UInt16.self, at: 6),
                    sequence: rest.load(UInt32.self, at: 8),
                    payload: rest[(rest.startIndex + headerSize)..<(rest.startIndex + length)]))
            rest = rest.dropFirst((length + 3) & ~3)
        }
        return rest.isEmpty ? messages : nil
    }
}

/// The kernel's answer to a request: an error number, or 0 as an acknowledgement (nlmsgerr, linux/netlink.h).
public struct Acknowledgement: Sendable, Hashable {
    /// Positive; 0 is success.
    public let errorNumber: Int32
    /// The kernel's own error text (NLMSGERR_ATTR_MSG), if there is one.
    public let text: String?

    private static let capped: UInt16 = 0x100
    private static let hasAttributes: UInt16 = 0x200

    /// Reads an NLMSG_ERROR message, or an NLMSG_DONE, which carries an error number too.
    public init?(_ message: Message) {
        guard message.payload.count >= 4 else { return nil }
        let number = Int32(truncatingIfNeeded: message.payload.load(UInt32.self, at: 0))
        // The error is a negative errno; reject anything else.
        guard number <= 0, number > -4096 else { return nil }
        errorNumber = -number
        var text: String?
        if message.flags & Acknowledgement.hasAttributes != 0 {
            var skipped = 4
            if message.type == Message.errorType {
                guard message.payload.count >= 20 else { return nil }
                // The request's header follows, or the whole request unless it is capped.
                let request = Int(message.payload.load(UInt32.self, at: 4))
                skipped += message.flags & Acknowledgement.capped != 0 ? 16 : (request + 3) & ~3
            }
            text = Attributes(message.payload.dropFirst(skipped))[1]?.text
        }
        self.text = text
    }
}

/// The attributes of a message, by type. Unknown ones are kept; a malformed tail is left out.
public struct Attributes: Sendable {
    private var entries: [(type: UInt16, value: Attribute)] = []

    public init(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        while rest.count >= 4 {
            let length = Int(rest.load(UInt16.self, at: 0))
            guard length >= 4, length <= rest.count else { return }
            // The two highest bits are NLA_F_NESTED and NLA_F_NET_BYTEORDER.
            let type = rest.load(UInt16.self, at: 2) & 0x3fff
            entries.append((type, Attribute(rest[(rest.startIndex + 4)..<(rest.startIndex + length)])))
            rest = rest.dropFirst((length + 3) & ~3)
        }
    }

    /// The last attribute of that type.
    public subscript(type: UInt16) -> Attribute? { entries.last { $0.type == type }?.value }

    /// The attributes nested in another; empty if it is absent.
    public func nested(_ type: UInt16) -> Attributes { Attributes(self[type]?.bytes ?? []) }

    /// All of them, in order: for lists.
    public var all: [Attribute] { entries.map { $0.value } }

    /// The types of all of them, in order.
    public var types: [UInt16] { entries.map { $0.type } }
}

/// The value of one attribute.
public struct Attribute: Sendable {
    public let bytes: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

    public var uint8: UInt8? { bytes.first }
    public var uint16: UInt16? { bytes.count >= 2 ? bytes.load(UInt16.self, at: 0) : nil }
    public var uint32: UInt32? { bytes.count >= 4 ? bytes.load(UInt32.self, at: 0) : nil }
    public var uint64: UInt64? { bytes.count >= 8 ? bytes.load(UInt64.self, at: 0) : nil }

    /// In network byte order.
    public var bigEndian16: UInt16? { uint16.map(UInt16.init(bigEndian:)) }
    public var bigEndian32: UInt32? { uint32.map(UInt32.init(bigEndian:)) }
    public var bigEndian64: UInt64? { uint64.map(UInt64.init(bigEndian:)) }

    /// Up to the first NUL.
    public var text: String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
}

extension ArraySlice<UInt8> {
    /// A number in host byte order.
    ///
    /// - Precondition: the slice is long enough.
    public func load<Integer: FixedWidthInteger>(_ type: Integer.Type, at offset: Int) -> Integer {
        let start = startIndex + offset
        var value: Integer = 0
        for index in 0..<Integer.bitWidth / 8 {
            value |= Integer(truncatingIfNeeded: self[start + index]) << Integer(index * 8)
        }
        return Integer(littleEndian: value)
    }
}
