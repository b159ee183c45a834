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
            and so is what was made within the last minute: an ADD may be under way. An address that a living pod has, but that \
            is not reserved for it, is reserved again, so that nobody else gets it.

            Exit code 1 when something could not be freed or reserved.

            Examples:
              swiftletctl gc --dry-run
              swiftletctl gc --network pods
              swiftletctl gc --json
            """)

    @Flag(help: "Show what would be freed without changing anything.") var dryRun = false
    @Option(help: ArgumentHelp("Keep what is younger; it may belong to an ADD in progress.", valueName: "seconds"))
    var olderThan = 60
    @Flag(
        help: """
            Also remove network namespaces that a killed engine has left: named as runtimes name them, without a process and \
            with nothing but lo.
            """)
    var emptyNamespaces = false
    @OptionGroup var node: SnapshotOptions
    @OptionGroup var output: OutputOptions

    private struct Report: Encodable {
        var isDryRun: Bool
        var freed: [Orphan]
        var putBack: [Orphan]
        var failed: [Reclaim.Outcome]
        var leftAlone: [Orphan]
        var removedNamespaces: [String] = []
        var failedNamespaces: [String] = []
    }

    func validate() throws {
        guard olderThan >= 0 else { throw ValidationError("--older-than must not be negative") }
    }

    func run() throws {
        let reclaim = Reclaim(try node.snapshot(), grace: olderThan)
        if !output.json { try announce(reclaim) }
        let empty = emptyNamespaces ? reclaim.empty : []
        guard !dryRun, !reclaim.chosen.isEmpty || !reclaim.unreserved.isEmpty || !empty.isEmpty else {
            let report = Report(
                isDryRun: dryRun, freed: [], putBack: [], failed: [],
                leftAlone: reclaim.unreserved + reclaim.chosen + reclaim.recent)
            return try output.print(report, text: dryRun ? "nothing was changed" : "nothing to free")
        }
        // First, so that nothing of a living pod is taken for what somebody else has left.
        let reserved = reclaim.putBack()
        let isWatched = StandardStream.output.isTerminal && !output.json && reclaim.chosen.count > 20
        let outcomes = reclaim.run { done in
            if isWatched { try? StandardStream.output.writeAll("\r\(done) of \(reclaim.chosen.count)\u{1b}[K".utf8) }
        }
        if isWatched { try StandardStream.output.writeAll("\r\u{1b}[K".utf8) }
        var (removed, stuck): ([String], [String]) = ([], [])
        for namespace in empty {
            do throws(Failure) {
                try Reclaim.remove(namespace)
                removed.append(namespace.path)
            } catch { stuck.append("\(error)") }
        }
        let failed = (reserved + outcomes).filter { $0.error != nil }
        let freed = outcomes.filter { $0.error == nil }.map(\.orphan)
        let putBack = reserved.filter { $0.error == nil }.map(\.orphan)
        let lines =
            failed.map { "failed: \($0.orphan.title): \($0.error ?? "")" }
            + (putBack.isEmpty ? [] : ["reserved the addresses of \(Words.count(putBack.count, "living pod")) again"])
            + (outcomes.isEmpty ? [] : ["freed what \(sum(freed)) had left"])
            + (removed.isEmpty ? [] : ["removed \(Words.count(removed.count, "empty network namespace"))"])
            + stuck.map { "failed: \($0)" }
            + (failed.isEmpty ? [] : ["\(failed.count) failed"])
        try output.print(
            Report(
                isDryRun: false, freed: freed, putBack: putBack, failed: failed, leftAlone: reclaim.recent,
                removedNamespaces: removed, failedNamespaces: stuck),
            text: lines.joined(separator: "\n"))
        guard failed.isEmpty, stuck.isEmpty else { throw ExitCode.failure }
    }

    private func sum(_ freed: [Orphan]) -> String {
        let withoutOwner = freed.filter { $0.reason == .namesNobody }.count
        let pods = Words.count(freed.count - withoutOwner, "pod")
        return withoutOwner == 0 ? pods : withoutOwner == freed.count ? "nobody" : "\(pods) and nobody"
    }

    /// Says what will be removed before removing it.
    private func announce(_ reclaim: Reclaim) throws {
        let lines =
            reclaim.unreserved.map {
                "\(dryRun ? "would reserve" : "reserving") \($0.lostAddresses) for \($0.title) again"
            }
            + reclaim.chosen.map { "\(dryRun ? "would free" : "freeing") \($0.title): \($0.leftovers)" }
            + reclaim.recent.map {
                "leaving alone \($0.title): made less than \(olderThan) s ago, an ADD may be under way"
            }
            + (emptyNamespaces ? reclaim.empty : []).map { "\(dryRun ? "would remove" : "removing") \($0.path)" }
        if !lines.isEmpty { try StandardStream.output.writeAll((lines.joined(separator: "\n").visible() + "\n").utf8) }
    }
}
