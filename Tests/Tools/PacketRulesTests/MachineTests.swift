import Addresses
import ListedRules
import NetlinkCodec
import Testing

@testable import PacketRules

/// Rules decide as the kernel's do, and what they cannot decide from here is said.
@Suite struct MachineTests {
    typealias Expression = NftListedExpression

    /// A SYN to the node itself.
    func arrives(_ rules: ListedRules) -> (isSo: Bool, remarks: [String]) {
        let packet = Packet(.tcp, from: IPAddress("10.44.0.2")!, 40_000, to: IPAddress("10.44.0.1")!, 80)
        var connection = TrackedConnection(packet)
        connection.tracking = .new
        var machine = NftMachine(
            rules.ruleset, packet, HookContext(point: .input, families: [.ip, .inet], connection: connection))
        machine.run()
        return (machine.drop == nil, machine.remarks)
    }

    @Test func onePacketIsOverNoLimit() {
        for limit in [Expression.limit(over: true), .connections(over: 20)] {
            for expression in [limit, .update("seen", limit)] {
                let (isSo, remarks) = arrives(ListedRules().chain(.input, expression, .drop))
                #expect(isSo && remarks.contains { $0.contains("assumed") })
            }
        }
        #expect(!arrives(ListedRules().chain(.input, .limit(over: false), .drop)).isSo)
        #expect(arrives(ListedRules().chain(.input, .limit(over: true))).remarks.isEmpty, "it only counts")
    }

    @Test func aQuotaIsWhatTheKernelHasCounted() {
        #expect(arrives(ListedRules().chain(.input, .quota(over: 100, used: 99), .drop)).isSo)
        #expect(!arrives(ListedRules().chain(.input, .quota(over: 100, used: 100), .drop)).isSo)
    }

    @Test func aVerdictForAllKeysIsForEach() {
        #expect(!arrives(ListedRules().map("all", forAll: 0).chain(.input, .header(12, 4), .map("all"))).isSo)
    }

    @Test func whatTheSendersKernelChoosesIsNotKnown() {
        // The length of the packet, and its identifier.
        for offset in [UInt32(2), 4] {
            let (isSo, remarks) = arrives(ListedRules().chain(.input, .header(offset, 2), .equal([0, 40]), .drop))
            #expect(isSo && remarks.contains { $0.contains("not known") })
        }
        #expect(arrives(ListedRules().chain(.input, .header(9, 1), .equal([17]), .drop)).remarks.isEmpty)
    }

    @Test func aRuleOfIptablesForAnotherProtocolDoesNotMatch() {
        let ports = [UInt8](repeating: 0, count: 48)
        for name in ["udp", "icmp", "sctp"] {
            let (isSo, remarks) = arrives(
                ListedRules().chain(.input, .xtablesMatch(name, revision: 0, ports), .drop))
            #expect(isSo && remarks.isEmpty, "\(name)")
        }
    }

    /// Of a load into another register nothing is forgotten of the first.
    @Test func whatIsLoadedFromElsewhereIsNotKnownInItsOwnRegisterOnly() {
        let hash = Expression.load("hash", [8, 0, 2, 0, 0, 0, 0, 9], into: .word(1))
        let rule: [Expression] = [.header(12, 4), hash, .equal([10, 44, 0, 2]), .drop]
        #expect(!arrives(ListedRules().base("c", .input, rules: [rule])).isSo)
    }
}
