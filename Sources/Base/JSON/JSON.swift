/// A JSON document (RFC 8259) as a value.
///
/// Objects keep the order of their members, so that the output reads like the input.
public enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(Int64)
    case real(Double)
    case string(String)
    case array([JSON])
    case object(Object)

    /// A member of an object.
    public struct Member: Sendable, Hashable {
        public var key: String
        public var value: JSON

        public init(_ key: String, _ value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// The members of an object, in order; keys are unique.
    public struct Object: Sendable, Hashable {
        public private(set) var members: [Member]

        public init(_ members: [Member] = []) {
            self.members = members
        }

        /// The member of exactly this name. Setting nil removes it; setting an unknown key appends it.
        public subscript(key: String) -> JSON? {
            get { members.first { $0.key == key }?.value }
            set {
                let position = members.firstIndex { $0.key == key }
                switch (position, newValue) {
                case (let position?, let value?): members[position].value = value
                case (let position?, nil): members.remove(at: position)
                case (nil, let value?): members.append(Member(key, value))
                case (nil, nil): break
                }
            }
        }

        public var isEmpty: Bool { members.isEmpty }
    }

    /// The name of this kind of value for error messages.
    public var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer: "an integer"
        case .real(let value): value.magnitude < 0x1p63 ? "a fraction" : "a number that is out of range"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(nilLiteral: ()) { self = .null }
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(Object(elements.map { Member($0.0, $0.1) }))
    }
}
