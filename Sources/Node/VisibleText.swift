extension String {
    /// The text as a terminal may get it: what a terminal would obey, or show in another order, is spelled out.
    ///
    /// Names and aliases of interfaces in pods are their root's to choose. Lines, tabs and the colours of ``TextStyle`` stay.
    /// - Parameter isColored: whether those colours are meant.
    public func visible(isColored: Bool = false) -> String {
        guard unicodeScalars.contains(where: \.isObeyed) else { return self }
        var shown = String.UnicodeScalarView()
        var rest = unicodeScalars[...]
        while let first = rest.first {
            if isColored, let mark = TextStyle.marks.first(where: { rest.starts(with: $0) }) {
                shown.append(contentsOf: mark)
                rest = rest.dropFirst(mark.count)
                continue
            }
            rest.removeFirst()
            if first.isObeyed, first != "\n", first != "\t" {
                shown.append(contentsOf: first.spelling.unicodeScalars)
            } else {
                shown.append(first)
            }
        }
        return String(shown)
    }
}

extension Unicode.Scalar {
    /// Control characters (ECMA-48), separators of lines, and marks of direction (Unicode Standard Annex #9).
    fileprivate var isObeyed: Bool {
        switch value {
        case 0...0x1f, 0x7f...0x9f, 0x61c, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069: true
        default: false
        }
    }

    /// Such as `\x1b` or `\u202e`.
    fileprivate var spelling: String {
        let digits = String(value, radix: 16)
        return value < 0x100
            ? "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
            : "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}

extension TextStyle {
    /// All that it puts around texts.
    fileprivate static let marks = ["0", "1", "2", "31", "32", "33", "36"].map { Array("\u{1b}[\($0)m".unicodeScalars) }
}
