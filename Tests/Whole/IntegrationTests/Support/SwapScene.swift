import ContainerRuntime
import Foundation
import Testing

/// Networks of the reference plugins, as nodes have them when they are switched over.
enum SwapChain: String, Sendable, CaseIterable, CustomTestStringConvertible {
    case bridged = "bridge, portmap, firewall, tuning"
    case dualStack = "bridge, portmap, firewall, two families"
    case routed = "ptp, portmap"
    case limited = "bridge, bandwidth"
    case onWire = "macvlan, static, sbr"

    var testDescription: String { rawValue }

    var publishesPorts: Bool { self == .bridged || self == .dualStack || self == .routed }
    var families: [Family] { self == .dualStack ? Family.allCases : [.v4] }
    /// Whether the world beyond sees the node's address for the pods'.
    var masquerades: Bool { self != .onWire }

    /// A version that Debian's plugins know too; and one that has STATUS and GC.
    func network(_ node: Node, version: String = Requirements.referenceVersion) throws -> NetworkList {
        let single: [String: JSONValue] = ["subnet": "10.44.0.0/24"]
        let keys: [String: JSONValue] = ["bridge": "cni7", "isDefaultGateway": true, "ipMasq": true]
        let portmap: JSONValue = ["type": "portmap", "capabilities": ["portMappings": true]]
        switch self {
        case .bridged:
            let tuning: JSONValue = ["type": "tuning", "mtu": 1400, "sysctl": ["net.ipv4.conf.eth0.arp_filter": "1"]]
            return try node.network(
                node.bridge(keys, ipam: single), portmap, ["type": "firewall", "ingressPolicy": "same-bridge"], tuning,
                version: version)
        case .dualStack:
            return try node.network(
                node.bridge(keys, ipam: Node.dualStack), portmap, ["type": "firewall"], version: version)
        case .routed:
            guard case .object(var plugin) = node.bridge(["ipMasq": true], ipam: single) else { preconditionFailure() }
            plugin["type"] = "ptp"
            plugin["ipam"] = .object(
                (plugin["ipam"]?.object ?? [:]).merging(["routes": [["dst": "0.0.0.0/0"]]]) { _, new in new })
            return try node.network(.object(plugin), portmap, version: version)
        case .limited:
            let limits: JSONValue = [
                "type": "bandwidth", "ingressRate": 100_000_000, "ingressBurst": 10_000_000,
                "egressRate": 100_000_000, "egressBurst": 10_000_000,
            ]
            return try node.network(node.bridge(keys, ipam: single), limits, version: version)
        case .onWire:
            return try node.network(
                ["type": "macvlan", "master": "uplink", "ipam": ["type": "static"]],
                ["type": "sbr"], version: version)
        }
    }
}

/// A node whose plugin directory is the reference's or ours, with pods that serve.
final class SwapScene {
    let chain: SwapChain
    let node: Node
    let outside: Outside
    let list: NetworkList
    private let world: Responder
    private var members: [Member] = []

    /// A pod, what it serves, and where.
    final class Member: Sendable {
        let pod: Pod
        let attachment: PodAttachment
        let result: JSONValue
        let server: Responder
        let hostPort: UInt16
        var addresses: [String] { result.hosts }

        fileprivate init(
            _ pod: Pod, _ attachment: PodAttachment, _ result: JSONValue, _ server: Responder, _ hostPort: UInt16
        ) {
            (self.pod, self.attachment, self.result) = (pod, attachment, result)
            (self.server, self.hostPort) = (server, hostPort)
        }
    }

    init(_ chain: SwapChain) throws {
        self.chain = chain
        node = try Node()
        outside = try Outside(node)
        list = try chain.network(node)
        world = try Responder("world", in: outside, 7)
    }

    func runtime() throws -> CNIRuntime { node.runtime(path: [try node.pluginDirectory()]) }

    /// - Parameter hostPort: leads to the pod where the chain has host ports.
    func attach(hostPort: UInt16) throws -> Member {
        let pod = try node.pod()
        try pod.set("link", "set", "lo", "up")
        var capabilities: [String: JSONValue] = [:]
        if chain.publishesPorts {
            capabilities["portMappings"] = .array(IntegrationTests.hostPorts(Int64(hostPort)))
        }
        var args: [(String, String)] = []
        if chain == .onWire {
            args = [
                ("IgnoreUnknown", "1"), ("IP", "192.0.2.\(100 + hostPort % 100)/24"), ("GATEWAY", Outside.host(.v4)),
            ]
        }
        let attachment = pod.with(args: args, capabilities: capabilities)
        let result = try runtime().add(list, attachment).result
        for other in members { #expect(Set(other.addresses).isDisjoint(with: result.hosts), "handed out twice") }
        let member = Member(pod, attachment, result, try Responder("pod-\(hostPort)-\(pod.id)", in: pod, 80), hostPort)
        members.append(member)
        return member
    }

    /// DEL, and the end of its namespace.
    func detach(_ member: Member) throws {
        try runtime().del(list, member.attachment)
        try member.pod.end()
        members.removeAll { $0 === member }
    }

    /// The same, for a runtime that calls again after an error: Debian's `bridge` and `ptp` find everything gone but a
    /// chain of iptables which has never been there.
    func detachAgainIfNeeded(_ member: Member) throws {
        do { try detach(member) } catch let error as PluginError where error.msg.contains("does not exist") {
            try detach(member)
        }
    }

    /// It has gone without DEL.
    func forget(_ member: Member) throws { members.removeAll { $0 === member } }

    /// Has the tool take away what is left of pods that are gone.
    func forgetGone() throws { try node.exec("\(Requirements.bin)/swiftletctl", "repair", "--forget-gone") }

    /// How many chains for masquerade, and for host ports, the reference's plugins have made.
    func detours() throws -> [Int] {
        let chains = try node.ruleset().objects.filter { $0.contains(" nat: chain ") }
        let ports = chains.filter { $0.contains("\"CNI-DN-") }
        return [chains.count { $0.contains(/"CNI-[0-9a-f]{24}"/) }, ports.count]
    }

    /// From everywhere, and to everywhere.
    func expectServing(_ member: Member, _ comment: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for (family, address) in zip(chain.families, member.addresses) {
            let seen = chain.masquerades ? Outside.node(family) : address
            expectAnswer(
                "world", from: member.pod, Outside.host(family), 7, seen: seen, source: (address, 0), comment,
                sourceLocation: sourceLocation)
            for other in members
            where other !== member {
                for (client, server) in [(member, other), (other, member)] {
                    let from = client.addresses[family == .v4 ? 0 : 1]
                    expectAnswer(
                        server.server.name, from: client.pod, server.addresses[family == .v4 ? 0 : 1], 80,
                        seen: chain == .routed ? nil : from, source: (from, 0), "\(comment): pod to pod",
                        sourceLocation: sourceLocation)
                }
            }
            guard chain.publishesPorts else { continue }
            for transport in [Transport.tcp, .udp] {
                expectAnswer(
                    member.server.name, from: outside, Outside.node(family), member.hostPort, transport,
                    seen: Outside.host(family), comment, sourceLocation: sourceLocation)
            }
            expectAnswer(
                member.server.name, from: node, Outside.node(family), member.hostPort, .tcp, comment,
                sourceLocation: sourceLocation)
        }
    }
}
