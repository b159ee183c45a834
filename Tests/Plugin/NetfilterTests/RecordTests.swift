import Addresses
import Testing

@testable import Netfilter

@Suite struct RecordTests {
    private static var everything: PodRules {
        PodRules(
            masquerade: Masquerade(
                sources: [CIDR("10.1.0.0/16")!, CIDR("fd00::/64")!], exceptions: [CIDR("10.0.0.0/8")!]),
            ports: PublishedPorts(
                [
                    PortMapping(hostPort: 80, containerPort: 8080),
                    PortMapping(hostPort: 53, containerPort: 5353, count: 7, .udp, hostIP: IPAddress("::1")),
                    PortMapping(hostPort: 65535, containerPort: 1, .sctp, hostIP: IPAddress("0.0.0.0")),
                ], addresses: [CIDR("10.1.0.2/16")!, CIDR("fd00::2/64")!], reachesNeighbours: false, hidesClients: true,
                conditionsV4: "ip saddr 10.0.0.0/8", conditionsV6: "ip6 saddr ::/0", localRoute: "cbr0",
                hairpinPort: "veth1"),
            spoofGuard: SpoofGuard(
                port: "veth1", mac: MACAddress("0a:58:0a:01:00:02")!, addresses: [IPAddress("10.1.0.2")!]),
            isolation: Isolation(bridge: "cbr0", allowsSameBridge: true, port: "veth1"),
            passage: Passage(
                subnets: [CIDR("10.1.0.0/16")!], addresses: [IPAddress("10.1.0.2")!], zone: "trusted",
                override: Passage.Override(chain: "CNI-ADMIN", besideFirewalld: false)))
    }

    @Test(arguments: [
        Self.everything,
        PodRules(spoofGuard: SpoofGuard(port: "v", mac: MACAddress("02:00:00:00:00:01")!, addresses: nil)),
        PodRules(isolation: Isolation(bridge: "b", allowsSameBridge: false)),
    ])
    func whatIsWrittenIsRead(_ rules: PodRules) throws {
        let record = Record(rules, try NamespaceIdentity(livingNamespace))
        #expect(try Record(record.content) == record)
    }

    /// A record cut short by a full disk, or with an octet changed, is either no record or another whole one.
    @Test func damagedRecordsAreRefusedOrWhole() throws {
        let content = Record(Self.everything, try NamespaceIdentity(livingNamespace)).content
        for length in 0..<content.count - 1 {
            #expect(throws: (any Error).self) { try Record(Array(content[..<length])) }
        }
        for position in content.indices {
            for octet: UInt8 in [0, UInt8(ascii: "0"), UInt8(ascii: "\""), 0xff] {
                var damaged = content
                damaged[position] = octet
                _ = try? Record(damaged)
            }
        }
    }

    @Test func portsBeyondTheLastAreNoRecord() throws {
        let mapping = PortMapping(hostPort: 65500, containerPort: 65400, count: 36)
        let rules = PodRules(ports: PublishedPorts([mapping], addresses: [CIDR("10.1.0.2/16")!]))
        let content = Record(rules, try NamespaceIdentity(livingNamespace)).content
        #expect(try Record(content).rules == rules)
        for (number, beyond) in [("65500", "65501"), ("65400", "65501"), ("36", "37")] {
            let text = String(decoding: content, as: UTF8.self).replacing(":\(number)", with: ":\(beyond)")
            #expect(throws: (any Error).self, "\(text)") { try Record(Array(text.utf8)) }
        }
    }
}
