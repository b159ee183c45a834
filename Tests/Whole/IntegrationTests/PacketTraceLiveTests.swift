import ContainerRuntime
import Foundation
import Testing

/// `swiftletctl trace --live`: a packet that is really sent, and nothing that stays.
@Suite(.realKernel) struct PacketTraceLiveTests {
    @Test(arguments: Family.allCases) func aRealPacketShowsTheRulesOnItsWay(_ family: Family) throws {
        let scene = try TraceScene()
        let (node, client) = (scene.node, scene.pods[1])
        func live(_ words: String...) throws -> (said: TraceAnswer, seen: [String]) {
            let said = try node.trace(client.id, words[0], family.flag, "--live")
            #expect(said.json["live"]?["isAnswered"]?.bool == said.isSuccess, "\(said.json.pretty)")
            return (said, said.json["live"]?["seen"]?.array?.compactMap(\.string) ?? [])
        }
        func count(_ answer: TraceAnswer, _ pod: Pod, _ direction: String) -> Int64 {
            let all = answer.json["live"]?["counted"]?.array ?? []
            let own = all.first { $0["namespace"]?.string == pod.id && $0["interface"]?.string == "eth0" }
            return own?[direction]?.integer ?? -1
        }
        let published = try live(endpoint(Outside.node(family), 8080))
        #expect(count(published.said, client, "sent") > 0 && count(published.said, client, "received") > 0)
        #expect(count(published.said, scene.pods[0], "received") > 0)
        #expect(published.said.isSuccess)
        #expect(published.seen.contains { $0.contains("chain hostports_\(family == .v4 ? "v4" : "v6"),") })
        #expect(published.seen.contains { $0.contains("chain hairpin,") && $0.hasSuffix("accept") })
        #expect(try live(Outside.host(family)).seen.contains { $0.contains("chain postrouting,") })
        #expect(try !live("\(scene.pods[0].id):81").said.isSuccess)
        try node.nft("add table inet theirs")
        try node.nft("add chain inet theirs guard { type filter hook forward priority 5; policy drop; }")
        let dropped = try live(endpoint(Outside.host(family), 7))
        #expect(count(dropped.said, client, "sent") > 0)
        #expect(dropped.seen.last == "table inet theirs, chain guard, policy: drop")
        #expect(try !node.exec("nft", "list", "tables").contains("swiftlet_trace"))
    }

    @Test func whatGetsNoAnswerHasFailedWhateverTheWalkSays() throws {
        let scene = try TraceScene()
        // Rules that the walk does not look at.
        try scene.node.nft("add table netdev theirs")
        try scene.node.nft(
            "add chain netdev theirs in { type filter hook ingress device uplink priority 0; policy drop; }")
        let outcome = try Launcher(prefix: ["nsenter", "--net=\(scene.node.path)"], timeout: .seconds(60)).run(
            TraceAnswer.program,
            arguments: ["trace", "--json", scene.pods[1].id, "\(Outside.host(.v4)):7", "--live"], environment: [:],
            stdin: [])
        let json = try #require(outcome.json, "\(outcome.errorText)")
        #expect(outcome.exit == .code(1) && json["arrives"] == true && json["live"]?["isAnswered"] == false)
    }

    @Test(arguments: [SIGINT, SIGKILL]) func nothingIsLeftOfATraceThatIsEnded(_ signal: Int32) throws {
        let scene = try TraceScene()
        let node = scene.node
        try node.nft("add table inet theirs")
        try node.nft("add chain inet theirs guard { type filter hook forward priority 5; policy drop; }")
        let service = try Service(
            ["nsenter", "--net=\(node.path)", TraceAnswer.program, "trace", scene.pods[1].id, "internet", "--live"],
            log: "\(node.directory)/trace.log")
        try eventually("the packet is sent") { try node.exec("nft", "list", "tables").contains("swiftlet_trace") }
        try service.end(signal)
        try eventually("its tables are gone") { try !node.exec("nft", "list", "tables").contains("swiftlet_trace") }
    }
}
