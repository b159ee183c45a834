import Addresses
import ClusterEngine
import ClusterState
import EngineHTTP
import Foundation
import TestSupport
import Testing

@testable import EtcdEngine

private let ranges = [range("10.244.0.0/16", 24)]

/// Each has an etcd of its own, and does to it what happens to servers.
@Suite struct FailingEtcdTests {
    @Test func anEtcdThatIsKilledAndStartedAgainIsFollowedOnAndClaimsStay() async throws {
        let server = try EtcdServer()
        let nodes = [
            await RunningNode("a", access(server), network: "n", ranges: ranges),
            await RunningNode("b", access(server), network: "n", ranges: ranges),
        ]
        var claims: [[CIDR]] = []
        for node in nodes { claims.append(try await node.claimed()) }
        try server.kill()
        try await nodes[0].until("trouble") { !(await nodes[0].recorder.troubles.isEmpty) }
        try server.start()
        try await nodes[0].until("recovered") { await nodes[0].recorder.events.last == .recovered }
        await nodes[1].engine.announce([IPAddress("192.0.2.77")!])
        try await nodes[0].until("a change") {
            await nodes[0].recorder.nodes["b"]?.addresses == [IPAddress("192.0.2.77")!]
        }
        for (node, claim) in zip(nodes, claims) {
            #expect(await node.subnets() == claim)
            #expect(await !node.recorder.isInDoubt)
            await node.stop()
        }
    }

    @Test func aServerThatHangsIsLeftForAnother() async throws {
        // Not members of one cluster: the second one is another etcd, where the node has to begin anew.
        let servers = [try EtcdServer(), try EtcdServer()]
        let both = EngineAccess(servers.map { $0.url })
        let node = await RunningNode("a", both, network: "n", ranges: ranges)
        let claim = try await node.claimed()
        servers[0].freeze()
        let other = await RunningNode("b", access(servers[1]), network: "n", ranges: ranges)
        _ = try await other.claimed()
        try await node.until("it sees b") { await node.recorder.nodes["b"] != nil }
        #expect(await node.subnets() == claim)
        servers[0].thaw()
        await node.stop()
        await other.stop()
    }

