import Foundation

/// The samples as a table for people and as CSV for machines.
struct Report {
    let rounds: Int
    let confName: String
    var missing: Set<String> = []
    private(set) var failures: [String] = []
    private var samples: [Sample] = []
    private var peaks: [(reservations: Int, system: String, verb: Verb, kib: Int)] = []

    init(rounds: Int, confName: String) {
        self.rounds = rounds
        self.confName = confName
    }

    mutating func add(_ session: Session) {
        samples += session.samples
        peaks += session.peaks.map { (session.reservations, $0.system, $0.verb, $0.kib) }
        failures += session.failures.map { "\($0.system), \(session.reservations) reservations: \($0.reason)" }
    }

    var markdown: String {
        var lines = [
            "Whole processes as a runtime starts them, configuration `\(confName)`, \(rounds) rounds,",
            "all systems interleaved in one run. Wall time from before posix_spawn until the process is reaped;",
            "processor time is the median of user and kernel time together.",
            "Peak is the largest resident set of a process.",
            "\(host), \(Date().formatted(.iso8601.year().month().day())).", "",
        ]
        for size in unique(samples.map(\.reservations)) {
            if size > 0 { lines += ["With \(size) addresses reserved:", ""] }
            lines += [
                "| verb | system | n | least ms | median ms | p95 ms | × floor | × reference "
                    + "| processor ms | of it kernel % | peak MiB |",
                "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
            ]
            for verb in Verb.allCases {
                for system in unique(samples.map(\.system)) { lines += row(size, verb, system).map { [$0] } ?? [] }
            }
            lines.append("")
        }
        lines += missing.sorted().map { "Missing: \($0)." }
        lines += failures.map { "**Failed, so not in the table:** \($0)." }
        return lines.joined(separator: "\n")
    }

    func write(to directory: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let stamp = Date().formatted(
            .iso8601.year().month().day().timeSeparator(.omitted).time(includingFractionalSeconds: false))
        let kind = samples.contains { $0.reservations > 0 } ? "growth" : "bench"
        let base = "\(directory)/\(kind)-\(confName)-\(stamp)"
        try (markdown + "\n").write(toFile: base + ".md", atomically: true, encoding: .utf8)
        var csv = ["round,reservations,system,verb,wall_us,user_us,kernel_us,peak_kib"]
        csv += samples.map {
            "\($0.round),\($0.reservations),\"\($0.system)\",\"\($0.verb.rawValue)\","
                + "\($0.wall.microseconds),\($0.user.microseconds),\($0.kernel.microseconds),"
        }
        csv += peaks.map { ",\($0.reservations),\"\($0.system)\",\"\($0.verb.rawValue)\",,,,\($0.kib)" }
        try (csv.joined(separator: "\n") + "\n").write(toFile: base + ".csv", atomically: true, encoding: .utf8)
    }

    private func row(_ size: Int, _ verb: Verb, _ system: String) -> String? {
        let mine = select(size, verb, system)
        if mine.isEmpty { return nil }
        let median = quantile(mine.map(\.wall), 0.5)
        func ratio(to other: String) -> String {
            let theirs = select(size, verb, other).map(\.wall)
            if theirs.isEmpty { return "" }
            return String(
                format: "%.3g", Double(median.microseconds) / Double(max(quantile(theirs, 0.5).microseconds, 1)))
        }
        let peak = peaks.filter { $0.reservations == size && $0.verb == verb && $0.system == system }.map(\.kib).max()
        let cells = [
            verb.rawValue, system, "\(mine.count)", number(quantile(mine.map(\.wall), 0)), number(median),
            number(quantile(mine.map(\.wall), 0.95)),
            ratio(to: Contenders.floor), ratio(to: Contenders.reference),
            number(quantile(mine.map { $0.user + $0.kernel }, 0.5)),
            kernelShare(mine), peak.map { String(format: "%.1f", Double($0) / 1024) } ?? "",
        ]
        return "| " + cells.joined(separator: " | ") + " |"
    }

    private func select(_ size: Int, _ verb: Verb, _ system: String) -> [Sample] {
        samples.filter { $0.reservations == size && $0.verb == verb && $0.system == system }
    }

    /// Of all rounds together: within a single short process the division between user and kernel is no more than a guess.
    private func kernelShare(_ samples: [Sample]) -> String {
        let kernel = samples.reduce(0) { $0 + $1.kernel.microseconds }
        let user = samples.reduce(0) { $0 + $1.user.microseconds }
        return samples.count < 10 ? "" : "\(100 * kernel / max(kernel + user, 1))"
    }

    private func number(_ duration: Duration) -> String { String(format: "%.2f", Double(duration.microseconds) / 1000) }

    private var host: String {
        var names = utsname()
        uname(&names)
        let release = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return "Linux \(release), \(ProcessInfo.processInfo.activeProcessorCount) processors"
    }
}

/// Nearest rank: always a value that was measured.
func quantile(_ values: [Duration], _ share: Double) -> Duration {
    precondition(!values.isEmpty, "a quantile of nothing")
    let rank = Int((share * Double(values.count)).rounded(.up))
    return values.sorted()[min(max(rank, 1), values.count) - 1]
}

/// In order of first appearance.
private func unique<T: Hashable>(_ values: [T]) -> [T] {
    var seen: Set<T> = []
    return values.filter { seen.insert($0).inserted }
}
