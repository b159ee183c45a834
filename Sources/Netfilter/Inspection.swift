internal import Kernel
public import Posix
internal import Wire

/// What `swiftletctl` and the tests look at.
extension NodeRules {
    /// The tables, as nft names them: `inet swiftlet`. The first is made with the first rules of any kind, the second for
    /// spoof guards only.
    public static let tables: [String] = OwnTable.allCases.map { "\($0.table)" }

    /// Chains that come and go with conditions of ports, beside the fixed ones.
    public static let conditionChainPrefix = ConditionChain.prefix

    /// Makes all of the tables, with nothing in them.
    public mutating func installRulesets() throws(Failure) {
        for table in OwnTable.allCases { try install(table) }
    }
}
