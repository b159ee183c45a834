/// A word of a condition, or a part of one that has its own meaning.
struct Token: Sendable, Hashable, CustomStringConvertible {
    let text: String
    /// The number of its word, as separated by blanks; from 1.
    let word: Int
    /// Whether it was in quotation marks, so that it is a name, whatever it looks like.
    let isQuoted: Bool

    var description: String { "\"\(text)\" at word \(word)" }

    /// iptables options begin with a dash, and iptables negates with a separate `!`.
    var isForIptables: Bool { !isQuoted && (text.hasPrefix("-") || text == "!") }

    /// Splits a text at blanks, and around operators, braces and commas.
    static func all(in text: String) throws(NftSyntaxError) -> [Token] {
        var tokens: [Token] = []
        var word = 0
        for part in text.split(whereSeparator: { $0.isWhitespace }) {
            word += 1
            var rest = part
            while let first = rest.first {
                if first == "\"" {
                    let quoted = rest.dropFirst().prefix { $0 != "\"" }
                    guard quoted.endIndex < rest.endIndex else {
                        throw NftSyntaxError("a quotation mark is not closed in word \(word), \"\(part)\"")
                    }
                    tokens.append(Token(text: String(quoted), word: word, isQuoted: true))
                    rest = rest[rest.index(after: quoted.endIndex)...]
                } else if let symbol = symbols.first(where: { rest.hasPrefix($0) }) {
                    tokens.append(Token(text: symbol, word: word, isQuoted: false))
                    rest = rest.dropFirst(symbol.count)
                } else {
                    let plain = rest.prefix { !special.contains($0) }
                    // An incomplete symbol, such as a single `=`, becomes a word, which the parser will reject.
                    let taken = plain.isEmpty ? rest.prefix(1) : plain
                    tokens.append(Token(text: String(taken), word: word, isQuoted: false))
                    rest = rest.dropFirst(taken.count)
                }
            }
        }
        return tokens
    }

    /// Longer ones first.
    private static let symbols = ["==", "!=", "<=", ">=", "<", ">", "{", "}", ",", "&"]
    private static let special: Set<Character> = ["=", "!", "<", ">", "{", "}", ",", "&", "\""]
}
