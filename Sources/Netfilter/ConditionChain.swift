internal import Kernel
internal import Net
internal import Posix
internal import Wire

/// A chain that lets through to the mapping what fulfils conditions, and ends the matter for all others.
struct ConditionChain {
    static let prefix = "conditions_of_"

    let name: String
    private let text: String
    private let family: IPFamily

    /// nil where there are no conditions.
    init?(_ text: String, _ family: IPFamily) {
        guard !text.isEmpty else { return nil }
        self.text = text
        self.family = family
        name = ConditionChain.prefix + String(fnv1a("\(family) \(text)"), radix: 16)
    }
}

extension NodeRules {
    mutating func install(_ chain: ConditionChain) throws {}
    mutating func removeIfUnused(_ chain: ConditionChain) {}
}

extension NodeRules {
    mutating func deviations(of chain: ConditionChain) throws -> [String] { [] }
}
