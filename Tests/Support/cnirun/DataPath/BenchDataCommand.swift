import ArgumentParser
import ContainerRuntime
import Foundation

struct BenchData: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Measure what pods have of their network: throughput, requests, latency, against the reference's bridge.",
        discussion: """
            Each site is a node of its own (a network namespace) with two pods and a host outside. In every round each \
            probe is sent at all sites, one straight after the other, in an order drawn anew. With --variants swiftlet is \
            compared with itself, with one change to the path at a time. Needs root, iperf3, and two quiet processors. \
            Everything happens in namespaces that end with this process.
            """)

    @Option(help: "Directory that holds the executable swiftlet.") var swiftlet = "build/bin"
    @Option(help: "Directory of the reference plugins.") var reference = "/usr/lib/cni"
    @Option(help: "Which version these are; the table names it.") var referenceVersion: String?
    @Option(help: "Directory of rr and linkset (make -C Benchmarks).") var tools = "build/tools"
    @Option(help: "Directory with bridge.conflist and swiftlet.conflist, of both families.")
    var conf = "Benchmarks/conf/data"
    @Option(help: "Where readings and table are written.") var results = "Benchmarks/results"
    @Option(name: .customShort("n"), help: "Rounds; with fewer than six nothing can be judged.") var rounds = 15
    @Option(help: "Seconds of iperf3 for each probe; requests get half of it.") var seconds = 1
    @Option(help: "Where pods send to: pod, node, outside, as WHERE[,WHERE].") var to = "pod,node"
    @Option(help: "Changes to try, as NAME[,NAME], or all: \(Variant.all.map(\.name).joined(separator: " ")).")
    var variants: String?

    func run() throws {
        let directory = "\(NSTemporaryDirectory())/cnirun-data-\(getpid())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let machine = try Machine(directory: directory)
        defer { machine.dispose() }

        var sites: [Site] = []
        defer { for site in sites { site.dispose() } }
        var remarks: [String] = []
        for plan in try plans() {
            do { sites.append(try site(plan, machine)) } catch  where plan.variant != nil {
                // The kernel may lack the feature.
                let reason = "\(error)".split(separator: "\n").prefix(2).joined(separator: " ")
                remarks.append("Not tried, \(plan.name): \(reason)")
            }
            if let variant = plan.variant { remarks.append("`\(variant.name)`: \(variant.summary).") }
        }
        var report = DataReport(
            rounds: rounds, seconds: seconds, base: sites[0].name, control: sites[1].name,
            others: sites.dropFirst(2).map(\.name), isJudged: variants == nil)
        if variants == nil, let referenceVersion { remarks.append("The reference is \(referenceVersion).") }
        report.remarks = remarks
        report.readings = try read(sites, try destinations())
        try report.write(to: results)
        print(report.markdown)
    }

    private struct Plan {
        var name: String
        var bin: String
        var file: String
        var variant: Variant?
    }

    /// The baseline, an identical one as control, and the others.
    private func plans() throws -> [Plan] {
        func ours(_ name: String, _ variant: Variant? = nil) -> Plan {
            Plan(name: name, bin: swiftlet, file: "swiftlet", variant: variant)
        }
        func theirs(_ name: String) -> Plan { Plan(name: name, bin: reference, file: "bridge") }
        guard let variants else {
            return [theirs("reference"), theirs("reference again"), ours("swiftlet")]
        }
        let chosen =
            try variants == "all"
            ? Variant.all
            : variants.split(separator: ",").map { name in
                guard let variant = Variant.all.first(where: { $0.name == name }) else {
                    throw ValidationError("--variants \(name): want \(Variant.all.map(\.name).joined(separator: ", "))")
                }
                return variant
            }
        return [ours("swiftlet"), ours("swiftlet again")] + chosen.map { ours($0.name, $0) }
    }

    private func site(_ plan: Plan, _ machine: Machine) throws -> Site {
        let file = "\(conf)/\(plan.file).conflist"
        // Each has its own data directory, because they assign the same addresses.
        let text = try String(contentsOfFile: file, encoding: .utf8)
            .replacingOccurrences(of: "@DATA@", with: "\(machine.directory)/data-\(UUID().uuidString.lowercased())")
        var list = try NetworkList(parsing: Array(text.utf8), file: file)
        if let keys = plan.variant?.keys, case .object(var plugin) = list.plugins[0] {
            plugin.merge(keys) { _, new in new }
            list.plugins[0] = .object(plugin)
        }
        return try Site(
            plan.name, bin: absolute(plan.bin), list, variant: plan.variant, tools: absolute(tools), seconds: seconds,
            machine)
    }

    private func destinations() throws -> [DataProbe.Destination] {
        try to.split(separator: ",").map { word in
            guard let destination = DataProbe.Destination(rawValue: String(word)) else {
                throw ValidationError("--to \(word): want pod, node or outside")
            }
            return destination
        }
    }

    private func read(_ sites: [Site], _ destinations: [DataProbe.Destination]) throws -> [Reading] {
        let probes = DataProbe.all(to: destinations)
        var readings: [Reading] = []
        // Round 0 fills caches and does not count.
        for round in 0...max(rounds, 1) {
            for probe in round == 0 ? probes : probes.shuffled() {
                for site in sites.shuffled() {
                    let values = try site.run(probe)
                    if round > 0 {
                        readings.append(Reading(round: round, site: site.name, probe: probe, values: values))
                    }
                }
            }
            FileHandle.standardError.write(Data("round \(round) of \(rounds)\n".utf8))
        }
        // In the order in which the probes are listed.
        return readings.sorted { left, right in
            (probes.firstIndex(of: left.probe)!, left.round) < (probes.firstIndex(of: right.probe)!, right.round)
        }
    }
}
