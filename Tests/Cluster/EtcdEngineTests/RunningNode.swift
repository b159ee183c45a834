import Addresses
import ClusterEngine
import ClusterState
import EngineHTTP
import EtcdEngine
import Foundation
import TestSupport

/// The events of an engine, in the order in which they were told.
actor Recorder {
    private(set) var events: [EngineEvent] = []
    /// The nodes as the events say.
    private(set) var nodes: [String: ClusterNode] = [:]

    func record(_ event: EngineEvent) {
        events.append(event)
        switch event {
        case .nodes(let list): nodes = Dictionary(uniqueKeysWithValues: list.map { ($0.name, $0) })
        case .node(let node): nodes[node.name] = node
        case .removed(let name): nodes[name] = nil
        default: break
        }
    }

    var troubles: [EngineFailure] {
        events.compactMap { if case .trouble(let failure) = $0 { failure } else { nil } }
    }

    var isInDoubt: Bool {
        let last = events.last { event in
            switch event {
            case .claimInDoubt, .recovered: true
            default: false
            }
        }
        if case .claimInDoubt = last { return true } else { return false }
    }
}

/// An agent's engine that runs.
final class RunningNode: Sendable {
    let name: String
    let engine: EtcdEngine
    let recorder = Recorder()
    private let task: Task<Void, Never>

    init(
        _ name: String, _ access: EngineAccess, network: String, ranges: [SubnetRange], address: String = "192.0.2.1",
        claimSeconds: Int = 600, presenceSeconds: Int = 2, identity: String? = nil
    ) async {
        self.name = name
        var settings = EtcdSettings(access, network: network, node: name, ranges: ranges)
        settings.claimSeconds = claimSeconds
        settings.presenceSeconds = presenceSeconds
        settings.identity = identity ?? "machine of \(name)"
        let engine = EtcdEngine(settings)
        self.engine = engine
        await engine.announce([IPAddress(address)!])
        task = Task { [recorder] in await engine.follow { await recorder.record($0) } }
    }

    deinit { task.cancel() }

    /// As when the agent is stopped.
    func stop() async {
        task.cancel()
        await task.value
        await engine.close()
    }

    /// As when the machine's power fails: nothing is taken back.
    func crash() async {
        task.cancel()
        await task.value
    }

    func subnets() async -> [CIDR] { await recorder.nodes[name]?.subnets ?? [] }

    /// The subnets, when it has some.
    func claimed(within seconds: Double = 60) async throws -> [CIDR] {
        try await until("node \(name) has a claim", within: seconds) { !(await self.subnets().isEmpty) }
        return await subnets()
    }

    /// - Returns: how long it took.
    @discardableResult
    func until(
        _ what: String, within seconds: Double = 60, _ condition: () async throws -> Bool
    ) async throws -> Duration {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(seconds) {
            if try await condition() { return ContinuousClock.now - start }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw UnexpectedState("not within \(seconds) s: \(what); \(await recorder.events.suffix(20))")
    }
}

/// `10.244.0.0/16 24`
func range(_ range: String, _ length: Int) -> SubnetRange { try! SubnetRange(CIDR(range)!, subnetLength: length) }

func access(_ server: EtcdServer) -> EngineAccess { EngineAccess([server.url]) }
