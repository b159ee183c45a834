import ArgumentParser
import Doctor
import Inventory
import Presentation

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check that a pod, or every pod, has what ADD set up: links, addresses, routes, rules.",
        discussion: """
            All attachments of the pod are looked at as they are now; its runtime is not asked, so that it works for pods of \
            other plugins too. Nothing is changed and nothing is sent. What keeps all pods from the network is looked for as \
            swiftletctl doctor does. Exit code 1 when something is not right.

            Examples:
              swiftletctl check 3f2a9c
              swiftletctl check pods/3f2a9c01b2d4/eth0
              swiftletctl check 10.44.0.7
              swiftletctl check cni-5f1c0b2e-77aa --json
              swiftletctl check --all
            """)

    @Argument(
        help: "The pod: its container's ID or how that begins, NETWORK/ID/IFNAME, an address, or its namespace's name.")
    var pod: String?
    @Flag(help: "Every pod of the node; only what is not right is shown.") var all = false
    @OptionGroup var node: SnapshotOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard all != (pod != nil) else { throw ValidationError("name one pod, or use --all") }
    }

    func run() throws {
        let snapshot = try node.snapshot()
        let pods = try pod.map { try snapshot.pod($0) } ?? snapshot.attachments
        let findings = try doctor(pods, in: snapshot)
        let checks = try pods.map { pod in
            var check = PodCheck(pod, in: snapshot, try PodFacts.read(pod, in: snapshot))
            // Said once, by whoever knows more.
            let said = Set(check.items.filter { !$0.isRight }.map { $0.advice })
            check.items += findings.filter { !said.contains($0.advice) }.map { $0.item }
            return check
        }
        let wrong = checks.reduce(0) { $0 + $1.items.filter { !$0.isRight }.count }
        let verdict = wrong == 0 ? "all is right" : "\(wrong) of these are wrong"
        try output.print(checks, text: (texts(checks, findings) + [verdict]).joined(separator: "\n\n"))
        guard wrong == 0 else { throw ExitCode.failure }
    }

    /// For many pods, what is the node's is shown once.
    private func texts(_ checks: [PodCheck], _ findings: [Finding]) -> [String] {
        guard all else { return checks.map { $0.text(Terminal.style) } }
        let ofNode = findings.map { $0.item }
        let shown = checks.compactMap { check -> String? in
            var own = check
            own.items.removeAll { ofNode.contains($0) }
            return own.isRight ? nil : own.text(Terminal.style)
        }
        let lines = ofNode.map { "✗ \($0.subject)  \($0.finding)\n    → \($0.advice)" }
        return (lines.isEmpty ? [] : [lines.joined(separator: "\n")]) + shown
    }

    /// What keeps these pods' packets from their way, although nothing is wrong with the pods.
    private func doctor(_ pods: [Attachment], in snapshot: Snapshot) throws -> [Finding] {
        let examination = try Examination.ofWays(snapshot, node.places)
        let networks = Set(pods.map { $0.id.network })
        return Doctor.Check.ofWays.flatMap { $0.findings(examination) }.filter { finding in
            // What is found of another network or of another pod is not about these.
            let isOthers =
                snapshot.networks.contains {
                    ($0.name == finding.subject || $0.bridge == finding.subject) && !networks.contains($0.name)
                }
                || snapshot.attachments.contains { pod in
                    "\(pod.id)" == finding.subject && !pods.contains { $0.id == pod.id }
                        || pod.addresses.contains { "\($0.address)" == finding.subject }
                            && !pods.contains { $0.addresses.contains { "\($0.address)" == finding.subject } }
                }
            return finding.severity == .problem && !isOthers
        }
    }
}

extension Finding {
    fileprivate var item: CheckItem {
        CheckItem(subject: "node: \(subject)", isRight: false, finding: text, advice: advice)
    }
}
