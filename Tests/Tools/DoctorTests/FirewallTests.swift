import Addresses
import Inventory
import ListedRules
import NetlinkCodec
import PacketRules
import Testing

@testable import Doctor

/// Another program's rules are found where they drop what pods send or get, and only where that is certain.
@Suite struct FirewallTests {
    static func findings(_ rules: ListedRules, pods: Int = 1, bridged: Bool = false) throws -> [String] {
        var node = CheckTests.node(pods: pods)
        node.snapshot.interfaces.append(Interface(index: 9, name: "eth0"))
        node.facts.firewall = rules.ruleset
        if bridged { node.facts.parameters["bridge/bridge-nf-call-iptables"] = "1" }
        return try CheckTests.findings("foreign-firewall", node).map { $0.text }
    }

    static func forward(_ rules: [NftListedExpression]..., policy: UInt32 = 0) -> ListedRules {
        ListedRules(NftTable(.ip, "filter")).base("FORWARD", policy: policy, rules: rules)
    }

    /// As `iptables -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT` has it (struct xt_conntrack_mtinfo3).
    static let isEstablished: NftListedExpression = {
        var info = [UInt8](repeating: 0, count: 168)
        // XT_CONNTRACK_STATE, and the bits of the two states.
        (info[146], info[150]) = (1, 2 | 4)
        return .xtablesMatch("conntrack", revision: 3, info)
    }()

    static let policy = "the policy of chain FORWARD in table ip filter"

    @Test func aStatefulFirewallOfIptablesDropsWhatPodsBegin() throws {
        #expect(
            try Self.findings(Self.forward([Self.isEstablished, .accept]))
                == ["IPv4: what its pods send is dropped by \(Self.policy)"])
    }

    @Test func oneThatLetsThePodsThroughIsNone() throws {
        let subnet: [NftListedExpression] = [.header(12, 3), .equal([10, 44, 0]), .accept]
        #expect(try Self.findings(Self.forward([Self.isEstablished, .accept], subnet)) == [])
        #expect(try Self.findings(Self.forward([.drop], policy: 1)) != [])
        #expect(try Self.findings(Self.forward(policy: 1)) == [])
    }

    @Test func oneWhoDropsBothWaysIsNamedOnce() throws {
        #expect(try Self.findings(Self.forward()) == ["IPv4: what its pods send is dropped by \(Self.policy)"])
    }

    @Test func oneThatDropsAnswersIsFound() throws {
        let rules = Self.forward([.header(12, 3), .equal([10, 44, 0]), .accept])
        #expect(try Self.findings(rules) == ["IPv4: answers to its pods is dropped by \(Self.policy)"])
    }

    @Test func podsThatMeetOnlyByTheirBridgeAreAskedAboutWhereItIsShown() throws {
        let outside: [NftListedExpression] = [
            .load(.inputInterface),
            .bitwise(
                keeping: [255, 255, 255, 255], flipping: [0, 0, 0, 0], from: .first, into: .first),
            .compare(.notEqual, [0, 0, 0, 0], .first),
        ]
        let toUplink = outside + [.load(.outputInterface), .equal([9, 0, 0, 0]), .accept]
        let rules = Self.forward([Self.isEstablished, .accept], toUplink)
        #expect(try Self.findings(rules, pods: 2) == [])
        let found = try Self.findings(rules, pods: 2, bridged: true)
        #expect(found.count == 1 && found[0].contains("what its pods send each other"), "\(found)")
    }

    @Test func whatIsNotUnderstoodIsNoFinding() throws {
        #expect(try Self.findings(Self.forward([.xtablesMatch("strange", revision: 0, []), .accept])) == [])
    }
}
