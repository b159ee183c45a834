public import Addresses
public import ClusterState

/// Where the cluster's nodes are kept: the Kubernetes API, or etcd.
public protocol ClusterEngine: Sendable {
    /// Follows the cluster until the task is cancelled: announces this node where the engine wants that, sends the
    /// complete list, then each change. Failures are reported and tried again with growing, random pauses; nothing ends
    /// it but cancellation.
    ///
    /// - Parameter report: called with one event at a time, in order.
    func follow(_ report: @escaping @Sendable (EngineEvent) async -> Void) async

    /// This node's own addresses, whenever they change; the first call comes before ``follow(_:)``.
    func announce(_ addresses: [IPAddress]) async

    /// Pods of this node can be reached and reach others now: told where somebody waits for it.
    func announceReadiness() async throws(EngineFailure)

    /// Ends connections that are kept open.
    func close() async
}

/// What an engine tells of the cluster.
public enum EngineEvent: Sendable, Hashable {
    /// All nodes, this one among them: what is not in the list is gone.
    case nodes([ClusterNode])
    /// A node was added or has changed in a field of ``ClusterNode``. Not sent for other changes.
    case node(ClusterNode)
    case removed(String)
    /// The engine cannot be followed at the moment, or this node cannot have what it needs from it. Told once for each
    /// cause.
    case trouble(EngineFailure)
    /// The trouble has passed.
    case recovered
    /// This node can no longer be sure that its subnets are its own: no new pods until ``recovered``.
    case claimInDoubt(EngineFailure)
}

/// A request to an engine that failed, in words for people.
public struct EngineFailure: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of cause, for metrics; few different values.
    public enum Kind: String, Sendable, Hashable {
        /// No connection, or one that broke.
        case unreachable
        /// The server's certificate, or this node's, is not accepted.
        case certificate
        /// 401 or 403: who this node is, or what it may do.
        case forbidden
        /// The answer took too long.
        case slow
        /// The server refuses for now: 429, 5xx.
        case overloaded
        /// An answer that cannot be understood.
        case malformed
        /// What was asked for is not (or no longer) there: 404, 410, compacted.
        case gone
        /// Somebody else has it, or has changed it meanwhile: 409, a transaction that lost.
        case conflict
        /// The configuration cannot work with this cluster.
        case configuration
    }

    public var kind: Kind
    /// One line: what was attempted on what, and why it failed.
    public var message: String
    /// What a person can do about it; may be empty.
    public var advice: String

    public init(_ kind: Kind, _ message: String, advice: String = "") {
        self.kind = kind
        self.message = message
        self.advice = advice
    }

    public var description: String { advice.isEmpty ? message : "\(message) (\(advice))" }
}
