public import ClusterEngine
internal import ClusterState
internal import EngineHTTP
internal import FoundationEssentials

extension KubernetesEngine: ServiceSource {
    public func followServices(_ report: @escaping @Sendable (ServiceEvent) async -> Void) async {
        async let services: Void = follow(
            ServiceObject.self, "Service", "/api/v1/services", report,
            list: { .services($0.map(\.service)) }, changed: { .service($0.service) }, removed: { .serviceRemoved($0) })
        await followSlices(report)
        await services
    }

    private func followSlices(_ report: @escaping @Sendable (ServiceEvent) async -> Void) async {
        guard let version = await discoveryVersion(report) else { return }
        await follow(
            EndpointSliceObject.self, "EndpointSlice", "/apis/discovery.k8s.io/\(version)/endpointslices", report,
            list: { .slices($0.map(\.slice)) }, changed: { .slice($0.slice) }, removed: { .sliceRemoved($0) })
    }

    /// - Parameter kind: for messages.
    private func follow<Object: WatchedObject>(
        _ type: Object.Type, _ kind: String, _ path: String, _ report: @escaping (ServiceEvent) async -> Void,
        list: @escaping ([Object]) -> ServiceEvent, changed: @escaping (Object) -> ServiceEvent,
        removed: @escaping (ObjectName) -> ServiceEvent
    ) async {
        let watch = ObjectWatch<Object>(client, ObjectCollection(path: path), backoff: settings.backoff)
        await watch.follow { event in
            switch event {
            case .list(let objects, let unreadable):
                await report(list(Array(objects.values)))
                for (key, why) in unreadable { await report(.unreadable("\(kind) \(key): \(why)")) }
            case .changed(_, let object): await report(changed(object))
            case .removed(let key): await report(removed(ObjectName(key.namespace, key.name)))
            case .unreadable(let key, let why): await report(.unreadable("\(kind) \(key): \(why)"))
            case .trouble(let failure): await report(.trouble(failure))
            case .recovered: await report(.recovered)
            }
        }
    }

    /// v1 from Kubernetes 1.21 on, v1beta1 before; nil when the task is cancelled.
    private func discoveryVersion(_ report: @Sendable (ServiceEvent) async -> Void) async -> String? {
        struct Group: Decodable {
            struct Version: Decodable { var version: String }
            var versions: [Version]
        }
        var backoff = settings.backoff
        var told: EngineFailure?
        while !Task.isCancelled {
            do throws(EngineFailure) {
                let answer = try await client.send(EngineClient.Request("GET", "/apis/discovery.k8s.io"))
                let group = try? JSONDecoder().decode(Group.self, from: Data(answer.body.readableBytesView))
                guard let versions = group?.versions.map(\.version) else {
                    throw EngineFailure(
                        .malformed,
                        "GET \(client.server)/apis/discovery.k8s.io: \(answer.status), not a group of the API")
                }
                for version in ["v1", "v1beta1"] where versions.contains(version) {
                    if told != nil { await report(.recovered) }
                    return version
                }
                throw EngineFailure(
                    .configuration, "the cluster has no EndpointSlices", advice: "Kubernetes 1.19 and newer have them")
            } catch {
                if told?.kind != error.kind { await report(.trouble(error)) }
                told = error
            }
            try? await Task.sleep(for: backoff.pause())
        }
        return nil
    }
}
