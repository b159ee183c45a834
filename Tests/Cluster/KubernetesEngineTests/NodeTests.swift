import ClusterEngine
import EngineHTTP
import Foundation
import KubernetesEngine
import NIOConcurrencyHelpers
import Testing

/// What becomes of Nodes, whoever has written them.
@Suite struct NodeTests {
    private func node(_ name: String, _ spec: String, _ addresses: String = "[]", version: Int = 1) -> String {
        #"{"metadata":{"name":"\#(name)","resourceVersion":"\#(version)"},"spec":\#(spec),"status":{"addresses":\#(addresses)}}"#
    }

    private func addresses(_ list: (String, String)...) -> String {
        "[" + list.map { #"{"type":"\#($0.0)","address":"\#($0.1)"}"# }.joined(separator: ",") + "]"
    }

    @Test func internalAddressesOfBothFamiliesComeFirst() async throws {
        let all = addresses(
            ("Hostname", "a"), ("ExternalIP", "203.0.113.1"), ("InternalIP", "192.0.2.1"),
            ("InternalIP", "2001:db8::1"),
            ("InternalDNS", "x"), ("ExternalIP", "192.0.2.1"))
        let api = try FakeAPI(lists: [
            FakeAPI.list(node("a", #"{"podCIDRs":["10.1.2.3/24","2001:db8:1::/64"],"podCIDR":"10.9.0.0/24"}"#, all))
        ])
        try await Following.run(api) { following in
            try await following.wait("the list") { $0.nodes != nil }
            let node = try #require(following.nodes?["a"])
            #expect(node.addresses.map(\.description) == ["192.0.2.1", "2001:db8::1", "203.0.113.1"])
            #expect(node.subnets.map(\.description) == ["10.1.2.0/24", "2001:db8:1::/64"])
        }
    }

    @Test func externalAddressesComeFirstWhereThatIsWanted() async throws {
        let all = addresses(("InternalIP", "192.0.2.1"), ("ExternalIP", "203.0.113.1"))
        let api = try FakeAPI(lists: [FakeAPI.list(node("a", #"{"podCIDR":"10.9.0.0/24"}"#, all))])
        try await Following.run(api, prefersExternal: true) { following in
            try await following.wait("the list") { $0.nodes != nil }
            #expect(following.nodes?["a"]?.addresses.map(\.description) == ["203.0.113.1", "192.0.2.1"])
            #expect(following.nodes?["a"]?.subnets.map(\.description) == ["10.9.0.0/24"])
        }
    }

    @Test(arguments: [
        "10.1.0.0", "10.1.0.0/33", "0.0.0.0/0", "::/0", "127.0.0.0/8", "224.0.0.0/4", "169.254.0.0/16", "fe80::/64", "",
        "x/24",
    ])
    func aSubnetThatCannotBeIsLeftOutAndTold(text: String) async throws {
        let api = try FakeAPI(
            lists: [
                FakeAPI.list(
                    FakeAPI.node("a", 1), node("bad", #"{"podCIDRs":["\#(text)","10.7.0.0/24"]}"#), FakeAPI.node("c", 3)
                )
            ],
            watches: [
                FakeAPI.events(FakeAPI.event("MODIFIED", node("bad", #"{"podCIDRs":["10.7.0.0/24"]}"#, version: 200)))
            ])
        try await Following.run(api) { following in
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(following.nodes?.count == 3)
            #expect(following.nodes?["bad"]?.subnets.map(\.description) == ["10.7.0.0/24"])
            #expect(following.troubles.map(\.kind) == [.malformed])
            #expect(following.troubles[0].message.hasPrefix("read the Node bad: podCIDR"))
        }
    }

    @Test(arguments: ["0.0.0.0", "127.0.0.1", "::1", "224.0.0.1", "fe80::1", "10.0.0.256", "", "node-1"])
    func anAddressThatCannotBeIsLeftOutAndTold(text: String) async throws {
        let all = addresses(("InternalIP", text), ("InternalIP", "192.0.2.9"))
        let api = try FakeAPI(lists: [
            FakeAPI.list(FakeAPI.node("a", 1), node("bad", #"{"podCIDR":"10.7.0.0/24"}"#, all))
        ])
        try await Following.run(api) { following in
            try await following.wait("trouble") { $0.troubles.count == 1 }
            #expect(following.nodes?["bad"]?.addresses.map(\.description) == ["192.0.2.9"])
        }
    }

    @Test(arguments: [
        "3", "null", "[]", "{}", #""a""#, #"{"metadata":{}}"#, #"{"metadata":{"name":3}}"#,
        #"{"metadata":{"name":""}}"#,
        #"{"metadata":{"name":"x","creationTimestamp":5}}"#, #"{"metadata":{"name":"x"},"spec":[]}"#,
        #"{"metadata":{"name":"x"},"spec":{"podCIDRs":{}}}"#, #"{"metadata":{"name":"x"},"status":{"addresses":[1]}}"#,
        #"{"metadata":{"name":"x\u0041"}}"#,
        #"{"metadata":{"name":"x"},"status":{"addresses":[{"type":"InternalIP"}]}}"#,
    ])
    func anObjectThatIsNoNodeIsLeftOutToldOnceAndHarmsNoOther(text: String) async throws {
        let api = try FakeAPI(
            lists: [FakeAPI.list(FakeAPI.node("a", 1), text, FakeAPI.node("c", 3))],
            watches: [FakeAPI.events(FakeAPI.event("ADDED", FakeAPI.node("d", 4, version: 200)))])
        try await Following.run(api) { following in
            try await following.wait("d") { $0.nodes?["d"] != nil }
            #expect(following.nodes?.keys.filter { $0.count == 1 && $0 != "x" }.sorted() == ["a", "c", "d"])
            #expect(following.troubles.filter { $0.kind == .malformed }.count <= 1)
        }
    }

    @Test func aNodeThatCanNoLongerBeReadKeepsWhatItHad() async throws {
        let broken = #"{"metadata":{"name":"b","resourceVersion":"201"},"spec":{"podCIDRs":5}}"#
        let api = try FakeAPI(
            lists: [FakeAPI.list(FakeAPI.node("a", 1), FakeAPI.node("b", 2))],
            watches: [
                FakeAPI.endingAfter(FakeAPI.event("MODIFIED", broken), FakeAPI.event("MODIFIED", broken)),
                FakeAPI.events(FakeAPI.event("MODIFIED", FakeAPI.node("b", 2, version: 203))),
            ])
        try await Following.run(api) { following in
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(following.troubles.count == 1)
            #expect(following.troubles[0].message.contains("read the Node b: spec.podCIDRs"))
            #expect(following.nodes?["b"]?.subnets.map(\.description) == ["10.244.2.0/24"])
        }
    }

    @Test func thisNodesMissingSubnetIsToldWithAdviceUntilItIsThere() async throws {
        let api = try FakeAPI(
            lists: [FakeAPI.list(node("a", "{}"), node("b", "{}"))],
            watches: [
                { [self] _ in
                    .chunks([FakeAPI.event("MODIFIED", node("b", "{}", "null", version: 101)) + "\n"]) + [
                        .pause(.milliseconds(300))
                    ]
                        + [.write("")]
                        + Array(
                            [FakeServer.Step].chunks([
                                FakeAPI.event("MODIFIED", FakeAPI.node("a", 1, version: 102)) + "\n"
                            ]).dropFirst())
                        + [.freeze]
                }
            ])
        try await Following.run(api) { following in
            try await following.wait("trouble") { $0.troubles.count == 1 }
            #expect(following.troubles[0].kind == .configuration)
            #expect(following.troubles[0].message == "node a has no podCIDR")
            #expect(following.troubles[0].advice.contains("--allocate-node-cidrs"))
            try await following.wait("recovery") { $0.recoveries == 1 }
            #expect(following.troubles.count == 1)
            try await following.wait("the event") { _ in api.server.requests.contains { $0.method == "POST" } }
        }
        let events = api.server.requests.filter { $0.method == "POST" }
        #expect(events.count == 1)
        #expect(events[0].path == "/api/v1/namespaces/default/events")
        #expect(events[0].body.contains("node a has no podCIDR"))
        #expect(events[0].body.contains(#""reason":"SwiftletConfiguration""#))
    }

    @Test func aNodeThatTheClusterDoesNotHaveIsTold() async throws {
        let api = try FakeAPI(lists: [FakeAPI.list(FakeAPI.node("b", 2))])
        try await Following.run(api) { following in
            try await following.wait("trouble") { $0.troubles.count == 1 }
            #expect(following.troubles[0].message == "the cluster has no node a")
        }
    }

    @Test(arguments: [nil, "True", "False"])
    func readinessIsWrittenUnlessItIsThere(status: String?) async throws {
        let condition =
            status.map { #"{"type":"NetworkUnavailable","status":"\#($0)","reason":"NoRouteCreated"}"# } ?? ""
        let ready = #"{"type":"Ready","status":"True"}"#
        let text =
            #"{"metadata":{"name":"a"},"status":{"conditions":[\#(ready)\#(condition.isEmpty ? "" : ",")\#(condition)]}}"#
        let api = try FakeAPI(lists: [FakeAPI.list()], others: [{ _ in .json(text) }])
        defer { api.server.stop() }
        let engine = KubernetesEngine(EngineAccess([api.server.url]), KubernetesEngine.Settings(node: "a"))
        try await engine.announceReadiness()
        await engine.close()
        let patches = api.server.requests.filter { $0.method == "PATCH" }
        #expect(patches.count == (status == "False" ? 0 : 1))
        guard let patch = patches.first else { return }
        #expect(patch.path == "/api/v1/nodes/a/status")
        #expect(patch.headers["content-type"] == "application/strategic-merge-patch+json")
        #expect(patch.body.contains(#""type":"NetworkUnavailable""#) && patch.body.contains(#""status":"False""#))
    }

    @Test func aRefusedReadinessSaysWhatIsMissing() async throws {
        let api = try FakeAPI(
            lists: [FakeAPI.list()],
            others: [
                {
                    $0.method == "GET"
                        ? .json(#"{"metadata":{"name":"a"}}"#) : FakeAPI.status(403, "Forbidden", "no")($0)
                }
            ])
        defer { api.server.stop() }
        let engine = KubernetesEngine(EngineAccess([api.server.url]), KubernetesEngine.Settings(node: "a"))
        let failure = await #expect(throws: EngineFailure.self) { try await engine.announceReadiness() }
        await engine.close()
        #expect(failure?.kind == .forbidden)
        #expect(failure?.advice.contains(#"allow the verb "patch" on "nodes/status""#) == true)
    }

    @Test func readinessIsWrittenAgainWhenTheNodeIsMadeAnew() async throws {
        let renewed = FakeAPI.node("a", 1, version: 200).replacing("2024-05-06", with: "2024-05-07")
        let ready = NIOLockedValueBox(true)
        let api = try FakeAPI(
            lists: [FakeAPI.list(FakeAPI.node("a", 1))],
            watches: [
                { _ in
                    while ready.withLockedValue({ $0 }) { usleep(10000) }
                    return .chunks([FakeAPI.event("MODIFIED", renewed) + "\n"]) + [.freeze]
                }
            ], others: [{ _ in .json(#"{"metadata":{"name":"a"}}"#) }])
        try await Following.run(api) { following in
            try await following.wait("the list") { $0.nodes != nil }
            try await following.engine.announceReadiness()
            ready.withLockedValue { $0 = false }
            try await following.wait("the second patch") { _ in
                api.server.requests.count { $0.method == "PATCH" } == 2
            }
        }
    }

    @Test(arguments: ["metadata", "spec", "status", "other"])
    func nestingWithoutEndExhaustsNothing(field: String) async throws {
        let deep = String(repeating: "[", count: 300_000) + String(repeating: "]", count: 300_000)
        let api = try FakeAPI(lists: [
            FakeAPI.list(FakeAPI.node("a", 1), #"{"\#(field)":\#(deep)}"#, FakeAPI.node("c", 3))
        ])
        try await Following.run(api) { following in
            try await following.wait("the list") { $0.nodes?.count == 2 }
        }
    }

    @Test func ofManyBadNodesSomeAreTold() async throws {
        let bad = (1...1000).map { node("bad-\($0)", #"{"podCIDRs":["x"]}"#) }
        let api = try FakeAPI(lists: [{ _ in .json(FakeAPI.listText(bad + [FakeAPI.node("a", 1)])) }])
        try await Following.run(api) { following in
            try await following.wait("the list") { $0.nodes?.count == 1001 }
            try await following.wait("troubles") { $0.troubles.count == 16 }
            try await Task.sleep(for: .milliseconds(100))
            #expect(following.troubles.count == 16)
        }
        #expect(!api.server.requests.contains { $0.method == "POST" })
    }
}
