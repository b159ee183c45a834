/// Where an engine's API is, and how this node shows who it is. Files are read again when they change.
public struct EngineAccess: Sendable, Hashable {
    /// `https://10.0.0.1:6443`: tried in this order, beginning with the last one that answered. Not empty.
    public var servers: [String]
    /// Certificates in PEM that the server's must be signed by; nil means those of the system.
    public var authorities: Secret?
    /// This node's certificate (chain) and private key in PEM; both or none.
    public var certificate: Secret?
    public var key: Secret?
    /// Sent as `Authorization: Bearer`.
    public var token: Secret?

    /// Text from a file that may change, or as it is.
    public enum Secret: Sendable, Hashable {
        case file(String)
        case text(String)
    }

    public init(_ servers: [String]) { self.servers = servers }
}
