import Addresses
import ConfigurationFiles
import Testing

/// Whatever is answered, what comes out is a configuration that plugins take.
@Suite struct NewNetworkTests {
    static let subnets = [["10.44.0.0/24"], ["fd00:44::/64"], ["10.44.0.0/24", "fd00:44::/64"]]

    @Test(arguments: NewNetwork.Kind.allCases, subnets)
    func everyAnswerGivesAValidConfiguration(_ kind: NewNetwork.Kind, _ subnets: [String]) {
        for choice in 0..<8 {
            for isolation in NewNetwork.Isolation.allCases where kind != .ptp || isolation == .open {
                var network = NewNetwork()
                network.name = "net"
                network.kind = kind
                network.subnets = subnets.compactMap { CIDR($0) }
                network.masquerades = choice & 1 != 0
                network.hasPorts = choice & 2 != 0
                network.hasBandwidth = choice & 4 != 0
                network.isolation = isolation
                if kind == .swiftlet {
                    network.guardsAddresses = choice & 1 == 0
                    if network.masquerades { network.unmasqueraded = [CIDR("10.44.0.0/16")!] }
                }
                if kind != .ptp {
                    network.bridge = "br-x"
                    network.hairpin = choice & 4 == 0
                }
                #expect(network.contradiction == nil)
                let text = String(decoding: network.json.serialized(), as: UTF8.self)
                let report = check(text)
                #expect(report.findings == [])
                #expect(report.networks[0].name == "net")
                #expect(report.networks[0].cniVersion == "1.1.0")
                #expect(text.contains("ipMasq") == network.masquerades)
                #expect(text.contains("portMappings") == network.hasPorts)
                #expect(text.contains("\"bandwidth\"") == network.hasBandwidth)
                #expect(text.contains("ingressPolicy") == (isolation != .open))
                #expect(report.networks[0].bridge == network.bridge)
                #expect(text.contains("nonMasqueradeCIDRs") == !network.unmasqueraded.isEmpty)
                #expect(text.contains("antiSpoof") == network.guardsAddresses)
                for subnet in subnets { #expect(text.contains(subnet)) }
            }
        }
    }

    @Test(arguments: [
        ("10.44.0.0/24", true), ("fd00:44::/64", true), ("100.64.0.0/10", true), ("224.0.0.0/24", false),
        ("ff02::/64", false), ("169.254.7.0/24", false), ("fe80::/64", false),
        ("0.0.0.0/8", false),
    ])
    func aSubnetIsOneThatHostsCanHaveAddressesOf(_ subnet: String, _ isGood: Bool) throws {
        #expect((NewNetwork.objection(to: try #require(CIDR(subnet))) == nil) == isGood)
    }

    @Test func answersThatDoNotGoTogetherAreRefused() {
        var network = NewNetwork()
        network.kind = .ptp
        network.bridge = "br0"
        #expect(network.contradiction == "ptp has no bridge")
        network = NewNetwork()
        network.kind = .bridge
        network.guardsAddresses = true
        #expect(network.contradiction != nil)
        network = NewNetwork()
        network.masquerades = false
        network.unmasqueraded = [CIDR("10.0.0.0/8")!]
        #expect(network.contradiction != nil)
    }

    @Test func theBridgeProposedIsFree() {
        var network = NewNetwork()
        #expect(network.freeBridge(besides: []) == "cbr0")
        #expect(network.freeBridge(besides: ["cbr0", "cbr1"]) == "cbr2")
        network.kind = .bridge
        #expect(network.freeBridge(besides: ["cni0"]) == "cni1")
        network.kind = .ptp
        #expect(network.freeBridge(besides: []) == nil)
    }

    @Test func theSubnetProposedIsFree() {
        #expect(NewNetwork.freeSubnet(besides: []) == CIDR("10.44.0.0/24"))
        #expect(NewNetwork.freeSubnet(besides: [CIDR("10.44.0.0/15")!]) == CIDR("10.46.0.0/24"))
        #expect(NewNetwork.freeSubnet(besides: [CIDR("10.0.0.0/8")!]) == nil)
    }
}
