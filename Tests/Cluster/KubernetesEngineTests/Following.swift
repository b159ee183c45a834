import ClusterEngine
import ClusterState
import EngineHTTP
import KubernetesEngine
import NIOConcurrencyHelpers
import Testing

/// An engine that is followed, and what it has told so far.
final class Following: Sendable {
    let engine: KubernetesEngine
    private let told = NIOLockedValueBox<[EngineEvent]>([])

    private init(_ engine: KubernetesEngine) { self.engine = engine }

    var events: [EngineEvent] { told.withLockedValue { $0 } }

    /// The cluster as the events describe it; nil before the first list.
    var nodes: [String: ClusterNode]? {
        events.reduce(nil) { nodes, event in
            var nodes = nodes
            switch event {
            case .nodes(let list): nodes = Dictionary(uniqueKeysWithValues: list.map { ($0.name, $0) })
            case .node(let node): nodes?[node.name] = node
            case .removed(let name): nodes?[name] = nil
            case .trouble, .recovered, .claimInDoubt: break
            }
            return nodes
        }
    }

    var troubles: [EngineFailure] { events.compactMap { if case .trouble(let failure) = $0 { failure } else { nil } } }
    var recoveries: Int { events.count { $0 == .recovered } }
    var lists: Int { events.count { if case .nodes = $0 { true } else { false } } }

    func wait(
        _ what: String, within limit: Duration = .seconds(60), at place: SourceLocation = #_sourceLocation,
        until isSo: (Following) -> Bool
    ) async throws {
        let end = ContinuousClock.now + limit
        while !isSo(self) {
            guard ContinuousClock.now < end else {
                Issue.record("waited in vain for \(what): \(events.suffix(20))", sourceLocation: place)
                throw TimedOut()
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Follows while the body runs.
    static func run(
        _ access: EngineAccess, node: String = "a", silence: Duration = .seconds(120),
        backoff: Backoff = Backoff(first: .milliseconds(10), longest: .milliseconds(200)),
        prefersExternal: Bool = false,
        _ body: (Following) async throws -> Void
    ) async throws {
        var settings = KubernetesEngine.Settings(node: node)
        settings.silence = silence
        settings.backoff = backoff
        settings.prefersExternal = prefersExternal
        let following = Following(KubernetesEngine(access, settings))
        let task = Task {
            await following.engine.follow { event in following.told.withLockedValue { $0.append(event) } }
        }
        let result: Result<Void, any Error>
        do { result = .success(try await body(following)) } catch { result = .failure(error) }
        task.cancel()
        await task.value
        await following.engine.close()
        try result.get()
    }

    static func run(
        _ api: FakeAPI, silence: Duration = .seconds(120),
        backoff: Backoff = Backoff(first: .milliseconds(10), longest: .milliseconds(200)),
        prefersExternal: Bool = false,
        _ body: (Following) async throws -> Void
    ) async throws {
        defer { api.server.stop() }
        try await run(
            EngineAccess([api.server.url]), silence: silence, backoff: backoff, prefersExternal: prefersExternal, body)
    }
}

struct TimedOut: Error {}
