import Addresses
import AgentConfiguration
import AgentStatus
import ClusterEngine
import EventLog
import Foundation
import NodeNetwork
import NodeServices
import PluginConfiguration
import Posix

/// What is known of this node, and what follows from it outside of the kernel: its announcement, the plugin's configuration,
/// metrics and readiness.
actor NodeState {
    private let configuration: AgentConfiguration
    private let engine: any ClusterEngine
    private let network: NodeNetwork
    private let services: NodeServices?
    private var status = NetworkStatus()
    private var announced: [IPAddress]?
    private var trouble: EngineFailure?
    private var doubt: EngineFailure?
    private var fileFailure: Failure?
    private var written: PluginConfiguration?
    private var isAnnouncingReadiness = false
    private var troubles: [String] = []
    /// For etcd, which hands out subnets for a time.
    private let memory: ClaimMemory?
    /// Whether the engine has told of this node in this run.
    private var isConfirmed = false
    private var events = 0
    private var failures: [EngineFailure.Kind: Int] = [:]
    private var lastEvent: ContinuousClock.Instant?

    init(
        _ configuration: AgentConfiguration, _ engine: any ClusterEngine, _ network: NodeNetwork,
        _ services: NodeServices?
    ) {
        self.configuration = configuration
        self.engine = engine
        self.network = network
        self.services = services
        if case .etcd(let etcd) = configuration.engine {
            memory = ClaimMemory(network: configuration.network, leaseSeconds: etcd.leaseSeconds ?? 86400)
        } else {
            memory = nil
        }
    }

    func heard(_ event: EngineEvent) async {
        events += 1
        lastEvent = .now
        switch event {
        case .nodes(let list):
            for node in list { confirm(node.name, node.subnets) }
            await network.replaceAll(list)
        case .node(let node):
            confirm(node.name, node.subnets)
            await network.set(node)
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
        case .recovered where !isConfirmed && memory != nil: trouble = nil
        case .recovered:
            if trouble != nil || doubt != nil { Log.note(.info, "engine recovered") }
            trouble = nil
            doubt = nil
            settle()
        }
    }

    func heard(_ event: ServiceEvent) async {
        events += 1
        lastEvent = .now
        switch event {
        case .services(let list): await services?.replaceServices(list)
        case .service(let service): await services?.set(service)
        case .serviceRemoved(let name): await services?.removeService(name)
        case .slices(let list): await services?.replaceSlices(list)
        case .slice(let slice): await services?.set(slice)
        case .sliceRemoved(let name): await services?.removeSlice(name)
        case .unreadable(let text): Log.note(.warning, "object", [("error", text)])
        case .trouble(let failure):
            failures[failure.kind, default: 0] += 1
            Log.note(.warning, "services", [("error", failure.message), ("details", failure.advice)])
        case .recovered: Log.note(.info, "services recovered")
        }
    }

    func networkChanged(_ status: NetworkStatus) async {
        self.status = status
        if !status.addresses.isEmpty, announced != status.addresses {
            announced = status.addresses
            await engine.announce(status.addresses)
        }
        settle()
        await followOwnNode()
        if !isAnnouncingReadiness { Task { await announceReadiness() } }
    }

    /// Node ports are open on this node's addresses, and hints name its zone.
    private func followOwnNode() async {
        guard let services, let own = status.own else { return }
        var node = await services.node
        node.addresses = own.addresses
        node.zone = own.zone
        await services.set(node)
    }

    private func confirm(_ name: String, _ subnets: [CIDR]) {
        guard name == configuration.ways.node, !subnets.isEmpty, !isConfirmed else { return }
        isConfirmed = true
        doubt = nil
        memory?.confirm()
    }

    /// An agent that starts while etcd is away does not know whether its node still has its subnets.
    private func watchClaim() {
        guard let memory else { return }
        if isConfirmed {
            if trouble == nil, doubt == nil { memory.confirm() }
        } else if doubt == nil, !memory.isSure, (try? configuration.file.read()) != nil {
            doubt = EngineFailure(
                .unreachable,
                "this node's claim to its subnets may have ended while its agent was away, and etcd has not confirmed it"
            )
            suspendFile()
        }
    }

    /// Writes the plugin's configuration; not before the routes to the known peers are there.
    ///
    /// - Parameter looksAtFile: also if nothing has changed here, so that the file comes back where somebody has removed it.
    private func settle(looksAtFile: Bool = false) {
        guard status.isComplete, !status.subnets.isEmpty else { return suspendIfNeeded() }
        let wanted = PluginConfiguration(
            subnets: status.subnets, clusterRanges: configuration.ranges.map { $0.cidr }, mtu: status.podMTU,
            suspension: doubt.map { "\($0)" })
        guard wanted != written || fileFailure != nil || looksAtFile else { return }
        write(wanted)
    }

    /// Nobody gets an address that may be another node's, although the rest is not as it should be.
    private func suspendIfNeeded() {
        guard var wanted = written else { return suspendFile() }
        if let doubt {
            wanted.suspension = "\(doubt)"
        } else if !status.subnets.isEmpty, wanted.subnets != status.subnets {
            wanted.suspension = "this node's subnets have changed, and the ways to other nodes are not ready"
        }
        write(wanted)
    }

    /// What an earlier run has written.
    private func suspendFile() {
        guard let doubt else { return }
        do throws(Failure) {
            guard let content = PluginConfiguration.suspended(try configuration.file.read(), because: "\(doubt)") else {
                return
            }
            try configuration.file.write(content)
        } catch { Log.note(.error, "failed", error) }
    }

    private func write(_ wanted: PluginConfiguration) {
        do throws(Failure) {
            let content = try wanted.filled(try PluginConfiguration.template(of: configuration))
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

    /// Tries until it succeeds, with growing pauses; a cause is told once.
    private func announceReadiness() async {
        guard written != nil, !isAnnouncingReadiness else { return }
        isAnnouncingReadiness = true
        var pauses = Backoff(first: .seconds(2), longest: .seconds(300))
        var told: EngineFailure?
        while !Task.isCancelled {
            do throws(EngineFailure) { return try await engine.announceReadiness() } catch {
                if told != error {
                    Log.note(.warning, "engine", [("error", error.message), ("details", error.advice)])
                }
                told = error
            }
            try? await Task.sleep(for: pauses.pause())
        }
    }

    /// Looks for what the kernel's notifications do not tell, and tells each once.
    func lookForTroubles() async {
        watchClaim()
        settle(looksAtFile: true)
        var found = (try? await network.troubles()) ?? []
        if let trouble = await services?.status.trouble { found.append(trouble) }
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

    /// As kube-proxy answers at its port 10256.
    func serviceHealth() async -> StatusServer.Page {
        let status = await services?.status
        let isWell = status?.isComplete == true && status?.failure == nil
        let now = Date().ISO8601Format()
        let body = #"{"lastUpdated": "\#(now)", "currentTime": "\#(now)", "nodeEligible": true}"#
        return StatusServer.Page(body, status: isWell ? 200 : 503, contentType: "application/json")
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
        if let status = await services?.status {
            metrics.add("swiftlet_agent_services", .gauge, "Services of the cluster.", Double(status.services))
            metrics.add(
                "swiftlet_agent_services_complete", .gauge, "1 when the kernel has all Services.",
                status.isComplete && status.failure == nil ? 1 : 0)
            metrics.add(
                "swiftlet_agent_service_changes_total", .counter, "Elements and chains that were changed.",
                Double(status.changes))
            metrics.add(
                "swiftlet_agent_service_repairs_total", .counter,
                "Elements and chains put back because somebody else had changed them.", Double(status.repairs))
            metrics.add(
                "swiftlet_agent_service_faults_total", .counter, "Faults found in Services and EndpointSlices.",
                Double(status.objections))
            metrics.add(
                "swiftlet_agent_service_change_seconds", .gauge, "Of the last batch, to the kernel's answer.",
                status.lastDuration / .seconds(1))
        }
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

extension PluginConfiguration {
    /// The user's template, or the usual one.
    static func template(of configuration: AgentConfiguration) throws(Failure) -> String {
        guard let path = configuration.template else { return usualTemplate(network: configuration.network) }
        do { return try String(contentsOfFile: path, encoding: .utf8) } catch {
            throw Failure(.storage, "read \(path): \(error.localizedDescription)")
        }
    }
}
