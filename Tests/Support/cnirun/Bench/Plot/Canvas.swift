import Foundation

/// An SVG drawing on a white card, so that it is readable on light and dark pages. Lengths are in pixels.
struct Canvas {
    enum Anchor: String { case start, middle, end }

    static let ink = "#1f2328"
    static let muted = "#59636e"
    static let grid = "#e4e8ec"

    private let width: Double
    private let height: Double
    private var elements: [String] = []

    init(width: Double, height: Double, title: String, subtitle: String) {
        (self.width, self.height) = (width, height)
        text(24, 34, title, size: 17, weight: 600)
        text(24, 54, subtitle, size: 12, color: Canvas.muted)
    }

    mutating func text(
        _ x: Double, _ y: Double, _ text: String, size: Int = 12, weight: Int = 400, color: String = Canvas.ink,
        anchor: Anchor = .start
    ) {
        elements.append(
            "<text x=\"\(n(x))\" y=\"\(n(y))\" font-size=\"\(size)\" font-weight=\"\(weight)\" fill=\"\(color)\" "
                + "text-anchor=\"\(anchor.rawValue)\">\(escaped(text))</text>")
    }

    mutating func bar(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ color: String) {
        elements.append(
            "<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(width))\" height=\"\(n(height))\" rx=\"2\" fill=\"\(color)\"/>"
        )
    }

    mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String = Canvas.grid) {
        elements.append(
            "<line x1=\"\(n(x1))\" y1=\"\(n(y1))\" x2=\"\(n(x2))\" y2=\"\(n(y2))\" stroke=\"\(color)\"/>")
    }

    /// A line through points.
    mutating func path(_ points: [(x: Double, y: Double)], _ color: String) {
        let joined = points.map { "\(n($0.x)),\(n($0.y))" }.joined(separator: " ")
        elements.append("<polyline points=\"\(joined)\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"2.5\"/>")
        for point in points {
            elements.append(
                "<circle cx=\"\(n(point.x))\" cy=\"\(n(point.y))\" r=\"4\" fill=\"\(color)\" stroke=\"#ffffff\"/>")
        }
    }

    /// Explains the colours, in a row.
    mutating func legend(_ y: Double, _ series: [Series]) {
        var x = 24.0
        for one in series {
            bar(x, y - 10, 12, 12, one.color)
            text(x + 18, y, one.name)
            x += 40 + 6.6 * Double(one.name.count)
        }
    }

    var svg: String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(n(width)) \(n(height))" width="\(n(width))" \
        height="\(n(height))" font-family="system-ui, 'Helvetica Neue', Arial, sans-serif">
        <rect x="0.5" y="0.5" width="\(n(width - 1))" height="\(n(height - 1))" rx="8" fill="#ffffff" stroke="#d0d7de"/>
        \(elements.joined(separator: "\n"))
        </svg>
        """
    }

    private func n(_ value: Double) -> String { String(format: "%.1f", value) }

    private func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
    }
}

/// A data series with its own colour.
struct Series: Hashable {
    var name: String
    var color: String
}
