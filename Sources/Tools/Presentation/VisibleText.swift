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
            if isColored, first == "\u{1b}", let mark = TextStyle.marks.first(where: { rest.starts(with: $0) }) {
                shown.append(contentsOf: mark)
                rest = rest.dropFirst(mark.count)
                continue
            }
            rest.removeFirst()
            if first.isObeyed {
                shown.append(contentsOf: first.escape(inJSON: false).unicodeScalars)
            } else {
                shown.append(first)
            }
        }
        return String(shown)
    }

    /// JSON with what a terminal would obey escaped: a program reads the same from it.
    public var visibleJSON: String {
        guard unicodeScalars.contains(where: \.isObeyed) else { return self }
        var shown = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            if scalar.isObeyed {
                shown.append(contentsOf: scalar.escape(inJSON: true).unicodeScalars)
            } else {
                shown.append(scalar)
            }
        }
        return String(shown)
    }
}

extension Unicode.Scalar {
    /// Control characters (ECMA-48) but for line feeds and tabs, separators of lines, and marks of direction (Unicode Standard Annex #9).
    fileprivate var isObeyed: Bool {
        switch value {
        case 0...0x8, 0xb...0x1f, 0x7f...0x9f, 0x61c, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069: true
        default: false
        }
    }

    /// Such as `\x1b` or `\u202e`; in JSON the latter only.
    fileprivate func escape(inJSON: Bool) -> String {
        let (mark, width) = value < 0x100 && !inJSON ? ("\\x", 2) : ("\\u", 4)
        let digits = String(value, radix: 16)
        return mark + String(repeating: "0", count: width - digits.count) + digits
    }
}
