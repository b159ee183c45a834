public import Posix

/// `CNI_ARGS`: `KEY=value` pairs separated by semicolons.
public struct Arguments: Sendable, Hashable {
    /// In the given order; a key may occur more than once.
    public let pairs: [Pair]
    /// Why plugins that read arguments refuse these; nil if they are well-formed.
    private let fault: Failure?
    /// Whether unknown keys are ignored even without `IgnoreUnknown`.
    private let ignoresUnknown: Bool

    public struct Pair: Sendable, Hashable {
        public let key: String
        public let value: String
    }

    static let none = Arguments(reading: "", forgiving: true)

    /// Reads what it can of a text. ``requireKnown(_:)`` reports the rest, so only plugins that read arguments refuse it.
    ///
    /// - Parameter forgiving: whether nothing is refused later either: a malformed text must not prevent a deletion.
    init(reading text: String, forgiving: Bool) {
        var pairs: [Pair] = []
        var fault: Failure?
        for field in text.split(separator: ";") {
            guard let equals = field.firstIndex(of: "="), equals != field.startIndex else {
                fault = Failure(
                    .invalidEnvironment, "CNI_ARGS: ARGS: invalid pair \"\(field)\"", details: "it must be KEY=value"
                ).showingLogs(only: "CNI_ARGS: ARGS: invalid pair")
                continue
            }
            pairs.append(Pair(key: String(field[..<equals]), value: String(field[field.index(after: equals)...])))
        }
        self.pairs = pairs
        self.fault = forgiving ? nil : fault
        ignoresUnknown = forgiving
    }

    /// - Throws: code 4 if a pair has no `=`.
    public init(_ text: String) throws(Failure) {
        self.init(reading: text, forgiving: false)
        if let fault { throw fault }
    }

    /// The value of the last pair with that key.
    public subscript(key: String) -> String? { pairs.last { $0.key == key }?.value }

    /// Refuses unknown keys unless `IgnoreUnknown` is true, as runtimes expect; also refuses a malformed text.
    ///
    /// - Throws: code 4.
    public func requireKnown(_ known: [String]) throws(Failure) {
        if let fault { throw fault }
        if ignoresUnknown { return }
        if let ignore = self["IgnoreUnknown"], ["1", "t", "true"].contains(ignore.lowercased()) { return }
        let known = known + ["IgnoreUnknown"]
        let unknown = pairs.filter { !known.contains($0.key) }.map { $0.key }
        guard unknown.isEmpty else {
            throw Failure(
                .invalidEnvironment, "CNI_ARGS: ARGS: unknown args [\(unknown.joined(separator: " "))]",
                details: "known are \(known.joined(separator: ", ")); IgnoreUnknown=1 ignores others")
        }
    }
}
