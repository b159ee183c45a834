import Addresses
import Foundation
import PluginConfiguration
import Posix
import Testing

private func filled(_ template: String, suspension: String? = nil) throws -> [String: Any] {
    let configuration = PluginConfiguration(
        subnets: [CIDR("10.244.3.0/24")!, CIDR("fd00:244:0:3::/64")!],
        clusterRanges: [CIDR("10.244.0.0/16")!, CIDR("fd00:244::/48")!], mtu: 1450, suspension: suspension)
    return try JSONSerialization.jsonObject(with: Data(configuration.filled(template))) as! [String: Any]
}

private func plugin(_ list: [String: Any], _ index: Int = 0) -> [String: Any] {
    (list["plugins"] as! [[String: Any]])[index]
}

/// The runtime reads what the agent knows of the node, and else what the user has written.
@Suite struct PluginConfigurationTests {
    @Test func theUsualTemplateGetsSubnetsRangesAndMTU() throws {
        let list = try filled(PluginConfiguration.usualTemplate(network: "blue"))
        #expect(list["name"] as? String == "blue")
        let swiftlet = plugin(list)
        #expect("\(swiftlet["ranges"]!)".filter { !$0.isWhitespace }.contains("10.244.3.0/24"))
        #expect((swiftlet["ranges"] as? [[[String: String]]])?.count == 2)
        #expect(swiftlet["mtu"] as? Int == 1450)
        #expect(swiftlet["nonMasqueradeCIDRs"] as? [String] == ["10.244.0.0/16", "fd00:244::/48"])
        #expect(swiftlet["suspended"] == nil)
    }

    @Test func whatTheUsersTemplateSaysStays() throws {
        let list = try filled(
            """
            {"name": "n", "plugins": [
              {"type": "swiftlet", "mtu": 1300, "ipMasq": true, "nonMasqueradeCIDRs": ["10.0.0.0/8"], "antiSpoof": true},
              {"type": "tuning"}]}
            """)
        #expect(plugin(list)["mtu"] as? Int == 1300)
        #expect(plugin(list)["nonMasqueradeCIDRs"] as? [String] == ["10.0.0.0/8"])
        #expect(plugin(list)["antiSpoof"] as? Bool == true)
        #expect(plugin(list, 1).count == 1)
    }

    @Test func hostLocalUnderAnyPluginGetsTheRanges() throws {
        let list = try filled(
            #"{"name": "n", "plugins": [{"type": "bridge", "ipam": {"type": "host-local", "routes": []}}]}"#)
        let ipam = plugin(list)["ipam"] as! [String: Any]
        #expect((ipam["ranges"] as? [[[String: String]]])?.first?.first == ["subnet": "10.244.3.0/24"])
        #expect(ipam["routes"] != nil && plugin(list)["ranges"] == nil)
    }

    @Test func aSuspensionIsWrittenWithItsReason() throws {
        let list = try filled(PluginConfiguration.usualTemplate(network: "n"), suspension: "the claim is in doubt")
        #expect(plugin(list)["suspended"] as? String == "the claim is in doubt")
    }

    @Test(arguments: ["", "[]", "{}", #"{"plugins": [{"type": "tuning"}]}"#, #"{"plugins": 1}"#])
    func aTemplateThatGivesNoAddressesIsRefused(_ template: String) {
        #expect(throws: Failure.self) { try filled(template) }
    }

    @Test func theFileIsReplacedOnlyIfItChangesAndIsForRootOnly() throws {
        let directory = "/tmp/swiftlet-agent-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let file = ConfigurationFile(directory: "\(directory)/net.d", name: "05-swiftlet.conflist")
        #expect(try file.write(Array("a".utf8)))
        #expect(try !file.write(Array("a".utf8)))
        #expect(try file.write(Array("b".utf8)))
        let attributes = try FileManager.default.attributesOfItem(atPath: file.path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(directory)/net.d") == ["05-swiftlet.conflist"])
        try file.remove()
        try file.remove()
        #expect(!FileManager.default.fileExists(atPath: file.path))
    }
}
