internal import Addresses

/// The type of an attribute's value, for printing.
indirect enum AttributeShape: Sendable {
    /// One, two, four or eight octets, in host byte order.
    case number
    /// The same in network byte order.
    case bigEndian
    /// Four octets in network byte order, with a sign.
    case signed
    case text
    /// An IP address or a MAC, by its length.
    case address
    /// Words of four octets in hexadecimal; an interface name as text.
    case octets
    /// User data that nf_tables keeps with an object (``NftUserData``): its comment.
    case comment
    /// Nested attributes, by name.
    case group([AttributeName])
    /// Nested attributes of one shape, whatever their types.
    case list(AttributeShape)
    /// struct ifinfomsg and a link's attributes: the peer of a veth.
    case peer
}

/// The name of an attribute as in linux/rtnetlink.h and similar headers, in lower case and without the common prefix.
struct AttributeName: Sendable {
    let type: UInt16
    let name: String
    let shape: AttributeShape

    init(_ type: UInt16, _ name: String, _ shape: AttributeShape) {
        self.type = type
        self.name = name
        self.shape = shape
    }
}

/// Attributes as text: `name=value`, with braces around nested ones. An unnamed attribute shows its number, in hexadecimal.
struct AttributeText {
    /// A log line has no room for more.
    private static let maximumLength = 4096

    private(set) var text = ""

    private var isFull: Bool { text.utf8.count > AttributeText.maximumLength }

    private mutating func append(_ name: String, _ value: String) {
        if !text.isEmpty, text.utf8.last != UInt8(ascii: "{") { text += " " }
        text += name.isEmpty ? value : "\(name)=\(value)"
    }

    /// The fixed part of a message, made of fields with these lengths; fields without a name are padding.
    ///
    /// - Returns: what follows it; nil if the message is shorter.
    mutating func header(_ fields: [(name: String, size: Int)], _ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var rest = bytes
        for field in fields {
            guard rest.count >= field.size else { return nil }
            if !field.name.isEmpty { append(field.name, AttributeText.number(rest.prefix(field.size))) }
            rest = rest.dropFirst(field.size)
        }
        return rest
    }

    mutating func attributes(_ bytes: ArraySlice<UInt8>, _ names: [AttributeName]) {
        let attributes = Attributes(bytes)
        for (type, value) in zip(attributes.types, attributes.all) {
            guard !isFull else { return }
            let known = names.first { $0.type == type }
            attribute(known?.name ?? "\(type)", known?.shape ?? .octets, value)
        }
    }

    private mutating func attribute(_ name: String, _ shape: AttributeShape, _ value: Attribute) {
        switch shape {
        case .number: append(name, AttributeText.number(value.bytes))
        case .bigEndian: append(name, AttributeText.number(value.bytes, isBigEndian: true))
        case .signed: append(name, value.bigEndian32.map { "\(Int32(bitPattern: $0))" } ?? "")
        case .text: append(name, value.text)
        case .address: append(name, AttributeText.address(value.bytes))
        case .octets: append(name, AttributeText.words(value.bytes))
        case .comment:
            append(name, NftUserData.comment(in: value.bytes) ?? AttributeText.words(value.bytes))
        case .group(let names):
            inside(name) { $0.attributes(value.bytes, names) }
        case .list(let shape):
            inside(name) { list in
                for element in Attributes(value.bytes).all where !list.isFull { list.attribute("", shape, element) }
            }
        case .peer:
            // For links of other kinds this is a number.
            guard value.bytes.count >= 16 else { return append(name, AttributeText.words(value.bytes)) }
            inside(name) { peer in
                guard let rest = peer.header(RouteText.linkHeader, value.bytes) else { return }
                peer.attributes(rest, RouteText.link)
            }
        }
    }

    private mutating func inside(_ name: String, _ body: (inout AttributeText) -> Void) {
        append(name, "{")
        body(&self)
        text += "}"
    }

    private static func number(_ bytes: ArraySlice<UInt8>, isBigEndian: Bool = false) -> String {
        guard !bytes.isEmpty, bytes.count <= 8 else { return words(bytes) }
        let value = (isBigEndian ? Array(bytes) : bytes.reversed()).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return "\(value)"
    }

    private static func address(_ bytes: ArraySlice<UInt8>) -> String {
        if bytes.count == 6 { return MACAddress(bytes: bytes)?.description ?? hexadecimal(bytes) }
        guard bytes.count == 4 || bytes.count == 16 else { return hexadecimal(bytes) }
        return IPAddress(bytes: bytes)?.description ?? hexadecimal(bytes)
    }

    /// Fields fill whole words; an interface name has sixteen octets that end in zeros.
    private static func words(_ bytes: ArraySlice<UInt8>) -> String {
        var parts: [String] = []
        var rest = bytes
        while !rest.isEmpty, parts.count < maximumLength / 8 {
            let name = rest.prefix(16)
            let letters = name.prefix { $0 > 0x20 && $0 < 0x7f }
            if name.count == 16, letters.count > 1, name.dropFirst(letters.count).allSatisfy({ $0 == 0 }) {
                parts.append(String(decoding: letters, as: UTF8.self))
                rest = rest.dropFirst(16)
            } else {
                parts.append(hexadecimal(rest.prefix(4)))
                rest = rest.dropFirst(4)
            }
        }
        return parts.joined(separator: ".")
    }

    private static func hexadecimal(_ bytes: ArraySlice<UInt8>) -> String {
        var text = "0x"
        for octet in bytes.prefix(64) {
            let digits = String(octet, radix: 16)
            text += digits.utf8.count == 1 ? "0\(digits)" : digits
        }
        return text
    }
}
