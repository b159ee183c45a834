/// Rows of text in columns as wide as their content; empty columns are left out.
struct TextTable {
    private let headings: [String]
    private var rows: [[String]] = []

    init(_ headings: [String]) { self.headings = headings }

    /// - Precondition: there are as many cells as headings.
    mutating func add(_ cells: [String]) {
        precondition(cells.count == headings.count, "a row has as many cells as the table has columns")
        rows.append(cells)
    }

    /// A line for the headings and one for each row, without trailing blanks.
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
