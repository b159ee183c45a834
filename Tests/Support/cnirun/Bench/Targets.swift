import Foundation

/// The aims, judged by the samples of one run.
struct Targets {
    let measurements: Measurements
    /// In bytes.
    let executable: Int?

    private enum Bound {
        case atMost(Double)
        case atLeast(Double)

        var text: String {
            switch self {
            case .atMost(let value): "at most \(value.formatted())"
            case .atLeast(let value): "at least \(value.formatted())"
            }
        }

        func isMet(by value: Double) -> Bool {
            switch self {
            case .atMost(let most): value <= most
            case .atLeast(let least): value >= least
            }
        }
    }

    /// A table; empty if the run does not concern the aims.
    var markdown: [String] {
        let rows = plain + rules + dual + growth + concurrency + memory + size
        if rows.isEmpty { return [] }
        return ["Aims:", "", "| aim | wanted | measured | |", "|---|--:|--:|---|"] + rows + [""]
    }

    private static let ours = [Contenders.swiftlet, Contenders.chain]
    private let floor = Subject(system: Contenders.floor, conf: "plain")

    init(_ measurements: Measurements, executable: Int?) {
        self.measurements = measurements
        self.executable = executable
    }

    /// Empty if it was not measured.
    private func row(_ aim: String, _ bound: Bound, _ measured: Double?, applies: Bool = true) -> [String] {
        guard let measured else { return [] }
        let verdict = bound.isMet(by: measured) ? "met" : "**not met**"
        let value = String(format: measured < 10 ? "%.2f" : "%.1f", measured)
        return ["| \(aim) | \(bound.text) | \(value) | \(applies ? verdict : "does not apply") |"]
    }

    private func lead(_ system: String, _ conf: String, _ verb: Verb) -> Double? {
        measurements.ratio(
            Subject(system: Contenders.reference, conf: conf), to: Subject(system: system, conf: conf), verb)
    }

    private var plain: [String] {
        Self.ours.flatMap { system in
            row(
                "ADD of \(system), bridge and host-local, times the floor", .atMost(1.5),
                measurements.ratio(Subject(system: system, conf: "plain"), to: floor, .add))
                + row("the same, times faster than the reference", .atLeast(5), lead(system, "plain", .add))
        }
    }

    private var rules: [String] {
        let what = "with masquerade and two ports"
        let one = Subject(system: Contenders.swiftlet, conf: "ports")
        let blocked = measurements.median(floor, .del)
        return row(
            "ADD of swiftlet \(what), times the plain floor", .atMost(1.8), measurements.ratio(one, to: floor, .add))
            + row("the same, times faster than the reference", .atLeast(25), lead(Contenders.swiftlet, "ports", .add))
            + row(
                "ADD of \(Contenders.chain) \(what), times faster than the reference", .atLeast(12),
                lead(Contenders.chain, "ports", .add))
            + row(
                "DEL of swiftlet \(what), in ms, where the floor's call needs 15 or more"
                    + (blocked.map { " (here \($0.cell))" } ?? ""),
                .atMost(2.5), measurements.median(one, .del)?.inMilliseconds,
                applies: blocked.map { $0 >= .milliseconds(15) } ?? false)
            + Self.ours.flatMap { system in
                [Verb.add, .del].flatMap { verb in
                    row(
                        "\(verb.rawValue) of \(system) with a TCP and a UDP port, times that with two TCP ports",
                        .atMost(1.15),
                        measurements.ratio(
                            Subject(system: system, conf: Contenders.udp), to: Subject(system: system, conf: "ports"),
                            verb))
                }
            }
            + Self.ours.flatMap { system in
                row(
                    "DEL of \(system) \(what), times faster than the reference", .atLeast(40),
                    lead(system, "ports", .del))
            }
    }

    private var dual: [String] {
        Self.ours.flatMap { system in
            row(
                "ADD of \(system), dual-stack, more than single-stack, in ms", .atMost(0.3),
                measurements.difference(
                    Subject(system: system, conf: "dual"), minus: Subject(system: system, conf: "plain"), .add)?
                    .inMilliseconds)
        }
    }

    private var growth: [String] {
        [false, true].flatMap { withVeths in
            let grown = measurements.unique(\.self) { $0.pods > 0 && ($0.veths > 0) == withVeths }
            return Self.ours.flatMap { system in
                let mine = grown.filter { $0.system == system }.sorted { $0.pods < $1.pods }
                guard let few = mine.first, let many = mine.last, few != many else { return [String]() }
                let beside = "\(many.pods) pods" + (withVeths ? " and \(many.veths) veths" : "")
                return [Verb.add, .del].flatMap { verb in
                    row(
                        "\(verb.rawValue) of \(system) beside \(beside), times that beside \(few.pods)", .atMost(1.2),
                        measurements.ratio(many, to: few, verb))
                }
            }
        }
    }

    private var concurrency: [String] {
        guard let inFlight = measurements.bursts.map(\.inFlight).max() else { return [] }
        return Self.ours.flatMap { system in
            [Verb.add, .del].flatMap { verb -> [String] in
                guard let mine = measurements.podsPerSecond(system, verb, inFlight: inFlight),
                    let theirs = measurements.podsPerSecond(Contenders.reference, verb, inFlight: inFlight)
                else { return [] }
                return row(
                    "\(verb.rawValue) of \(system), \(inFlight) in flight, times the reference's pods per second",
                    .atLeast(20), mine / theirs)
            }
        }
    }

    private var memory: [String] {
        Self.ours.flatMap { system in
            let peaks = measurements.unique(\.self) { $0.system == system }.compactMap { measurements.peak($0) }
            return row("peak memory of \(system), whatever it is asked, in MB", .atMost(6), peaks.max())
        }
    }

    private var size: [String] {
        row("the executable, stripped, in MB", .atMost(8), executable.map { Double($0) / 1_000_000 })
    }
}
