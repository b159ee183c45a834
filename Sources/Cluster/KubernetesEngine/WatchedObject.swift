public import ClusterEngine

/// An object of the Kubernetes API, reduced to the fields that are used.
///
/// Two values must be equal when nothing that is used differs: only changes of the value are reported. Decoding should accept
/// what it can, because an object that cannot be decoded is as good as absent.
public protocol WatchedObject: Decodable, Sendable, Equatable {
    /// The fields that decoding reads, such as `spec.podCIDRs`; those of an array's elements are named like a member's
    /// (`status.addresses.type`). Everything else is cut out before. `metadata.name` and `metadata.namespace` are always there.
    static var fields: [String] { get }
}

/// Names an object among those of its kind.
public struct ObjectKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Empty for objects of the whole cluster.
    public let namespace: String
    public let name: String

    public init(namespace: String = "", name: String) {
        self.namespace = namespace
        self.name = name
    }

    public var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }

    public static func < (a: ObjectKey, b: ObjectKey) -> Bool { (a.namespace, a.name) < (b.namespace, b.name) }
}

/// The objects that are followed: all of one kind, or those that a selector picks.
public struct ObjectCollection: Sendable, Hashable {
    /// `/api/v1/nodes`, `/apis/discovery.k8s.io/v1/endpointslices`.
    public let path: String
    /// Query parameters that pick some of them, percent-encoded: `fieldSelector=spec.nodeName%3Da`; may be empty.
    public let selector: String

    public init(path: String, selector: String = "") {
        self.path = path
        self.selector = selector
    }

    /// As RBAC rules name it: `nodes`.
    public var resource: String { String(path.split(separator: "/").last ?? "") }

    /// nil for the core group.
    public var group: String? {
        let parts = path.split(separator: "/")
        return parts.first == "apis" && parts.count > 1 ? String(parts[1]) : nil
    }
}

/// What ``ObjectWatch`` tells.
public enum ObjectEvent<Object: WatchedObject>: Sendable {
    /// All objects: what is not among them is gone. Not sent again as long as a new list says the same.
    ///
    /// `unreadable` are those that could not be decoded, and why; if one could before, its old value is among `objects`.
    case list([ObjectKey: Object], unreadable: [ObjectKey: String])
    /// An object was added or has another value, or can be decoded again.
    case changed(ObjectKey, Object)
    case removed(ObjectKey)
    /// An object that cannot be decoded, and why: its old value stays. Told once, until it can be decoded.
    case unreadable(ObjectKey, String)
    /// The API cannot be followed at the moment. Told once for each cause until `recovered`.
    case trouble(EngineFailure)
    case recovered
}
