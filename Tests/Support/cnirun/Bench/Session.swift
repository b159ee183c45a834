import ContainerRuntime
import Foundation

/// One measured command of one system.
struct Sample {
    var round: Int
    var subject: Subject
    var verb: Verb
    var wall: Duration
    var user: Duration
    var kernel: Duration
}

/// All contenders on one machine: rounds in which each has its turn.
struct Session {
    let machine: Machine
    let rounds: Int
    let settle: Int
    let onlyAddAndDel: Bool
    let peak: String

    private(set) var samples: [Sample] = []
    /// Peak memory in KiB.
    private(set) var peaks: [(subject: Subject, verb: Verb, kib: Int)] = []
    /// Verbs that the reference cannot do; it stays in the table with the others.
    private(set) var unable: [(subject: Subject, verb: Verb, reason: String)] = []
    private(set) var failures: [(subject: Subject, reason: String)] = []
    /// In the order in which they were given.
    let subjects: [Subject]
    private var contenders: [Contender] = []

    private struct Contender {
        var entry: Contenders.Entry
        var node: Node
        var resident: Pod?
        var residentAddress = ""

        var system: any System { entry.system }
        var subject: Subject { entry.subject }
    }

    init(
        _ entries: [Contenders.Entry], machine: Machine, rounds: Int, settle: Int, onlyAddAndDel: Bool, peak: String
    ) throws {
        self.machine = machine
        self.rounds = rounds
        self.settle = settle
        self.onlyAddAndDel = onlyAddAndDel
        self.peak = peak
        subjects = entries.map(\.subject)
        contenders = try entries.map { Contender(entry: $0, node: try Node(machine)) }
    }

    mutating func run() {
        guard !contenders.isEmpty else { return }
        attempt { session, contender in
            try session.settleResident(&contender)
        }
        // The kernel is still busy with what filling has left.
        if contenders.contains(where: { $0.entry.crowd != nil }) { sleep(3) }
        for round in 1...max(rounds, 1) {
            attempt { session, contender in try session.turn(round, contender) }
        }
        attempt { session, contender in
            try session.measurePeaks(contender)
            try session.leave(contender)
        }
    }

    /// Gives each contender its turn; one that throws is out, with all that it had measured.
    private mutating func attempt(_ body: (inout Session, inout Contender) throws -> Void) {
        var remaining: [Contender?] = contenders
        // Drawn anew each time, so that nobody always follows the same neighbour.
        for index in remaining.indices.shuffled() {
            guard var contender = remaining[index] else { continue }
            let subject = contender.subject
            do {
                try body(&self, &contender)
                remaining[index] = contender
            } catch {
                failures.append((subject, "\(error)"))
                samples.removeAll { $0.subject == subject }
                peaks.removeAll { $0.subject == subject }
                remaining[index] = nil
            }
            usleep(UInt32(settle) * 1000)
        }
        contenders = remaining.compactMap(\.self)
    }

    /// The pod that stays, so that the bridge always has a port, as on a node in use.
    /// Its ADD creates the bridge and is a row of its own.
    private mutating func settleResident(_ contender: inout Contender) throws {
        var pod = try newPod()
        pod.hostPorts = [30080, 30443]
        contender.residentAddress = try attach(pod, contender, round: 0, as: .firstAdd)
        contender.resident = pod
        try contender.entry.crowd?.settle(
            on: contender.node, machine, contender.system, model: pod, contender.residentAddress)
    }

    private mutating func turn(_ round: Int, _ contender: Contender) throws {
        let pod = try newPod()
        defer { machine.remove(pod.netns) }
        let links = try machine.inside(contender.node.netns) { try Verify.linkCount() }
        let address = try attach(pod, contender, round: round, as: .add)
        for verb in otherVerbs(of: contender) { try measureOther(verb, pod, contender, round) }
        try measure(.del, pod, contender, round)
        try machine.inside(pod.netns) {
            try Verify.detached(pod, reservation: contender.system.store + "/" + address)
        }
        try Verify.portsClosed(contender.system, pod, contender.node, machine)
        let left = try machine.inside(contender.node.netns) { try Verify.linkCount() }
        if left != links { throw VerificationError("the node had \(links) links before ADD and has \(left) after DEL") }
    }

    private mutating func leave(_ contender: Contender) throws {
        guard let pod = contender.resident else { return }
        // The last pod still has its network after all that its neighbours went through.
        try machine.inside(pod.netns) { try Ping.reach(Reservations.gateway) }
        try Verify.rules(of: contender.system, pod, contender.residentAddress, contender.node, machine)
        _ = try machine.inside(contender.node.netns) { try contender.system.run(.del, pod) }
        machine.remove(pod.netns)
        contender.node.dispose()
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
            peaks.append((contender.subject, verb, Int(text) ?? 0))
        }
        for _ in 1...3 {
            let pod = try newPod()
            defer { machine.remove(pod.netns) }
            for verb in [.add] + otherVerbs(of: contender) + [.del] {
                _ = try machine.inside(contender.node.netns) { try system.run(verb, pod) }
                try record(verb)
            }
        }
    }

    @discardableResult
    private mutating func attach(_ pod: Pod, _ contender: Contender, round: Int, as verb: Verb) throws -> String {
        let (result, outcomes) = try machine.inside(contender.node.netns) { try contender.system.add(pod) }
        // Verified before it is counted.
        let address = try machine.inside(pod.netns) { try Verify.attached(pod, result) }
        if round <= 1 { try machine.inside(pod.netns) { try Ping.reach(Reservations.gateway) } }
        try Verify.rules(of: contender.system, pod, address, contender.node, machine)
        record(outcomes, verb, contender, round)
        return address
    }

    private mutating func measure(_ verb: Verb, _ pod: Pod, _ contender: Contender, _ round: Int) throws {
        record(try machine.inside(contender.node.netns) { try contender.system.run(verb, pod) }, verb, contender, round)
    }

    private func otherVerbs(of contender: Contender) -> [Verb] {
        if onlyAddAndDel { return [] }
        return contender.system.verbs.filter { verb in
            !unable.contains { $0.subject == contender.subject && $0.verb == verb }
        }
    }

    private mutating func measureOther(_ verb: Verb, _ pod: Pod, _ contender: Contender, _ round: Int) throws {
        do { try measure(verb, pod, contender, round) } catch let error as PluginError
            where contender.subject.system == Contenders.reference
        {
            unable.append((contender.subject, verb, "\(error)"))
            samples.removeAll { $0.subject == contender.subject && $0.verb == verb }
        }
    }

    private mutating func record(_ outcomes: [ProcessOutcome], _ verb: Verb, _ contender: Contender, _ round: Int) {
        func total(_ part: KeyPath<ProcessOutcome, Duration>) -> Duration {
            outcomes.reduce(.zero) { $0 + $1[keyPath: part] }
        }
        samples.append(
            Sample(
                round: round, subject: contender.subject, verb: verb, wall: total(\.wall), user: total(\.user),
                kernel: total(\.system)))
    }

    private func newPod() throws -> Pod {
        let id = UUID().uuidString.lowercased()
        return Pod(id: id, netns: try machine.create("cni-\(id)"))
    }
}
