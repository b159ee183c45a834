/// A word of a condition, or a part of one that means something by itself.
struct Token: Sendable, Hashable, CustomStringConvertible {
    let text: String
    /// Which of the words between blanks it is, or is part of; from 1.
    let word: Int
    /// Whether it stood in quotation marks: a name then, whatever it looks like.
    let isQuoted: Bool

    var description: String { "\"\(text)\" at word \(word)" }

    /// Options begin with a dash, and iptables negates by a `!` of its own.
    var isForIptables: Bool { !isQuoted && (text.hasPrefix("-") || text == "!") }

    /// Cuts a text at blanks, and around operators, braces and commas.
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
                    // What begins no symbol after all, such as a single `=`, is a word for somebody to complain about.
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
