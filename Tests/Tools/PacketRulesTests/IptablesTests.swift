import ListedRules
import NetlinkCodec
import PacketRules
import Testing

/// The rules of iptables-nft, as the kernel lists them, are understood.
@Suite(.enabled(if: 1.littleEndian == 1)) struct IptablesTests {
    private func fates(_ captured: [[UInt8]]...) -> [String] {
        var rules = ListedRules(NftTable(.ip, "filter")).base("FORWARD", policy: 0, rules: [])
        for rule in captured { rules.add(rule, to: "FORWARD") }
        return [FateTests.question, FateTests.answer].map { FateTests.text(rules.ruleset.fate(of: $0)) }
    }

    private let policy = "the policy of chain FORWARD in table ip filter"

    @Test func aStatefulFirewallLetsOnlyAnswersThrough() {
        #expect(fates(Captured.stateful) == [policy, "passes"])
        #expect(fates(Captured.stateful, Captured.docker) == [policy, "passes"])
        #expect(fates() == [policy, policy])
    }

    @Test func aRuleForSomePortsIsNoWayThrough() {
        #expect(fates(Captured.stateful, Captured.ports) == [policy, "passes"])
    }

    @Test func whatIsForTheNodeAndWhatIsLoggedChangesNothing() {
        #expect(fates(Captured.local, Captured.log, Captured.stateful) == [policy, "passes"])
    }

    @Test func aMatchThatIsNotUnderstoodLeavesItOpen() {
        #expect(fates(Captured.unknown) == [policy, policy])
        #expect(fates(Captured.unknown, Captured.stateful) == [policy, "not known"])
    }
}
