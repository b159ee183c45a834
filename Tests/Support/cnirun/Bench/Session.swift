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

/// All contenders on one machine, in rounds where each has its turn.
struct Session {
    /// What a session measures.
    struct Plan {
        var rounds: Int
        /// Pause after each turn, in ms.
        var settle: Int
        var onlyAddAndDel = false
        var probes: [Probe] = []
    }

    let machine: Machine
    let plan: Plan

    private(set) var samples: [Sample] = []
    private(set) var footprints: [Footprint] = []
    /// Verbs that a system does not support; it stays in the table for the others.
    private(set) var unable: [(subject: Subject, verb: Verb, reason: String)] = []
    private(set) var failures: [(subject: Subject, reason: String)] = []
    /// In the order given.
    let subjects: [Subject]
    private var contenders: [Contender] = []

    /// Limit for a turn, in seconds. To end the run in time, a system that takes N times as long has only every N-th round.
    private static let patience = 0.5

    private struct Contender {
        var entry: Contenders.Entry
        var node: Node
        var resident: Pod?
        var residentAddresses: [String] = []
        /// It has a turn in every N-th round, from the first on.
        var every = 1

        var system: any System { entry.system }
        var subject: Subject { entry.subject }
        var features: Features { entry.system.features }
    }

    init(_ entries: [Contenders.Entry], machine: Machine, plan: Plan) throws {
        self.machine = machine
        self.plan = plan
        subjects = entries.map(\.subject)
        contenders = try entries.map { Contender(entry: $0, node: try Node(machine)) }
    }

    mutating func run() {
        guard !contenders.isEmpty else { return }
        attempt { session, contender in
            try session.settleResident(&contender)
        }
        // The kernel is still busy after the node was filled.
        if contenders.contains(where: { $0.entry.otherPods != nil }) { sleep(3) }
        for round in 1...max(plan.rounds, 1) {
            attempt(round) { session, contender in
                let took = try ContinuousClock().measure { try session.turn(round, contender) }
                guard round == 1 else { return }
                // Even the slowest gets at least some three turns.
                let fair = (took / .seconds(Session.patience)).rounded(.up)
                contender.every = max(1, min(Int(fair), session.plan.rounds / 3))
            }
        }
        attempt { session, contender in
            for probe in session.plan.probes where probe.isThere { try session.measure(probe, contender) }
            try session.leave(contender)
        }
    }

    /// Gives each contender its turn; one that throws is removed with all its measurements.
    private mutating func attempt(_ round: Int = 1, _ body: (inout Session, inout Contender) throws -> Void) {
        var remaining: [Contender?] = contenders
        // A new random order each time, so that no contender always follows the same one.
        for index in remaining.indices.shuffled() {
            guard var contender = remaining[index], (round - 1) % contender.every == 0 else { continue }
            let subject = contender.subject
            do {
                try body(&self, &contender)
                remaining[index] = contender
            } catch {
                failures.append((subject, "\(error)"))
                samples.removeAll { $0.subject == subject }
                footprints.removeAll { $0.subject == subject }
                remaining[index] = nil
            }
            usleep(UInt32(plan.settle) * 1000)
        }
        contenders = remaining.compactMap(\.self)
    }

    /// Attaches the pod that stays, so that the bridge always has a port, as on a node in use. Its ADD creates the bridge and
    /// has its own row.
    private mutating func settleResident(_ contender: inout Contender) throws {
        guard contender.features.attaches else { return }
        var pod = try newPod(contender)
        pod.hostPorts = [30080, 30443]
        contender.residentAddresses = try attach(pod, contender, round: 0, as: .firstAdd)
        contender.resident = pod
        try contender.entry.otherPods?.settle(
            on: contender.node, machine, contender.system, model: pod, contender.residentAddresses[0])
    }

    private mutating func turn(_ round: Int, _ contender: Contender) throws {
        let pod = try newPod(contender)
        defer { machine.remove(pod.netns) }
        let links = try machine.inside(contender.node.netns) { try Verify.linkCount() }
        let addresses = try attach(pod, contender, round: round, as: .add)
        for verb in otherVerbs(of: contender) { try measureOther(verb, pod, contender, round) }
        try measure(.del, pod, contender, round)
        try machine.inside(pod.netns) { try Verify.detached(pod, contender.system, addresses) }
        try Verify.portsClosed(contender.system, pod, contender.node, machine)
        let left = try machine.inside(contender.node.netns) { try Verify.linkCount() }
        if left != links { throw VerificationError("the node had \(links) links before ADD and has \(left) after DEL") }
    }

    private mutating func leave(_ contender: Contender) throws {
        defer { contender.node.dispose() }
        guard let pod = contender.resident else { return }
        // The last pod must still have its network after everything that happened to its neighbours.
        try machine.inside(pod.netns) { try Ping.reach(Reservations.gateway) }
        try Verify.rules(of: contender.system, pod, contender.residentAddresses[0], contender.node, machine)
        _ = try machine.inside(contender.node.netns) { try contender.system.run(.del, pod) }
        machine.remove(pod.netns)
    }

    /// A few more untimed turns through a small program that sees what this process cannot.
    private mutating func measure(_ probe: Probe, _ contender: Contender) throws {
        var system = contender.system
        defer { system.prefix = [] }
        for _ in 1...(contender.every > 1 ? 1 : 3) {
            let pod = try newPod(contender)
            defer { machine.remove(pod.netns) }
            for verb in [.add] + otherVerbs(of: contender) + [.del] {
                footprints.append(
                    try probe.measure(contender.subject, verb, directory: machine.directory) { prefix in
                        system.prefix = prefix
                        _ = try machine.inside(contender.node.netns) { try system.run(verb, pod) }
                    })
            }
        }
    }

    private mutating func attach(_ pod: Pod, _ contender: Contender, round: Int, as verb: Verb) throws -> [String] {
        let (result, outcomes) = try machine.inside(contender.node.netns) { try contender.system.add(pod) }
        // Verified before it counts.
        let addresses = try machine.inside(pod.netns) { try Verify.attached(pod, result, contender.features) }
        if round <= 1, contender.features.attaches {
            try machine.inside(pod.netns) {
                try Ping.reach(Reservations.gateway)
                if contender.features.families > 1 { try Ping.reach(Reservations.gateway6) }
            }
        }
        try Verify.rules(of: contender.system, pod, addresses[0], contender.node, machine)
        if contender.features.limits { try Verify.limits(of: round == 0 ? 1 : 2, contender.node, machine) }
        record(outcomes, verb, contender, round)
        return addresses
    }

    private mutating func measure(_ verb: Verb, _ pod: Pod, _ contender: Contender, _ round: Int) throws {
        record(try machine.inside(contender.node.netns) { try contender.system.run(verb, pod) }, verb, contender, round)
    }

    private func otherVerbs(of contender: Contender) -> [Verb] {
        if plan.onlyAddAndDel { return [] }
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

    private func newPod(_ contender: Contender) throws -> Pod {
        var pod = try Pod(on: machine)
        if !contender.features.attaches { pod.ifname = "lo" }
        if contender.features.hasUDP { pod.protocols[1] = "udp" }
        if contender.subject.conf == Contenders.loopbackUp { try machine.configure(pod.netns, ["link set lo up"]) }
        return pod
    }
}
