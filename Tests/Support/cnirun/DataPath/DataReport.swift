import Foundation

/// The result of one probe on one site in one round.
struct Reading {
    var round: Int
    var site: String
    var probe: DataProbe
    var values: [Quantity: Double]
}

/// The readings as a table for people and as CSV for machines.
struct DataReport {
    let rounds: Int
    let seconds: Int
    /// The baseline of the comparison, and an identical site.
    let base: String
    let control: String
    /// The others.
    let others: [String]
    /// Whether the aim is that no other is worse.
    let isJudged: Bool
    var readings: [Reading] = []
    var remarks: [String] = []

    private func values(_ site: String, _ probe: DataProbe, _ quantity: Quantity) -> [Int: Double] {
        let pairs = readings.lazy.filter { $0.site == site && $0.probe == probe }
            .compactMap { reading in reading.values[quantity].map { (reading.round, $0) } }
        return Dictionary(pairs) { first, _ in first }
    }

    var markdown: String {
        var lines = [
            "\(rounds) rounds of \(seconds) s, all by turns in one run; medians. Ratios to `\(base)` of the same round, above 1",
            "is better; in brackets where the median lies with 95 % confidence. `\(control)` is one more that is alike.",
            "\(host), \(Date().formatted(.iso8601.year().month().day())).", "",
            "| | | \(base) | \(control) |" + others.map { " \($0) |" }.joined() + (isJudged ? " |" : ""),
            "|---|---|--:|--:|" + others.map { _ in "--:|" }.joined() + (isJudged ? "---|" : ""),
        ]
        var seen: Set<DataProbe> = []
        for probe in readings.map(\.probe) where seen.insert(probe).inserted {
            for quantity in Quantity.allCases { lines += row(probe, quantity) }
        }
        return (lines + [""] + remarks.map { "- \($0)" }).joined(separator: "\n")
    }

    private func row(_ probe: DataProbe, _ quantity: Quantity) -> [String] {
        let theirs = values(base, probe, quantity)
        guard !theirs.isEmpty else { return [] }
        let alike = Comparison(quantity, values(control, probe, quantity), against: theirs)
        let compared = others.map { Comparison(quantity, values($0, probe, quantity), against: theirs) }
        let middle = theirs.values.sorted()[theirs.count / 2]
        let cells = [probe.description, quantity.rawValue, middle.cell] + ([alike] + compared).map(\.cell)
        let verdict = quantity.isJudged ? compared.first?.verdict(alike)?.rawValue ?? "" : ""
        return ["| " + (cells + (isJudged ? [verdict] : [])).joined(separator: " | ") + " |"]
    }

    func write(to directory: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let stamp = Date().formatted(
            .iso8601.year().month().day().timeSeparator(.omitted).time(includingFractionalSeconds: false))
        let base = "\(directory)/\(isJudged ? "data" : "data-variants")-\(stamp)"
        try (markdown + "\n").write(toFile: base + ".md", atomically: true, encoding: .utf8)
        let quantities = Quantity.allCases
        var csv = [(["round", "site", "probe"] + quantities.map(\.rawValue)).joined(separator: ",")]
        csv += readings.map { reading in
            let numbers = quantities.map { reading.values[$0].map { String(format: "%.5g", $0) } ?? "" }
            return "\(reading.round),\"\(reading.site)\",\"\(reading.probe.description)\","
                + numbers.joined(separator: ",")
        }
        try (csv.joined(separator: "\n") + "\n").write(toFile: base + ".csv", atomically: true, encoding: .utf8)
    }

    private var host: String {
        var names = utsname()
        uname(&names)
        let release = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return "Linux \(release), \(ProcessInfo.processInfo.activeProcessorCount) processors"
    }
}

extension Double {
    /// Three digits, for a table.
    fileprivate var cell: String { String(format: self >= 100 ? "%.0f" : "%.3g", self) }
}

extension Comparison {
    fileprivate var cell: String {
        guard let median else { return "" }
        let range = interval.map { String(format: " (%.2f to %.2f)", $0.lowerBound, $0.upperBound) } ?? ""
        return String(format: "%.2f", median) + range
    }
}
