import ArgumentParser
import Inventory
import Presentation

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check that a pod has what ADD set up: links, addresses, gateway, rules.",
        discussion: """
            All attachments of the pod are looked at as they are now; its runtime and its configuration are not asked, so \
            that it works for pods of other plugins too. Exit code 1 when something is not right.

            Examples:
              swiftletctl check 3f2a9c
              swiftletctl check pods/3f2a9c01b2d4/eth0
              swiftletctl check 10.44.0.7
              swiftletctl check cni-5f1c0b2e-77aa --json
            """)

    @Argument(
        help: "The pod: its container's ID or how that begins, NETWORK/ID/IFNAME, an address, or its namespace's name.")
    var pod: String
    @OptionGroup var node: SnapshotOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let snapshot = try node.snapshot()
        let checks = try snapshot.pod(pod).map { PodCheck($0, in: snapshot, try PodFacts.read($0, in: snapshot)) }
        let wrong = checks.reduce(0) { $0 + $1.items.filter { !$0.isRight }.count }
        let verdict = wrong == 0 ? "all is right" : "\(wrong) of these are wrong"
        try output.print(
            checks, text: (checks.map { $0.text(Terminal.style) } + [verdict]).joined(separator: "\n\n"))
        guard wrong == 0 else { throw ExitCode.failure }
    }
}
