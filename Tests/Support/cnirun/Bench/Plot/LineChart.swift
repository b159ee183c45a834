/// Panels of line plots side by side, with a common vertical axis; both axes are logarithmic.
struct LineChart {
    struct Line {
        var series: Series
        var points: [(x: Double, y: Double)]
    }
    struct Panel {
        var name: String
        var lines: [Line]
    }

    var title: String
    var subtitle: String
    /// The title of the horizontal axis, below each panel.
    var axis: String
    var panels: [Panel]

    private static let width = 860.0
    private static let height = 430.0
    private static let top = 128.0
    private static let bottom = 60.0
    private static let left = 60.0
    /// To the right of each panel, for the values at the ends of lines.
    private static let margin = 76.0
    /// Minimum distance between the values of lines that end close to each other.
    private static let leading = 14.0

    var svg: String {
        var canvas = Canvas(width: Self.width, height: Self.height, title: title, subtitle: subtitle)
        let lines = panels.flatMap(\.lines)
        var seen: Set<Series> = []
        canvas.legend(80, lines.map(\.series).filter { seen.insert($0).inserted })
        let points = lines.flatMap(\.points)
        let vertical = LogScale(points.map(\.y), from: Self.height - Self.bottom, to: Self.top)
        let step = (Self.width - Self.left + 16) / Double(max(panels.count, 1))
        for (index, panel) in panels.enumerated() {
            let start = Self.left + step * Double(index)
            draw(panel, on: &canvas, from: start, to: start + step - Self.margin, vertical)
        }
        return canvas.svg
    }

    private func draw(_ panel: Panel, on canvas: inout Canvas, from: Double, to: Double, _ vertical: LogScale) {
        let bottom = Self.height - Self.bottom
        let values = Array(Set(panel.lines.flatMap { $0.points.map(\.x) })).sorted()
        let horizontal = LogScale(values, from: from, to: to)
        canvas.text(from, Self.top - 14, panel.name, size: 13, weight: 600)
        for tick in vertical.ticks {
            let y = vertical.position(tick)
            canvas.line(from, y, to, y)
            if from == Self.left { canvas.text(from - 8, y + 4, short(tick), color: Canvas.muted, anchor: .end) }
        }
        for value in values {
            let x = horizontal.position(value)
            canvas.line(x, Self.top, x, bottom)
            canvas.text(x, bottom + 20, short(value), color: Canvas.muted, anchor: .middle)
        }
        canvas.text((from + to) / 2, bottom + 42, axis, color: Canvas.muted, anchor: .middle)

        var lowest = -Double.infinity
        let drawn = panel.lines.map { line in
            (line, line.points.map { (x: horizontal.position($0.x), y: vertical.position($0.y)) })
        }
        for (line, points) in drawn { canvas.path(points, line.series.color) }
        for (line, points) in drawn.sorted(by: { ($0.1.last?.y ?? 0) < ($1.1.last?.y ?? 0) }) {
            guard let end = points.last, let value = line.points.last?.y else { continue }
            lowest = max(end.y + 4, lowest + Self.leading)
            canvas.text(end.x + 9, lowest, short(value), weight: 600, color: line.series.color)
        }
    }
}
