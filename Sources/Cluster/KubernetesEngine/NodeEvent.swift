internal import ClusterEngine
internal import FoundationEssentials

/// A warning that `kubectl describe node` shows (`Event` of the core group).
struct NodeEvent: Encodable {
    struct Metadata: Encodable {
        var name: String
        var namespace: String
    }
    struct Involved: Encodable {
        var kind = "Node"
        var name: String
        /// Like the kubelet's own events, which have the name here.
        var uid: String
    }
    struct Source: Encodable {
        var component = "swiftlet-agent"
        var host: String
    }

    var apiVersion = "v1"
    var kind = "Event"
    var metadata: Metadata
    var involvedObject: Involved
    var reason: String
    var message: String
    var type = "Warning"
    var count = 1
    var source: Source
    var firstTimestamp: String
    var lastTimestamp: String

    /// Events of objects without a namespace are kept here.
    static let namespace = "default"

    /// - Parameter now: as ``timestamp()`` gives it.
    init(_ failure: EngineFailure, node: String, now: String) {
        // The same cause has the same name: the server refuses it as long as the first one lives, an hour by default.
        let name = "\(node.prefix(220)).swiftlet-\(String(Self.digest(failure.description), radix: 16))"
        metadata = Metadata(name: name, namespace: Self.namespace)
        involvedObject = Involved(name: node, uid: node)
        source = Source(host: node)
        reason = "Swiftlet" + failure.kind.rawValue.prefix(1).uppercased() + failure.kind.rawValue.dropFirst()
        // Of octets, the API allows 1,024.
        message = String(decoding: failure.description.utf8.prefix(1000), as: UTF8.self)
        (firstTimestamp, lastTimestamp) = (now, now)
    }

    /// FNV-1a: the same in every run.
    private static func digest(_ text: String) -> UInt64 {
        text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
