import CNI
import Foundation
import JSON
import TestSupport
import Testing

@testable import Plugins

/// What is said of plugins is said once.
@Suite struct RegistryTests {
    /// The Makefile, scripts/install and the packages need the names before anything is built.
    @Test func theScriptsKnowThePluginsThatTheExecutableIs() throws {
        let list = try String(contentsOf: repository.appending(path: "scripts/plugin-names"), encoding: .utf8)
        let names = Registry.traits.filter(\.isReference).map(\.type).sorted()
        #expect(list == names.joined(separator: "\n") + "\n")
    }

    @Test func eachPluginIsThereOnceAndIsDescribedByItsName() {
        let names = Registry.plugins.map(\.type)
        #expect(Set(names).count == names.count)
        #expect(Registry.traits.map(\.type) == names)
        #expect(PluginDescription.all.map(\.type) == names)
    }

    /// What others are told of addresses is what the plugin does when it reads its configuration.
    @Test(arguments: Registry.traits.map(\.type))
    func addressesComeFromWhereTheTraitsSay(_ type: String) throws {
        let traits = try #require(PluginTraits.of(type))
        let own = try source(type, ["type": .string(type), "subnet": "10.1.0.0/24"])
        #expect(own?.source == (traits.addresses == .delegatedOrStore ? .store : nil))
        for delegate in Registry.traits where delegate.role == .addresses {
            let ipam: JSON = ["type": .string(delegate.type), "subnet": "10.1.0.0/24"]
            let delegated = try source(type, ["type": .string(type), "ipam": ipam])
            #expect(delegated?.source == delegate.addresses)
            #expect(delegated?.keys.value == ipam)
        }
        #expect(try source(type, ["type": .string(type), "ipam": ["type": "somebodys"]]) == nil)
    }

    private func source(_ type: String, _ block: JSON) throws -> (source: PluginTraits.AddressSource, keys: JSONReader)?
    {
        try PluginTraits.addresses(of: type, JSONReader(block))
    }

    /// A plugin that hands out what this node knows needs no interface; of others' nobody knows.
    @Test func onlyWhatTheNodeKnowsIsHandedOutWithoutAnInterface() {
        let types = Registry.traits.filter { $0.role == .addresses }.map(\.type) + ["somebodys"]
        #expect(types.filter { !PluginTraits.needsInterface($0) } == ["host-local", "static"])
    }

    @Test(arguments: [nil, false, true], [nil, false, true])
    func theNodeIsAGatewayAsTheBridgesSettingsHaveIt(_ isGateway: Bool?, _ isDefault: Bool?) throws {
        for (traits, defaults) in [(Bridge.traits, Bridge.defaults), (Swiftlet.traits, Swiftlet.defaults)] {
            var block = JSON.Object()
            block["cniVersion"] = "1.1.0"
            block["name"] = "net"
            block["type"] = .string(traits.type)
            if let isGateway { block["isGateway"] = .bool(isGateway) }
            if let isDefault { block["isDefaultGateway"] = .bool(isDefault) }
            let configuration = try Configuration(JSON.object(block).serialized())
            let request = try Request(reading: configuration, for: .add) { _ in }
            let settings = try BridgeSettings(request, defaults)
            let reader = JSONReader(.object(block))
            #expect(try traits.isGateway(reader) == settings.isGateway)
            #expect(try traits.isDefaultGateway(reader) == settings.isDefaultGateway)
        }
    }

    /// Whoever has to know something of a plugin asks its traits: no other file compares types with its name.
    @Test func aPluginsNameStandsInItsOwnFile() throws {
        let sources = repository.appending(path: "Sources")
        // A new configuration is written by name, and the daemon is called by its.
        let exceptions = [
            "Tools/ConfigurationFiles/NewNetwork.swift", "Tools/swiftletctl/ConfNew.swift",
            "Plugin/swiftlet/main.swift", "Cluster/PluginConfiguration/PluginConfiguration.swift",
        ]
        // Links and capabilities have some of the names too.
        let names = Registry.traits.map(\.type)
            .filter { !["swiftlet", "bridge", "vlan", "macvlan", "ipvlan", "dummy", "vrf", "bandwidth"].contains($0) }
        for file in try FileManager.default.subpathsOfDirectory(atPath: sources.path)
        where file.hasSuffix(".swift") && !exceptions.contains(file) {
            let text = try String(contentsOf: sources.appending(path: file), encoding: .utf8)
            for name in names where text.contains("\"\(name)\"") {
                #expect(text.contains("PluginTraits(\"\(name)\""), "\(file) knows \(name) by name")
            }
        }
    }
}
