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
            masquerade, and every DEL in the pod, on the node and on disk; a system that fails once leaves the table, \
            and one whose turn takes longer than half a second sits out rounds. \
            Needs root. Everything happens in namespaces that end with this process.
            """)

    @Option(help: "Directory that holds the executable swiftlet.") var swiftlet: String?
    @Option(help: "Directory that holds swiftlet under the names of the separate plugins.") var dropIn: String?
    @Option(help: "Directory of the reference plugins.") var reference = "/usr/lib/cni"
    @Option(help: "Which version these are; the tables name it.") var referenceVersion: String?
    @Option(help: "The floor program (make -C Benchmarks).") var floor = ".build/floor"
    @Option(help: "The program that measures peak memory (make -C Benchmarks).") var peak = ".build/peak"
    @Option(help: "The program that counts system calls (make -C Benchmarks).") var calls = ".build/calls"
    @Option(
        help: "Directories with plugins.conflist and swiftlet.conflist, as DIR[,DIR]; the first is what others add to.")
    var conf = ["plain", "masquerade", "ports", "udp", "bandwidth", "dual", "loopback"].map { "Benchmarks/conf/\($0)" }
        .joined(separator: ",")
    @Option(help: "Where samples and tables are written.") var results = "Benchmarks/results"
    @Option(help: "Where the plots are written, over those of the last run.") var plots = "Benchmarks/plots"
    @Option(name: .customShort("n"), help: "Rounds.") var rounds = 50
    @Option(help: "Pause after each system's turn, in ms: the kernel frees links and namespaces after the fact.")
    var settle = 60

    @Option(help: "The configuration for growth and concurrency.") var growing = "Benchmarks/conf/ports"
    @Option(help: "Growth: ADD and DEL beside what that many pods leave on a node, as N[,N]; none: leave it out.")
    var pods = "10,100,1000,5000"
    // OtherPods.veths explains the limit.
    @Option(help: "Growth once more with the pods' veths on the bridge, at most so many; 0: not.") var veths = 800
    @Option(help: "Rounds of growth.") var growthRounds = 25
    @Option(help: "Rules of a foreign table on the node with most pods of the growth run.") var foreignRules = 10000
    @Option(
        help: "Instead of all else: ADD and DEL of the first configuration beside that many reservations, as N[,N].")
    var reservations: String?

    @Option(help: "Concurrency: pods per second with that many in flight, as N[,N]; none: leave it out.")
    var inFlight = "1,8,64"
    @Option(help: "Pods of a burst.") var burst = 64
    @Option(help: "Bursts of each system with each number in flight.") var bursts = 3
    @Option(help: "Rounds of VERSION and of an ADD with nothing to do, of every plugin; 0 leaves them out.")
    var starts = 50
    @Option(help: "Directory for the data directories, on the file system to measure on.") var work =
        NSTemporaryDirectory()

    func validate() throws {
        guard rounds > 0, growthRounds > 0, (1...1000).contains(burst), bursts > 0 else {
            throw ValidationError("rounds and bursts: want 1 or more; pods of a burst: 1 to 1000")
        }
        guard (0...900).contains(veths) else { throw ValidationError("--veths: want 0 to 900") }
    }

    func run() throws {
        let directory = "\(work)/cnirun-bench-\(getpid())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let machine = try Machine(directory: directory)
        defer { machine.dispose() }

        var report = Report(
            rounds: rounds, kind: reservations == nil ? "bench" : "reservations", executable: executableSize)
        if let reservations {
            try measureReservations(reservations, machine, &report)
        } else {
            try measureCommands(machine, &report)
            try measureConcurrency(machine, &report)
            if starts > 0 {
                var table = Starts(machine, ours: dropIn.map(absolute), reference: reference)
                try table.run(rounds: starts)
                report.add(table)
            }
            // Done last, because the kernel needs a while to remove thousands of veths.
            for veths in Set([0, veths]).sorted() { try measureGrowth(machine, veths, &report) }
        }
        report.reference = referenceVersion
        try report.write(to: results, plots: plots)
        print(report.markdown)
        if !report.failures.isEmpty { throw ExitCode.failure }
    }

    private func measureCommands(_ machine: Machine, _ report: inout Report) throws {
        var contenders = Contenders(self, machine)
        for directory in conf.split(separator: ",") { contenders.add(conf: String(directory)) }
        try measure(contenders, on: machine, Session.Plan(rounds: rounds, settle: settle, probes: probes), &report)
    }

    private func measureReservations(_ sizes: String, _ machine: Machine, _ report: inout Report) throws {
        guard let first = conf.split(separator: ",").first else { throw ValidationError("--conf: want a directory") }
        var contenders = Contenders(self, machine)
        for size in try counts(sizes, "reservations", 60000) { contenders.add(conf: String(first), pods: size) }
        try measure(contenders, on: machine, growthPlan(rounds), &report)
    }

    private func measureGrowth(_ machine: Machine, _ veths: Int, _ report: inout Report) throws {
        if pods == "none" { return }
        // With two ports per pod, a node has no more ports than that.
        let sizes = try counts(pods, "pods", 10000)
        var contenders = Contenders(self, machine)
        for size in sizes {
            contenders.add(
                conf: growing, pods: size,
                otherPods: OtherPods(
                    pods: size, veths: min(size, veths), foreignRules: size == sizes.max() ? foreignRules : 0))
        }
        try measure(contenders, on: machine, growthPlan(growthRounds), &report)
    }

    private func measureConcurrency(_ machine: Machine, _ report: inout Report) throws {
        if inFlight == "none" { return }
        var contenders = Contenders(self, machine)
        contenders.add(conf: growing)
        var session = Bursts(
            Bursts.Plan(levels: try counts(inFlight, "in-flight", 1000), pods: burst, repetitions: bursts))
        try session.run(contenders.entries, on: machine)
        report.add(session)
    }

    private var probes: [Probe] { [.peak(program: peak), .calls(program: calls)] }

    private func growthPlan(_ rounds: Int) -> Session.Plan {
        Session.Plan(rounds: rounds, settle: settle, onlyAddAndDel: true, probes: probes)
    }

    private var executableSize: Int? {
        let path = swiftlet.map { "\($0)/swiftlet" } ?? ""
        return (try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int
    }

    private func measure(
        _ contenders: Contenders, on machine: Machine, _ plan: Session.Plan, _ report: inout Report
    ) throws {
        report.missing.formUnion(contenders.missing)
        var session = try Session(contenders.entries, machine: machine, plan: plan)
        session.run()
        report.add(session)
    }

    private func counts(_ text: String, _ option: String, _ most: Int) throws -> [Int] {
        try text.split(separator: ",").map { word in
            guard let count = Int(word), (1...most).contains(count) else {
                throw ValidationError("--\(option) \(word): want 1 to \(most)")
            }
            return count
        }
    }
}
