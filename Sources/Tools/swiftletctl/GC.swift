import ArgumentParser
import Inventory
import Posix
import Presentation
import Reclaiming

struct GC: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Free the addresses, interfaces and rules left by pods that are gone.",
        discussion: """
            Only what belongs to a pod whose network namespace is gone for certain, as `swiftletctl status` shows it; by the \
            same code as the plugin's DEL. Pods whose namespace lives are left alone, also where a part of them is missing, \
            and so is what was made within the last minute: an ADD may be under way.

            Exit code 1 when something could not be freed.

            Examples:
              swiftletctl gc --dry-run
              swiftletctl gc --network pods
              swiftletctl gc --json
            """)

    @Flag(help: "Show what would be freed without changing anything.") var dryRun = false
    @Option(help: ArgumentHelp("Keep what is younger; it may belong to an ADD in progress.", valueName: "seconds"))
    var olderThan = 60
    @OptionGroup var node: SnapshotOptions
    @OptionGroup var output: OutputOptions

    private struct Report: Encodable {
        var isDryRun: Bool
        var freed: [Orphan]
        var failed: [Reclaim.Outcome]
        var leftAlone: [Orphan]
    }

    func validate() throws {
        guard olderThan >= 0 else { throw ValidationError("--older-than must not be negative") }
    }

    func run() throws {
        let reclaim = Reclaim(try node.snapshot(), grace: olderThan)
        if !output.json { try announce(reclaim) }
        guard !dryRun, !reclaim.chosen.isEmpty else {
            let report = Report(isDryRun: dryRun, freed: [], failed: [], leftAlone: reclaim.chosen + reclaim.recent)
            return try output.print(report, text: dryRun ? "nothing was changed" : "nothing to free")
        }
        let isWatched = StandardStream.output.isTerminal && !output.json && reclaim.chosen.count > 20
        let outcomes = reclaim.run { done in
            if isWatched { try? StandardStream.output.writeAll("\r\(done) of \(reclaim.chosen.count)\u{1b}[K".utf8) }
        }
        if isWatched { try StandardStream.output.writeAll("\r\u{1b}[K".utf8) }
        let failed = outcomes.filter { $0.error != nil }
        let freed = outcomes.filter { $0.error == nil }.map(\.orphan)
        let lines =
            failed.map { "failed: \($0.orphan.title): \($0.error ?? "")" }
            + ["freed what \(sum(freed)) had left" + (failed.isEmpty ? "" : ", \(failed.count) failed")]
        try output.print(
            Report(isDryRun: false, freed: freed, failed: failed, leftAlone: reclaim.recent),
            text: lines.joined(separator: "\n"))
        guard failed.isEmpty else { throw ExitCode.failure }
    }

    private func sum(_ freed: [Orphan]) -> String {
        let withoutOwner = freed.filter { $0.reason == .namesNobody }.count
        let pods = Words.count(freed.count - withoutOwner, "pod")
        return withoutOwner == 0 ? pods : withoutOwner == freed.count ? "nobody" : "\(pods) and nobody"
    }

    /// Says what will be removed before removing it.
    private func announce(_ reclaim: Reclaim) throws {
        let lines =
            reclaim.chosen.map { "\(dryRun ? "would free" : "freeing") \($0.title): \($0.leftovers)" }
            + reclaim.recent.map {
                "leaving alone \($0.title): made less than \(olderThan) s ago, an ADD may be under way"
            }
        if !lines.isEmpty { try StandardStream.output.writeAll((lines.joined(separator: "\n").visible() + "\n").utf8) }
    }
}
