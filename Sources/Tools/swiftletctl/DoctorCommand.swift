import ArgumentParser
import Doctor
import FoundationEssentials
import Inventory
import Plugins
import Posix
import Presentation

struct DoctorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Find what is wrong with container networking on this node, and say how to mend it.",
        discussion: """
            Looks at kernel parameters, links, addresses, firewalls, configurations, and at what pods that are gone have \
            left. Nothing is changed without --fix, which makes only the changes that cannot hurt, and says which before. \
            docs/doctor.md has a section for each check.

            Exit code 0 if the node is healthy (notes do not count), 1 if there are warnings or problems, after --fix if \
            some remain, 2 if there are none but not all could be looked at.

            Examples:
              swiftletctl doctor
              swiftletctl doctor --fix --yes
              swiftletctl doctor --only forwarding --only mtu --json
              swiftletctl doctor --list
            """)

    @Flag(help: "Mend what needs no decision, after asking.") var fix = false
    @Flag(help: "With --fix: do not ask.") var yes = false
    @Flag(help: "List the checks, and run none.") var list = false
    @Option(help: ArgumentHelp("Run only this check; repeatable.", valueName: "name"))
    var only: [String] = []
    @Option(help: ArgumentHelp("Skip this check; repeatable.", valueName: "name"))
    var skip: [String] = []
    @Option(help: ArgumentHelp("Directory of network configurations.", valueName: "directory"))
    var confDir = "/etc/cni/net.d"
    @Option(help: ArgumentHelp("Directory of plugins.", valueName: "directory"))
    var binDir = "/opt/cni/bin"
    @Option(
        help: ArgumentHelp(
            "Directory of reservations, besides those that configurations name.", valueName: "directory"))
    var dataDir = [ConfiguredNetwork.usualDataDirectory]
    @Option(
        help: ArgumentHelp(
            "Report leftovers of pods only when they are older; younger ones may belong to an ADD in progress.",
            valueName: "seconds"))
    var olderThan = 60
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard olderThan >= 0 else { throw ValidationError("--older-than must not be negative") }
        let names = Doctor.Check.all.map { $0.name }
        for name in only + skip where !names.contains(name) {
            throw ValidationError("there is no check \(name); there are \(names.joined(separator: ", "))")
        }
        guard !checks.isEmpty else { throw ValidationError("--only and --skip leave no check") }
        guard !fix || yes || (StandardStream.input.isTerminal && !output.json) else {
            throw ValidationError("--fix needs --yes where nobody can be asked")
        }
    }

    func run() throws {
        guard !list else { return try printList(checks) }
        guard ProcessEnvironment.effectiveUser == 0 else {
            throw ValidationError("looking into pods needs root: run it with sudo")
        }
        var (examination, findings) = try look()
        var failures: [String] = []
        let changes = fix ? Set(findings.compactMap { $0.fix }).sorted() : []
        if !changes.isEmpty, try isWanted(changes) {
            failures = examination.make(changes)
            for change in changes where !failures.contains(where: { $0.hasPrefix("\(change): ") }) {
                try say("done: \(change)")
            }
            // Whether it has helped is seen, not assumed.
            (examination, findings) = try look()
            try say(findings.isEmpty ? "looked again: nothing is left" : "looked again: this is left")
        }
        let remarks = examination.remarks
        if output.json { for remark in remarks { try say("could not be looked at: \(remark)") } }
        for failure in failures { try say("failed: \(failure)") }
        try output.print(
            findings,
            text: Report(findings, checks: checks.count, remarks: remarks)
                .text(isColored: Terminal.isColored))
        guard findings.allSatisfy({ $0.severity == .note }) else { throw ExitCode.failure }
        guard remarks.isEmpty else { throw ExitCode(2) }
    }

    private var checks: [Doctor.Check] {
        Doctor.Check.all.filter { (only.isEmpty || only.contains($0.name)) && !skip.contains($0.name) }
    }

    /// Looks again if something is found, so that an ADD or DEL in progress is not reported.
    private func look() throws -> (Examination, [Finding]) {
        let first = try examine()
        let doubts = findings(first)
        guard !doubts.isEmpty || !first.remarks.isEmpty else { return (first, []) }
        Pause.microseconds(Snapshot.doubtMicroseconds)
        let second = first.confirmed(by: try examine())
        let sure = findings(second).filter { finding in
            doubts.contains { $0.check == finding.check && $0.subject == finding.subject }
        }
        return (second, sure)
    }

    private func findings(_ examination: Examination) -> [Finding] { checks.flatMap { $0.findings(examination) } }

    private func examine() throws -> Examination {
        let places = Snapshot.Places(configurations: confDir, dataDirectories: dataDir)
        return try Examination.read(places, binaries: binDir, grace: olderThan)
    }

    private func isWanted(_ changes: [Fix]) throws -> Bool {
        for change in changes { try say("will \(change)") }
        guard !yes else { return true }
        return try Prompt("do that? yes or no").ask("no") { ["yes": true, "y": true, "no": false, "n": false][$0] }
    }

    private struct Description: Encodable {
        let name: String
        let severity: Severity
        let summary: String
    }

    private func printList(_ checks: [Doctor.Check]) throws {
        let width = (checks.map { $0.name.count }.max() ?? 0) + 2
        let lines = checks.map { Words.padded($0.name, to: width) + $0.summary }
        try output.print(
            checks.map { Description(name: $0.name, severity: $0.severity, summary: $0.summary) },
            text: lines.joined(separator: "\n"))
    }
}
