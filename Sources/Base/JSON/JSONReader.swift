public import Posix

/// A value together with its key path, for error messages.
///
/// Keys are matched without regard to ASCII case, and the last one that is not `null` counts, as in Go's encoding/json, because
/// configurations written for Go plugins rely on it. For the same reason `null` counts as absent.
public struct JSONReader: Sendable {
    public let value: JSON
    /// Such as `ipam.ranges[0][1].subnet`; empty for the document itself.
    public let path: String

    public init(_ value: JSON, path: String = "") {
        self.value = value
        self.path = path
    }

    /// The member of an object, or nil if it is absent or null. If several differ only in case, the last one counts.
    public func member(_ key: String) throws(Failure) -> JSONReader? {
        guard let value = try object().lastMatch(key) else { return nil }
        return JSONReader(value, path: path.isEmpty ? key : "\(path).\(key)")
    }

    /// Whether an object has any of these members, even a null one.
    public func hasAnyMember(of keys: [String]) -> Bool {
        guard case .object(let object) = value else { return false }
        return object.members.contains { member in
            keys.contains { JSON.Object.equalIgnoringASCIICase($0, member.key) }
        }
    }

    /// The value as an object. This and the following methods throw if the value is of another type.
    public func object() throws(Failure) -> JSON.Object {
        guard case .object(let object) = value else { throw mismatch("an object") }
        return object
    }

    /// The elements of an array.
    public func elements() throws(Failure) -> [JSONReader] {
        guard case .array(let values) = value else { throw mismatch("an array") }
        return values.enumerated().map { JSONReader($0.element, path: "\(path)[\($0.offset)]") }
    }

    public func string() throws(Failure) -> String {
        guard case .string(let text) = value else { throw mismatch("a string") }
        return text
    }

    public func bool() throws(Failure) -> Bool {
        guard case .bool(let flag) = value else { throw mismatch("true or false") }
        return flag
    }

    /// A number written without fraction and exponent.
    public func integer() throws(Failure) -> Int64 {
        guard case .integer(let number) = value else { throw mismatch("an integer") }
        return number
    }

    private func mismatch(_ expected: String) -> Failure {
        Failure(.type, path: path, expected: expected, found: value.kind)
    }
}

extension JSONReader {
    /// A member that must be there.
    public func required(_ key: String) throws(Failure) -> JSONReader {
        guard let member = try member(key) else { throw missing(key) }
        return member
    }

    /// The error for a required member that is absent.
    public func missing(_ key: String) -> Failure {
        Failure(.missing, path: path.isEmpty ? key : "\(path).\(key)", expected: "it is required")
    }

    /// The elements of a list that may be absent.
    public func list<Element>(
        _ key: String, _ decode: (JSONReader) throws(Failure) -> Element
    ) throws(Failure) -> [Element] {
        var elements: [Element] = []
        for element in try member(key)?.elements() ?? [] { elements.append(try decode(element)) }
        return elements
    }

    /// A text; empty means absent, as in Go.
    public func nonEmpty(_ key: String) throws(Failure) -> String? {
        let text = try member(key)?.string() ?? ""
        return text.isEmpty ? nil : text
    }

    /// One of a few words; an empty text means the fallback, as in Go.
    ///
    /// - Parameter unknown: how to describe any other word.
    public func choice<Value: CustomStringConvertible>(
        _ values: [Value], or fallback: Value, _ unknown: String
    ) throws(Failure) -> Value {
        let text = try string()
        guard !text.isEmpty else { return fallback }
        guard let value = values.first(where: { "\($0)" == text }) else {
            let words = values.map { "\($0)" }.joined(separator: ", ")
            throw wrong("one of \(words) (\(unknown): \"\(text)\")")
        }
        return value
    }

    /// 0...4294967295.
    public func uint32() throws(Failure) -> UInt32 {
        let number = try integer()
        guard let value = UInt32(exactly: number) else { throw wrong("from 0 to \(UInt32.max)") }
        return value
    }

    /// The error for a list with too many elements.
    public func tooLong(limit: Int) -> Failure {
        Failure(.value, path: path, expected: "a list of at most \(limit) elements", found: "longer")
    }

    /// The error for a value of the right type that is not acceptable; it shows the value.
    public func wrong(_ expected: String) -> Failure {
        Failure(
            .value, path: path, expected: expected,
            found: String(decoding: value.serialized(pretty: false), as: UTF8.self))
    }
}

extension JSON.Object {
    fileprivate func lastMatch(_ key: String) -> JSON? {
        members.last { JSON.Object.equalIgnoringASCIICase($0.key, key) && $0.value != .null }?.value
    }

    /// Whether two keys are the same apart from ASCII case.
    public static func equalIgnoringASCIICase(_ a: String, _ b: String) -> Bool {
        a.utf8.count == b.utf8.count && zip(a.utf8, b.utf8).allSatisfy { lowercased($0) == lowercased($1) }
    }

    private static func lowercased(_ character: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(character) ? character | 0x20 : character
    }
}

extension Failure {
    /// Why a value is wrong at its place.
    public enum Mismatch: Sendable, Hashable {
        /// The wrong JSON type.
        case type
        /// The right type, but an invalid value.
        case value
        case missing
    }

    /// A value of the wrong type cannot be decoded (6); an invalid or missing one makes the configuration invalid (7).
    ///
    /// - Parameter found: the type or the value found; empty if nothing was.
    public init(_ mismatch: Mismatch, path: String, expected: String, found: String = "") {
        let subject = path.isEmpty ? "the document" : path
        let message =
            switch mismatch {
            case .type, .value: "\(subject) must be \(expected), but is \(found)"
            case .missing: "\(subject) is missing: \(expected)"
            }
        self.init(mismatch == .type ? .decodingFailure : .invalidConfiguration, message)
        if mismatch == .value { discreetMessage = "\(subject) must be \(expected)" }
    }
}
