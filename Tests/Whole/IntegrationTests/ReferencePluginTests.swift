import ContainerRuntime
import Foundation
import Testing

/// A node switches from the reference plugins to swiftlet and back, with pods running.
@Suite(.realKernel) struct ReferencePluginTests {
    static let versions = Requirements.referenceVersions.suffix(4)

    @Test func theReferenceIsThere() { #expect(Requirements.referenceVersions.count >= 6) }

    func conf(_ node: Node, _ version: String) throws -> NetworkList {
        try node.network(node.gatewayBridge(["bridge": "cbr0"]), version: version)
    }

    func ours(_ node: Node) -> CNIRuntime { node.runtime() }
    func theirs(_ node: Node) -> CNIRuntime { node.runtime(path: [Requirements.referenceBin]) }

    @Test(arguments: versions, [true, false])
    func podsOfOneAreDetachedByTheOther(_ version: String, _ oursFirst: Bool) throws {
        let node = try Node()
        let pods = try node.pods(3)
        let list = try conf(node, version)
        let (before, after) = oursFirst ? (ours(node), theirs(node)) : (theirs(node), ours(node))
        for pod in pods[..<2] { _ = try before.add(list, pod.attachment) }
        // A pod of the new one meets those of the old one, with an address of its own.
        #expect(try after.add(list, pods[2].attachment).result.hosts == ["10.44.0.4"])
        for pod in pods[..<2] {
            try expectConnected(pods[2], "10.44.0.4", pod, pod === pods[0] ? "10.44.0.2" : "10.44.0.3")
            try pod.ping("10.44.0.1")
        }
        try after.del(list, pods[0].attachment)
        #expect(try isUntouched(pods[0]))
        #expect(try node.reservations() == ["10.44.0.3", "10.44.0.4"])
        // The others do not notice.
        try expectConnected(pods[2], "10.44.0.4", pods[1], "10.44.0.3")
        try after.del(list, pods[1].attachment)
        try after.del(list, pods[2].attachment)
        #expect(try node.reservations() == [])
        try eventually("every veth is gone") { try node.veths() == [] }
    }

    @Test func checkAcceptsAPodThatTheReferenceAttached() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try conf(node, Requirements.referenceVersion)
        _ = try theirs(node).add(list, pod.attachment)
        try ours(node).check(list, pod.attachment)
    }

    @Test func theReferencesCheckAcceptsAPodOfOurs() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try conf(node, Requirements.referenceVersion)
        _ = try ours(node).add(list, pod.attachment)
        try theirs(node).check(list, pod.attachment)
    }

    @Test func noAddressIsHandedOutTwiceAndNoneLostWhileBothAreUsed() throws {
        let node = try Node()
        let pods = try node.pods(12)
        let keys: [String: JSONValue] = ["subnet": "10.44.0.0/28"]
        let list = try node.network(
            node.bridge(["isDefaultGateway": true], ipam: keys), version: Requirements.referenceVersion)
        let results = inParallel(12) { number in
            let runtime = number.isMultiple(of: 2) ? ours(node) : theirs(node)
            return try runtime.add(list, pods[number].attachment).result.hosts[0]
        }
        #expect(try Set(results.map { try $0.get() }).count == 12)
        let removed = inParallel(12) { number in
            // Each by the other.
            let runtime = number.isMultiple(of: 2) ? theirs(node) : ours(node)
            return try runtime.del(list, pods[number].attachment).count
        }
        for result in removed { _ = try result.get() }
        #expect(try node.reservations() == [])
        // All thirteen can be had again.
        let ids = (0..<13).map { "again-\($0)" }
        let store = try node.network(
            [
                "type": "host-local",
                "ipam": ["type": "host-local", "subnet": "10.44.0.0/28", "dataDir": .string(node.data)],
            ], version: Requirements.referenceVersion)
        let again = try ids.map {
            try ours(node).add(store, PodAttachment(containerID: $0, netns: "/run/netns/none")).result.hosts[0]
        }
        #expect(Set(again).count == 13)
    }

    @Test func loopbackOfEitherDoesTheSame() throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try node.network(["type": "loopback"], version: Requirements.referenceVersion)
        var theirResult = try theirs(node).add(list, pods[0].attachment).result.object ?? [:]
        var ourResult = try ours(node).add(list, pods[1].attachment).result.object ?? [:]
        #expect(theirResult["ips"] != nil)
        // Some versions write an empty object, others nothing.
        for key in ["interfaces", "dns"] {
            theirResult[key] = nil
            ourResult[key] = nil
        }
        #expect(theirResult == ourResult)
    }

    @Test(arguments: Requirements.referenceVersions) func hostLocalAnswersAsTheReferenceDoes(_ version: String) throws {
        let node = try Node()
        let other = try Node()
        let ipam: [String: JSONValue] = [
            "ranges": [[["subnet": "10.44.0.0/24"]], [["subnet": "fd00:44::/64"]]],
            "routes": [["dst": "0.0.0.0/0"], ["dst": "::/0", "gw": "fd00:44::9"]],
        ]
        func result(_ node: Node, _ runtime: CNIRuntime) throws -> JSONValue {
            guard case .object(var plugin) = node.bridge(ipam: ipam) else { return [:] }
            plugin["type"] = "host-local"
            let result = try runtime.add(
                node.network(.object(plugin), version: version),
                PodAttachment(containerID: "a", netns: "/run/netns/none")
            ).result
            // Of an answer without DNS settings the reference's versions have an empty object or none.
            guard case .object(var answer) = result, answer["dns"] == [:] else { return result }
            answer["dns"] = nil
            return .object(answer)
        }
        #expect(try result(node, ours(node)) == result(other, theirs(other)))
    }
}
