import ArgumentParser
import ContainerRuntime
import Foundation

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure chains of plugins as whole processes, all systems interleaved in one run.",
        discussion: """
            Every system has a node of its own (a network namespace with its own data directory) for each \
            configuration, with one pod that stays. In every round each attaches, checks and detaches one more pod, in \
            an order drawn anew. Every ADD is verified in the pod, and by connections where there are host ports or \
            masquerade, and every DEL in the pod, on the node and on disk; a system that fails once leaves the table. \
            Needs root. Everything happens in namespaces that end with this process.
            """)

    @Option(help: "Directory that holds the executable swiftlet.") var swiftlet: String?
    @Option(help: "Directory that holds swiftlet under the names bridge, host-local and portmap.") var dropIn: String?
    @Option(help: "Directory of the reference plugins.") var reference = "/usr/lib/cni"
    @Option(help: "The floor program (make -C Benchmarks).") var floor = ".build/floor"
    @Option(help: "The program that measures peak memory (make -C Benchmarks).") var peak = ".build/peak"
    @Option(help: "Directories with bridge.conflist and swiftlet.conflist, as DIR[,DIR]. The last is the growth run's.")
    var conf = "Benchmarks/conf/plain,Benchmarks/conf/masquerade,Benchmarks/conf/ports"
    @Option(help: "Where samples and table are written.") var results = "Benchmarks/results"
    @Option(name: .customShort("n"), help: "Rounds.") var rounds = 100
    @Option(help: "Pause after each system's turn, in ms: the kernel frees links and namespaces after the fact.")
    var settle = 60
    @Option(help: "Growth: ADD and DEL beside what that many pods leave on a node, as N[,N]; none: leave it out.")
    var pods = "10,5000"
    @Option(
        help: "Veth pairs on the bridge of the node with most pods; as many as pods on the others, if that is less.")
    var veths = 0
    @Option(help: "Rules of a foreign table on the node with most pods of the growth run.") var foreignRules = 10000
    @Option(
        help: "Instead of all else: ADD and DEL of the first configuration beside that many reservations, as N[,N].")
    var reservations: String?
    @Option(help: "Rounds of VERSION and of an ADD with nothing to do, of every plugin; 0 leaves them out.")
    var starts =
        50
    @Option(help: "Directory for the data directories, on the file system to measure on.") var work =
        NSTemporaryDirectory()

    func run() throws {
        let directory = "\(work)/cnirun-bench-\(getpid())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let machine = try Machine(directory: directory)
        defer { machine.dispose() }

        let directories = conf.split(separator: ",").map(String.init)
        guard let first = directories.first, let last = directories.last else {
            throw ValidationError("--conf: want a directory")
        }
        var report = Report(rounds: rounds)
        var contenders = Contenders(self, machine)
        if let reservations {
            for size in try counts(reservations, "reservations") { contenders.add(conf: first, pods: size) }
        } else {
            for directory in directories { contenders.add(conf: directory, pods: 0) }
        }
        try measure(contenders, on: machine, onlyAddAndDel: reservations != nil, &report)

        if reservations == nil, pods != "none" {
            let sizes = try counts(pods, "pods")
            var growing = Contenders(self, machine)
            for size in sizes {
                // The reference is not filled: it has rules instead of elements, thousands of chains.
                growing.add(
                    conf: last, pods: size,
                    crowd: Crowd(
                        pods: size, veths: min(size, veths), foreignRules: size == sizes.max() ? foreignRules : 0),
                    reference: false)
            }
            try measure(growing, on: machine, onlyAddAndDel: true, &report)
        }
        if reservations == nil, starts > 0 {
            var table = Starts(machine, ours: dropIn.map(absolute), reference: reference)
            try table.run(rounds: starts)
            report.add(table)
        }
        try report.write(to: results)
        print(report.markdown)
        if !report.failures.isEmpty { throw ExitCode.failure }
    }

    private func measure(
        _ contenders: Contenders, on machine: Machine, onlyAddAndDel: Bool, _ report: inout Report
    ) throws {
        report.missing.formUnion(contenders.missing)
        var session = try Session(
            contenders.entries, machine: machine, rounds: rounds, settle: settle, onlyAddAndDel: onlyAddAndDel,
            peak: peak)
        session.run()
        report.add(session)
    }

    private func counts(_ text: String, _ option: String) throws -> [Int] {
        try text.split(separator: ",").map { word in
            // A /16 has room for no more, nor have the ports of a node for two each.
            let most = option == "pods" ? 10000 : 60000
            guard let count = Int(word), (1...most).contains(count) else {
                throw ValidationError("--\(option) \(word): want 1 to \(most)")
            }
            return count
        }
    }
}
