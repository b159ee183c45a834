internal import Posix
internal import Spelling
internal import Yams

/// Reads a mapping of a YAML document by its keys; what is wrong is told with its path and line, and a key that nobody has asked
/// for is an error.
struct YAMLReader {
    let path: String
    private let pairs: [(key: Node, value: Node)]
    /// Keys that have been asked for, for the hint of what was meant.
    private var known: [String] = []

    /// - Throws: ``Failure/Kind/invalidConfiguration`` if the text is no mapping.
    init(document text: String) throws(Failure) {
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            throw Failure(.decodingFailure, "read the configuration: \(error)")
        }
        try self.init(root ?? Node.mapping(Node.Mapping([])), path: "")
    }

    private init(_ node: Node, path: String) throws(Failure) {
        guard case .mapping(let mapping) = node else {
            throw YAMLReader.wrong(path, node, "a mapping of keys to values")
        }
        self.path = path
        var seen: Set<String> = []
        var pairs: [(key: Node, value: Node)] = []
        for (key, value) in mapping {
            let name = key.string ?? ""
            guard seen.insert(name).inserted else {
                throw Failure(.invalidConfiguration, "line \(YAMLReader.line(key)): \(name) is given twice")
            }
            pairs.append((key, value))
        }
        self.pairs = pairs
    }

    private func full(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private mutating func value(_ key: String) -> Node? {
        known.append(key)
        guard let value = pairs.first(where: { $0.key.string == key })?.value else { return nil }
        // `key:` without a value.
        if let scalar = value.scalar, scalar.string.isEmpty, scalar.style == .plain { return nil }
        return value
    }

    mutating func text(_ key: String) throws(Failure) -> String? {
        guard let node = value(key) else { return nil }
        return try YAMLReader.text(node, full(key))
    }

    mutating func texts(_ key: String) throws(Failure) -> [String] {
        guard let node = value(key) else { return [] }
        guard case .sequence(let sequence) = node else { throw YAMLReader.wrong(full(key), node, "a list") }
        var texts: [String] = []
        for (index, element) in sequence.enumerated() {
            texts.append(try YAMLReader.text(element, "\(full(key))[\(index)]"))
        }
        return texts
    }

    mutating func number(_ key: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
        guard let node = value(key) else { return nil }
        guard let number = node.int, range.contains(number) else {
            throw YAMLReader.wrong(full(key), node, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// One of a few words.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, _ type: Choice.Type
    ) throws(Failure) -> Choice? where Choice.RawValue == String {
        guard let node = value(key) else { return nil }
        guard let choice = node.string.flatMap(Choice.init(rawValue:)) else {
            throw YAMLReader.wrong(
                full(key), node, "one of " + Choice.allCases.map { $0.rawValue }.joined(separator: ", "))
        }
        return choice
    }

    /// A value that is made from a text.
    mutating func parsed<Value>(
        _ key: String, _ expected: String, _ parse: (String) -> Value?
    ) throws(Failure) -> Value? {
        guard let node = value(key) else { return nil }
        guard let value = parse(try YAMLReader.text(node, full(key))) else {
            throw YAMLReader.wrong(full(key), node, expected)
        }
        return value
    }

    /// Reads a mapping within this one, to its end.
    mutating func mapping<Value>(
        _ key: String, _ read: (inout YAMLReader) throws(Failure) -> Value
    ) throws(Failure) -> Value? {
        guard let node = value(key) else { return nil }
        return try YAMLReader.whole(node, full(key), read)
    }

    /// Reads a list of mappings.
    mutating func mappings<Value>(
        _ key: String, _ read: (inout YAMLReader) throws(Failure) -> Value
    ) throws(Failure) -> [Value] {
        guard let node = value(key) else { return [] }
        guard case .sequence(let sequence) = node else { throw YAMLReader.wrong(full(key), node, "a list") }
        var values: [Value] = []
        for (index, element) in sequence.enumerated() {
            values.append(try YAMLReader.whole(element, "\(full(key))[\(index)]", read))
        }
        return values
    }

    private static func whole<Value>(
        _ node: Node, _ path: String, _ read: (inout YAMLReader) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        var reader = try YAMLReader(node, path: path)
        let value = try read(&reader)
        try reader.finish()
        return value
    }

    /// - Throws: if there is a key that was not asked for.
    func finish() throws(Failure) {
        for (key, _) in pairs where !known.contains(key.string ?? "") {
            let name = key.string ?? "?"
            let nearest = known.min { Spelling.distance($0, name) < Spelling.distance($1, name) }
            let meant =
                nearest.flatMap { Spelling.distance($0, name) <= 2 ? "did you mean \(full($0))? " : nil } ?? ""
            throw Failure(
                .invalidConfiguration, "line \(YAMLReader.line(key)): \(full(name)) is not a key of swiftlet-agent",
                details: "\(meant)known are \(known.sorted().joined(separator: ", "))")
        }
    }

    private static func text(_ node: Node, _ path: String) throws(Failure) -> String {
        guard let text = node.scalar?.string, !text.isEmpty else { throw wrong(path, node, "a text") }
        return text
    }

    private static func wrong(_ path: String, _ node: Node, _ expected: String) -> Failure {
        let found = node.scalar.map { "\"\($0.string.prefix(60))\"" } ?? (node.sequence == nil ? "a mapping" : "a list")
        let subject = path.isEmpty ? "the configuration" : path
        return Failure(.invalidConfiguration, "line \(line(node)): \(subject) must be \(expected), not \(found)")
    }

    private static func line(_ node: Node) -> Int { node.mark?.line ?? 1 }
}
