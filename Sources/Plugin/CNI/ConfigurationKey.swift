public import JSON
public import Posix

/// One key of a plugin's configuration. The decoder, the documentation and the validator all use it.
public struct ConfigurationKey<Value: Sendable>: Sendable {
    /// The name in the configuration; its case is ignored.
    public let name: String
    /// The value if the key is absent or null.
    public let fallback: Value
    /// For people: meaning, range and unit.
    public let summary: String
    /// Reads an existing value.
    public let decode: @Sendable (JSONReader) throws(Failure) -> Value

    /// - Parameter decode: reads the value; ``JSONReader/wrong(_:)`` makes the error for an invalid one.
    public init(
        _ name: String, default fallback: Value, _ summary: String,
        decode: @escaping @Sendable (JSONReader) throws(Failure) -> Value
    ) {
        self.name = name
        self.fallback = fallback
        self.summary = summary
        self.decode = decode
    }

    /// Reads the value from an object, such as the document itself or one of its parts.
    public func read(_ reader: JSONReader) throws(Failure) -> Value {
        guard let member = try reader.member(name) else { return fallback }
        return try decode(member)
    }
}

/// A key without its type, for lists of keys.
public struct KeyDescription: Sendable {
    public let name: String
    public let summary: String
    /// Empty if the key has no default.
    public let fallback: String
    /// Throws what is wrong with an existing value.
    public let validate: @Sendable (JSONReader) throws(Failure) -> Void
}

/// Lists keys of several types: `@KeyList var keys: [KeyDescription] { mtu; mode }`, one per line.
@resultBuilder
public enum KeyList {
    public static func buildExpression<Value>(_ key: ConfigurationKey<Value>) -> [KeyDescription] { [key.described] }
    public static func buildExpression(_ keys: [KeyDescription]) -> [KeyDescription] { keys }
    public static func buildBlock(_ parts: [KeyDescription]...) -> [KeyDescription] { parts.flatMap { $0 } }
}

extension ConfigurationKey {
    public var described: KeyDescription {
        #if hasFeature(Embedded)
            // Embedded Swift has no text for values of arbitrary types; only the documentation needs it.
            let text = ""
        #else
            let text = "\(fallback)"
        #endif
        return KeyDescription(
            name: name, summary: summary, fallback: text == "nil" || text == "[]" ? "" : text,
            validate: { reader throws(Failure) in _ = try decode(reader) })
    }
}

extension ConfigurationKey where Value == Bool {
    /// True or false.
    public static func flag(_ name: String, default fallback: Bool = false, _ summary: String) -> Self {
        Self(name, default: fallback, summary) { reader throws(Failure) in try reader.bool() }
    }
}

extension ConfigurationKey where Value == String {
    /// A text; an empty one counts as absent.
    public static func text(_ name: String, default fallback: String, _ summary: String) -> Self {
        Self(name, default: fallback, summary) { reader throws(Failure) in
            let text = try reader.string()
            return text.isEmpty ? fallback : text
        }
    }
}

extension ConfigurationKey where Value == Int {
    /// An integer within `range`.
    public static func number(
        _ name: String, default fallback: Int, in range: ClosedRange<Int>, _ summary: String
    ) -> Self {
        Self(name, default: fallback, summary) { reader throws(Failure) in
            guard let number = Int(exactly: try reader.integer()), range.contains(number) else {
                throw reader.wrong("from \(range.lowerBound) to \(range.upperBound)")
            }
            return number
        }
    }
}

extension Configuration {
    /// The value of a key, or its default.
    ///
    /// - Throws: code 6 for a wrong type, 7 for a wrong value; the message names the key.
    public subscript<Value>(key: ConfigurationKey<Value>) -> Value {
        get throws(Failure) { try decoding { (reader) throws(Failure) in try key.read(reader) } }
    }
}
