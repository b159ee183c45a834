public import Posix

/// `CNI_ARGS`: `KEY=value` pairs separated by semicolons.
public struct Arguments: Sendable, Hashable {
    /// In the order given; a key may come again.
    public let pairs: [Pair]

    public struct Pair: Sendable, Hashable {
        public let key: String
        public let value: String
    }

    static let none = Arguments(pairs: [])

    private init(pairs: [Pair]) { self.pairs = pairs }

    /// - Throws: code 4 where a pair has no `=`.
    public init(_ text: String) throws(Failure) {
        var pairs: [Pair] = []
        for field in text.split(separator: ";") {
            guard let equals = field.firstIndex(of: "="), equals != field.startIndex else {
                throw Failure(
                    .invalidEnvironment, "CNI_ARGS: ARGS: invalid pair \"\(field)\"", details: "it must be KEY=value"
                ).showingLogs(only: "CNI_ARGS: ARGS: invalid pair")
            }
            pairs.append(Pair(key: String(field[..<equals]), value: String(field[field.index(after: equals)...])))
        }
        self.pairs = pairs
    }

    /// The value of the last pair with that key.
    public subscript(key: String) -> String? { pairs.last { $0.key == key }?.value }

    /// Refuses keys that nobody here understands, unless `IgnoreUnknown` is true, as runtimes expect.
    ///
    /// - Throws: code 4.
    public func requireKnown(_ known: [String]) throws(Failure) {
        if let ignore = self["IgnoreUnknown"], ["1", "t", "true"].contains(ignore.lowercased()) { return }
        let known = known + ["IgnoreUnknown"]
        let unknown = pairs.filter { !known.contains($0.key) }.map { $0.key }
        guard unknown.isEmpty else {
            throw Failure(
                .invalidEnvironment, "CNI_ARGS: ARGS: unknown args [\(unknown.joined(separator: " "))]",
                details: "known are \(known.joined(separator: ", ")); IgnoreUnknown=1 lets others pass")
        }
    }
}
