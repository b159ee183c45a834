import ContainerRuntime
import Foundation
import Testing

/// Chains as people run them, with a specification that has GC and STATUS. The files themselves: Tests/Chains.
@Suite(.realKernel) struct ChainConfigurationTests {
    static let directory = Requirements.packageRoot + "/Tests/Chains"

    static let files = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
        .filter { $0.hasSuffix(".conflist") }.sorted()

    @Test func thereAreChains() { #expect(Self.files.count >= 8) }

    @Test(arguments: files)
    func podsThatEndWithoutDelAreCollected(_ file: String) throws {
        let node = try Node()
        let outside = try Outside(node)
        let list = try Self.network(file, node)
        let runtime = node.runtime()
        let before = try Snapshot(node)
        let pods = [try node.pod(), try node.pod()]
        let attachments = [
            attachment(pods[0], list, 8080, "192.0.2.80"), attachment(pods[1], list, 8081, "192.0.2.81"),
        ]
        for (pod, attachment) in zip(pods, attachments) {
            try pod.set("link", "set", "lo", "up")
            try runtime.status(list)
            _ = try runtime.add(list, attachment)
            try runtime.check(list, attachment)
        }
        var servers = [try Responder("first", in: pods[0], 80), try Responder("second", in: pods[1], 80)]
        let hasPorts = list.has(capability: "portMappings")
        if hasPorts {
            for (number, server) in servers.enumerated() {
                expectAnswer(server.name, from: outside, Outside.node(.v4), UInt16(8080 + number))
            }
        }

        // A socket inside would keep the namespace.
        servers.removeFirst()
        try pods[0].end()
        try runtime.gc(list, valid: [pods[1].valid])
        if hasPorts {
            expectAnswer("second", from: outside, Outside.node(.v4), 8081)
            expectNoAnswer(from: outside, Outside.node(.v4), 8080)
        }
        try runtime.check(list, attachments[1])
        let heir = try node.pod()
        _ = try runtime.add(list, attachment(heir, list, 8080, "192.0.2.82"))

        servers = []
        for pod in [pods[1], heir] { try pod.end() }
        try runtime.gc(list, valid: [])
        // Bridges stay, and what belongs to them, the directories of reservations, and routing with its addresses.
        let bridges = try node.ip("link", "show", "type", "bridge").compactMap { $0["ifname"]?.string }
        let kept =
            bridges.flatMap { [" \($0) ", "\"\($0)\""] }
            + [
                "file \(list.name) ", "\(list.name)/lock", ".swiftlet", "ip_forward", "all/forwarding",
                "\"type\":\"anycast\"",
            ]
        // The kernel frees namespaces, and what is in them, in the background.
        try? eventually("the node is as it was") {
            try Snapshot(node).without(kept).withoutTables(newerThan: before) == before.without(kept)
        }
        expectSame(try Snapshot(node).without(kept), as: before.without(kept))
    }

    /// As the file has it, but for the version and for reservations, which are this node's own.
    static func network(_ file: String, _ node: Node) throws -> NetworkList {
        let text = try String(contentsOfFile: "\(directory)/\(file)", encoding: .utf8)
        var document = try #require(try JSONValue(parsing: text).object)
        document["cniVersion"] = "1.1.0"
        document["plugins"] = .array(
            (document["plugins"]?.array ?? []).map { plugin in
                guard var keys = plugin.object, var ipam = keys["ipam"]?.object, ipam["type"] == "host-local" else {
                    return plugin
                }
                ipam["dataDir"] = .string(node.data)
                keys["ipam"] = .object(ipam)
                return .object(keys)
            })
        return try NetworkList(parsing: JSONValue.object(document).bytes)
    }

    /// - Parameter address: where the runtime says which.
    private func attachment(_ pod: Pod, _ list: NetworkList, _ port: Int64, _ address: String) -> PodAttachment {
        var capabilities: [String: JSONValue] = ["portMappings": .array(hostPorts(port))]
        capabilities["bandwidth"] = [
            "ingressRate": 100_000_000, "ingressBurst": 10_000_000, "egressRate": 100_000_000,
            "egressBurst": 10_000_000,
        ]
        if list.plugins[0]["ipam"]?["type"] == "static" { capabilities["ips"] = [.string(address + "/24")] }
        return pod.with(capabilities: capabilities)
    }
}

extension NetworkList {
    fileprivate func has(capability: String) -> Bool {
        plugins.contains { $0["capabilities"]?[capability] == true }
    }
}
