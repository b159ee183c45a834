import ArgumentParser
import ContainerRuntime
import Foundation

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure plugins as whole processes, all systems interleaved in one run.",
        discussion: """
            Every system has a node of its own (a network namespace with its own data directory) with one pod that stays. \
            In every round each system attaches, checks and detaches one more pod, in rotating order. Every ADD is verified \
            in the pod and every DEL in the pod and on disk; a system that fails once leaves the table. \
            Needs root. Everything happens in namespaces that end with this process.
            """)

    @Option(help: "Directory that holds the executable swiftlet.") var swiftlet: String?
    @Option(help: "Directory that holds swiftlet under the names bridge and host-local.") var dropIn: String?
    @Option(help: "Directory of the reference plugins.") var reference = "/usr/lib/cni"
    @Option(help: "The floor program (make -C Benchmarks).") var floor = ".build/floor"
    @Option(help: "The program that measures peak memory (make -C Benchmarks).") var peak = ".build/peak"
    @Option(help: "Directory with bridge.conflist and swiftlet.conflist.") var conf = "Benchmarks/conf/plain"
    @Option(help: "Where samples and table are written.") var results = "Benchmarks/results"
    @Option(name: .customShort("n"), help: "Rounds.") var rounds = 100
    @Option(help: "Pause after each system's turn, in ms: the kernel frees links and namespaces after the fact.")
    var settle = 60
    @Option(help: "Growth: measure ADD and DEL beside that many reservations, as N[,N].") var reservations: String?
    @Option(help: "Directory for the data directories, on the file system to measure on.") var work =
        NSTemporaryDirectory()

    func run() throws {
        let directory = "\(work)/cnirun-bench-\(getpid())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let machine = try Machine(directory: directory)
        defer { machine.dispose() }

        var report = Report(rounds: rounds, confName: URL(fileURLWithPath: conf).lastPathComponent)
        let sizes = try reservations.map { try $0.split(separator: ",").map(parseCount) }
        for size in sizes ?? [0] {
            let contenders = Contenders(bench: self, reservations: size, machine: machine)
            report.missing.formUnion(contenders.missing)
            var session = Session(
                machine: machine, systems: contenders.systems, reservations: size, rounds: rounds, settle: settle,
                onlyAddAndDel: sizes != nil, peak: peak)
            session.run()
            report.add(session)
        }
        try report.write(to: results)
        print(report.markdown)
        if !report.failures.isEmpty { throw ExitCode.failure }
    }

    private func parseCount(_ text: Substring) throws -> Int {
        guard let count = Int(text), (0...60000).contains(count) else {
            throw ValidationError("--reservations \(text): want 0 to 60000, as many as a /16 has room for")
        }
        return count
    }
}
