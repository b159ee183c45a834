import Foundation

/// Tables in Markdown.
struct Tables {
    private let measurements: Measurements

    init(_ measurements: Measurements) { self.measurements = measurements }

    /// All commands of all systems with one configuration.
    func commands(_ conf: String) -> [String] {
        var lines = [
            "| verb | system | n | least ms | median ms | p95 ms | × floor | × reference "
                + "| user ms | system ms | system calls | programs | peak MB |",
            "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        // The floor is always the plain one, whatever is measured besides it; it does nothing with lo.
        let floor = measurements.unique(\.self) {
            $0.system == Contenders.floor && $0.pods == 0 && conf != Contenders.loopback
        }.first
        let reference = Subject(system: Contenders.reference, conf: conf)
        for verb in Verb.allCases {
            for subject in measurements.unique(\.self, where: { $0.conf == conf && $0.pods == 0 }) {
                let walls = measurements.of(subject, verb).map(\.wall)
                if walls.isEmpty { continue }
                func ratio(to other: Subject?) -> String {
                    let value = other.flatMap { measurements.ratio(subject, to: $0, verb) }
                    return value.map { String(format: "%.3g", $0) } ?? ""
                }
                func count(_ part: KeyPath<Footprint, Int?>) -> String {
                    measurements.count(part, subject, verb)?.formatted() ?? ""
                }
                let processor = measurements.processor(subject, verb)
                let cells = [
                    verb.rawValue, subject.system, "\(walls.count)", quantile(walls, 0).cell, quantile(walls, 0.5).cell,
                    quantile(walls, 0.95).cell, ratio(to: floor), ratio(to: reference), processor?.user.cell ?? "",
                    processor?.kernel.cell ?? "", count(\.calls), count(\.programs),
                    measurements.peak(subject, verb).map { String(format: "%.1f", $0) } ?? "",
                ]
                lines.append("| " + cells.joined(separator: " | ") + " |")
            }
        }
        return lines
    }

    /// The additional cost of the other configurations over the first.
    var differences: [String] {
        let confs = measurements.configurations
        guard let base = confs.first, confs.count > 1 else { return [] }
        let others = confs.dropFirst().filter { $0 != Contenders.loopback }
        func difference(_ system: String, _ conf: String, _ verb: Verb) -> Duration? {
            measurements.difference(
                Subject(system: system, conf: conf), minus: Subject(system: system, conf: base), verb)
        }
        var lines = [
            "More than `\(base)` in ms, medians of the differences within a round:", "",
            "| verb | system |" + others.map { " \($0) |" }.joined(), "|---|---|" + others.map { _ in "--:|" }.joined(),
        ]
        for verb in [Verb.add, .check, .del] {
            for system in measurements.unique(\.system, where: { $0.pods == 0 && $0.system != Contenders.floor }) {
                let cells = others.map { difference(system, $0, verb)?.cell ?? "" }
                lines.append("| \(verb.rawValue) | \(system) | " + cells.joined(separator: " | ") + " |")
            }
        }
        lines.append("")
        if let spared = difference(Contenders.swiftlet, Contenders.loopbackUp, .add) {
            lines += [
                "`swiftlet` brings up lo itself. If lo is already up (`lo-up`), ADD takes "
                    + "\((.zero - spared).cell) ms less than in `\(base)`.", "",
            ]
        }
        return lines
    }

    /// Medians by the number of other pods on the node.
    func growth(_ title: String, veths: Bool) -> [String] {
        let subjects = measurements.unique(\.self) { $0.pods > 0 && ($0.veths > 0) == veths }
        let sizes = Set(subjects.map(\.pods)).sorted()
        guard let few = sizes.first, let many = sizes.last, few < many, let conf = subjects.first?.conf else {
            return []
        }
        func heading(_ size: Int) -> String {
            let most = subjects.first { $0.pods == size }?.veths ?? 0
            return veths && most < size ? "\(size.formatted()) (\(most.formatted()) veths)" : size.formatted()
        }
        var lines = [
            "\(title) (`\(conf)`), medians in ms, with n where it is smaller:", "",
            "| verb | system |" + sizes.map { " \(heading($0)) |" }.joined() + " times |",
            "|---|---|" + sizes.map { _ in "--:|" }.joined() + "--:|",
        ]
        let most = subjects.map { measurements.of($0, .add).count }.max() ?? 0
        for verb in [Verb.add, .del] {
            for system in measurements.unique(\.system, where: { $0.pods > 0 }) {
                func subject(_ size: Int) -> Subject? { subjects.first { $0.system == system && $0.pods == size } }
                let cells = sizes.map { size -> String in
                    guard let subject = subject(size), let median = measurements.median(subject, verb) else {
                        return ""
                    }
                    let n = measurements.of(subject, verb).count
                    return median.cell + (n < most ? " (n \(n))" : "")
                }
                let ends = (subject(few), subject(many))
                let ratio = ends.0.flatMap { first in ends.1.flatMap { measurements.ratio($0, to: first, verb) } }
                lines.append(
                    "| \(verb.rawValue) | \(system) | " + cells.joined(separator: " | ")
                        + " | \(ratio.map { String(format: "%.2f", $0) } ?? "") |")
            }
        }
        return lines + [""]
    }

    /// Pods per second by the number of commands in flight.
    func concurrency(_ plan: Bursts.Plan) -> [String] {
        let systems = [Contenders.swiftlet, Contenders.chain, Contenders.reference].filter { system in
            measurements.bursts.contains { $0.system == system }
        }
        var lines = [
            "Pods per second with that many commands in flight, medians of \(plan.repetitions) bursts of \(plan.pods) pods, "
                + "and times the reference:", "",
            "| verb | in flight |" + systems.map { " \($0) |" }.joined(),
            "|---|--:|" + systems.map { _ in "--:|" }.joined(),
        ]
        for verb in [Verb.add, .del] {
            for inFlight in plan.levels {
                let theirs = measurements.podsPerSecond(Contenders.reference, verb, inFlight: inFlight)
                let cells = systems.map { system -> String in
                    guard let mine = measurements.podsPerSecond(system, verb, inFlight: inFlight) else { return "" }
                    let times = theirs.map { String(format: " (%.1f×)", mine / $0) } ?? ""
                    return String(format: "%.0f", mine) + (system == Contenders.reference ? "" : times)
                }
                lines.append("| \(verb.rawValue) | \(inFlight) | " + cells.joined(separator: " | ") + " |")
            }
        }
        return lines + [""]
    }
}
