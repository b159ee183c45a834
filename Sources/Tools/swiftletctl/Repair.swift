import ArgumentParser
import Netfilter
import Posix

struct Repair: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Restore the rules of this node's pods after something has removed them.",
        discussion: """
            Such as nft flush ruleset, or a firewall that was started anew. What pods want is written down in /run/swiftlet \
            when they are attached; pods whose network namespace is gone get nothing back. Whatever is whole stays as \
            it is. Exit code 1 when something could not be repaired.

            After a return to other plugins, whose DEL knows nothing of what is left of ours (a host port would lead to \
            nobody), --forget-gone takes that away, once the pods have ended.

            Examples:
              swiftletctl repair
              swiftletctl repair --forget-gone
              swiftletctl repair --json
            """)

    @Flag(help: "Also remove the records of pods whose network namespace is gone.") var forgetGone = false
    @OptionGroup var output: OutputOptions

    func run() throws {
        var node = try NodeRules()
        let report = try node.repair(forgettingGone: forgetGone)
        var lines = report.repaired.map { "repaired \($0.owner): \($0.missing.joined(separator: "; "))" }
        lines += report.gone.map { "left alone \($0): its network namespace is gone; DEL or GC removes what is left" }
        lines += report.forgotten.map { "forgot \($0): its network namespace is gone" }
        lines += report.failed.map { "failed \($0)" }
        lines.append("\(report.repaired.count) repaired, \(report.whole.count) were whole")
        try output.print(report, text: lines.joined(separator: "\n"))
        guard report.failed.isEmpty else { throw ExitCode.failure }
    }
}
