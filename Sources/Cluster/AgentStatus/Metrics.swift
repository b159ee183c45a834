/// Metrics in the text format of Prometheus: names with units, each with its explanation.
public struct Metrics: Sendable {
    public enum Kind: String, Sendable { case gauge, counter }

    public private(set) var text = ""

    public init() {}

    /// A metric with one value.
    public mutating func add(_ name: String, _ kind: Kind, _ help: String, _ value: Double) {
        add(name, kind, help, [([:], value)])
    }

    /// A metric with a value for each set of labels; left out if there are none.
    public mutating func add(
        _ name: String, _ kind: Kind, _ help: String, _ values: [(labels: [String: String], value: Double)]
    ) {
        guard !values.isEmpty else { return }
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for (labels, value) in values {
            let pairs = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Metrics.escaped($0.value))\"" }
            let list = pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
            let number = value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
            text += "\(name)\(list) \(number)\n"
        }
    }

    private static func escaped(_ value: String) -> String {
        value.reduce(into: "") { text, character in
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
    }
}
