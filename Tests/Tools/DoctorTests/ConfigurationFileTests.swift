import Testing

@testable import Doctor

/// Files of a configuration directory are read as a runtime reads them.
@Suite struct ConfigurationFileTests {
    private func file(_ text: String, _ name: String = "10-net.conflist") -> ConfigurationFile {
        ConfigurationFile(path: "/etc/cni/net.d/\(name)", Array(text.utf8))
    }

    @Test func pluginsAndWhereTheirAddressesComeFromAreNamedOnce() {
        let file = file(
            #"""
            {"cniVersion": "1.0.0", "name": "net", "plugins": [
                {"type": "bridge", "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}},
                {"type": "portmap", "capabilities": {"portMappings": true}}, {"type": "portmap"}]}
            """#)
        #expect(file.problem == nil && file.network == "net" && file.isRouted)
        #expect(file.types == ["bridge", "host-local", "portmap"])
        #expect(file.plugins.map { $0.type } == ["bridge", "portmap", "portmap"])
        #expect(file.plugins[0].configuration["cniVersion"] == "1.1.0")
        #expect(file.plugins[0].configuration["name"] == "net")
    }

    @Test(arguments: [
        (#"{"type": "ptp", "name": "n"}"#, true), (#"{"type": "swiftlet", "name": "n"}"#, true),
        (#"{"type": "bridge", "name": "n"}"#, false), (#"{"type": "macvlan", "name": "n"}"#, false),
        (#"{"type": "bridge", "name": "n", "isDefaultGateway": true}"#, true),
    ])
    func theNodeRoutesForSomeNetworksOnly(_ text: String, _ isRouted: Bool) {
        let file = file(text, "10-net.conf")
        #expect(file.problem == nil && file.isRouted == isRouted)
    }

    @Test(arguments: [
        (#""type": "swiftlet", "subnet": "10.1.0.0/24""#, ["10.1.0.1/24"]),
        (#""type": "swiftlet", "ranges": [[{"subnet": "10.1.0.0/24", "gateway": "10.1.0.9"}]]"#, ["10.1.0.9/24"]),
        (#""type": "swiftlet", "subnet": "10.1.0.0/24", "isGateway": false, "isDefaultGateway": false"#, []),
        (
            #""type": "bridge", "vlan": 7, "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}"#,
            []
        ),
        (
            #""type": "bridge", "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}"#,
            ["10.1.0.1/24"]
        ),
    ])
    func theBridgesAddressesAreThoseThatThePluginGivesIt(_ keys: String, _ gateways: [String]) {
        let file = file(#"{"cniVersion": "1.0.0", "name": "n", \#(keys)}"#, "10-net.conf")
        #expect(file.problem == nil && file.gateways.map { "\($0)" } == gateways, "\(file)")
    }

    @Test func whatAPluginWouldRefuseIsAMistake() {
        let file = file(
            #"{"cniVersion": "1.0.0", "name": "n", "type": "swiftlet", "subnet": "10.1.0.0/24", "mtu": 7}"#, "1.conf")
        #expect(file.problem == nil && file.mistakes.count == 1, "\(file)")
    }

    @Test(arguments: [
        ("", "10-net.conflist"), ("{", "10-net.conflist"), ("[]", "10-net.conflist"), ("{}", "10-net.conflist"),
        (#"{"name": "n"}"#, "10-net.conflist"), (#"{"name": "n", "plugins": []}"#, "10-net.conflist"),
        (#"{"name": "n", "plugins": [{}]}"#, "10-net.conflist"), (#"{"name": "n", "plugins": 7}"#, "10-net.conflist"),
        (#"{"name": "n", "plugins": [{"type": 7}]}"#, "10-net.conflist"), (#"{"name": "n"}"#, "10-net.conf"),
        (#"{"name": "n", "plugins": [{"type": "bridge"}]}"#, "10-net.conf"), (#"{"type": "bridge"}"#, "10-net.conf"),
        (#"{"name": "n", "type": "swiftlet", "subnet": "10.1.0.0/99"}"#, "10-net.conf"),
    ])
    func whatNoRuntimeWouldTakeIsAProblem(_ text: String, _ name: String) {
        #expect(file(text, name).problem?.isEmpty == false, "\(text)")
    }
}
