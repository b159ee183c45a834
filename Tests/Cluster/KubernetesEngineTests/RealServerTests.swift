import ClusterEngine
import EngineHTTP
import Foundation
import Glibc
import KubernetesEngine
import NIOConcurrencyHelpers
import Testing

/// Starts an API server for a suite and ends it afterwards.
struct WithAPIServer: SuiteTrait, TestScoping {
    @TaskLocal static var running: KubernetesAPIServer?

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        let server = try await KubernetesAPIServer()
        do { try await Self.$running.withValue(server) { try await function() } } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }
}

/// The engine with Kubernetes' own API server, as a user with no more rights than it needs.
@Suite(.serialized, WithAPIServer()) struct RealServerTests {
    private let server: KubernetesAPIServer

    init() throws { server = try #require(WithAPIServer.running) }

    private func names(_ following: Following, _ prefix: String) -> [String] {
        following.nodes?.keys.filter { $0.hasPrefix(prefix) }.sorted() ?? []
    }

    @Test func nodesThatComeChangeAndGoAreTold() async throws {
        try await server.addNode("change-a", subnet: "10.1.1.0/24", address: "192.0.2.1")
        let access = try KubernetesAccess.kubeconfig(try server.writeKubeconfig(token: "agent-token"))
        try await Following.run(access, node: "change-a") { following in
            try await following.wait("the list") {
                $0.nodes?["change-a"]?.addresses.map(\.description) == ["192.0.2.1"]
            }
            #expect(following.nodes?["change-a"]?.subnets.map(\.description) == ["10.1.1.0/24"])
            let age = Double(following.nodes?["change-a"]?.age ?? 0)
            #expect(abs(age - Date.now.timeIntervalSince1970) < 600)
            try await server.addNode("change-b", subnet: "10.1.2.0/24", address: "192.0.2.2")
            try await following.wait("b") { $0.nodes?["change-b"]?.addresses.map(\.description) == ["192.0.2.2"] }
            try await server.setAddress("change-b", "192.0.2.22")
            try await following.wait("b's address") {
                $0.nodes?["change-b"]?.addresses.map(\.description).contains("192.0.2.22") == true
            }
            let count = following.events.count
            for beat in 10..<20 {
                try await server.patchStatus(
                    "change-b",
                    #"{"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"2024-01-01T00:00:\#(beat)Z"}]}}"#
                )
            }
            try await server.removeNode("change-b")
            try await following.wait("the end of b") { $0.events.last == .removed("change-b") }
            #expect(following.events.count == count + 1)
            #expect(following.troubles.isEmpty)
        }
        try await server.removeNode("change-a")
    }

    @Test func theControllersSubnetEndsTheTrouble() async throws {
        try await server.addNode("given-a", subnet: nil, address: "192.0.2.1")
        try await Following.run(server.access(), node: "given-a") { following in
            try await following.wait("trouble") { $0.troubles.map(\.message) == ["node given-a has no podCIDR"] }
            try await server.startControllers()
            try await following.wait("the subnet", within: .seconds(40)) { $0.nodes?["given-a"]?.subnets.count == 1 }
            #expect(following.nodes?["given-a"]?.subnets.first?.description.hasPrefix("10.244.") == true)
            try await following.wait("recovery") { $0.recoveries == 1 }
            try await server.addNode("given-b", subnet: nil, address: "192.0.2.2")
            try await following.wait("b's subnet") { $0.nodes?["given-b"]?.subnets.count == 1 }
            // The trouble was shown on the Node.
            let events = try await server.must("GET", "/api/v1/namespaces/default/events")
            #expect(events.contains("node given-a has no podCIDR (start kube-controller-manager with"))
        }
        for name in ["given-a", "given-b"] { try await server.removeNode(name) }
    }

    @Test func readinessIsWrittenIntoTheNode() async throws {
        try await server.addNode("ready-a", subnet: "10.2.1.0/24", address: "192.0.2.1")
        try await server.patchStatus(
            "ready-a",
            #"{"status":{"conditions":[{"type":"NetworkUnavailable","status":"True","reason":"NoRouteCreated"},"#
                + #"{"type":"Ready","status":"True"}]}}"#)
        let engine = KubernetesEngine(server.access(), KubernetesEngine.Settings(node: "ready-a"))
        try await engine.announceReadiness()
        let first = try await server.must("GET", "/api/v1/nodes/ready-a")
        try await engine.announceReadiness()
        let second = try await server.must("GET", "/api/v1/nodes/ready-a")
        await engine.close()
        struct Node: Decodable {
            struct Metadata: Decodable { var resourceVersion: String }
            struct Status: Decodable { var conditions: [Condition] }
            struct Condition: Decodable { var type, status: String; var reason, lastTransitionTime: String? }
            var metadata: Metadata
            var status: Status
        }
        let nodes = try [first, second].map { try JSONDecoder().decode(Node.self, from: Data($0.utf8)) }
        let condition = try #require(nodes[0].status.conditions.first { $0.type == "NetworkUnavailable" })
        #expect(condition.status == "False" && condition.reason == "SwiftletIsUp")
        #expect(condition.lastTransitionTime?.isEmpty == false)
        #expect(nodes[0].status.conditions.contains { $0.type == "Ready" && $0.status == "True" })
        #expect(nodes[0].metadata.resourceVersion == nodes[1].metadata.resourceVersion)
        try await server.removeNode("ready-a")
    }

    @Test func whoeverLacksTheRightsReadsWhichOnes() async throws {
        try await Following.run(server.access("stranger-token")) { following in
            try await following.wait("trouble") { $0.troubles.count == 1 }
            #expect(
                following.troubles[0].description
                    == "list nodes at \(server.url): 403 nodes is forbidden: User \"stranger\" "
                    + "cannot list resource \"nodes\" in API group \"\" at the cluster scope (allow the verb \"list\" on "
                    + "\"nodes\" of the API group \"\" (core) by a ClusterRole (RBAC))")
            try await Task.sleep(for: .milliseconds(500))
            #expect(following.events.count == 1)
        }
        try await Following.run(server.access("nobodys-token")) { following in
            try await following.wait("trouble") { $0.troubles.count == 1 }
            #expect(following.troubles[0].kind == .forbidden)
            #expect(following.troubles[0].message.contains("401 Unauthorized"))
        }
    }

    @Test func aServerWithAnotherAuthorityIsNotTrusted() async throws {
        var access = server.access()
        access.authorities = nil
        try await Following.run(access) { following in
            try await following.wait("trouble") { $0.troubles.count == 1 }
            #expect(following.troubles[0].kind == .certificate, "\(following.troubles[0])")
        }
    }

    @Test func nothingIsLostWhenTheServerIsKilledAndStartedAgain() async throws {
        for number in 1...3 {
            try await server.addNode("killed-\(number)", subnet: "10.3.\(number).0/24", address: "192.0.2.\(number)")
        }
        try await Following.run(server.access(), node: "killed-1") { following in
            try await following.wait("the list") { names($0, "killed").count == 3 }
            await server.killServer()
            try await following.wait("trouble") { $0.troubles.map(\.kind) == [.unreachable] }
            try await server.startServer()
            try await server.removeNode("killed-2")
            try await server.addNode("killed-4", subnet: "10.3.4.0/24", address: "192.0.2.4")
            try await following.wait("what has changed") {
                names($0, "killed") == ["killed-1", "killed-3", "killed-4"]
            }
            try await following.wait("recovery") { $0.recoveries == 1 }
            try await following.wait("the address") { $0.nodes?["killed-4"]?.addresses.count == 1 }
        }
        for number in [1, 3, 4] { try await server.removeNode("killed-\(number)") }
    }

    @Test func aServerThatIsFrozenIsNoticedAndTakenUpAgain() async throws {
        try await server.addNode("frozen-1", subnet: "10.4.1.0/24", address: "192.0.2.1")
        try await Following.run(server.access(), node: "frozen-1", silence: .seconds(2)) { following in
            try await following.wait("the list") { names($0, "frozen").count == 1 }
            await server.signalServer(SIGSTOP)
            try await following.wait("trouble") { $0.troubles.count == 1 }
            #expect(following.troubles[0].kind == .slow, "\(following.troubles[0])")
            await server.signalServer(SIGCONT)
            try await following.wait("recovery") { $0.recoveries == 1 }
            try await server.addNode("frozen-2", subnet: "10.4.2.0/24", address: "192.0.2.2")
            try await following.wait("the new node") { names($0, "frozen").count == 2 }
        }
        for number in 1...2 { try await server.removeNode("frozen-\(number)") }
    }

    @Test func aHistoryThatIsGoneLeadsToANewListAndNothingIsLost() async throws {
        for number in 1...3 {
            try await server.addNode("gone-\(number)", subnet: "10.5.\(number).0/24", address: "192.0.2.\(number)")
        }
        try await Following.run(server.access(), node: "gone-1") { following in
            try await following.wait("the list") { names($0, "gone").count == 3 }
            await server.killServer()
            // Nobody will ever tell of this.
            try await server.eraseNode("gone-2")
            try await server.compact()
            try await server.startServer()
            try await following.wait("the loss") { names($0, "gone") == ["gone-1", "gone-3"] }
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(following.lists == 2)
            #expect(!following.troubles.contains { $0.kind == .gone })
            try await server.setAddress("gone-3", "192.0.2.33")
            try await following.wait("a change") {
                $0.nodes?["gone-3"]?.addresses.map(\.description).contains("192.0.2.33") == true
            }
        }
        for number in [1, 3] { try await server.removeNode("gone-\(number)") }
    }

    @Test func aThousandNodesAreListed() async throws {
        try await withThrowingTaskGroup { group in
            for lane in 0..<8 {
                group.addTask { [server] in
                    for number in stride(from: lane, to: 1000, by: 8) {
                        let spec = #"{"podCIDR":"10.\#(100 + number / 256).\#(number % 256).0/24"}"#
                        try await server.must(
                            "POST", "/api/v1/nodes", #"{"metadata":{"name":"many-\#(number)"},"spec":\#(spec)}"#)
                    }
                }
            }
            try await group.waitForAll()
        }
        try await Following.run(server.access(), node: "many-0") { following in
            try await following.wait("the list") { names($0, "many").count == 1000 }
            #expect(following.nodes?["many-999"]?.subnets.map(\.description) == ["10.103.231.0/24"])
        }
    }

    @Test func objectsOfAnotherKindAreFollowedInTheSameWay() async throws {
        let told = NIOLockedValueBox<[ObjectEvent<TestService>]>([])
        let client = EngineClient(server.access("admin-token"), userAgent: "test")
        let watch = ObjectWatch<TestService>(
            client,
            ObjectCollection(path: "/api/v1/services", selector: "fieldSelector=metadata.namespace%3Ddefault"))
        let task = Task { await watch.follow { event in told.withLockedValue { $0.append(event) } } }
        let key = ObjectKey(namespace: "default", name: "web")
        func wait(_ what: String, _ isSo: ([ObjectEvent<TestService>]) -> Bool) async throws {
            for _ in 0..<1000 where !isSo(told.withLockedValue { $0 }) { try await Task.sleep(for: .milliseconds(10)) }
            #expect(isSo(told.withLockedValue { $0 }), "\(what): \(told.withLockedValue { $0 })")
        }
        try await wait("the list") { $0.count == 1 }
        let path = "/api/v1/namespaces/default/services"
        let ports = #"[{"name":"a","port":80,"targetPort":8080},{"name":"b","port":443}]"#
        try await server.must("POST", path, #"{"metadata":{"name":"web"},"spec":{"ports":\#(ports)}}"#)
        try await wait("the Service") {
            if case .changed(key, let service)? = $0.last { service.ports == [80, 443] } else { false }
        }
        let merge = "application/merge-patch+json"
        try await server.must("PATCH", "\(path)/web", #"{"metadata":{"labels":{"a":"b"}}}"#, contentType: merge)
        try await server.must("PATCH", "\(path)/web", #"{"spec":{"ports":[{"port":81}]}}"#, contentType: merge)
        try await server.must("DELETE", "\(path)/web")
        try await wait("its end") { if case .removed(key)? = $0.last { true } else { false } }
        #expect(told.withLockedValue { $0.count } == 4)
        task.cancel()
        await task.value
        await client.close()
    }
}

private struct TestService: WatchedObject {
    static let fields = ["spec.ports.port"]

    private enum CodingKeys: String, CodingKey { case spec }
    private struct Spec: Decodable { var ports: [Port] }
    private struct Port: Decodable { var port: Int }

    let ports: [Int]

    init(from decoder: any Decoder) throws {
        ports = try decoder.container(keyedBy: CodingKeys.self).decode(Spec.self, forKey: .spec).ports.map(\.port)
    }
}
