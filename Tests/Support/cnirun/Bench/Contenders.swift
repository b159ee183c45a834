import ContainerRuntime
import Foundation

/// One system with one configuration on a node with so many other pods: what a row of the tables is about.
struct Subject: Hashable {
    var system: String
    /// The name of the configuration.
    var conf: String
    /// Reservations of other pods, and in the growth run what else they leave.
    var pods = 0
    /// Their interfaces on the node's bridge.
    var veths = 0
}

/// All that have a turn in each round of a session, each with its own data directory, and what is missing of them.
struct Contenders {
    static let swiftlet = "swiftlet"
    static let chain = "swiftlet as separate plugins"
    static let reference = "reference (Go)"
    static let floor = "floor (C, raw netlink)"

    struct Entry {
        var subject: Subject
        var system: any System
        var otherPods: OtherPods?
    }
    private(set) var entries: [Entry] = []
    private(set) var missing: Set<String> = []
    private let bench: Bench
    private let machine: Machine

    init(_ bench: Bench, _ machine: Machine) {
        self.bench = bench
        self.machine = machine
    }

    /// The configuration that has nothing but lo.
    static let loopback = "loopback"
    /// What stands beside it for `swiftlet`, which sees to lo itself: a network in which it finds lo up, as behind a
    /// runtime that has called `loopback`. No table of its own, but what it spares.
    static let loopbackUp = "lo-up"

    /// All systems with one configuration.
    mutating func add(conf directory: String, pods: Int = 0, otherPods: OtherPods? = nil) {
        let conf = URL(fileURLWithPath: directory).lastPathComponent
        let veths = otherPods?.veths ?? 0
        func subject(_ system: String) -> Subject {
            Subject(system: system, conf: conf, pods: pods, veths: veths)
        }
        let kinds = [
            (Contenders.swiftlet, bench.swiftlet, "swiftlet", "swiftlet"),
            (Contenders.chain, bench.dropIn, "bridge", "plugins"),
            (Contenders.reference, bench.reference, "bridge", "plugins"),
        ]
        for (system, bin, executable, file) in kinds {
            add(subject(system), otherPods, bin.map { "\($0)/\(executable)" }) { data in
                try PluginSystem(
                    name: system, bin: absolute(bin ?? ""), conf: "\(directory)/\(file).conflist", data: data)
            }
        }
        // There is one floor, whatever the plugins have to do above it.
        let hasFloor = entries.contains {
            $0.subject.system == Contenders.floor && $0.subject.pods == pods && $0.subject.veths == veths
        }
        if hasFloor { return }
        let program = bench.floor
        add(subject(Contenders.floor), otherPods, program) { data in
            try FloorSystem(program: program, data: data, reservations: pods)
        }
    }

    private mutating func add(
        _ subject: Subject, _ otherPods: OtherPods?, _ needed: String?, _ make: (String) throws -> any System
    ) {
        guard let needed, FileManager.default.isExecutableFile(atPath: needed) else {
            let reason = needed.map { "no \(URL(fileURLWithPath: $0).lastPathComponent) where it was looked for" }
            missing.insert("\(subject.system): \(reason ?? "not given")")
            return
        }
        let data = "\(machine.directory)/data-\(UUID().uuidString.lowercased())"
        do {
            let system = try make(data)
            var subject = subject
            if subject.conf == Contenders.loopback, system.features.attaches { subject.conf = Contenders.loopbackUp }
            try Reservations.fill(system.store, count: subject.pods)
            entries.append(Entry(subject: subject, system: system, otherPods: otherPods))
        } catch {
            missing.insert("\(subject.system), \(subject.conf): \(error)")
        }
    }
}
