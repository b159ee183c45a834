import TestSupport
import Testing

@testable import NetlinkCodec

/// Expressions of listed rules are values that say everything, or are kept as they are.
@Suite struct ListedExpressionTests {
    typealias Listed = NftListedExpression

    private func octets(_ expression: Listed) -> [UInt8] {
        var builder = MessageBuilder()
        expression.encode(&builder)
        return builder.bytes
    }

    private func read(_ octets: [UInt8]) -> Listed { Listed(Attributes(octets[...])) }

    /// A rule as the kernel would list it.
    private func rule(_ expressions: [Listed]) throws -> NftListedRule {
        var builder = MessageBuilder()
        builder.message(0, flags: 0) { builder in
            builder.netfilterHeader(NftFamily.inet.rawValue)
            builder.attribute(NFTA.ruleChain, text: "c")
            builder.attribute(NFTA.ruleHandle, bigEndian: UInt64(1))
            builder.nested(NFTA.ruleExpressions) { list in
                for expression in expressions { list.nested(NFTA.listElement) { expression.encode(&$0) } }
            }
        }
        let messages = try #require(Message.parse(builder.bytes[...]))
        return try #require(NftListedRule(messages[0]))
    }

    private func register(_ random: inout SplitMix64) -> NftRegister {
        .word(UInt32.random(in: 0...15, using: &random))
    }

    /// Anything that is written here.
    private func written(_ random: inout SplitMix64) -> NftExpression {
        let octets = random.bytes(Int.random(in: 1...16, using: &random))
        let number = UInt32.random(in: 0...40, using: &random)
        switch Int.random(in: 0..<20, using: &random) {
        case 0: return .meta(NftExpression.Meta(rawValue: number), register(&random))
        case 1:
            return .payload(NftExpression.Base(rawValue: number % 5), offset: number, length: 4, register(&random))
        case 2: return .connection(NftExpression.Connection(rawValue: number), register(&random))
        case 3: return .addressType([.destination], register(&random))
        case 4: return .mask(octets, register(&random))
        case 5: return .networkOrder(register(&random))
        case 6: return .bits(keeping: octets, flipping: octets.reversed(), register(&random))
        case 7: return .setMeta(NftExpression.Meta(rawValue: number), register(&random))
        case 8:
            return .compare(
                NftExpression.Comparison(rawValue: number % 6)!, octets, register(&random))
        case 9: return .outside(first: octets, last: octets.reversed(), register(&random))
        case 10: return .lookup("set", inverted: number % 2 == 0, register(&random))
        case 11: return .map("map", register(&random), into: register(&random))
        case 12: return .map("map", register(&random), into: .verdict)
        case 13: return .verdict([.accept, .drop, .return, .jump("a"), .goto("b")][Int(number % 5)])
        case 14: return .value(octets, register(&random))
        case 15: return .destinationNAT(.ip6, address: register(&random), port: register(&random))
        case 16: return .masquerade(fullyRandom: true)
        case 17: return .masquerade(fullyRandom: false)
        case 18: return .counter
        default: return .xtables("conntrack", revision: number, octets)
        }
    }

    @Test func whatIsWrittenIsReadAndWrittenAgain() throws {
        var random = SplitMix64(seed: 20)
        for _ in 0..<2000 {
            let expression = written(&random)
            var builder = MessageBuilder()
            expression.encode(&builder)
            let listed = read(builder.bytes)
            if case .other = listed { Issue.record("\(expression) is not understood") }
            #expect(read(octets(listed)) == listed)
            // Every attribute is there again, with the same value; the kernel, too, adds some that were left out.
            #expect(try rule([listed]).isSame(as: NftRule([expression])), "\(expression) became \(listed)")
            #expect(try rule([listed]).expressions == [listed])
        }
    }

    /// What Linux 6.18 lists of rules that nft 1.0.6 has made.
    @Test(.enabled(if: isLittleEndian), arguments: Captured.expressions.indices)
    func whatTheKernelListsIsUnderstood(_ number: Int) {
        let (captured, expected) = Captured.expressions[number]
        let listed = read(captured)
        #expect(listed == expected)
        // The order is the kernel's own.
        let (all, again) = (Attributes(captured[...]), Attributes(octets(listed)[...]))
        let (data, dataAgain) = (all.nested(NFTA.expressionData), again.nested(NFTA.expressionData))
        #expect(data.types.sorted() == dataAgain.types.sorted())
        for type in data.types { #expect(data[type]?.bytes.count == dataAgain[type]?.bytes.count, "\(type)") }
        #expect(read(octets(listed)) == listed)
    }

    @Test func whatHasAnAttributeThatIsNotKnownIsKeptWhole() {
        var random = SplitMix64(seed: 21)
        for _ in 0..<500 {
            let expression = written(&random)
            var builder = MessageBuilder()
            expression.encode(&builder)
            let (whole, known) = (Attributes(builder.bytes[...]), read(builder.bytes))
            var changed = MessageBuilder()
            changed.attribute(NFTA.expressionName, text: known.name)
            let data = Array(whole[NFTA.expressionData]?.bytes ?? []) + hex("0500 1e00 07000000")
            changed.attribute(NFTA.expressionData, data)
            #expect(read(changed.bytes) == .other(known.name, data))
            #expect(read(octets(read(changed.bytes))) == read(changed.bytes))
        }
    }

    @Test func whatIsNotKnownIsKept() {
        for name in ["", "queue", "tproxy", "later"] {
            var builder = MessageBuilder()
            builder.attribute(NFTA.expressionName, text: name)
            builder.attribute(NFTA.expressionData, [1, 2, 3])
            #expect(read(builder.bytes) == .other(name, [1, 2, 3]))
        }
        #expect(read([]) == .other("", []))
    }

    @Test func noOctetsAreTooStrange() {
        var random = SplitMix64(seed: 22)
        for (captured, _) in Captured.expressions {
            for length in 0..<captured.count { _ = read(Array(captured[..<length])) }
            for _ in 0..<200 {
                var octets = captured
                for _ in 0..<3 { octets[octets.indices.randomElement(using: &random)!] = random.bytes(1)[0] }
                let listed = read(octets)
                #expect(read(self.octets(listed)) == listed)
            }
        }
    }
}