    @Test(arguments: [false, true])
    func aLeaderThatFailsOrHangsIsReplacedWithoutDoubt(_ hangs: Bool) async throws {
        let members = try EtcdServer.cluster(of: 3)
        let all = EngineAccess(members.map { $0.url })
        let nodes = [
            await RunningNode("a", all, network: "n", ranges: ranges, presenceSeconds: 6),
            await RunningNode("b", all, network: "n", ranges: ranges, presenceSeconds: 6),
        ]
        let claims = [try await nodes[0].claimed(), try await nodes[1].claimed()]
        let leader = try #require(try members.first { try $0.isLeader })
        if hangs { leader.freeze() } else { try leader.kill() }
        await nodes[1].engine.announce([IPAddress("192.0.2.77")!])
        try await nodes[0].until("a change") {
            await nodes[0].recorder.nodes["b"]?.addresses == [IPAddress("192.0.2.77")!]
        }
        try await Task.sleep(for: .seconds(1))
        for (node, claim) in zip(nodes, claims) {
            #expect(await node.subnets() == claim)
            #expect(
                await !node.recorder.events.contains { if case .claimInDoubt = $0 { true } else { false } })
            await node.stop()
        }
    }

    @Test func aMinorityOfServersIsTroubleUntilTheOthersComeBack() async throws {
        let members = try EtcdServer.cluster(of: 3)
        let node = await RunningNode(
            "a", EngineAccess(members.map { $0.url }), network: "n", ranges: ranges, presenceSeconds: 6)
        let claim = try await node.claimed()
        for member in members.dropFirst() { try member.kill() }
        try await node.until("trouble") { !(await node.recorder.troubles.isEmpty) }
        try members[1].start()
        try await node.until("recovered") { await node.recorder.events.last == .recovered }
        #expect(await node.subnets() == claim)
        await node.stop()
    }

    @Test func aFrozenEtcdIsNoticedAndDoubtBeginsWhenTheLeaseMayHaveEnded() async throws {
        let server = try EtcdServer()
        let node = await RunningNode("a", access(server), network: "n", ranges: ranges, claimSeconds: 10)
        let claim = try await node.claimed()
        server.freeze()
        let start = ContinuousClock.now
        try await node.until("trouble") { !(await node.recorder.troubles.isEmpty) }
        #expect(await !node.recorder.isInDoubt)
        try await node.until("doubt") { await node.recorder.isInDoubt }
        let passed = ContinuousClock.now - start
        #expect(passed < .seconds(10.5))
        server.thaw()
        try await node.until("certainty") { await !node.recorder.isInDoubt }
        #expect(await node.subnets() == claim)
        await node.stop()
    }

    @Test func aLeaseThatEndsBringsDoubtAndThenTheSameSubnet() async throws {
        let server = try EtcdServer()
        let node = await RunningNode("a", access(server), network: "n", ranges: ranges, claimSeconds: 2)
        let claim = try await node.claimed()
        for line in try server.control("lease list").split(separator: "\n").dropFirst() {
            try server.control("lease revoke \(line)")
        }
        try await node.until("doubt") {
            await node.recorder.events.contains { if case .claimInDoubt = $0 { true } else { false } }
        }
        try await node.until("certainty") { await !node.recorder.isInDoubt }
        #expect(await node.subnets() == claim)
        await node.stop()
    }

    @Test func aCompactedHistoryIsReplacedByAList() async throws {
        let server = try EtcdServer()
        let node = await RunningNode("a", access(server), network: "n", ranges: ranges)
        _ = try await node.claimed()
        try server.kill()
        try server.start()
        // It may miss these.
        for number in 0..<5 {
            try server.control("put /swiftlet/n/nodes/m\(number) '\(record("m\(number)"))'")
        }
        let revision = try server.control("get /swiftlet/n/config -w fields").split(separator: "\n")
            .first { $0.hasPrefix("\"Revision\"") }!.split(separator: " ").last!
        try server.control("compact \(revision)")
        try await node.until("all of them") { await node.recorder.nodes.count == 6 }
        await node.stop()

        let client = EtcdClient(access(server), user: nil, password: nil)
        let failure = await #expect(throws: EngineFailure.self) {
            try await client.watch("/swiftlet/n/", from: 1) { message throws(EngineFailure) in
                if message.compact_revision != nil { throw EngineFailure(.gone, "compacted") }
            }
        }
        #expect(failure?.kind == .gone)
        await client.close()
    }

    @Test func anEtcdThatHasLostItsDataGetsTheSameClaimsAgain() async throws {
        let server = try EtcdServer()
        let nodes = [
            await RunningNode("a", access(server), network: "n", ranges: ranges),
            await RunningNode("b", access(server), network: "n", ranges: ranges),
        ]
        let claims = [try await nodes[0].claimed(), try await nodes[1].claimed()]
        try server.kill()
        try server.removeData()
        try server.start()
        await nodes[1].engine.announce([IPAddress("192.0.2.77")!])
        try await nodes[0].until("it follows again") {
            await nodes[0].recorder.nodes["b"]?.addresses == [IPAddress("192.0.2.77")!]
        }
        for (node, claim) in zip(nodes, claims) {
            try await node.until("certainty") { await !node.recorder.isInDoubt }
            #expect(await node.subnets() == claim)
            await node.stop()
        }
        #expect(
            try server.control("get --keys-only --prefix /swiftlet/n/subnets/").contains("\(claims[0][0].first)-24"))
    }

    @Test func certificatesOfBothSidesAreCheckedAndAClientWithoutOneIsTold() async throws {
        let certificates = try EtcdServer.Certificates()
        defer { try? FileManager.default.removeItem(at: certificates.folder) }
        let server = try EtcdServer(certificates: certificates)
        var access = access(server)
        access.authorities = .file(certificates.authority)
        let stranger = await RunningNode("b", access, network: "n", ranges: ranges)
        access.certificate = .file(certificates.client)
        access.key = .file(certificates.clientKey)
        let node = await RunningNode("a", access, network: "n", ranges: ranges)
        _ = try await node.claimed()
        try await stranger.until("trouble") { !(await stranger.recorder.troubles.isEmpty) }
        #expect(await stranger.recorder.troubles[0].kind == .certificate)
        access.authorities = nil
        let distrustful = await RunningNode("c", access, network: "n", ranges: ranges)
        try await distrustful.until("trouble") { !(await distrustful.recorder.troubles.isEmpty) }
        #expect(await distrustful.recorder.troubles[0].kind == .certificate)
        for node in [node, stranger, distrustful] { await node.stop() }
    }

    @Test func anEtcdWhoseCertificateIsNotForItsGatewayIsToldAsSuch() async throws {
        let certificates = try EtcdServer.Certificates(serverUsage: "serverAuth")
        defer { try? FileManager.default.removeItem(at: certificates.folder) }
        let server = try EtcdServer(certificates: certificates)
        var access = access(server)
        access.authorities = .file(certificates.authority)
        access.certificate = .file(certificates.client)
        access.key = .file(certificates.clientKey)
        let node = await RunningNode("a", access, network: "n", ranges: ranges)
        try await node.until("trouble") { !(await node.recorder.troubles.isEmpty) }
        let trouble = await node.recorder.troubles[0]
        #expect(trouble.kind == .certificate && trouble.advice.contains("clientAuth"), "\(trouble)")
        await node.stop()
    }

    @Test func aUserLogsInAndAWrongPasswordIsTold() async throws {
        let server = try EtcdServer()
        try server.control("user add root:secret")
        try server.control("user grant-role root root")
        try server.control("role add nodes")
        try server.control("role grant-permission nodes --prefix=true readwrite /swiftlet/n/")
        try server.control("user add agent:pass")
        try server.control("user grant-role agent nodes")
        try server.control("auth enable")
        func troubles(_ user: String, _ password: String, network: String) async throws -> [EngineFailure] {
            var settings = EtcdSettings(access(server), network: network, node: "a", ranges: ranges)
            settings.user = user
            settings.password = .text(password)
            let engine = EtcdEngine(settings)
            let recorder = Recorder()
            let task = Task { await engine.follow { await recorder.record($0) } }
            for _ in 0..<500 where await recorder.events.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            let troubles = await recorder.troubles
            if troubles.isEmpty {
                // The watch has the right to follow as well.
                try server.control("--user agent:pass put /swiftlet/n/nodes/m '\(record("m"))'")
                for _ in 0..<500 where await recorder.nodes["m"] == nil { try await Task.sleep(for: .milliseconds(10)) }
                #expect(await recorder.nodes["m"] != nil)
            }
            task.cancel()
            await task.value
            await engine.close()
            return troubles
        }
        #expect(try await troubles("agent", "pass", network: "n").isEmpty)
        #expect(try await troubles("agent", "wrong", network: "n").map { $0.kind } == [.forbidden])
        #expect(try await troubles("agent", "pass", network: "other").map { $0.kind } == [.forbidden])
    }

    private func record(_ name: String) -> String {
        #"{"version":1,"name":"\#(name)","addresses":[],"subnets":[],"instance":"","identity":""}"#
    }
}
