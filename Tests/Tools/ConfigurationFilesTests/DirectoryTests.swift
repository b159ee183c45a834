import ConfigurationFiles
import Foundation
import Testing

/// Of a directory it is told which file counts.
@Suite struct DirectoryTests {
    private func network(_ name: String, _ subnet: String, bridge: String? = nil, _ more: String = "") -> String {
        """
        {"cniVersion": "1.0.0", "name": "\(name)", "plugins": [
        {"type": "swiftlet", "subnet": "\(subnet)", "bridge": "\(bridge ?? "br-\(name)")"\(more)}]}
        """
    }

    private func findings(_ files: [String: String]) throws -> [String] {
        let directory = try TemporaryDirectory(files)
        return try Validator(binDirectory: nil).check(directory: directory.path).findings.map {
            "\($0)".replacing(directory.path + "/", with: "").replacing(directory.path, with: "DIRECTORY")
        }
    }

    @Test func theSecondFileOfANetworkIsShadowed() throws {
        let found = try findings([
            "20-b.conflist": network("pods", "10.1.0.0/24"), "10-a.conflist": network("pods", "10.2.0.0/24"),
            "30-ignored.yaml": "x", ".hidden.conf": "x",
        ])
        #expect(
            found == [
                "20-b.conflist: warning: network pods is already in 10-a.conflist, which sorts first "
                    + "(runtimes use one of the two: rename the network, or remove a file)"
            ])
    }

    @Test func aLaterNetworkIsNotTheDefaultOne() throws {
        let found = try findings([
            "10-a.conflist": network("a", "10.1.0.0/24"), "9-b.conflist": network("b", "10.2.0.0/24"),
        ])
        #expect(
            found == [
                "9-b.conflist: note: containerd and CRI-O attach pods to the first network of the directory, in 10-a.conflist "
                    + "(podman, nerdctl and Multus use the others by name)"
            ])
    }

    @Test func aFileThatCannotBeReadIsSkippedAsRuntimesDo() throws {
        let found = try findings(["10-a.conflist": "{", "20-b.conflist": network("b", "10.2.0.0/24")])
        #expect(found.count == 1)
        #expect(found[0].hasPrefix("10-a.conflist:1: error: it is not JSON"))
    }

    @Test func aFileThatIsNoneDoesNotHideTheOthers() throws {
        let directory = try TemporaryDirectory(["20-b.conflist": network("b", "10.2.0.0/24")])
        symlink("/none", directory.path + "/10-a.conflist")
        let report = try Validator(binDirectory: nil).check(directory: directory.path)
        #expect(report.findings.map { $0.severity } == [.error])
        #expect(report.findings.first?.message.hasSuffix("10-a.conflist: No such file or directory") == true)
        #expect(report.networks.map { $0.name } == ["b"])
    }

    @Test func networksWithOverlappingSubnetsAreTold() throws {
        let found = try findings([
            "10-a.conflist": network("a", "10.1.0.0/16"), "20-b.conflist": network("b", "10.1.2.0/24"),
        ])
        #expect(
            found.contains(
                "20-b.conflist: warning: subnet 10.1.2.0/24 overlaps 10.1.0.0/16 of network a "
                    + "(the node could not tell their pods apart: choose another subnet)"))
    }

    @Test func oneBridgeIsTheGatewayOfOneNetwork() throws {
        let first = network("a", "10.1.0.0/24", bridge: "cbr0")
        func isTold(_ second: String) throws -> Bool {
            try findings(["10-a.conflist": first, "20-b.conflist": second]).contains {
                $0.hasPrefix("20-b.conflist: warning: cbr0 is the gateway of network a already")
            }
        }
        #expect(try isTold(network("b", "10.2.0.0/24", bridge: "cbr0")))
        #expect(try !isTold(network("b", "10.2.0.0/24")))
        // What gets along on one bridge: the same gateway, IPv6, a VLAN, and a network that is nobody's gateway.
        #expect(try !isTold(network("b", "10.1.0.0/24", bridge: "cbr0")))
        #expect(try !isTold(network("b", "fd00:2::/64", bridge: "cbr0")))
        #expect(try !isTold(network("b", "10.2.0.0/24", bridge: "cbr0", #", "vlan": 7"#)))
        let layer2 = #", "isGateway": false, "isDefaultGateway": false"#
        #expect(try !isTold(network("b", "10.2.0.0/24", bridge: "cbr0", layer2)))
    }

    @Test func aDirectoryWithoutNetworksIsAnError() throws {
        #expect(try findings([:]).first?.hasPrefix("DIRECTORY: error: there is no network configuration here") == true)
    }

    @Test func aListNeedsItsExtension() throws {
        let found = try findings(["10-a.conf": network("a", "10.1.0.0/24")])
        #expect(
            found.first?.hasPrefix(
                "10-a.conf:1: error: plugins: a list of plugins in a file that is not called .conflist") == true)
    }

    @Test func whatIsNotThereIsAnErrorThatNamesIt() throws {
        #expect(throws: (any Error).self) { try Validator(binDirectory: nil).check(file: "/none/x.conf") }
        #expect(throws: (any Error).self) { try Validator(binDirectory: nil).check(directory: "/none") }
    }
}
