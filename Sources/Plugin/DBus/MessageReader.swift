/// Reads values from a message. For any input it either throws or advances; it never reads out of bounds.
struct MessageReader {
    private let bytes: [UInt8]
    /// From the beginning of the message, to which values are aligned.
    private(set) var position: Int
    private let isBigEndian: Bool
    /// Where to stop: the end of the header fields, or of the message.
    private(set) var end: Int

    /// How deep types may nest (the specification allows 64: 32 arrays and 32 structures).
    private static let depthLimit = 64

    init(_ bytes: [UInt8], at position: Int, isBigEndian: Bool, end: Int) {
        self.bytes = bytes
        self.position = position
        self.isBigEndian = isBigEndian
        self.end = min(end, bytes.count)
    }

    var isAtEnd: Bool { position >= end }

    private mutating func take(_ count: Int) throws(BusError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= end - position else { throw .malformed("a value leads outside") }
        defer { position += count }
        return bytes[position..<(position + count)]
    }

    /// Skips padding, which must be zero.
    mutating func align(_ boundary: Int) throws(BusError) {
        let padding = (boundary - position % boundary) % boundary
        guard try take(padding).allSatisfy({ $0 == 0 }) else { throw .malformed("padding that is not zero") }
    }

    mutating func octet() throws(BusError) -> UInt8 { try take(1).first ?? 0 }

    mutating func uint32() throws(BusError) -> UInt32 {
        try align(4)
        var value: UInt32 = 0
        for octet in try take(4) { value = value << 8 | UInt32(octet) }
        return isBigEndian ? value : value.byteSwapped
    }

    mutating func boolean() throws(BusError) -> Bool {
        switch try uint32() {
        case 0: false
        case 1: true
        default: throw .malformed("a boolean that is neither 0 nor 1")
        }
    }

    mutating func string() throws(BusError) -> String { try text(length: Int(try uint32())) }

    mutating func signature() throws(BusError) -> String { try text(length: Int(try octet())) }

    private mutating func text(length: Int) throws(BusError) -> String {
        let content = try take(length)
        guard try octet() == 0, !content.contains(0), let text = String(validating: content, as: UTF8.self) else {
            throw .malformed("a text that is not UTF-8 with a NUL behind it")
        }
        return text
    }

    /// Skips a value of any type: headers of newer buses may have unknown fields.
    mutating func skip(_ signature: String) throws(BusError) {
        let type = Array(signature.utf8)
        guard try MessageReader.endOfType(type[...], depth: 0) == type.endIndex else {
            throw .malformed("\(signature.debugDescription) is not one type")
        }
        try skip(type[...], depth: 0)
    }

    private mutating func skip(_ type: ArraySlice<UInt8>, depth: Int) throws(BusError) {
        guard depth < MessageReader.depthLimit else { throw .malformed("a value nested too deeply") }
        try align(MessageReader.alignment(of: type.first))
        switch type.first.map({ Character(Unicode.Scalar($0)) }) {
        case "y": _ = try take(1)
        case "n", "q": _ = try take(2)
        case "b", "i", "u", "h": _ = try take(4)
        case "x", "t", "d": _ = try take(8)
        case "s", "o": _ = try string()
        case "g": _ = try signature()
        case "v":
            let inner = Array(try signature().utf8)
            guard try MessageReader.endOfType(inner[...], depth: depth) == inner.endIndex else {
                throw .malformed("a variant that does not hold one value")
            }
            try skip(inner[...], depth: depth + 1)
        case "a":
            // Arrays have a length, so their content need not be examined.
            let length = Int(try uint32())
            try align(MessageReader.alignment(of: type.dropFirst().first))
            _ = try take(length)
        default:  // A structure or dictionary entry, as `endOfType` has checked.
            var rest = type.dropFirst().dropLast()
            while !rest.isEmpty {
                let end = try MessageReader.endOfType(rest, depth: depth)
                try skip(rest[..<end], depth: depth + 1)
                rest = rest[end...]
            }
        }
    }

    private static func alignment(of type: UInt8?) -> Int {
        switch type.map({ Character(Unicode.Scalar($0)) }) {
        case "y", "g", "v": 1
        case "n", "q": 2
        case "x", "t", "d", "(", "{": 8
        default: 4
        }
    }

    /// The end of the first complete type of a signature.
    private static func endOfType(_ signature: ArraySlice<UInt8>, depth: Int) throws(BusError) -> Int {
        guard depth < depthLimit, let first = signature.first else { throw .malformed("a signature that ends early") }
        let rest = signature.dropFirst()
        switch Character(Unicode.Scalar(first)) {
        case "y", "b", "n", "q", "i", "u", "x", "t", "d", "s", "o", "g", "h", "v": return rest.startIndex
        case "a": return try endOfType(rest, depth: depth + 1)
        case "(": return try endOfGroup(rest, closing: UInt8(ascii: ")"), depth: depth + 1)
        case "{": return try endOfGroup(rest, closing: UInt8(ascii: "}"), depth: depth + 1)
        default: throw .malformed("a signature with an unknown type")
        }
    }

    private static func endOfGroup(
        _ members: ArraySlice<UInt8>, closing: UInt8, depth: Int
    ) throws(BusError) -> Int {
        var rest = members
        while rest.first != closing { rest = rest[(try endOfType(rest, depth: depth))...] }
        guard rest.startIndex > members.startIndex else { throw .malformed("a structure without members") }
        return rest.startIndex + 1
    }
}
