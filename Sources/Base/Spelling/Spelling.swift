/// Finds which word a misspelt one was meant to be.
public enum Spelling {
    /// The nearest of some words, unless it is too different to have been meant.
    public static func nearest(to word: String, among words: [String]) -> String? {
        let limit = max(1, min(3, word.count / 3))
        let candidates = words.map { (word: $0, distance: distance(word.lowercased(), $0.lowercased())) }
        return candidates.filter { $0.distance <= limit }.min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
    }

    /// How many characters have to be inserted, deleted, replaced or swapped with their neighbour (optimal string alignment).
    public static func distance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a), Array(b))
        var rows = [Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, rows[i - 1][j - 1] + 1) }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
