public import ClusterState

/// An engine that knows Services: the Kubernetes API.
public protocol ServiceSource: Sendable {
    /// Follows Services and their endpoints until the task is cancelled, as ``ClusterEngine/follow(_:)`` does nodes.
    ///
    /// - Parameter report: called with one event at a time for each kind of object, in order.
    func followServices(_ report: @escaping @Sendable (ServiceEvent) async -> Void) async
}

/// What is told of Services.
public enum ServiceEvent: Sendable, Hashable {
    /// All Services: what is not in the list is gone.
    case services([Service])
    case service(Service)
    case serviceRemoved(ObjectName)
    /// All EndpointSlices.
    case slices([EndpointSlice])
    case slice(EndpointSlice)
    case sliceRemoved(ObjectName)
    /// An object that cannot be read, in words; told once.
    case unreadable(String)
    case trouble(EngineFailure)
    case recovered
}
