import ContainerRuntime
import Foundation
import Synchronization
import Testing

/// Two pods of one network and one of another, the node, and a host outside. Servers listen on port 80 of the pods and
/// the node, and on port 7 outside; the node's port 8080 leads to the first pod.
final class TraceScene: Sendable {
    let node: Node
    let outside: Outside
    let pods: [Pod]
    let addresses: [[String]]
    private let servers: Mutex<[Responder]>

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
        let servers =
            try pods.map { try Responder($0.id, in: $0, 80) }
            + [Responder("node", in: node, 80), Responder("outside", in: outside, 7)]
        self.servers = Mutex(servers)
        self.node = node
        // Where runtimes have it.
        for (name, list) in [("net", one), ("other", two)] {
            let document: JSONValue = [
                "cniVersion": "1.1.0", "name": .string(name), "plugins": .array(list.plugins),
            ]
            try node.write("10-\(name).conflist", String(decoding: document.bytes, as: UTF8.self))
        }
    }

    /// Lets a server live as long as the scene.
    func keep(_ server: Responder) { servers.withLock { $0.append(server) } }

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
    /// The exit code.
    let code: Int32
    var isSuccess: Bool { code == 0 }
    var notSeen: [String] { json["notSeen"]?.array?.compactMap(\.string) ?? [] }

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
        guard case .code(let code) = outcome.exit else { throw CommandError(description: "trace: \(outcome.exit)") }
        let answer = TraceAnswer(json: json, code: code)
        if json["live"] == nil {
            #expect(code == (json["arrives"] == true ? answer.notSeen.isEmpty ? 0 : 2 : 1), "\(json.pretty)")
        }
        return answer
    }

    /// What `swiftletctl trace` prints for people.
    func traceText(_ words: String...) throws -> String {
        let outcome = try Launcher(prefix: ["nsenter", "--net=\(path)"], timeout: .seconds(60)).run(
            TraceAnswer.program, arguments: ["trace", "--conf-dir", directory] + words,
            environment: ["PATH": "/usr/sbin:/usr/bin"], stdin: [])
        return String(decoding: outcome.stdout, as: UTF8.self)
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

extension TraceScene {
    func asker(_ asker: TraceFault.Asker, _ family: Family) -> (namespace: any Namespace, name: String) {
        switch asker {
        case .pod(let number): (pods[number], pods[number].id)
        case .node: (node, "node")
        case .outside: (outside, Outside.host(family))
        }
    }

    func asked(_ asked: TraceFault.Asked, _ family: Family) -> (address: String, port: UInt16, endpoint: String) {
        let (address, port): (String, UInt16) =
            switch asked {
            case .pod(let number): (self.address(number, family), 80)
            case .node: (Outside.node(family), 80)
            case .outside: (Outside.host(family), 7)
            case .published: (Outside.node(family), 8080)
            }
        return (address, port, endpoint(address, port))
    }

    func server(_ asked: TraceFault.Asked) -> String {
        switch asked {
        case .pod(let number): pods[number].id
        case .node: "node"
        case .outside: "outside"
        case .published: pods[0].id
        }
    }

    /// Does what trace advises: commands, each perhaps in a pod.
    func follow(_ advice: String) throws {
        for command in advice.components(separatedBy: "; ") {
            let parts = command.components(separatedBy: "  (in ")
            let place = pods.first { parts.count > 1 && parts[1].hasPrefix($0.id) }?.path ?? node.path
            var words = parts[0].split(separator: " ").map(String.init)
            try #require(!words.isEmpty, "there is advice")
            if words[0] == "swiftletctl" {
                words[0] = TraceAnswer.program
                if words[1] == "doctor" {
                    words += [
                        "--yes", "--conf-dir", node.directory, "--bin-dir", Requirements.bin, "--data-dir", node.data,
                    ]
                }
            }
            let outcome = try Launcher(prefix: ["nsenter", "--net=\(place)"], timeout: .seconds(60)).run(
                "/usr/bin/env", arguments: words, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"], stdin: [])
            // Doctor looks again, and may find something else.
            if words[0] != TraceAnswer.program { #expect(outcome.exit.isSuccess, "\(command): \(outcome.errorText)") }
        }
    }
}
