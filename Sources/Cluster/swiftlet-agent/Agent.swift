import AgentConfiguration
import AgentStatus
import ClusterEngine
import EventLog
import NodeNetwork
import Posix
import ServiceLifecycle

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
        let network = try NodeNetwork(configuration.ways) { told.yield($0) }
        let node = NodeState(configuration, engine, network)
        try await network.start()
        let server = try await statusServer(node)
        await engine.announce(await network.status.addresses)
        Log.note(.info, "started", [("node", configuration.ways.node)])
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask { for await status in statuses { await node.networkChanged(status) } }
                group.addTask { await engine.follow { await node.heard($0) } }
                group.addTask {
                    while !Task.isCancelled {
                        try? await Task.sleep(for: .seconds(5))
                        await node.lookForTroubles()
                    }
                }
            }
        }
        await server?.close()
        await engine.close()
        Log.note(.info, "stopped")
    }

    private func statusServer(_ node: NodeState) async throws -> StatusServer? {
        guard let listen = configuration.listen else { return nil }
        return try await StatusServer(host: listen.host, port: listen.port) { path in
            switch path {
            case "/metrics": StatusServer.Page(await node.metrics(), contentType: "text/plain; version=0.0.4")
            case "/healthz": StatusServer.Page("ok\n")
            case "/readyz": await node.readiness()
            default: nil
            }
        }
    }
}
