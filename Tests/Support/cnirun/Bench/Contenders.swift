import ContainerRuntime
import Foundation

/// One system with one configuration on a node with a number of other pods: the subject of a table row.
struct Subject: Hashable {
    var system: String
    /// The name of the configuration.
    var conf: String
    /// Reservations of other pods and, in the growth run, the rest of what they leave.
    var pods = 0
    /// The other pods' interfaces on the node's bridge.
    var veths = 0
}

/// All that take a turn in each round of a session, each with its own data directory, and which programs are missing.
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

    /// The configuration with only lo.
    static let loopback = "loopback"
    /// Its counterpart for `swiftlet`, which brings up lo itself: a network where lo is already up, as after a runtime has
    /// called `loopback`. It has no table of its own; the difference shows what that saves.
    static let loopbackUp = "lo-up"

    /// The configuration whose pods have a TCP and a UDP port.
    static let udp = "udp"

    /// Adds all systems with one configuration.
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
        // There is only one floor, whatever the plugins have to do on top of it.
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
