import Addresses
import ListedRules
import NetlinkCodec
import Testing

@testable import PacketRules

/// What rules leave to chance is walked by every branch once.
@Suite struct ChanceTests {
    typealias Expression = NftListedExpression

    /// Whether a SYN to the node itself passes, by each branch.
    func passes(_ rules: ListedRules, limit: Int = 1000) -> [Bool] {
        var results: [Bool] = []
        var next: Choices? = Choices()
        while let choices = next, results.count < limit {
            let packet = Packet(.tcp, from: IPAddress("10.44.0.2")!, 40_000, to: IPAddress("10.44.0.1")!, 80)
            var connection = TrackedConnection(packet)
            connection.tracking = .new
            var context = HookContext(point: .input, families: [.ip, .inet], connection: connection)
            context.choices = choices
            var machine = NftMachine(rules.ruleset, packet, context)
            machine.run()
            results.append(machine.drop == nil)
            #expect(machine.remarks.isEmpty && !machine.isNotUnderstood)
            next = machine.context.choices?.next
        }
        return results
    }

    func load(_ name: String, _ encode: (inout MessageBuilder) -> Void) -> Expression {
        var builder = MessageBuilder()
        encode(&builder)
        return .load(name, builder.bytes, into: .first)
    }

    func random(_ modulus: UInt32, from offset: UInt32 = 0) -> Expression {
        load("numgen") { NftNumberGenerator(.random, modulus: modulus, offset: offset).encode(&$0) }
    }

    /// struct xt_statistic_info.
    func statistic(mode: UInt8, flags: UInt8 = 0, _ number: UInt32) -> Expression {
        let octets = (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        return .xtablesMatch("statistic", revision: 0, [mode, 0, flags, 0] + octets + [UInt8](repeating: 0, count: 16))
    }

    @Test func eachNumberIsABranch() {
        #expect(passes(ListedRules().chain(.input, random(3), .equal([1, 0, 0, 0]), .drop)) == [true, false, true])
        #expect(
            passes(ListedRules().chain(.input, random(3, from: 5), .equal([7, 0, 0, 0]), .drop)) == [true, true, false])
        #expect(passes(ListedRules().chain(.input, random(1), .equal([0, 0, 0, 0]), .drop)) == [false])
    }

    @Test func aHashIsAsGoodAsChance() {
        let hash = load("hash") { NftHash(.symmetric, modulus: 2).encode(&$0) }
        #expect(passes(ListedRules().chain(.input, hash, .equal([1, 0, 0, 0]), .drop)) == [true, false])
    }

    @Test func ofALargeRangeOnlyWhatDiffersIsABranch() {
        let one = passes(ListedRules().chain(.input, random(1 << 31), .equal([7, 0, 0, 0]), .drop))
        #expect(one.count < 8 && one.count { !$0 } == 1)
        let order = Expression.byteOrder(toNetwork: true, length: 4, size: 4, from: .first, into: .first)
        let half = passes(
            ListedRules().chain(
                .input, random(100), order,
                .range(isInside: true, first: [0, 0, 0, 0], last: [0, 0, 0, 49], .first), .drop))
        #expect(half.count < 10 && half.contains(true) && half.contains(false))
        let map = ListedRules().set("numbers", ranges: [(first: [0, 0, 0, 10], end: [0, 0, 0, 20])])
        let some = passes(map.chain(.input, random(1000), order, .isIn("numbers"), .drop))
        #expect(some.count < 20 && some.contains(true) && some.contains(false))
    }

    @Test func decisionsMultiply() {
        let rules = ListedRules().chain(.input, random(2), .equal([1, 0, 0, 0]), .drop)
            .chain(.input, priority: 1, random(3), .equal([2, 0, 0, 0]), .drop)
        // The second is not met by those that the first drops.
        #expect(passes(rules) == [true, true, false, false])
    }

    @Test func theStatisticsOfIptablesAreOfTwoMinds() {
        func passes(_ expression: Expression) -> [Bool] { self.passes(ListedRules().chain(.input, expression, .drop)) }
        #expect(passes(statistic(mode: 0, 1 << 30)) == [false, true])
        #expect(passes(statistic(mode: 0, flags: 1, 1 << 30)) == [true, false])
        #expect(passes(statistic(mode: 0, 1 << 31)) == [false], "always")
        #expect(passes(statistic(mode: 0, 0)) == [true], "never")
        #expect(passes(statistic(mode: 1, 2)) == [false, true])
        #expect(passes(statistic(mode: 1, 0)) == [false], "every")
    }

    @Test func whoDoesNotFollowChanceDoesNotKnow() {
        let packet = Packet(.tcp, from: IPAddress("10.44.0.2")!, 40_000, to: IPAddress("10.44.0.1")!, 80)
        for rule in [[random(2), .equal([1, 0, 0, 0]), .drop], [statistic(mode: 0, 1 << 30), .drop]] {
            var connection = TrackedConnection(packet)
            connection.tracking = .new
            var machine = NftMachine(
                ListedRules().base("c", .input, rules: [rule]).ruleset, packet,
                HookContext(point: .input, families: [.ip, .inet], connection: connection))
            machine.run()
            #expect(machine.fate == .notKnown && machine.isNotUnderstood && machine.remarks.count == 1)
        }
    }
}
