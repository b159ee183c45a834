extension String {
    /// The text made safe for a terminal: characters that a terminal would obey or that reorder text are escaped.
    ///
    /// A pod's root chooses its interfaces' names and aliases. Line feeds, tabs and the colours of ``TextStyle`` are kept.
    /// - Parameter isColored: whether those colours are intended.
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

    /// JSON in which characters that a terminal would obey are escaped. Programs read the same values from it.
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
    /// Control characters (ECMA-48) except line feeds and tabs, line separators, and direction marks
    /// (Unicode Standard Annex #9).
    fileprivate var isObeyed: Bool {
        switch value {
        case 0...0x8, 0xb...0x1f, 0x7f...0x9f, 0x61c, 0x200e...0x200f, 0x2028...0x202e, 0x2066...0x2069: true
        default: false
        }
    }

    /// Such as `\x1b` or `\u202e`; in JSON only the latter form.
    fileprivate func escape(inJSON: Bool) -> String {
        let (mark, width) = value < 0x100 && !inJSON ? ("\\x", 2) : ("\\u", 4)
        let digits = String(value, radix: 16)
        return mark + String(repeating: "0", count: width - digits.count) + digits
    }
}
