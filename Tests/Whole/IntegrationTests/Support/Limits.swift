import ContainerRuntime
import Foundation
import Testing

/// The three ways to have a pod's bandwidth limited.
enum LimitedBy: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case chain = "bandwidth after bridge"
    case capability = "bandwidth after bridge, by its capability"
    case alone = "swiftlet alone"

    var testDescription: String { rawValue }

    func network(
        _ node: Node, _ limits: [String: JSONValue], ipam: [String: JSONValue] = Node.dualStack, name: String = "net",
        bridge: String = "cbr0", version: String = "1.1.0"
    ) throws -> NetworkList {
        let place: [String: JSONValue] = ["bridge": .string(bridge)]
        let first = node.bridge(place.merging(["isDefaultGateway": true]) { $1 }, ipam: ipam)
        switch self {
        case .alone:
            let keys = [ipam, limits].reduce(place) { $0.merging($1) { $1 } }
            return try node.network(node.swiftlet(keys), name: name, version: version)
        case .chain:
            let plugin = limits.merging(["type": "bandwidth"]) { $1 }
            return try node.network(first, .object(plugin), name: name, version: version)
        case .capability:
            let plugin: JSONValue = ["type": "bandwidth", "capabilities": ["bandwidth": true]]
            return try node.network(first, plugin, name: name, version: version)
        }
    }

    func attachment(_ pod: Pod, _ limits: [String: JSONValue]) -> PodAttachment {
        self == .capability ? pod.with(capabilities: ["bandwidth": .object(limits)]) : pod.attachment
    }
}

/// Limits in both directions, with bursts of 20 ms.
func limits(megabits rate: Int64) -> [String: JSONValue] {
    let (rate, burst): (JSONValue, JSONValue) = (.integer(rate * 1_000_000), .integer(rate * 20_000))
    return ["ingressRate": rate, "ingressBurst": burst, "egressRate": rate, "egressBurst": burst]
}

extension Node {
    /// Everything that limits may have made on this node, as lines.
    func shaping() throws -> [String] {
        let ifbs = try links().filter { $0["linkinfo"]?["info_kind"] == "ifb" }.compactMap { $0["ifname"]?.string }
        let qdiscs = try exec("tc", "qdisc", "show").split(separator: "\n").map(String.init)
            .filter { $0.hasPrefix("qdisc tbf") || $0.hasPrefix("qdisc ingress") }
        return ifbs + qdiscs
    }

    /// The only interface of that kind.
    func onlyLink(_ kind: String) throws -> String {
        let names = try links().filter { $0["linkinfo"]?["info_kind"]?.string == kind }.compactMap {
            $0["ifname"]?.string
        }
        try #require(names.count == 1)
        return names[0]
    }
}

/// Sends for that many seconds with iperf3, and returns the bits of each second that have arrived, as payload of TCP.
///
/// - Parameters:
///   - address: of the one that is connected to: the sender, unless it is the one that connects.
///   - isSenderConnecting: then the bits are those that have been sent.
func throughput(
    from sender: some Namespace, to receiver: some Namespace, _ address: String, seconds: Int = 2,
    isSenderConnecting: Bool = false
) throws -> [Double] {
    // In pieces of 8 KiB, as only whole ones count: 128 KiB, the default, are a tenth of a second at 10 Mbit/s.
    let script = #"""
        nsenter --net="$1" timeout 30 iperf3 -s -1 >/dev/null &
        until nsenter --net="$1" ss -Hltn sport = :5201 | grep -q .; do kill -0 $! || exit 1; done
        nsenter --net="$2" timeout 30 iperf3 -c "$3" -t "$4" -i 1 -l 8K -J $5
        """#
    let (server, client) = isSenderConnecting ? (receiver.path, sender.path) : (sender.path, receiver.path)
    let text = try run(
        "sh", "-c", script, "sh", server, client, address, "\(seconds)", isSenderConnecting ? "" : "-R")
    let intervals = try JSONValue(parsing: text)["intervals"]?.array ?? []
    return intervals.prefix(seconds).compactMap { $0["sum"]?["bits_per_second"]?.real }
}
