import AgentConfiguration
import AgentStatus
import ClusterEngine
import EventLog
import NodeNetwork
import NodeServices
import Posix
import ServiceLifecycle
import ServicePlan

/// Joins what the agent consists of: the engine tells of nodes, the network puts them into the kernel, and the node's state
/// becomes the plugin's configuration, metrics and health. Nothing is taken away when it stops.
struct Agent: Service {
    private let configuration: AgentConfiguration
    private let engine: any ClusterEngine

    init(_ configuration: AgentConfiguration) throws(EngineFailure) {
        self.configuration = configuration
        engine = try makeEngine(configuration)
    }

    func run() async throws {
        let (statuses, told) = AsyncStream.makeStream(of: NetworkStatus.self, bufferingPolicy: .bufferingNewest(1))
        let kernel = try KernelThread()
        let network = NodeNetwork(configuration.ways, on: kernel) { told.yield($0) }
        let services = configuration.services.map { NodeServices(ServiceNode(configuration, $0), on: kernel) }
        let node = NodeState(configuration, engine, network, services)
        try await network.start()
        try await services?.start()
        async let status: Void = serve(configuration.listen) { path in
            switch path {
            case "/metrics": StatusServer.Page(await node.metrics(), contentType: "text/plain; version=0.0.4")
            case "/healthz": StatusServer.Page("ok\n")
            case "/readyz": await node.readiness()
            default: nil
            }
        }
        // What load balancers ask of kube-proxy, under its paths.
        async let health: Void = serve(configuration.services?.health) { path in
            ["/healthz", "/livez"].contains(path) ? await node.serviceHealth() : nil
        }
        await engine.announce(await network.status.addresses)
        Log.note(.info, "started", [("node", configuration.ways.node)])
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { for await status in statuses { await node.networkChanged(status) } }
                group.addTask { await engine.follow { await node.heard($0) } }
                if services != nil, let source = engine as? any ServiceSource {
                    group.addTask { await source.followServices { await node.heard($0) } }
                }
                group.addTask {
                    while !Task.isCancelled {
                        await node.lookForTroubles()
                        try? await Task.sleep(for: .seconds(5))
                    }
                }
            }
        }
        await engine.close()
        _ = await (status, health)
        Log.note(.info, "stopped")
    }

    /// Answers until the agent is asked to stop. A port that is taken ends nothing: the node's routes matter more.
    private func serve(
        _ address: (host: String, port: Int)?, page: @escaping @Sendable (String) async -> StatusServer.Page?
    ) async {
        guard let address else { return }
        await cancelWhenGracefulShutdown {
            var told: EngineFailure?
            while !Task.isCancelled {
                do throws(EngineFailure) {
                    let server = try await StatusServer(host: address.host, port: address.port, page: page)
                    while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
                    return await server.close()
                } catch {
                    if told != error { Log.note(.error, "failed", [("error", "\(error)")]) }
                    told = error
                    try? await Task.sleep(for: .seconds(10))
                }
            }
        }
    }
}

extension ServiceNode {
    /// This node before the API has told of it.
    fileprivate init(_ configuration: AgentConfiguration, _ services: AgentConfiguration.Services) {
        self.init(
            configuration.ways.node, addresses: [], nodePorts: services.nodePorts,
            podRanges: configuration.ranges.map { $0.cidr }, serviceRanges: services.ranges)
    }
}
