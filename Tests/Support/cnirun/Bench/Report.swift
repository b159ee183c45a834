import Foundation

/// The samples as tables for people and as CSV for machines.
struct Report {
    let rounds: Int
    var missing: Set<String> = []
    private(set) var failures: [String] = []
    private var unable: [String] = []
    private var measurements = Measurements()
    private var starts: Starts?

    init(rounds: Int) { self.rounds = rounds }

    mutating func add(_ session: Session) {
        measurements.add(session)
        failures += session.failures.map { failure in
            let beside = failure.subject.pods > 0 ? ", beside \(failure.subject.pods) pods" : ""
            return "\(failure.subject.system), \(failure.subject.conf)\(beside): \(failure.reason)"
        }
        unable += session.unable.map { "\($0.verb.rawValue) of \($0.subject.system), \($0.subject.conf): \($0.reason)" }
    }

    mutating func add(_ starts: Starts) { self.starts = starts }

    var markdown: String {
        var lines = [
            "Whole processes as a runtime starts them, the sum of a chain's, \(rounds) rounds,",
            "all systems interleaved in one run. Wall time from before posix_spawn until the process is reaped;",
            "processor time is the median of user and kernel time together.",
            "Peak is the largest resident set of a process.",
            "\(host), \(Date().formatted(.iso8601.year().month().day())).", "",
        ]
        for pods in measurements.unique(\.pods) {
            for conf in measurements.unique(\.conf, where: { $0.pods == pods }) {
                lines += ["Configuration `\(conf)`\(pods > 0 ? ", beside \(pods) pods" : ""):", ""]
                lines += table(conf, pods) + [""]
            }
        }
        lines += differences + Aims(measurements).markdown
        lines += starts?.markdown ?? []
        lines += missing.sorted().map { "Missing: \($0)." }
        lines += unable.map { "Not in the table, because it fails: \($0)." }
        lines += failures.map { "**Failed, so not in the table:** \($0)." }
        return lines.joined(separator: "\n")
    }

    func write(to directory: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let stamp = Date().formatted(
            .iso8601.year().month().day().timeSeparator(.omitted).time(includingFractionalSeconds: false))
        let names = measurements.unique(\.conf).joined(separator: "+")
        let kind = measurements.unique(\.pods).contains(0) ? "bench" : "growth"
        let base = "\(directory)/\(kind)-\(names)-\(stamp)"
        try (markdown + "\n").write(toFile: base + ".md", atomically: true, encoding: .utf8)
        var csv = ["round,configuration,pods,system,verb,wall_us,user_us,kernel_us,peak_kib"]
        func key(_ subject: Subject, _ verb: Verb) -> String {
            "\"\(subject.conf)\",\(subject.pods),\"\(subject.system)\",\"\(verb.rawValue)\""
        }
        csv += (measurements.samples + (starts?.samples ?? [])).map {
            "\($0.round),\(key($0.subject, $0.verb)),\($0.wall.microseconds),\($0.user.microseconds),"
                + "\($0.kernel.microseconds),"
        }
        csv += measurements.peaks.map { ",\(key($0.subject, $0.verb)),,,,\($0.kib)" }
        try (csv.joined(separator: "\n") + "\n").write(toFile: base + ".csv", atomically: true, encoding: .utf8)
    }

    private func table(_ conf: String, _ pods: Int) -> [String] {
        var lines = [
            "| verb | system | n | least ms | median ms | p95 ms | × floor | × reference "
                + "| processor ms | of it kernel % | peak MiB |",
            "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        ]
        let subjects = measurements.unique(\.self) { $0.conf == conf && $0.pods == pods }
        // The floor stays the plain one, whatever is measured beside it.
        let floor = measurements.unique(\.self) { $0.system == Contenders.floor && $0.pods == pods }.first
        let reference = Subject(system: Contenders.reference, conf: conf, pods: pods)
        for verb in Verb.allCases {
            for subject in subjects {
                let mine = measurements.of(subject, verb)
                if mine.isEmpty { continue }
                func ratio(to other: Subject?) -> String {
                    let value = other.flatMap { measurements.ratio(subject, to: $0, verb) }
                    return value.map { String(format: "%.3g", $0) } ?? ""
                }
                let walls = mine.map(\.wall)
                let cells = [
                    verb.rawValue, subject.system, "\(mine.count)", quantile(walls, 0).cell, quantile(walls, 0.5).cell,
                    quantile(walls, 0.95).cell, ratio(to: floor), ratio(to: reference),
                    quantile(mine.map { $0.user + $0.kernel }, 0.5).cell,
                    measurements.kernelShare(subject, verb).map { "\($0)" } ?? "",
                    measurements.peak(subject, verb).map { String(format: "%.1f", Double($0) / 1024) } ?? "",
                ]
                lines.append("| " + cells.joined(separator: " | ") + " |")
            }
        }
        return lines
    }

    /// What the other configurations cost more than the first.
    private var differences: [String] {
        let confs = measurements.unique(\.conf, where: { $0.pods == 0 })
        guard let base = confs.first, confs.count > 1 else { return [] }
        var lines = [
            "More than `\(base)` in ms, medians of the differences within a round:", "",
            "| verb | system |" + confs.dropFirst().map { " \($0) |" }.joined(),
            "|---|---|" + confs.dropFirst().map { _ in "--:|" }.joined(),
        ]
        for verb in [Verb.add, .check, .del] {
            for system in measurements.unique(\.system, where: { $0.pods == 0 && $0.system != Contenders.floor }) {
                let cells = confs.dropFirst().map { conf in
                    measurements.difference(
                        Subject(system: system, conf: conf, pods: 0),
                        minus: Subject(system: system, conf: base, pods: 0),
                        verb)?.cell ?? ""
                }
                lines.append("| \(verb.rawValue) | \(system) | " + cells.joined(separator: " | ") + " |")
            }
        }
        return lines + [""]
    }

    private var host: String {
        var names = utsname()
        uname(&names)
        let release = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return "Linux \(release), \(ProcessInfo.processInfo.activeProcessorCount) processors"
    }
}
