/// The process environment, as a value so that a test can replace it.
public struct Environment: Sendable {
    /// `NAME=value`, in the given order; delegates get the same.
    public let variables: [String]

    public init(_ variables: [String]) { self.variables = variables }

    /// The value of the first variable of that name; an empty one counts as unset.
    public subscript(name: String) -> String? {
        let prefix = "\(name)="
        guard let entry = variables.first(where: { $0.hasPrefix(prefix) }) else { return nil }
        let value = entry.dropFirst(prefix.count)
        return value.isEmpty ? nil : String(value)
    }

    /// The same environment with one variable changed.
    public func setting(_ name: String, to value: String) -> Environment {
        Environment(variables.filter { !$0.hasPrefix("\(name)=") } + ["\(name)=\(value)"])
    }
}
