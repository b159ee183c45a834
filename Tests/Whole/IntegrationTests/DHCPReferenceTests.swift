import ContainerRuntime
import Foundation
import Testing

/// Plugin and daemon are each other's, whoever made them: Debian's reference plugin beside ours.
@Suite(.realKernel) struct DHCPReferenceTests {
    static let theirs = Requirements.referenceBin + "/dhcp"

    @Test func theReferencesPluginWorksWithOurDaemon() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        try lan.node.link(plugin: "bridge", from: Requirements.bin)
        let runtime = lan.node.runtime(path: [try lan.node.link(plugin: "dhcp", from: Requirements.referenceBin)])
        let list = try lan.network(version: Requirements.referenceVersion)
        let result = try runtime.add(list, pod.attachment).result
        #expect(try pod.addresses("eth0") == result.addresses)
        #expect(result["routes"] == [["dst": "0.0.0.0/0", "gw": "10.99.0.1"]])
        #expect(lan.leases == ["net:\(pod.id):eth0"])
        // Its CHECK allocates; the lease is there already.
        try runtime.check(list, pod.attachment)
        #expect(server.log.components(separatedBy: "DHCPACK").count == 2)
        try runtime.del(list, pod.attachment)
        try eventually("it is released") { server.log.contains("DHCPRELEASE(cbr0) \(result.hosts[0]) ") }
        #expect(lan.leases == [])
        withExtendedLifetime(daemon) {}
    }

    @Test func ourPluginWorksWithTheReferencesDaemon() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon(program: Self.theirs)
        let pod = try lan.node.pod()
        let runtime = lan.node.runtime()
        let list = try lan.network()
        let result = try runtime.add(list, pod.attachment).result
        #expect(try pod.addresses("eth0") == result.addresses)
        try runtime.check(list, pod.attachment)
        // It knows nothing of these, and that is no error.
        try runtime.status(list)
        try runtime.gc(list, valid: [pod.valid])
        #expect(server.log.components(separatedBy: "DHCPACK").count == 2)
        try runtime.del(list, pod.attachment)
        // What the daemon of 1.9.1 does about it does not reach the server.
        if !Requirements.referenceVersions.contains("1.1.0") {
            try eventually("it is released") { server.log.contains("DHCPRELEASE(cbr0) \(result.hosts[0]) ") }
        }
        withExtendedLifetime(daemon) {}
    }

    @Test func bothAreGivenTheSameAddressByTheirClientIdentifier() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let pod = try lan.node.pod("same")
        let runtime = lan.node.runtime()
        var hosts: [String] = []
        for program in [Self.theirs, Requirements.bin + "/dhcp"] {
            let daemon = try lan.daemon(program: program)
            hosts += try runtime.add(lan.network(), pod.attachment).result.hosts
            try runtime.del(lan.network(), pod.attachment)
            try daemon.end()
        }
        #expect(hosts.count == 2 && hosts[0] == hosts[1])
        withExtendedLifetime(server) {}
    }

    @Test func errorsOfEitherReachTheOther() throws {
        let lan = try DHCPNode()
        let daemon = try lan.daemon("-resendtimeout", "300ms")
        let pod = try lan.node.pod()
        try lan.node.link(plugin: "bridge", from: Requirements.bin)
        let runtime = lan.node.runtime(path: [try lan.node.link(plugin: "dhcp", from: Requirements.referenceBin)])
        let error = try failure {
            _ = try runtime.add(lan.network(version: Requirements.referenceVersion), pod.attachment)
        }
        #expect(error.msg.contains("no more tries: no DHCP server has answered"))
        withExtendedLifetime(daemon) {}
    }
}
