import ContainerRuntime
import Foundation
import TestSupport
import Testing

/// A node with Debian's firewalld, which drops what comes from addresses that it has not been told of.
@Suite(.realKernel) struct FirewalldTests {
    @Test(arguments: IsolationTests.Way.allCases)
    func podsAreInItsZoneAndARepairPutsThemBackAfterAReload(_ way: IsolationTests.Way) throws {
        let node = try Node()
        let outside = try Outside(node)
        let world = try Responder("outside", in: outside, 7)
        let firewalld = try FirewalldNode(netns: node.path)
        let inside = ["nsenter", "--mount=/proc/\(firewalld.process)/ns/mnt"]
        let runtime = node.runtime(wrapper: inside)
        func inNode(_ words: String...) throws -> String { try run(firewalld.prefix + words) }
        let masqueraded: [String: JSONValue] = ["ipMasq": true, "isDefaultGateway": true]
        let list =
            switch way {
            case .alone:
                try node.network(
                    node.swiftlet(["subnet": "10.44.0.0/24", "ipMasq": true, "ingressPolicy": "open"]))
            case .chained: try node.network(node.gatewayBridge(masqueraded), ["type": "firewall"])
            }
        let pod = try node.pod()
        #expect(try runtime.add(list, pod.attachment).result.hosts == ["10.44.0.2"])
        let zone = try inNode("firewall-cmd", "--zone=trusted", "--list-sources")
        #expect(zone.contains("10.44.0.2/32"))
        let address = Outside.host(.v4)
        expectAnswer(world.name, from: pod, address, 7, .tcp)
        try runtime.check(list, pod.attachment)

        let rules = try node.exec("nft", "list", "table", "inet", "swiftlet")
        _ = try inNode("firewall-cmd", "--reload")
        #expect(try node.exec("nft", "list", "table", "inet", "swiftlet") == rules, "our table survives the reload")
        let error = try failure { try runtime.check(list, pod.attachment) }
        #expect(error.code == 104 && error.msg.contains("10.44.0.2/32 is missing from zone trusted"), "\(error)")
        expectNoAnswer(from: pod, address, 7, .tcp)

        _ = try inNode("\(Requirements.bin)/swiftletctl", "repair")
        try runtime.check(list, pod.attachment)
        expectAnswer(world.name, from: pod, address, 7, .tcp)

        try runtime.del(list, pod.attachment)
        #expect(try !inNode("firewall-cmd", "--zone=trusted", "--list-sources").contains("10.44"))
    }

    @Test func aZoneThatDoesNotExistIsNamed() throws {
        let node = try Node()
        let firewalld = try FirewalldNode(netns: node.path)
        let runtime = node.runtime(wrapper: ["nsenter", "--mount=/proc/\(firewalld.process)/ns/mnt"])
        let list = try node.network(node.gatewayBridge(), ["type": "firewall", "firewalldZone": "nosuch"])
        let pod = try node.pod()
        let error = try failure { _ = try runtime.add(list, pod.attachment) }
        #expect(error.code == 7 && error.msg.contains("nosuch"), "\(error)")
    }
}
