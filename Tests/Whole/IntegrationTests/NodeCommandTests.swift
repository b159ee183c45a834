import ContainerRuntime
import Foundation
import Testing

/// What documents and people type on a node says something that makes sense, also on a node that has nothing.
@Suite(.realKernel) struct NodeCommandTests {
    @Test func aNodeWithoutRulesSaysThatItHasNone() throws {
        let node = try Node()
        let ctl = "\(Requirements.bin)/swiftletctl"
        #expect(try node.exec(ctl, "rules") == "no rules on this node\n")
        #expect(try node.exec(ctl, "rules", "--check") == "no rules on this node, and no pod needs any\n")
        #expect(try node.exec(ctl, "rules", "--check", "--json").filter { !$0.isWhitespace } == "[]")
    }

    /// Of docs/how-it-works.md: they must not fail where nothing has made the table.
    @Test func howItWorksShowsNoTableThatMayNotBeThere() throws {
        let text = try String(contentsOfFile: "\(Requirements.packageRoot)/docs/how-it-works.md", encoding: .utf8)
        #expect(!text.contains("nft list table inet swiftlet"))
        let node = try Node()
        try node.exec("nft", "list", "tables")
        try node.exec("\(Requirements.bin)/swiftletctl", "rules")
    }

    @Test func statusShowsOnePod() throws {
        let scene = try NodeStatusTests.Scene()
        let pods = try scene.node.pods(2)
        for pod in pods { _ = try scene.node.runtime().add(scene.list, pod.attachment) }
        for name in [pods[1].id, "10.44.0.3", "net/\(pods[1].id)/eth0"] {
            let shown = try scene.ctl("status", name)
            #expect(
                shown.exit.isSuccess && shown.text.contains("10.44.0.3"), "\(name): \(shown.text)\(shown.errorText)")
            #expect(!shown.text.contains("10.44.0.2 "), "\(shown.text)")
        }
        let nobody = try scene.ctl("status", "10.44.0.99")
        #expect(nobody.exit == .code(1) && nobody.errorText.contains("10.44.0.99"), "\(nobody.errorText)")
    }
}
