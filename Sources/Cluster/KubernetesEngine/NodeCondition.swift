internal import FoundationEssentials

/// The condition NetworkUnavailable of a Node: as long as a cluster's cloud provider has set it to True, nothing is scheduled
/// on the node.
struct NodeCondition: Codable {
    var type = "NetworkUnavailable"
    var status = "False"
    var reason: String? = "SwiftletIsUp"
    var message: String? = "swiftlet has set up the routes of this node's pods"
    var lastHeartbeatTime: String?
    var lastTransitionTime: String?

    var isReady: Bool { type == "NetworkUnavailable" && status == "False" }

    /// - Parameter node: a Node's JSON.
    /// - Returns: the condition that it has; nil if none.
    static func of(_ node: Data) throws -> NodeCondition? {
        struct Node: Decodable { var status: Status? }
        struct Status: Decodable { var conditions: [NodeCondition]? }
        return try JSONDecoder().decode(Node.self, from: node).status?.conditions?.first {
            $0.type == "NetworkUnavailable"
        }
    }

    /// A strategic merge patch of a Node, which sets this condition and leaves the others alone.
    func patch() throws -> [UInt8] {
        Array(try JSONEncoder().encode(["status": ["conditions": [self]]]))
    }
}

/// What the API writes as `metadata.creationTimestamp`; 0 for what is no such time.
func secondsSince1970(_ time: String?) -> Int64 {
    time.flatMap { try? Date($0, strategy: .iso8601) }.map { Int64($0.timeIntervalSince1970) } ?? 0
}

/// Now as the API writes it: `2024-05-06T07:08:09Z`.
func timestamp() -> String { Date.now.formatted(.iso8601) }
