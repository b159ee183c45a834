import ContainerRuntime
import Foundation
import Testing

/// The two ways to have host ports.
enum Arrangement: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case chained = "portmap after bridge"
    case alone = "swiftlet alone"

    var testDescription: String { rawValue }

    /// The network of these tests, on the bridge `cbr0`.
    ///
    /// - Parameter keys: portmap's.
    func network(
        _ node: Node, _ keys: [String: JSONValue] = [:], ipam: [String: JSONValue] = Node.dualStack,
        name: String = "net"
    ) throws -> NetworkList {
        let mapping = ["capabilities": ["portMappings": true]].merging(keys) { $1 }
        switch self {
        case .alone: return try node.network(node.swiftlet(ipam.merging(mapping) { $1 }), name: name)
        case .chained:
            let keys: [String: JSONValue] = ["bridge": "cbr0", "isDefaultGateway": true]
            return try node.network(
                node.bridge(keys, ipam: ipam), .object(mapping.merging(["type": "portmap"]) { $1 }), name: name)
        }
    }

    /// Which of its plugins makes the mappings.
    func mapper(_ list: NetworkList) -> JSONValue { list.plugins[list.plugins.count - 1] }
}

/// An element of runtimeConfig.portMappings.
func hostPort(
    _ hostPort: Int64, to containerPort: Int64 = 80, _ transport: Transport? = nil, at hostIP: String? = nil,
    range: Int64? = nil
) -> JSONValue {
    var object: [String: JSONValue] = ["hostPort": .integer(hostPort), "containerPort": .integer(containerPort)]
    object["protocol"] = transport.map { .string($0.rawValue) }
    object["hostIP"] = hostIP.map { .string($0) }
    object["range"] = range.map { .integer($0) }
    return .object(object)
}

/// A port as TCP and as UDP.
func hostPorts(_ port: Int64, at hostIP: String? = nil) -> [JSONValue] {
    [hostPort(port, .tcp, at: hostIP), hostPort(port, .udp, at: hostIP)]
}

extension Pod {
    func with(ports: [JSONValue]) -> PodAttachment { with(capabilities: ["portMappings": .array(ports)]) }

    func with(ports: JSONValue...) -> PodAttachment { with(ports: ports) }
}

/// The bridge of the arrangements' network.
enum Gateway {
    static func address(_ family: Family) -> String { family == .v4 ? "10.44.0.1" : "fd00:44::1" }
}

/// The server of that name answers.
///
/// - Parameter seen: the address that it is to see; nil for any.
func expectAnswer(
    _ server: String, from client: some Namespace, _ address: String, _ port: UInt16, _ transport: Transport = .tcp,
    seen: String? = nil, source: (String, UInt16)? = nil, _ comment: String = "",
    sourceLocation: SourceLocation = #_sourceLocation
) {
    let what = "\(comment) \(transport) to \(address) port \(port)"
    do {
        let answer = try client.ask(address, port, transport, from: source)
        #expect(answer.server == server, "\(what)", sourceLocation: sourceLocation)
        if let seen { #expect(answer.client == seen, "\(what)", sourceLocation: sourceLocation) }
    } catch {
        Issue.record("\(what): \(error)", sourceLocation: sourceLocation)
    }
}

/// Nobody answers: it is refused, or nothing comes for so long that a working way would have been taken many times.
func expectNoAnswer(
    from client: some Namespace, _ address: String, _ port: UInt16, _ transport: Transport = .tcp,
    _ comment: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
    let what = "\(comment) \(transport) to \(address) port \(port)"
    do {
        let answer = try client.ask(address, port, transport, within: .milliseconds(250))
        Issue.record("\(what): answered by \(answer)", sourceLocation: sourceLocation)
    } catch is NoAnswer {
    } catch {
        Issue.record("\(what): \(error)", sourceLocation: sourceLocation)
    }
}
