public import ClusterEngine
public import EngineHTTP

/// Follows the objects of one kind: lists them once, then watches, and lists again only when the server no longer knows what
/// has happened since.
///
/// It is the same for every kind. It ends only with its task: what fails is told and tried again after growing, random pauses. A
/// watch that ends or breaks is taken up where it was, without a word if that succeeds at once.
public struct ObjectWatch<Object: WatchedObject>: Sendable {
    private let client: EngineClient
    private let collection: ObjectCollection
    private let backoff: Backoff

    /// - Parameters:
    ///   - client: with a `silence` of more than 75 seconds: a server that is well sends a bookmark about every minute.
    ///   - backoff: pauses between attempts.
    public init(_ client: EngineClient, _ collection: ObjectCollection, backoff: Backoff = Backoff()) {
        self.client = client
        self.collection = collection
        self.backoff = backoff
    }

    /// Follows until the task is cancelled.
    ///
    /// - Parameter report: called with one event at a time, in order.
    public func follow(_ report: @escaping (ObjectEvent<Object>) async -> Void) async {
        await ObjectFollower(client, collection, backoff, report).run()
    }
}
