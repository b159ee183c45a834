/// Horizontal bars in groups, on a logarithmic axis.
struct BarChart {
    struct Bar {
        var series: Series
        var value: Double
        /// Shown to the right of the bar.
        var label: String
    }
    struct Group {
        var name: String
        var bars: [Bar]
    }

    var title: String
    var subtitle: String
    var groups: [Group]

    private static let width = 860.0
    private static let left = 130.0
    /// Space for the label of the longest bar.
    private static let right = 150.0
    private static let top = 104.0
    private static let thickness = 17.0
    private static let gap = 16.0

    var svg: String {
        let bars = groups.flatMap(\.bars)
        let height = Self.thickness * Double(bars.count) + Self.gap * Double(groups.count)
        var canvas = Canvas(width: Self.width, height: Self.top + height + 40, title: title, subtitle: subtitle)
        var seen: Set<Series> = []
        canvas.legend(80, bars.map(\.series).filter { seen.insert($0).inserted })
        let scale = LogScale(bars.map(\.value), from: Self.left, to: Self.width - Self.right)
        for tick in scale.ticks {
            let x = scale.position(tick)
            canvas.line(x, Self.top, x, Self.top + height)
            canvas.text(x, Self.top + height + 20, short(tick), color: Canvas.muted, anchor: .middle)
        }
        var y = Self.top + Self.gap / 2
        for group in groups {
            let middle = y + Self.thickness * Double(group.bars.count) / 2
            canvas.text(Self.left - 12, middle + 4, group.name, size: 13, weight: 600, anchor: .end)
            for bar in group.bars {
                let end = scale.position(bar.value)
                canvas.bar(Self.left, y + 1, max(end - Self.left, 1), Self.thickness - 3, bar.series.color)
                canvas.text(end + 6, y + Self.thickness - 5, bar.label)
                y += Self.thickness
            }
            y += Self.gap
        }
        return canvas.svg
    }
}
