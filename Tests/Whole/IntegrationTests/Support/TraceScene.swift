import ContainerRuntime
import Foundation
import Testing

/// Two pods of one network and one of another, the node, and a host outside. Servers listen on port 80 of the pods and
/// the node, and on port 7 outside; the node's port 8080 leads to the first pod.
struct TraceScene {
    let node: Node
    let outside: Outside
    let pods: [Pod]
    let addresses: [[String]]
    let servers: [Responder]

    init(_ keys: [String: JSONValue] = ["ipMasq": true], other: [String: JSONValue] = ["ipMasq": true]) throws {
        let node = try Node()
        outside = try Outside(node)
        pods = try node.pods(3)
        let ports: [String: JSONValue] = ["capabilities": ["portMappings": true]]
        let one = try node.network(node.swiftlet(Node.dualStack.merging(keys) { $1 }.merging(ports) { $1 }))
        let ranges: JSONValue = [[["subnet": "10.45.0.0/24"]], [["subnet": "fd00:45::/64"]]]
        let two = try node.network(
            node.swiftlet(["bridge": "cbr1", "ranges": ranges].merging(other) { $1 }), name: "other")
        let runtime = node.runtime()
        addresses = [
            try runtime.add(one, pods[0].with(ports: hostPorts(8080))).result.hosts,
            try runtime.add(one, pods[1].attachment).result.hosts,
            try runtime.add(two, pods[2].attachment).result.hosts,
        ]
        servers =
            try pods.map { try Responder($0.id, in: $0, 80) }
            + [Responder("node", in: node, 80), Responder("outside", in: outside, 7)]
        self.node = node
    }

    func address(_ pod: Int, _ family: Family) -> String { addresses[pod][family == .v4 ? 0 : 1] }

    /// The node's end of a pod's veth.
    func veth(_ pod: Int) throws -> String {
        let alias = "swiftlet \(pod == 2 ? "other" : "net")/\(pods[pod].id)/eth0"
        return try #require(try node.links().first { $0["ifalias"]?.string == alias }?["ifname"]?.string)
    }
}

/// What swiftletctl says, and whether the packet arrives.
struct TraceAnswer {
    static let program = "\(Requirements.bin)/swiftletctl"

    let json: JSONValue
    let isSuccess: Bool

    var verdict: String { json["verdict"]?.string ?? "" }
    var hops: [JSONValue] { (json["hops"]?.array ?? []) + (json["answer"]?.array ?? []) }
    func tells(_ text: String) -> Bool { hops.contains { $0["text"]?.string?.contains(text) ?? false } }
}

extension Node {
    /// What `swiftletctl trace` says on this node.
    func trace(_ words: String...) throws -> TraceAnswer {
        let outcome = try Launcher(prefix: ["nsenter", "--net=\(path)"], timeout: .seconds(60)).run(
            TraceAnswer.program, arguments: ["trace", "--json", "--conf-dir", directory] + words,
            environment: ["PATH": "/usr/sbin:/usr/bin"], stdin: [])
        let json = try #require(outcome.json, "\(outcome.errorText)")
        #expect(json["arrives"]?.bool == outcome.exit.isSuccess)
        return TraceAnswer(json: json, isSuccess: outcome.exit.isSuccess)
    }
}

extension Family {
    /// swiftletctl's option for it.
    var flag: String { self == .v4 ? "-4" : "-6" }
}

/// `[ADDRESS]:PORT` where it has to be.
func endpoint(_ address: String, _ port: UInt16) -> String {
    address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
}
