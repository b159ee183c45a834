import Addresses
import AgentConfiguration
import AgentStatus
import ClusterEngine
import EventLog
import Foundation
import NodeNetwork
import PluginConfiguration
import Posix

/// What is known of this node, and what follows from it outside of the kernel: its announcement, the plugin's configuration,
/// metrics and readiness.
actor NodeState {
    private let configuration: AgentConfiguration
    private let engine: any ClusterEngine
    private let network: NodeNetwork
    private var status = NetworkStatus()
    private var announced: [IPAddress]?
    private var trouble: EngineFailure?
    private var doubt: EngineFailure?
    private var fileFailure: Failure?
    private var written: PluginConfiguration?
    private var isReadinessAnnounced = false
    private var troubles: [String] = []
    private var events = 0
    private var failures: [EngineFailure.Kind: Int] = [:]
    private var lastEvent: ContinuousClock.Instant?

    init(_ configuration: AgentConfiguration, _ engine: any ClusterEngine, _ network: NodeNetwork) {
        self.configuration = configuration
        self.engine = engine
        self.network = network
    }

    func heard(_ event: EngineEvent) async {
        events += 1
        lastEvent = .now
        switch event {
        case .nodes(let list): await network.replaceAll(list)
        case .node(let node): await network.set(node)
        case .removed(let name): await network.remove(name)
        case .trouble(let failure):
            failures[failure.kind, default: 0] += 1
            trouble = failure
            Log.note(.warning, "engine", [("error", failure.message), ("details", failure.advice)])
        case .claimInDoubt(let failure):
            failures[failure.kind, default: 0] += 1
            doubt = failure
            Log.note(.error, "claim in doubt", [("error", failure.message), ("details", failure.advice)])
            settle()
        case .recovered:
            if trouble != nil || doubt != nil { Log.note(.info, "engine recovered") }
            trouble = nil
            doubt = nil
            settle()
        }
    }

    func networkChanged(_ status: NetworkStatus) async {
        self.status = status
        if !status.addresses.isEmpty, announced != status.addresses {
            announced = status.addresses
            await engine.announce(status.addresses)
        }
        settle()
        await announceReadiness()
    }

    /// Writes the plugin's configuration; not before the routes to the known peers are there.
    private func settle() {
        guard status.isComplete, !status.subnets.isEmpty else { return }
        let wanted = PluginConfiguration(
            subnets: status.subnets, clusterRanges: configuration.ranges.map { $0.cidr }, mtu: status.podMTU,
            suspension: doubt.map { "\($0)" })
        guard wanted != written || fileFailure != nil else { return }
        do throws(Failure) {
            let content = try wanted.filled(try template())
            if try configuration.file.write(content) {
                Log.note(
                    .info, "configured",
                    [
                        ("file", configuration.file.path),
                        ("subnets", wanted.subnets.map { "\($0)" }.joined(separator: " ")),
                    ])
            }
            written = wanted
            fileFailure = nil
        } catch {
            if fileFailure != error { Log.note(.error, "failed", error) }
            fileFailure = error
        }
    }

    private func template() throws(Failure) -> String {
        guard let path = configuration.template else {
            return PluginConfiguration.usualTemplate(network: configuration.network)
        }
        do { return try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw Failure(.storage, "read \(path): \(error.localizedDescription)")
        }
    }

    private func announceReadiness() async {
        guard written != nil, !isReadinessAnnounced else { return }
        isReadinessAnnounced = true
        do throws(EngineFailure) { try await engine.announceReadiness() } catch {
            Log.note(.warning, "engine", [("error", error.message), ("details", error.advice)])
            // The next change of anything tries again, and so does a timer.
            isReadinessAnnounced = false
            Task {
                try? await Task.sleep(for: .seconds(5))
                await announceReadiness()
            }
        }
    }

    /// Looks for what the kernel's notifications do not tell, and tells each once.
    func lookForTroubles() async {
        let found = (try? await network.troubles()) ?? []
        for trouble in found where !troubles.contains(trouble) {
            Log.note(.warning, "network", [("error", trouble)])
        }
        troubles = found
    }

    /// Why this node is not ready, or that it is.
    func readiness() -> StatusServer.Page {
        var reasons: [String] = []
        if status.nodes == 0 { reasons.append("the engine has not sent the list of nodes yet") }
        if status.subnets.isEmpty, status.nodes > 0 { reasons.append("this node has no subnet") }
        if let trouble { reasons.append("\(trouble)") }
        if let doubt { reasons.append("\(doubt)") }
        if let failure = status.failure { reasons.append("\(failure)") }
        if let fileFailure { reasons.append("\(fileFailure)") }
        reasons += troubles.prefix(20)
        // The engine's absence alone does not make a node unready that has what it needs.
        let isReady = written != nil && doubt == nil && status.failure == nil && fileFailure == nil
        return StatusServer.Page(
            isReady ? "ok\n" + reasons.map { "note: \($0)\n" }.joined() : reasons.map { "\($0)\n" }.joined(),
            status: isReady ? 200 : 503)
    }

    func metrics() async -> String {
        var metrics = Metrics()
        metrics.add("swiftlet_agent_nodes", .gauge, "Nodes of the cluster, this one among them.", Double(status.nodes))
        metrics.add(
            "swiftlet_agent_entries_wanted", .gauge,
            "Routes, neighbours and forwarding entries that the kernel should have.", Double(status.wantedEntries))
        metrics.add(
            "swiftlet_agent_repairs_total", .counter,
            "Entries put back or removed because somebody else had changed them.", Double(status.repairs))
        metrics.add(
            "swiftlet_agent_kernel_complete", .gauge, "1 when the kernel has everything.", status.isComplete ? 1 : 0)
        metrics.add(
            "swiftlet_agent_change_seconds", .gauge, "From the engine's last change to the kernel's answer.",
            await network.status.lastChange / .seconds(1))
        metrics.add(
            "swiftlet_agent_troubles", .gauge, "What keeps some pods from being reached; the log and /readyz name it.",
            Double(troubles.count))
        metrics.add("swiftlet_agent_engine_events_total", .counter, "Events of the engine.", Double(events))
        metrics.add(
            "swiftlet_agent_engine_failures_total", .counter, "Failed requests to the engine, by kind.",
            failures.map { (labels: ["kind": $0.key.rawValue], value: Double($0.value)) })
        metrics.add(
            "swiftlet_agent_engine_reachable", .gauge, "1 while the engine is followed.", trouble == nil ? 1 : 0)
        if let lastEvent {
            let age = (ContinuousClock.now - lastEvent) / .seconds(1)
            metrics.add("swiftlet_agent_engine_silence_seconds", .gauge, "Since the engine's last event.", age)
        }
        return metrics.text
    }
}
