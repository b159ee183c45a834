import ContainerRuntime
import Foundation

/// One measured command of one system.
struct Sample {
    var round: Int
    var system: String
    var reservations: Int
    var verb: Verb
    var wall: Duration
    var user: Duration
    var kernel: Duration
}

/// All systems on one machine with one number of reservations: rounds in which each has its turn.
struct Session {
    let machine: Machine
    let reservations: Int
    let rounds: Int
    let settle: Int
    let onlyAddAndDel: Bool
    let peak: String

    private(set) var samples: [Sample] = []
    /// Peak memory in KiB.
    private(set) var peaks: [(system: String, verb: Verb, kib: Int)] = []
    private(set) var failures: [(system: String, reason: String)] = []
    private var contenders: [Contender] = []

    private struct Contender {
        var system: any System
        var node: String
        var resident: Pod?
    }

    init(
        machine: Machine, systems: [any System], reservations: Int, rounds: Int, settle: Int, onlyAddAndDel: Bool,
        peak: String
    ) {
        self.machine = machine
        self.reservations = reservations
        self.rounds = rounds
        self.settle = settle
        self.onlyAddAndDel = onlyAddAndDel
        self.peak = peak
        contenders = systems.map { Contender(system: $0, node: "") }
    }

    mutating func run() {
        guard !contenders.isEmpty else { return }
        attempt { session, contender in
            contender.node = try session.machine.create("node-\(UUID().uuidString)")
            try session.settleResident(&contender)
        }
        for round in 1...max(rounds, 1) {
            // Rotated, so that nobody always follows the same neighbour.
            attempt(startingAt: round) { session, contender in try session.turn(round, contender) }
        }
        attempt { session, contender in
            try session.measurePeaks(contender)
            try session.leave(contender)
        }
    }

    /// Gives each contender its turn; one that throws is out, with all that it had measured.
    private mutating func attempt(startingAt offset: Int = 0, _ body: (inout Session, inout Contender) throws -> Void) {
        let count = contenders.count
        var remaining: [Contender?] = contenders
        for step in 0..<count {
            let index = (offset + step) % count
            guard var contender = remaining[index] else { continue }
            let name = contender.system.name
            do {
                try body(&self, &contender)
                remaining[index] = contender
            } catch {
                failures.append((name, "\(error)"))
                samples.removeAll { $0.system == name }
                peaks.removeAll { $0.system == name }
                remaining[index] = nil
            }
            usleep(UInt32(settle) * 1000)
        }
        contenders = remaining.compactMap(\.self)
    }

    /// The pod that stays, so that the bridge always has a port, as on a node in use.
    /// Its ADD creates the bridge and is a row of its own.
    private mutating func settleResident(_ contender: inout Contender) throws {
        let pod = try newPod()
        try attach(pod, contender, round: 0, as: .firstAdd)
        try machine.inside(pod.netns) { try Ping.reach(Reservations.gateway) }
        contender.resident = pod
    }

    private mutating func turn(_ round: Int, _ contender: Contender) throws {
        let pod = try newPod()
        defer { machine.remove(pod.netns) }
        let links = try machine.inside(contender.node) { try Verify.linkCount() }
        let address = try attach(pod, contender, round: round, as: .add)
        if round == 1 { try machine.inside(pod.netns) { try Ping.reach(Reservations.gateway) } }
        for verb in onlyAddAndDel ? [] : contender.system.verbs { try measure(verb, pod, contender, round) }
        try measure(.del, pod, contender, round)
        try machine.inside(pod.netns) {
            try Verify.detached(pod, reservation: contender.system.store + "/" + address)
        }
        let left = try machine.inside(contender.node) { try Verify.linkCount() }
        if left != links { throw VerificationError("the node had \(links) links before ADD and has \(left) after DEL") }
    }

    private mutating func leave(_ contender: Contender) throws {
        guard let pod = contender.resident else { return }
        // The last pod still has its network after all that its neighbours went through.
        try machine.inside(pod.netns) { try Ping.reach(Reservations.gateway) }
        _ = try machine.inside(contender.node) { try contender.system.run(.del, pod) }
        machine.remove(pod.netns)
        machine.remove(contender.node)
    }

    /// A few more turns, not timed, through the small program that can see the peak.
    private mutating func measurePeaks(_ contender: Contender) throws {
        guard FileManager.default.isExecutableFile(atPath: peak) else { return }
        let file = machine.directory + "/peak"
        var system = contender.system
        system.prefix = [peak, file]
        defer { system.prefix = [] }
        func record(_ verb: Verb) throws {
            let text = try String(contentsOfFile: file, encoding: .utf8).trimmingCharacters(in: .newlines)
            peaks.append((system.name, verb, Int(text) ?? 0))
        }
        for _ in 1...3 {
            let pod = try newPod()
            defer { machine.remove(pod.netns) }
            for verb in [.add] + (onlyAddAndDel ? [] : system.verbs) + [.del] {
                _ = try machine.inside(contender.node) { try system.run(verb, pod) }
                try record(verb)
            }
        }
    }

    @discardableResult
    private mutating func attach(_ pod: Pod, _ contender: Contender, round: Int, as verb: Verb) throws -> String {
        let (result, outcomes) = try machine.inside(contender.node) { try contender.system.add(pod) }
        // Verified before it is counted.
        let address = try machine.inside(pod.netns) { try Verify.attached(pod, result) }
        record(outcomes, verb, contender, round)
        return address
    }

    private mutating func measure(_ verb: Verb, _ pod: Pod, _ contender: Contender, _ round: Int) throws {
        record(try machine.inside(contender.node) { try contender.system.run(verb, pod) }, verb, contender, round)
    }

    private mutating func record(_ outcomes: [ProcessOutcome], _ verb: Verb, _ contender: Contender, _ round: Int) {
        func total(_ part: KeyPath<ProcessOutcome, Duration>) -> Duration {
            outcomes.reduce(.zero) { $0 + $1[keyPath: part] }
        }
        samples.append(
            Sample(
                round: round, system: contender.system.name, reservations: reservations, verb: verb,
                wall: total(\.wall),
                user: total(\.user), kernel: total(\.system)))
    }

    private func newPod() throws -> Pod {
        let id = UUID().uuidString.lowercased()
        return Pod(id: id, netns: try machine.create("cni-\(id)"))
    }
}
