import ContainerRuntime
import Foundation
import Testing

/// A pod has its address from a DHCP server, and has it as long as it lives: against dnsmasq.
@Suite(.realKernel) struct DHCPLeaseTests {
    @Test func aPodGetsAddressGatewayRoutesAndNameServers() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        let list = try lan.network()
        let runtime = lan.node.runtime()
        try runtime.status(list)
        let result = try runtime.add(list, pod.attachment).result
        let address = try #require(result.addresses.first)
        #expect(address.hasPrefix("10.99.0.") && address.hasSuffix("/24"))
        #expect(result["ips"]?.array?.first?["gateway"] == "10.99.0.1")
        #expect(result["routes"] == [["dst": "0.0.0.0/0", "gw": "10.99.0.1"]])
        #expect(result["dns"] == ["nameservers": ["10.99.0.1", "9.9.9.9"], "domain": "lan"])
        #expect(try pod.addresses("eth0") == [address])
        #expect(try pod.route("default")?["gateway"] == "10.99.0.1")
        try pod.ping("10.99.0.1")
        try runtime.check(list, pod.attachment)
        #expect(lan.leases == ["net:\(pod.id):eth0"])
        // The server hears of the end while the pod's interface is still there.
        try runtime.del(list, pod.attachment)
        try eventually("the release is seen") { server.log.contains("DHCPRELEASE(cbr0) \(result.hosts[0]) ") }
        #expect(try isUntouched(pod))
        #expect(lan.leases == [])
        try runtime.del(list, pod.attachment)
        try daemon.end()
        #expect(!FileManager.default.fileExists(atPath: lan.socket))
    }

    @Test func classlessRoutesAndMetricsAreThePods() throws {
        let lan = try DHCPNode()
        let server = try lan.server(50...69, "--dhcp-option=121,0.0.0.0/0,10.99.0.2,192.168.7.0/24,10.99.0.1")
        let daemon = try lan.daemon()
        let pods = try lan.node.pods(2)
        let result = try lan.node.runtime().add(lan.network(["priority": 300]), pods[0].attachment).result
        #expect(
            result["routes"] == [
                ["dst": "0.0.0.0/0", "gw": "10.99.0.2", "priority": 300],
                ["dst": "192.168.7.0/24", "gw": "10.99.0.1", "priority": 300],
            ])
        #expect(try pods[0].route("192.168.7.0/24")?["metric"] == 300)
        let bare = try lan.node.runtime().add(lan.network(["suppress": ["gateway"]]), pods[1].attachment).result
        #expect(bare["routes"] == [["dst": "192.168.7.0/24", "gw": "10.99.0.1"]])
        #expect(bare["ips"]?.array?.first?["gateway"] == nil)
        withExtendedLifetime((server, daemon)) {}
    }

    @Test func whatIsProvidedAndRequestedReachesTheServer() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        let list = try lan.network([
            "provide": [
                ["option": "host-name", "value": "fallback", "fromArg": "K8S_POD_NAME"],
                ["option": "60", "value": "pods-vendor"],
            ],
            "request": [["option": "42", "skipDefault": true], ["option": "subnet-mask"]],
        ])
        let arguments = [("IgnoreUnknown", "1"), ("K8S_POD_NAME", "web-7")]
        let result = try lan.node.runtime().add(list, pod.with(args: arguments)).result
        #expect(result["dns"] == [:] && result["ips"]?.array?.first?["gateway"] == nil)
        #expect(server.log.contains("client provides name: web-7"))
        #expect(server.log.contains("vendor class: pods-vendor"))
        #expect(server.log.contains("requested options: 42:ntp-server, 1:netmask"))
        withExtendedLifetime(daemon) {}
    }

    @Test func aLeaseIsRenewedWithTheServerThatGaveIt() throws {
        let lan = try DHCPNode()
        let server = try lan.server(renewing: true)
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        let host = try lan.node.runtime().add(lan.network(), pod.attachment).result.hosts[0]
        let requests = { server.log.components(separatedBy: "DHCPREQUEST(cbr0) \(host)").count - 1 }
        try eventually("it is renewed twice") { requests() >= 3 }
        #expect(server.log.components(separatedBy: "DHCPDISCOVER").count == 2)
        #expect(!server.log.contains("DHCPNAK"))
        try lan.node.runtime().check(lan.network(), pod.attachment)
        withExtendedLifetime(daemon) {}
    }

    @Test func anotherServerRebindsWhereTheFirstIsSilent() throws {
        let lan = try DHCPNode()
        let first = try lan.server(renewing: true)
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        let host = try lan.node.runtime().add(lan.network(), pod.attachment).result.hosts[0]
        try first.end(SIGKILL)
        let second = try lan.server(at: 2)
        try eventually("the other one acknowledges") { second.log.contains("DHCPACK(cbr0) \(host) ") }
        #expect(!second.log.contains("DHCPDISCOVER"))
        try eventually("the daemon knows") { daemon.log.contains("lease of \(host)/24 from 10.99.0.2") }
        #expect(try pod.addresses("eth0") == ["\(host)/24"])
    }

    @Test func aRefusedLeaseTakesTheAddressAndASameOneBringsItBack() throws {
        let lan = try DHCPNode()
        let first = try lan.server(50...50, renewing: true)
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        let list = try lan.network()
        let runtime = lan.node.runtime()
        _ = try runtime.add(list, pod.attachment)
        try first.end()
        try run("rm", "-f", "\(lan.node.directory)/dnsmasq-1.leases")
        let second = try lan.server(60...69)
        try eventually("the address is gone: \(daemon.log)") { try pod.addresses("eth0") == [] }
        #expect(second.log.contains("DHCPNAK"))
        // Another address is no help to a pod that is known by its first one.
        try eventually("another is offered") { second.log.contains("DHCPOFFER") }
        #expect(try pod.addresses("eth0") == [])
        let error = try failure { try runtime.check(list, pod.attachment) }
        #expect(error.code == 104)
        try second.end()
        let third = try lan.server(50...50)
        try eventually("the address is back", within: .seconds(40)) { try pod.addresses("eth0") == ["10.99.0.50/24"] }
        try eventually("with its routes") { try pod.route("default")?["gateway"] == "10.99.0.1" }
        try eventually("and the daemon is content") { (try? runtime.check(list, pod.attachment)) != nil }
        try pod.ping("10.99.0.1")
        withExtendedLifetime(third) {}
    }

    @Test func podsThatComeAtOnceGetAddressesOfTheirOwn() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon()
        let pods = try lan.node.pods(8)
        let list = try lan.network()
        let runtime = lan.node.runtime()
        let results = inParallel(8) { try runtime.add(list, pods[$0].attachment).result.hosts[0] }
        #expect(try Set(results.map { try $0.get() }).count == 8)
        #expect(lan.leases.count == 8)
        for result in inParallel(8, { try runtime.del(list, pods[$0].attachment).count }) { _ = try result.get() }
        #expect(lan.leases == [])
        try eventually("all are released") { server.log.components(separatedBy: "DHCPRELEASE").count == 9 }
        withExtendedLifetime(daemon) {}
    }

    @Test func anAddWithoutAServerEndsInTimeAndLeavesNothing() throws {
        let lan = try DHCPNode()
        let daemon = try lan.daemon("-resendtimeout", "700ms")
        let pod = try lan.node.pod()
        let before = try Snapshot(lan.node, [pod]).without("cbr0", "var")
        let error = try failure { _ = try lan.node.runtime().add(lan.network(), pod.attachment) }
        #expect(error.code == 11)
        #expect(error.msg.contains("error calling DHCP.Allocate: no more tries: no DHCP server has answered"))
        expectSame(try Snapshot(lan.node, [pod]).without("cbr0", "var"), as: before)
        #expect(lan.leases == [])
        withExtendedLifetime(daemon) {}
    }

    @Test func oneAttachmentHasOneLease() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        let runtime = lan.node.runtime()
        let result = try runtime.add(lan.network(), pod.attachment).result
        let alone = try lan.node.network([
            "type": "dhcp", "ipam": ["type": "dhcp", "daemonSocketPath": .string(lan.socket)],
        ])
        #expect(try runtime.add(alone, pod.attachment).result.addresses == result.addresses)
        #expect(server.log.components(separatedBy: "DHCPACK").count == 2)
        #expect(lan.leases.count == 1)
        // With another MAC it is another interface: the lease is given back, and a new one asked for.
        try pod.set("link", "set", "eth0", "address", "02:00:00:00:00:99")
        let other = try runtime.add(alone, pod.attachment).result
        #expect(other.addresses.count == 1)
        #expect(server.log.contains("02:00:00:00:00:99") && lan.leases.count == 1)
        withExtendedLifetime(daemon) {}
    }
}
