/// Rows of text in columns that are as wide as they need be; empty columns are left out.
struct TextTable {
    private let headings: [String]
    private var rows: [[String]] = []

    init(_ headings: [String]) { self.headings = headings }

    /// - Precondition: as many cells as headings.
    mutating func add(_ cells: [String]) {
        precondition(cells.count == headings.count, "a row has as many cells as the table has columns")
        rows.append(cells)
    }

    /// A line for the headings and one for each row; nothing at the end of a line.
    var lines: [String] {
        let shown = headings.indices.filter { column in rows.contains { !$0[column].isEmpty } }
        let widths = headings.indices.map { column in
            ([headings] + rows).map { $0[column].count }.max() ?? 0
        }
        return ([headings] + rows).map { row in
            var line = ""
            for (position, column) in shown.enumerated() {
                let isLast = position == shown.count - 1
                line += isLast ? row[column] : Words.padded(row[column], to: widths[column] + 2)
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}

/// Colours and weights of a terminal (ECMA-48); none where they are not wanted.
public struct TextStyle: Sendable {
    let isColored: Bool

    public init(isColored: Bool) { self.isColored = isColored }

    func bold(_ text: String) -> String { wrapped(text, "1") }
    func faint(_ text: String) -> String { wrapped(text, "2") }
    public func bad(_ text: String) -> String { wrapped(text, "31") }
    public func good(_ text: String) -> String { wrapped(text, "32") }
    public func warning(_ text: String) -> String { wrapped(text, "33") }

    public func note(_ text: String) -> String { wrapped(text, "36") }

    private func wrapped(_ text: String, _ code: String) -> String {
        isColored ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }
}
