import Foundation

/// The plots of a run, by file name.
struct Plots {
    private let measurements: Measurements

    private static let series = [
        Series(name: Contenders.swiftlet, color: "#d9480f"), Series(name: Contenders.chain, color: "#f2a154"),
        Series(name: Contenders.reference, color: "#3b6fb6"), Series(name: Contenders.floor, color: "#868e96"),
    ]

    init(_ measurements: Measurements) { self.measurements = measurements }

    var all: [(name: String, svg: String)] {
        let bars: [(String, BarChart)] = [
            ("add", configurations("ADD by configuration", .add)),
            ("del", configurations("DEL by configuration", .del)),
            ("verbs", verbs("ports")), ("concurrency", concurrency),
        ]
        let lines = [("growth", growth(veths: false)), ("growth-veths", growth(veths: true))]
        return bars.filter { !$0.1.groups.isEmpty }.map { ($0, $1.svg) }
            + lines.filter { !$0.1.panels.isEmpty }.map { ($0, $1.svg) }
    }

    private static let unit = "Median wall time in ms, logarithmic"

    /// A bar for each measured system, with its time and how many times faster than the reference it is.
    private func bars(_ conf: String, _ verb: Verb) -> [BarChart.Bar] {
        Self.series.compactMap { series in
            let subject = Subject(system: series.name, conf: conf)
            guard let median = measurements.median(subject, verb)?.inMilliseconds else { return nil }
            let reference = Subject(system: Contenders.reference, conf: conf)
            let lead = subject == reference ? nil : measurements.ratio(reference, to: subject, verb)
            let times = lead.map { String(format: " · %@×", short($0)) } ?? ""
            return BarChart.Bar(series: series, value: median, label: String(format: "%.2f ms", median) + times)
        }
    }

    private func groups<Key>(_ keys: [Key], _ name: (Key) -> String, _ bars: (Key) -> [BarChart.Bar])
        -> [BarChart.Group]
    {
        keys.map { BarChart.Group(name: name($0), bars: bars($0)) }.filter { !$0.bars.isEmpty }
    }

    private func configurations(_ title: String, _ verb: Verb) -> BarChart {
        let confs = measurements.configurations
        return BarChart(
            title: title, subtitle: "\(Self.unit), and how many times faster than the reference",
            groups: groups(confs, { $0 }, { bars($0, verb) }))
    }

    private func verbs(_ conf: String) -> BarChart {
        BarChart(
            title: "Every command, masquerade and two ports",
            subtitle: "\(Self.unit), and how many times faster than the reference",
            groups: groups([Verb.add, .del, .check, .status, .version], \.rawValue) { bars(conf, $0) })
    }

    private var concurrency: BarChart {
        let levels = Set(measurements.bursts.map(\.inFlight)).sorted()
        let rows = [Verb.add, .del].flatMap { verb in levels.map { (verb: verb, inFlight: $0) } }
        return BarChart(
            title: "Pods per second, masquerade and two ports",
            subtitle: "By the number of commands in flight, logarithmic, and how many times the reference's",
            groups: groups(rows, { "\($0.verb.rawValue), \($0.inFlight)" }) { row in
                let reference = measurements.podsPerSecond(Contenders.reference, row.verb, inFlight: row.inFlight)
                return Self.series.compactMap { series in
                    measurements.podsPerSecond(series.name, row.verb, inFlight: row.inFlight).map { value in
                        let lead = series.name == Contenders.reference ? nil : reference.map { value / $0 }
                        let times = lead.map { " · \(short($0))×" } ?? ""
                        return BarChart.Bar(series: series, value: value, label: short(value) + "/s" + times)
                    }
                }
            })
    }

    private func growth(veths: Bool) -> LineChart {
        let subjects = measurements.unique(\.self) { $0.pods > 0 && ($0.veths > 0) == veths }
        let panels = [Verb.add, .del].compactMap { verb -> LineChart.Panel? in
            let lines = Self.series.compactMap { series -> LineChart.Line? in
                let points = subjects.filter { $0.system == series.name }.sorted { $0.pods < $1.pods }
                    .compactMap { subject in
                        measurements.median(subject, verb).map { (x: Double(subject.pods), y: $0.inMilliseconds) }
                    }
                return points.count > 1 ? LineChart.Line(series: series, points: points) : nil
            }
            return lines.isEmpty ? nil : LineChart.Panel(name: verb.rawValue, lines: lines)
        }
        let most = subjects.map(\.veths).max() ?? 0
        let what =
            veths
            ? "Beside other pods with their veths (at most \(most.formatted()))"
            : "Beside other pods' rules and reservations"
        return LineChart(
            title: what, subtitle: Self.unit, axis: "pods on the node", panels: panels)
    }
}
