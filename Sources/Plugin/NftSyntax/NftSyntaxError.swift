/// What is wrong with a condition, and at which word.
public struct NftSyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Such as `unknown word "foo" at word 3`.
    public let description: String

    init(_ description: String) { self.description = description }

    init(_ token: Token, _ text: String) { description = "\(token) \(text)" }

    static func unknown(_ token: Token, wanted: String) -> NftSyntaxError {
        token.isForIptables ? .iptables(token) : NftSyntaxError("unknown word \(token): expected \(wanted)")
    }

    static func iptables(_ token: Token) -> NftSyntaxError {
        NftSyntaxError(
            "\(token) is iptables syntax; conditions are written in the syntax of nft, such as: ip saddr != 10.0.0.0/8")
    }
}
