/// A picture written shape by shape, in whole pixels (SVG 1.1).
struct SVG {
    private var shapes: [String] = []

    /// How a text looks.
    struct Font {
        var size = 12
        var isBold = false
        /// Whether all characters have the same width.
        var isFixed = false
        var color = "#0f172a"

        /// The approximate width of a text: fonts differ.
        func width(_ text: String) -> Int { (text.count * size * (isFixed ? 61 : isBold ? 60 : 54) + 99) / 100 }

        /// Breaks a text into lines between words.
        func wrapped(_ text: String, into width: Int) -> [String] {
            var lines: [String] = []
            for word in text.split(separator: " ") {
                if let last = lines.last, self.width("\(last) \(word)") <= width {
                    lines[lines.count - 1] = "\(last) \(word)"
                } else {
                    lines.append(String(word))
                }
            }
            return lines
        }

        /// As much of a text as fits.
        func fitted(_ text: String, into width: Int) -> String {
            guard self.width(text) > width else { return text }
            return Words.cut(text, to: max(width * text.count / self.width(text), 2))
        }
    }

    enum Anchor: String { case start, middle, end }

    mutating func rectangle(
        _ x: Int, _ y: Int, _ width: Int, _ height: Int, radius: Int = 6, fill: String, stroke: String? = nil,
        dashes: String? = nil, thickness: Int = 1
    ) {
        var shape = #"<rect x="\#(x)" y="\#(y)" width="\#(width)" height="\#(height)" rx="\#(radius)" fill="\#(fill)""#
        if let stroke { shape += #" stroke="\#(stroke)" stroke-width="\#(thickness)""# }
        if let dashes { shape += #" stroke-dasharray="\#(dashes)""# }
        shapes.append(shape + "/>")
    }

    /// A line through all the points.
    mutating func line(_ points: [(x: Int, y: Int)], stroke: String, thickness: Int = 2, dashes: String? = nil) {
        let path = points.map { "\($0.x),\($0.y)" }.joined(separator: " ")
        var shape = #"<polyline points="\#(path)" fill="none" stroke="\#(stroke)" stroke-width="\#(thickness)""#
        shape += #" stroke-linejoin="round" stroke-linecap="round""#
        if let dashes { shape += #" stroke-dasharray="\#(dashes)""# }
        shapes.append(shape + "/>")
    }

    mutating func dot(_ x: Int, _ y: Int, radius: Int, fill: String) {
        shapes.append(#"<circle cx="\#(x)" cy="\#(y)" r="\#(radius)" fill="\#(fill)"/>"#)
    }

    /// - Parameter y: of the baseline.
    mutating func text(_ text: String, _ x: Int, _ y: Int, _ font: Font = Font(), anchor: Anchor = .start) {
        guard !text.isEmpty else { return }
        var shape = #"<text x="\#(x)" y="\#(y)" font-size="\#(font.size)" fill="\#(font.color)""#
        if font.isBold { shape += #" font-weight="600""# }
        if font.isFixed { shape += #" class="m""# }
        if anchor != .start { shape += #" text-anchor="\#(anchor.rawValue)""# }
        shapes.append(shape + ">\(SVG.escaped(text))</text>")
    }

    /// Shapes that belong together; browsers show the title when the pointer rests on them.
    mutating func group(title: String, _ body: (inout SVG) -> Void) {
        shapes.append("<g><title>\(SVG.escaped(title))</title>")
        body(&self)
        shapes.append("</g>")
    }

    /// The whole document, self-contained.
    func document(width: Int, height: Int, title: String) -> String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" viewBox="0 0 \(width) \(height)" \
        role="img" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, \
        sans-serif">
        <title>\(SVG.escaped(title))</title>
        <style>.m{font-family:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace}</style>
        \(shapes.joined(separator: "\n"))
        </svg>

        """
    }

    /// Escapes characters that mean something in XML, and replaces those that XML does not allow.
    static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "\n", "\t": escaped.unicodeScalars.append(scalar)
            case "\u{0}"..<"\u{20}", "\u{7f}", "\u{fffe}", "\u{ffff}": escaped += "?"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
