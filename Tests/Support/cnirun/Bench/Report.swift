import Foundation

/// The samples as tables for people, as plots, and as CSV for machines.
struct Report {
    let rounds: Int
    /// The prefix of its files' names.
    let kind: String
    /// In bytes.
    let executable: Int?
    var missing: Set<String> = []
    /// The version of the reference that was measured, if known.
    var reference: String?
    private(set) var failures: [String] = []
    private var unable: [String] = []
    private var measurements = Measurements()
    private var starts: Starts?
    private var burstPlan: Bursts.Plan?

    init(rounds: Int, kind: String, executable: Int?) {
        self.rounds = rounds
        self.kind = kind
        self.executable = executable
    }

    mutating func add(_ session: Session) {
        measurements.add(session)
        failures += session.failures.map { failure in
            let subject = failure.subject
            let beside = subject.pods > 0 ? ", beside \(subject.pods) pods and \(subject.veths) veths" : ""
            return "\(subject.system), \(subject.conf)\(beside): \(failure.reason)"
        }
        unable += session.unable.map { "\($0.verb.rawValue) of \($0.subject.system), \($0.subject.conf): \($0.reason)" }
    }

    mutating func add(_ bursts: Bursts) {
        measurements.add(bursts)
        burstPlan = bursts.plan
        failures += bursts.failures.map { "\($0.system), \($0.reason)" }
    }

    mutating func add(_ starts: Starts) { self.starts = starts }

    var markdown: String {
        let tables = Tables(measurements)
        var lines = [
            "Whole processes as a runtime starts them, the sum of a chain's; at most \(rounds) rounds, n says how many;",
            "all systems interleaved in one run. Wall time from before posix_spawn until the process is reaped; user",
            "and system time are means. Peak is the largest resident set of a process, in MB (10⁶ bytes).",
            "\(host), \(Date().formatted(.iso8601.year().month().day())).", "",
        ]
        if let reference { lines += ["The reference is \(reference).", ""] }
        lines += Targets(measurements, executable: executable).markdown
        for conf in measurements.configurations {
            lines += ["Configuration `\(conf)`:", ""] + tables.commands(conf) + [""]
        }
        lines += tables.differences
        if kind == "reservations" {
            lines += tables.growth("With that many reserved addresses", veths: false)
        } else {
            lines += tables.growth("With that many other pods' reservations, rules and records", veths: false)
            lines += tables.growth("The same with their veths", veths: true)
        }
        if let burstPlan { lines += tables.concurrency(burstPlan) }
        lines += starts?.markdown ?? []
        lines += missing.sorted().map { "Missing: \($0)." }
        lines += unable.map { "Not in the table, because it fails: \($0)." }
        lines += failures.map { "**Failed, so not in the table:** \($0)." }
        return lines.joined(separator: "\n")
    }

    func write(to directory: String, plots: String) throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let stamp = Date().formatted(
            .iso8601.year().month().day().timeSeparator(.omitted).time(includingFractionalSeconds: false))
        let base = "\(directory)/\(kind)-\(stamp)"
        func save(_ lines: [String], _ path: String) throws {
            try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        }
        try save([markdown], base + ".md")
        try save(samples, base + ".csv")
        if !measurements.bursts.isEmpty { try save(burstSamples, base + "-bursts.csv") }
        let drawn = kind == "reservations" ? [] : Plots(measurements).all
        if drawn.isEmpty { return }
        try FileManager.default.createDirectory(atPath: plots, withIntermediateDirectories: true)
        for (name, svg) in drawn { try save([svg], "\(plots)/\(name).svg") }
    }

    /// A line for each timed command, then one for each untimed count.
    private var samples: [String] {
        func key(_ subject: Subject, _ verb: Verb) -> String {
            "\"\(subject.conf)\",\(subject.pods),\(subject.veths),\"\(subject.system)\",\"\(verb.rawValue)\""
        }
        let times = (measurements.samples + (starts?.samples ?? [])).map {
            "\($0.round),\(key($0.subject, $0.verb)),\($0.wall.microseconds),\($0.user.microseconds),"
                + "\($0.kernel.microseconds),,,"
        }
        let counts = measurements.footprints.map { footprint in
            let numbers = [footprint.peakKiB, footprint.calls, footprint.programs].map { $0.map(String.init) ?? "" }
            return ",\(key(footprint.subject, footprint.verb)),,,,\(numbers.joined(separator: ","))"
        }
        let columns = "round,configuration,pods,veths,system,verb,wall_us,user_us,kernel_us,peak_kib,calls,programs"
        return [columns] + times + counts
    }

    private var burstSamples: [String] {
        ["repetition,system,verb,in_flight,pods,wall_us"]
            + measurements.bursts.map {
                "\($0.repetition),\"\($0.system)\",\"\($0.verb.rawValue)\",\($0.inFlight),\($0.pods),"
                    + "\($0.wall.microseconds)"
            }
    }

    private var host: String {
        var names = utsname()
        uname(&names)
        let release = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return "Linux \(release), \(ProcessInfo.processInfo.activeProcessorCount) processors"
    }
}
