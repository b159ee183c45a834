import Addresses
import ArgumentParser
import Inventory
import Posix
import Presentation

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hold a pod against what an ADD leaves: links, addresses, gateway, rules.",
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
        let attempt = "find pod \(pod)"
        guard let attachments = snapshot.attachments(named: pod) else {
            throw Failure(
                .invalidConfiguration, "\(attempt): the IDs of several containers begin like that",
                details: "give more of it; swiftletctl status lists them")
        }
        guard !attachments.isEmpty else {
            let left = snapshot.orphans.first { orphan in
                orphan.id.map { $0.containerID.hasPrefix(pod) || $0.description == pod } ?? false
                    || orphan.reserved.contains { $0.address == IPAddress(pod) }
            }
            guard let left else {
                throw Failure(
                    .unknownContainer, "\(attempt): nothing here is attached under that name or address",
                    details: "swiftletctl status lists all pods")
            }
            throw Failure(
                .unknownContainer, "\(attempt): \(left.reason.text); what is left: \(left.leftovers)",
                details: left.isGone ? "swiftletctl gc frees it" : "its runtime's DEL frees it")
        }
        let checks = try attachments.map { PodCheck($0, in: snapshot, try PodFacts.read($0, in: snapshot)) }
        let wrong = checks.reduce(0) { $0 + $1.items.filter { !$0.isRight }.count }
        let verdict = wrong == 0 ? "all is right" : "\(wrong) of it not right"
        try output.print(
            checks, text: (checks.map { $0.text(Terminal.style) } + [verdict]).joined(separator: "\n\n"))
        guard wrong == 0 else { throw ExitCode.failure }
    }
}
