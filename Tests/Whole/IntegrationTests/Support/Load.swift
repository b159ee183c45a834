import ContainerRuntime
import Foundation

/// How much load: as much as `make test` has time for, or all of it (`make test-faults`).
enum Extent {
    static let isWhole = ProcessInfo.processInfo.environment["SWIFTLET_FAULTS"] == "all"
    static let pods = isWhole ? 500 : 60
    static let inFlight = isWhole ? 64 : 16
    static let cycles = isWhole ? 10_000 : 104
    /// Of the cycles.
    static let lanes = 8
}

/// Runs the body once for each number below `count`, with `width` of them at a time.
func inFlight<Value: Sendable>(
    _ width: Int, of count: Int, _ body: @escaping @Sendable (Int) throws -> Value
) throws -> [Value] {
    let lanes = inParallel(width) { lane in
        stride(from: lane, to: count, by: width).map { number in (number, Result { try body(number) }) }
    }
    let results = try lanes.flatMap { try $0.get() }.sorted { $0.0 < $1.0 }.map(\.1)
    let failures = results.compactMap { result -> String? in
        if case .failure(let error) = result { "\(error)" } else { nil }
    }
    guard failures.isEmpty else {
        throw CommandError(
            description:
                "\(failures.count) of \(count) failed: \(Set(failures).sorted().prefix(5).joined(separator: "; "))")
    }
    return try results.map { try $0.get() }
}

/// As many pods as there are, each with two addresses and a host port of its own; attached and detached all at once.
struct ManyPods: Sendable {
    static let firstPort = 20_000

    let node: Node
    let pods: [Pod]
    let list: NetworkList
    /// Whether somebody kills the plugins, and commands have to be repeated.
    let isHunted: Bool

    init(_ arrangement: Arrangement = .alone, hunted: Bool = false) throws {
        node = try Node()
        isHunted = hunted
        let node = node
        pods = try inFlight(4, of: Extent.pods) { _ in try node.pod() }
        list = try arrangement.network(
            node, ipam: ["ranges": [[["subnet": "10.44.0.0/22"]], [["subnet": "fd00:44::/64"]]]])
    }

    func attachment(_ number: Int) -> PodAttachment {
        pods[number].with(ports: hostPort(Int64(Self.firstPort + number), .tcp))
    }

    /// What a runtime does: whoever has been killed is asked again, and before an ADD is, the killed one is undone.
    private func ask<Value>(_ command: () throws -> Value, undo: () throws -> Void = {}) throws -> Value {
        for _ in 0..<50 {
            do { return try command() } catch let error as PluginError {
                guard isHunted, error.run.outcome.exit == .signal(SIGKILL) else { throw error }
                try undo()
            }
        }
        throw CommandError(description: "killed fifty times")
    }

    private func every<Value: Sendable>(
        _ name: String, _ body: @escaping @Sendable (Int) throws -> Value
    ) throws -> [Value] {
        let start = ContinuousClock.now
        let values = try inFlight(Extent.inFlight, of: pods.count, body)
        let seconds = Double((ContinuousClock.now - start).milliseconds) / 1000
        print("load: \(name) of \(pods.count) pods, \(Extent.inFlight) in flight: \(seconds) s")
        return values
    }

    /// - Returns: the addresses of each pod.
    func add() throws -> [[String]] {
        try every("ADD") { number in
            let attachment = attachment(number)
            return try ask {
                try node.runtime().add(list, attachment).result.hosts
            } undo: {
                try delete(attachment)
            }
        }
    }

    func check() throws {
        _ = try every("CHECK") { number in try ask { try node.runtime().check(list, attachment(number)).count } }
    }

    func delete() throws { _ = try every("DEL") { try delete(attachment($0)) } }

    private func delete(_ attachment: PodAttachment) throws {
        _ = try ask { try node.runtime().del(list, attachment).count }
    }
}
