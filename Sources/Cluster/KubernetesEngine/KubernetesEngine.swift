public import Addresses
public import ClusterEngine
internal import ClusterState
public import EngineHTTP
internal import FoundationEssentials
internal import NIOConcurrencyHelpers

/// The nodes of a Kubernetes cluster, whose pods' subnets its controller manager hands out.
///
/// Needs get, list and watch on nodes, patch on nodes/status, and create on events.
public final class KubernetesEngine: ClusterEngine {
    /// What this node wants of the cluster.
    public struct Settings: Sendable {
        /// This node's name in the cluster.
        public var node: String
        /// Other nodes are reached at their addresses of the type ExternalIP, where they have one.
        public var prefersExternal = false
        /// Sent with each request.
        public var userAgent = "swiftlet-agent"
        /// An API server that sends nothing for so long has failed: more than 75 seconds, because one that is well may have
        /// nothing to send but a bookmark about every minute.
        public var silence: Duration = .seconds(120)
        /// Pauses between attempts.
        public var backoff = Backoff()

        public init(node: String) { self.node = node }
    }

    let client: EngineClient
    let settings: Settings
    /// Whether readiness was announced.
    private let isReady = NIOLockedValueBox(false)

    public init(_ access: EngineAccess, _ settings: Settings) {
        self.settings = settings
        client = EngineClient(access, userAgent: settings.userAgent, silence: settings.silence)
    }

    public func follow(_ report: @escaping @Sendable (EngineEvent) async -> Void) async {
        let (errands, writer) = AsyncStream.makeStream(of: Errand.self, bufferingPolicy: .bufferingOldest(16))
        async let running: Void = run(errands)
        let nodes = ObjectWatch<NodeObject>(client, ObjectCollection(path: "/api/v1/nodes"), backoff: settings.backoff)
        let own = settings.node
        var reader = NodeReader(own, prefersExternal: settings.prefersExternal)
        var created: Int64?
        await nodes.follow { event in
            for event in reader.read(event) {
                switch event {
                // Only what concerns this node: of what all see, thousands would write.
                case .trouble(let failure) where failure.kind == .configuration: writer.yield(.event(failure))
                case .node(let node) where node.name == own:
                    if let created, created != node.age { writer.yield(.readiness) }
                    created = node.age
                case .nodes(let list):
                    guard let node = list.first(where: { $0.name == own }) else { break }
                    if let created, created != node.age { writer.yield(.readiness) }
                    created = node.age
                default: break
                }
                await report(event)
            }
        }
        writer.finish()
        await running
    }

    /// Does nothing: the kubelet publishes a node's addresses.
    public func announce(_ addresses: [IPAddress]) async {}

    /// Sets this node's condition NetworkUnavailable to False, unless it is; and again when the Node is made anew while it is
    /// followed.
    public func announceReadiness() async throws(EngineFailure) {
        isReady.withLockedValue { $0 = true }
        let path = "/api/v1/nodes/\(encoded(settings.node))"
        let answer = try await ask("get", "nodes", EngineClient.Request("GET", path))
        let condition: NodeCondition?
        do { condition = try NodeCondition.of(Data(answer.body.readableBytesView)) } catch {
            throw EngineFailure(.malformed, "get node \(settings.node) at \(client.server): the answer is not a Node")
        }
        if let condition, condition.isReady { return }
        let now = timestamp()
        let body: [UInt8]
        do { body = try NodeCondition(lastHeartbeatTime: now, lastTransitionTime: now).patch() } catch {
            preconditionFailure("a condition of plain texts can be encoded")
        }
        let patch = EngineClient.Request(
            "PATCH", "\(path)/status", body: body, contentType: "application/strategic-merge-patch+json")
        _ = try await ask("patch", "nodes/status", patch)
    }

    /// Shows a failure to whoever looks at this node with `kubectl describe node`: once an hour for the same failure, and only
    /// if that is possible.
    public func recordEvent(_ failure: EngineFailure) async {
        let event = NodeEvent(failure, node: settings.node, now: timestamp())
        guard let body = try? JSONEncoder().encode(event) else { return }
        let path = "/api/v1/namespaces/\(NodeEvent.namespace)/events"
        _ = try? await client.send(EngineClient.Request("POST", path, body: Array(body)), within: .seconds(5))
    }

    public func close() async { await client.close() }

    /// What is done beside following, if it can be done.
    private enum Errand {
        case event(EngineFailure)
        /// The Node has been made anew, without what was announced.
        case readiness
    }

    private func run(_ errands: AsyncStream<Errand>) async {
        for await errand in errands {
            switch errand {
            case .event(let failure): await recordEvent(failure)
            case .readiness: if isReady.withLockedValue({ $0 }) { try? await announceReadiness() }
            }
        }
    }

    private func ask(
        _ verb: String, _ resource: String, _ request: EngineClient.Request
    ) async throws(EngineFailure) -> EngineClient.Response {
        let answer = try await client.send(request, limit: 16 << 20)
        guard answer.status == 200 else {
            throw ServerStatus(answer).failure(verb, resource, at: client.server)
        }
        return answer
    }
}
