import ArgumentParser
import Inventory
import Presentation

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show networks, pods, and leftovers of pods that are gone.",
        discussion: """
            Read from the kernel and from the files of reservations and records, so that it is right after a crash too, \
            and for pods that other plugins have attached. Nothing is changed, no runtime is asked. The counters are the \
            pod's: IN is what came in to it.

            Exit code 0 even if there are orphans; 1 if the node could not be looked at.

            Examples:
              swiftletctl status
              swiftletctl status 3f2a9c
              swiftletctl status --network pods --watch 5
              swiftletctl status --json | jq '.attachments[].addresses'
            """)

    @Flag(help: "Repeat until Ctrl-C.") var watch = false
    @Argument(
        help: ArgumentHelp(
            "Pod, by any name that swiftletctl check takes; with --watch also the period in seconds.",
            valueName: "pod or seconds"))
    var arguments: [String] = []
    @OptionGroup var node: SnapshotOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard arguments.count <= (watch ? 2 : 1), pods.count <= 1 else {
            throw ValidationError("status shows one pod, or all: name one" + (watch ? ", and one period" : ""))
        }
        if let period, !(0.1...86400).contains(period) {
            throw ValidationError("the period must be from 0.1 to 86400 seconds, but is \(period)")
        }
    }

    /// With --watch, a number is the period.
    private var period: Double? { watch ? arguments.lazy.compactMap { Double($0) }.first : nil }

    private var pods: [String] { arguments.filter { !watch || Double($0) == nil } }

    private func snapshot() throws -> Snapshot {
        let snapshot = try node.snapshot()
        guard let pod = pods.first else { return snapshot }
        return snapshot.limited(to: try snapshot.pod(pod))
    }

    func run() throws {
        guard watch else {
            let snapshot = try snapshot()
            return try output.print(snapshot, text: snapshot.statusText(Terminal.style))
        }
        try Terminal.redraw(every: period ?? 2) {
            let snapshot = try snapshot()
            return output.json ? try output.text(of: snapshot) : snapshot.statusText(Terminal.style)
        }
    }
}
