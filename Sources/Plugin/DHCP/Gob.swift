/// A value in the encoding of Go's package encoding/gob, as far as the `dhcp` plugins use it in remote procedure calls.
///
/// Zero fields are not sent, so an absent field is zero.
enum GobValue: Sendable, Hashable {
    case bool(Bool)
    case int(Int64)
    case uint(UInt64)
    /// A string, or octets.
    case bytes([UInt8])
    case list([GobValue])
    case structure([String: GobValue])
    /// Of a kind that is not used here.
    case other

    subscript(field: String) -> GobValue? {
        if case .structure(let fields) = self { fields[field] } else { nil }
    }

    var octets: [UInt8] { if case .bytes(let octets) = self { octets } else { [] } }
    var text: String { String(decoding: octets, as: UTF8.self) }
    var elements: [GobValue] { if case .list(let elements) = self { elements } else { [] } }
    var number: UInt64 {
        switch self {
        case .uint(let number): number
        case .int(let number): UInt64(clamping: number)
        default: 0
        }
    }
}

/// Type IDs: gob's own, and the first one that a sender may define.
enum GobTypeID {
    static let bool = 1
    static let int = 2
    static let uint = 3
    static let float = 4
    static let bytes = 5
    static let string = 6
    static let complex = 7
    static let firstOwn = 65
}

/// The type of a value to send.
indirect enum GobType: Sendable {
    case string, bytes, uint, int
    case list(id: Int, GobType)
    case structure(id: Int, String, KeyValuePairs<String, GobType>)

    var id: Int {
        switch self {
        case .string: GobTypeID.string
        case .bytes: GobTypeID.bytes
        case .uint: GobTypeID.uint
        case .int: GobTypeID.int
        case .list(let id, _), .structure(let id, _, _): id
        }
    }
}

/// Writes values, and each type's description before its first value.
struct GobEncoder: Sendable {
    private var described: Set<Int> = []

    mutating func encode(_ value: GobValue, as type: GobType) -> [UInt8] {
        var octets = describe(type)
        octets += GobEncoder.framed(GobEncoder.int(Int64(type.id)) + GobEncoder.body(value, type))
        return octets
    }

    private mutating func describe(_ type: GobType) -> [UInt8] {
        guard type.id >= GobTypeID.firstOwn, described.insert(type.id).inserted else { return [] }
        let text = { (text: String) in GobEncoder.uint(UInt64(text.utf8.count)) + text.utf8 }
        // A wireType: its second field describes a list, its third a structure. Each starts with its name and number.
        let common = { (name: String) -> [UInt8] in
            [1] + (name.isEmpty ? [] : [1] + text(name)) + [name.isEmpty ? 2 : 1] + GobEncoder.int(Int64(type.id)) + [0]
        }
        var parts: [GobType] = []
        var description = GobEncoder.int(Int64(-type.id))
        switch type {
        case .list(_, let element):
            parts = [element]
            description += [2] + common("") + [1] + GobEncoder.int(Int64(element.id)) + [0, 0]
        case .structure(_, let name, let fields):
            parts = fields.map { $0.value }
            description += [3] + common(name)
            if !fields.isEmpty {
                description += [1] + GobEncoder.uint(UInt64(fields.count))
                for (name, type) in fields {
                    description += [1] + text(name) + [1] + GobEncoder.int(Int64(type.id)) + [0]
                }
            }
            description += [0, 0]
        case .string, .bytes, .uint, .int: break
        }
        var octets = GobEncoder.framed(description)
        for part in parts { octets += describe(part) }
        return octets
    }

    private static func body(_ value: GobValue, _ type: GobType) -> [UInt8] {
        switch type {
        case .string, .bytes: return uint(UInt64(value.octets.count)) + value.octets
        case .uint: return uint(value.number)
        case .int: return int(Int64(clamping: value.number))
        case .list(_, let element):
            return value.elements.reduce(uint(UInt64(value.elements.count))) { $0 + body($1, element) }
        case .structure(_, _, let fields):
            var octets: [UInt8] = []
            var last = -1
            for (position, field) in fields.enumerated() {
                guard let part = value[field.key] else { continue }
                octets += uint(UInt64(position - last)) + body(part, field.value)
                last = position
            }
            return octets + [0]
        }
    }

    private static func framed(_ content: [UInt8]) -> [UInt8] { uint(UInt64(content.count)) + content }

    /// Small numbers in one octet; others as their number of octets, negated, followed by the octets.
    static func uint(_ number: UInt64) -> [UInt8] {
        guard number > 127 else { return [UInt8(number)] }
        let octets = number.octets.drop { $0 == 0 }
        return [UInt8(truncatingIfNeeded: -octets.count)] + octets
    }

    /// The sign is in the lowest bit.
    static func int(_ number: Int64) -> [UInt8] {
        uint(number < 0 ? UInt64(bitPattern: ~number) << 1 | 1 : UInt64(bitPattern: number) << 1)
    }
}
