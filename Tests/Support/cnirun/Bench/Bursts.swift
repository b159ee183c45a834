import ContainerRuntime
import Foundation

/// Many pods attached, then detached, with a fixed number of commands in flight.
struct Burst {
    var repetition: Int
    var system: String
    var verb: Verb
    var inFlight: Int
    var pods: Int
    /// From the first command's start to the last one's end.
    var wall: Duration

    var podsPerSecond: Double { Double(pods) / (Double(max(wall.microseconds, 1)) / 1_000_000) }
}

/// Runs the systems in turn, each on its own node.
struct Bursts {
    struct Plan {
        /// Numbers of commands in flight.
        var levels: [Int]
        /// Pods per burst.
        var pods: Int
        var repetitions: Int
    }

    let plan: Plan
    private(set) var bursts: [Burst] = []
    private(set) var failures: [(system: String, reason: String)] = []

    private static let firstPort: UInt16 = 20000
    /// Pause after a burst, in seconds, while the kernel frees links and namespaces.
    private static let rest: UInt32 = 1

    init(_ plan: Plan) { self.plan = plan }

    mutating func run(_ entries: [Contenders.Entry], on machine: Machine) throws {
        // The floor runs no plugins, so it has no chain to run from several threads.
        let systems = entries.compactMap { $0.system as? PluginSystem }
        var nodes: [String: Node] = [:]
        defer { for node in nodes.values { node.dispose() } }
        for system in systems { nodes[system.name] = try Node(machine) }
        for repetition in 1...plan.repetitions {
            for inFlight in plan.levels.shuffled() {
                for system in systems.shuffled() {
                    guard let node = nodes[system.name], !hasFailed(system) else { continue }
                    do { try burst(repetition, inFlight, system, node, machine) } catch {
                        failures.append((system.name, "\(inFlight) in flight: \(error)"))
                        bursts.removeAll { $0.system == system.name }
                    }
                    sleep(Self.rest)
                }
            }
        }
    }

    private func hasFailed(_ system: PluginSystem) -> Bool { failures.contains { $0.system == system.name } }

    private mutating func burst(
        _ repetition: Int, _ inFlight: Int, _ system: PluginSystem, _ node: Node, _ machine: Machine
    ) throws {
        let pods = try (0..<plan.pods).map { n in
            var pod = try Pod(on: machine)
            pod.hostPorts = Pod.containerPorts.indices.map {
                Self.firstPort + UInt16(n * Pod.containerPorts.count + $0)
            }
            return pod
        }
        defer { for pod in pods { machine.remove(pod.netns) } }
        func measure(_ verb: Verb, _ command: @escaping @Sendable (Pod) throws -> JSONValue) throws -> [JSONValue] {
            let (results, wall) = try Self.run(pods, inFlight, in: node, machine, command)
            bursts.append(
                Burst(
                    repetition: repetition, system: system.name, verb: verb, inFlight: inFlight, pods: pods.count,
                    wall: wall))
            return results
        }

        let results = try measure(.add) { try system.add($0).0 }
        var addresses: Set<String> = []
        for (pod, result) in zip(pods, results) {
            addresses.formUnion(
                try machine.inside(pod.netns) { try Verify.attached(pod, result, system.features) })
        }
        guard addresses.count == pods.count else {
            throw VerificationError("\(pods.count) pods have \(addresses.count) addresses")
        }
        if let pod = pods.randomElement() { try Verify.rules(of: system, pod, "a pod", node, machine) }

        _ = try measure(.del) {
            _ = try system.run(.del, $0)
            return [:]
        }
        for pod in pods {
            try machine.inside(pod.netns) { try Verify.detached(pod, system, Array(addresses)) }
        }
        if let pod = pods.randomElement() { try Verify.portsClosed(system, pod, node, machine) }
    }

    /// Runs `command` for each pod from `inFlight` threads, which are all in the node's namespace before the timing starts.
    private static func run(
        _ pods: [Pod], _ inFlight: Int, in node: Node, _ machine: Machine,
        _ command: @escaping @Sendable (Pod) throws -> JSONValue
    ) throws -> ([JSONValue], Duration) {
        let queue = Queue(pods)
        let (ready, go, done) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let netns = node.netns
        for _ in 0..<inFlight {
            Thread {
                let entered = Result {
                    try machine.inside(netns) {
                        ready.signal()
                        go.wait()
                        while let (index, pod) = queue.next() { queue.finish(index, Result { try command(pod) }) }
                    }
                }
                if case .failure(let error) = entered {
                    queue.fail(error)
                    ready.signal()
                }
                done.signal()
            }.start()
        }
        for _ in 0..<inFlight { ready.wait() }
        let start = ContinuousClock.now
        for _ in 0..<inFlight { go.signal() }
        for _ in 0..<inFlight { done.wait() }
        let wall = ContinuousClock.now - start
        return (try queue.results(), wall)
    }
}

/// The waiting pods, and the results of the finished ones.
private final class Queue: @unchecked Sendable {
    private let lock = NSLock()
    private let pods: [Pod]
    private var taken = 0
    private var finished: [Int: JSONValue] = [:]
    private var errors: [any Error] = []

    init(_ pods: [Pod]) { self.pods = pods }

    func next() -> (Int, Pod)? {
        lock.withLock {
            guard taken < pods.count else { return nil }
            defer { taken += 1 }
            return (taken, pods[taken])
        }
    }

    func finish(_ index: Int, _ result: Result<JSONValue, any Error>) {
        lock.withLock {
            switch result {
            case .success(let value): finished[index] = value
            case .failure(let error): errors.append(error)
            }
        }
    }

    func fail(_ error: any Error) { lock.withLock { errors.append(error) } }

    /// The results in the order of the pods; throws if any failed.
    func results() throws -> [JSONValue] {
        if let first = errors.first {
            throw VerificationError("\(errors.count) of \(pods.count) failed, the first with: \(first)")
        }
        return pods.indices.compactMap { finished[$0] }
    }
}
