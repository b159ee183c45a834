import Foundation
import Kernel
import Libnftables
import NetlinkCodec
import Posix
import TestSupport
import Testing

/// What the kernel takes of each expression, it lists as nft reads it, and as it is read here.
@Suite struct ExpressionOracleTests {
    @Test(arguments: [NftFamily.inet, .ip, .ip6])
    func everyExpressionIsListedByNftAndReadBack(_ family: NftFamily) async {
        await #expect(processExitsWith: .success) { [family = family.rawValue as UInt8] in
            guard let family = NftFamily(rawValue: family) else { throw UnexpectedState("family \(family)") }
            try NetworkNamespace.enterNew()
            let table = NftTable(family, "t")
            let cases = ExpressionCase.all.filter { $0.families.contains(family) }
            var batch = Changes.batch()
            batch.append("table") { $0.addTable(table) }
            batch.append("counter") { $0.addCounter(NftNamedCounter("hits", comment: "of a service"), to: table) }
            for (number, (set, options)) in ExpressionCase.sets.enumerated() {
                batch.append("set \(set.name)") { $0.addSet(set, options, to: table, number: UInt32(number + 1)) }
            }
            for chain in ExpressionCase.chains { batch.append("chain \(chain.name)") { $0.addChain(chain, to: table) } }
            for one in cases {
                batch.append(one.text) { $0.addRule(NftRule(one.expressions), to: one.chain, of: table) }
            }
            var socket = try NetlinkSocket(.netfilter)
            try socket.execute(batch)
            let nft = try Nft()
            let text = try nft.run("list ruleset")
            try require(try nft.run("list ruleset", json: true).contains("\"rule\""), "no JSON")
            var problems: [String] = []
            for chain in ExpressionCase.chains {
                let expected = cases.filter { $0.chain == chain.name }
                let listed = try socket.rules(of: chain.name, in: table)
                try require(listed.count == expected.count, "\(listed.count) rules in \(chain.name)")
                let lines = ruleLines(of: chain.name, in: text)
                for (position, (rule, one)) in zip(listed, expected).enumerated() {
                    if lines[position] != one.text { problems.append("nft has \(lines[position]) for \(one.text)") }
                    if !rule.isSame(as: NftRule(one.expressions)) { problems.append("listed otherwise: \(one.text)") }
                    if !one.isReadBack(rule) { problems.append("read back otherwise: \(one.text)") }
                }
            }
            try require(problems.isEmpty, problems.joined(separator: "\n"))
        }
    }

    @Test func aNamedCounterIsReadAndResetAndKeptUntilNobodyRefersToIt() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            let table = NftTable(.inet, "t")
            let counter = NftNamedCounter("hits", NftCounter(packets: 3, octets: 180), comment: "a/b")
            var batch = Changes.batch()
            batch.append("table") { $0.addTable(table) }
            batch.append("chain") { $0.addChain(NftChain("c"), to: table) }
            batch.append("counter") { $0.addCounter(counter, to: table) }
            batch.append("rule") { $0.addRule(NftRule([.of(NftCounterReference("hits"))]), to: "c", of: table) }
            var socket = try NetlinkSocket(.netfilter)
            try socket.execute(batch)
            let nft = try Nft()
            let text = try nft.run("list ruleset")
            try require(text.contains("comment \"a/b\"") && text.contains("packets 3 bytes 180"), text)
            _ = try nft.run("list ruleset", json: true)
            try require(try socket.counters(of: table) == [counter], "\(try socket.counters(of: table))")
            try require(try socket.counter("hits", of: table, resets: true) == counter, "not read")
            try require(try socket.counter("hits", of: table)?.values == NftCounter(), "not reset")
            try require(try socket.counter("none", of: table) == nil, "one that is not there")
            var removal = Changes.batch()
            removal.append("delete the counter") { $0.deleteCounter("hits", of: table) }
            do {
                try socket.execute(removal)
                throw UnexpectedState("deleted under a rule")
            } catch let error as Failure {
                try require(error.errno == .busy, "\(error)")
            }
            var both = Changes.batch()
            both.append("delete the rule") { $0.deleteRule(of: "c", in: table) }
            both.append("delete the counter") { $0.deleteCounter("hits", of: table) }
            try socket.execute(both)
            try require(try socket.counters(of: table).isEmpty, "still there")
        }
    }
}

/// The lines of a chain's rules.
private func ruleLines(of chain: String, in text: String) -> [String] {
    let lines = text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    guard let start = lines.firstIndex(of: "chain \(chain) {") else { return [] }
    return lines[(start + 1)...].prefix { $0 != "}" }.filter { !$0.hasPrefix("type ") }
}

/// A rule, and what nft makes of it.
struct ExpressionCase: Sendable {
    let text: String
    let expressions: [NftExpression]
    let chain: String
    let families: Set<NftFamily>
    let isReadBack: @Sendable (NftListedRule) -> Bool

    private init<Expression: NftEncodable>(
        _ text: String, _ before: [NftExpression], _ expression: Expression, _ after: [NftExpression] = [],
        chain: String = "filter", in families: Set<NftFamily> = [.inet, .ip, .ip6]
    ) {
        self.text = text
        expressions = before + [.of(expression)] + after
        self.chain = chain
        self.families = families
        isReadBack = { $0.expressions(Expression.self).contains(expression) }
    }

    private init(
        _ text: String, _ expression: some NftEncodable, _ after: [NftExpression] = [], chain: String = "filter",
        in families: Set<NftFamily> = [.inet, .ip, .ip6]
    ) {
        self.init(text, [], expression, after, chain: chain, in: families)
    }

    static let chains = [
        NftChain("service"), NftChain("filter", NftChain.Hook("filter", .prerouting, priority: -300)),
        NftChain("input", NftChain.Hook("filter", .input, priority: 0)),
        NftChain("destination", NftChain.Hook("nat", .prerouting, priority: -100)),
        NftChain("source", NftChain.Hook("nat", .postrouting, priority: 100)),
    ]

    static let sets: [(NftSet, NftSetOptions)] = [
        (NftSet("clients", NftType(.ipv4)), NftSetOptions(hasTimeouts: true, isDynamic: true, size: 1024)),
        (
            NftSet("affinity", NftType(.ipv4, .port), .value(NftType(.mark))),
            NftSetOptions(hasTimeouts: true, isDynamic: true, size: 1024)
        ),
        (NftSet("chosen", NftType(.mark), .verdict), NftSetOptions()),
        (NftSet("endpoints", NftType(.ipv4, .protocolNumber, .port), .value(NftType(.ipv4, .port))), NftSetOptions()),
        (NftSet("numbered", NftType(.mark), .value(NftType(.ipv4, .port))), NftSetOptions()),
    ]

    private static let isTCP: [NftExpression] = [.meta(.transportProtocol), .compare(.equal, [6])]
    private static let isIPv4: [NftExpression] = [.meta(.networkProtocol), .compare(.equal, [2])]
    private static let isIPv6: [NftExpression] = [.meta(.networkProtocol), .compare(.equal, [10])]
    private static let source = NftExpression.payload(.network, offset: 12, length: 4, .first)
    private static let sourcePort = NftExpression.payload(.transport, offset: 0, length: 2, .word(1))

    /// Compares what a register holds, in the machine's order.
    private static func equals(_ number: UInt32) -> NftExpression {
        .compare(.equal, withUnsafeBytes(of: number) { Array($0) })
    }

    static let all = numbers + lookups + statements + translations + updates

    private static let numbers: [ExpressionCase] = [
        ExpressionCase(
            "numgen random mod 3 vmap @chosen", NftNumberGenerator(.random, modulus: 3),
            [.map("chosen", into: .verdict)]),
        ExpressionCase(
            "numgen inc mod 3 offset 7 vmap @chosen", NftNumberGenerator(.ascending, modulus: 3, offset: 7),
            [.map("chosen", into: .verdict)]),
        ExpressionCase(
            "meta mark set numgen random mod 16 offset 16",
            NftNumberGenerator(.random, modulus: 16, offset: 16), [.setMeta(.mark)]),
        ExpressionCase(
            "meta mark set symhash mod 4 offset 1", NftHash(.symmetric, modulus: 4, offset: 1), [.setMeta(.mark)]),
        ExpressionCase(
            "jhash ip saddr mod 8 seed 0xdeadbeef vmap @chosen", [source],
            NftHash(.octets(.first, length: 4, seed: 0xdead_beef), modulus: 8), [.map("chosen", into: .verdict)],
            in: [.ip]),
        ExpressionCase(
            "meta mark set jhash ip saddr . tcp sport mod 8 seed 0x1 offset 2",
            isTCP + [source, sourcePort],
            NftHash(.octets(.first, length: 8, seed: 1), modulus: 8, offset: 2), [.setMeta(.mark)], in: [.ip]),
        ExpressionCase(
            "meta mark set jhash ip saddr mod 2", [source],
            NftHash(.octets(.first, length: 4, seed: nil), modulus: 2), [.setMeta(.mark)], in: [.ip]),
    ]

    private static let lookups: [ExpressionCase] = [
        ExpressionCase("fib daddr type local", NftFIB(.addressType, of: .destination), [equals(2)]),
        ExpressionCase(
            "fib daddr . iif type local", NftFIB(.addressType, of: [.destination, .inputInterface]), [equals(2)]),
        ExpressionCase("fib saddr . iif oif 0", NftFIB(.interface, of: [.source, .inputInterface]), [equals(0)]),
        ExpressionCase(
            "fib saddr . mark oif missing", NftFIB(.interface, of: [.source, .mark, .exists]),
            [equals(0)]),
        ExpressionCase(
            "fib saddr oifname \"eth0\"", NftFIB(.interfaceName, of: .source),
            [.compare(.equal, Array("eth0".utf8) + [UInt8](repeating: 0, count: 12))]),
        ExpressionCase(
            "ct original ip saddr 10.0.0.1", NftConnectionTuple(.sourceIPv4), [.compare(.equal, [10, 0, 0, 1])],
            in: [.inet, .ip]),
        ExpressionCase(
            "ct reply ip daddr 10.0.0.1", NftConnectionTuple(.destinationIPv4, .reply),
            [.compare(.equal, [10, 0, 0, 1])], in: [.inet, .ip]),
        ExpressionCase(
            "ct original ip6 daddr fd00::1", NftConnectionTuple(.destinationIPv6),
            [.compare(.equal, [0xfd] + [UInt8](repeating: 0, count: 14) + [1])], in: [.inet, .ip6]),
        ExpressionCase(
            "ct original ip6 saddr fd00::1", NftConnectionTuple(.sourceIPv6),
            [.compare(.equal, [0xfd] + [UInt8](repeating: 0, count: 14) + [1])], in: [.inet, .ip6]),
        ExpressionCase(
            "meta l4proto tcp ct original proto-dst 80", isTCP, NftConnectionTuple(.destinationPort),
            [.compare(.equal, [0, 80])]),
        ExpressionCase(
            "meta l4proto tcp ct reply proto-src 80", isTCP, NftConnectionTuple(.sourcePort, .reply),
            [.compare(.equal, [0, 80])]),
        ExpressionCase(
            "ct protocol tcp", NftConnectionTuple(.transportProtocol), [.compare(.equal, [6])]),
        ExpressionCase(
            "ct l3proto ipv4", NftConnectionTuple(.networkProtocol), [.compare(.equal, [2])]),
        ExpressionCase(
            "ct original ip daddr . ct protocol . ct original proto-dst @endpoints",
            [.of(NftConnectionTuple(.destinationIPv4)), .of(NftConnectionTuple(.transportProtocol, into: .word(1)))],
            NftConnectionTuple(.destinationPort, into: .word(2)), [.lookup("endpoints")], in: [.inet, .ip]),
        ExpressionCase(
            "ct mark set 0x00000010", [.value([0x10, 0, 0, 0])], NftConnectionMark()),
        ExpressionCase("ct mark set meta mark", [.meta(.mark)], NftConnectionMark()),
        ExpressionCase("notrack", NftNoTrack()),
    ]

    private static let statements: [ExpressionCase] = [
        ExpressionCase(
            "meta l4proto tcp reject with tcp reset", isTCP, NftReject.tcpReset, chain: "input", in: [.inet]),
        ExpressionCase("reject with tcp reset", isTCP, NftReject.tcpReset, chain: "input", in: [.ip, .ip6]),
        ExpressionCase("reject", NftReject.icmpx(.portUnreachable), chain: "input", in: [.inet]),
        ExpressionCase(
            "reject with icmpx admin-prohibited", NftReject.icmpx(.administrativelyProhibited), chain: "input",
            in: [.inet]),
        ExpressionCase("reject with icmpx no-route", NftReject.icmpx(.noRoute), chain: "input", in: [.inet]),
        ExpressionCase(
            "reject with icmpx host-unreachable", NftReject.icmpx(.hostUnreachable), chain: "input", in: [.inet]),
        ExpressionCase("reject", NftReject.icmp(code: 3), chain: "input", in: [.ip]),
        ExpressionCase("reject with icmp admin-prohibited", NftReject.icmp(code: 13), chain: "input", in: [.ip]),
        ExpressionCase("reject with icmpv6 no-route", NftReject.icmp(code: 0), chain: "input", in: [.ip6]),
        ExpressionCase("log group 0", NftLog(group: 0)),
        ExpressionCase(
            "log prefix \"policy a/b: \" group 7 snaplen 96 queue-threshold 20",
            NftLog(group: 7, prefix: "policy a/b: ", snapLength: 96, queueThreshold: 20)),
        ExpressionCase("limit rate 10/second accept", NftLimit(10), [.verdict(.accept)]),
        ExpressionCase(
            "limit rate over 10/minute burst 20 packets drop",
            NftLimit(10, perSeconds: 60, burst: 20, isOver: true), [.verdict(.drop)]),
        ExpressionCase(
            "limit rate 1 mbytes/second burst 2 mbytes", NftLimit(1 << 20, .octets, burst: 2 << 20)),
        ExpressionCase("counter packets 5 bytes 300", NftCounter(packets: 5, octets: 300), chain: "service"),
        ExpressionCase("counter name \"hits\"", NftCounterReference("hits")),
    ]

    private static let translations: [ExpressionCase] = [
        ExpressionCase(
            "dnat to 10.0.0.1", [.value([10, 0, 0, 1])], NftTranslation(.destination, .ip, address: .first),
            chain: "destination", in: [.ip]),
        ExpressionCase(
            "meta nfproto ipv4 meta l4proto tcp dnat ip to 10.0.0.1:8080",
            isIPv4 + isTCP + [.value([10, 0, 0, 1]), .value([0x1f, 0x90], .word(4))],
            NftTranslation(.destination, .ip, address: .first, port: .word(4)), chain: "destination", in: [.inet]),
        ExpressionCase(
            "dnat ip to ip daddr . ip protocol . tcp dport map @endpoints",
            isTCP + [
                .payload(.network, offset: 16, length: 4), .payload(.network, offset: 9, length: 1, .word(1)),
                .payload(.transport, offset: 2, length: 2, .word(2)), .map("endpoints", into: .first),
            ],
            NftTranslation(.destination, .ip, address: .first, port: .word(1)), chain: "destination", in: [.ip]),
        ExpressionCase(
            "meta l4proto tcp dnat ip to numgen random mod 2 map @numbered persistent",
            isTCP + [.of(NftNumberGenerator(.random, modulus: 2)), .map("numbered", into: .first)],
            NftTranslation(.destination, .ip, address: .first, port: .word(1), flags: [.persistent]),
            chain: "destination", in: [.ip]),
        ExpressionCase(
            "snat ip to 10.0.0.1 fully-random,persistent", [.value([10, 0, 0, 1])],
            NftTranslation(.source, .ip, address: .first, flags: [.fullyRandom, .persistent]), chain: "source",
            in: [.inet]),
        ExpressionCase(
            "snat to 10.0.0.1-10.0.0.9 random", [.value([10, 0, 0, 1]), .value([10, 0, 0, 9], .word(4))],
            NftTranslation(.source, .ip, address: .first, lastAddress: .word(4), flags: .random), chain: "source",
            in: [.ip]),
        ExpressionCase(
            "meta l4proto tcp masquerade to :1024-65535 fully-random",
            isTCP + [.value([4, 0]), .value([0xff, 0xff], .word(4))],
            NftMasquerade(port: .first, lastPort: .word(4), flags: .fullyRandom), chain: "source"),
        ExpressionCase("masquerade", NftMasquerade(), chain: "source"),
        ExpressionCase("masquerade random", NftMasquerade(flags: .random), chain: "source"),
        ExpressionCase(
            "meta l4proto tcp redirect to :8080", isTCP + [.value([0x1f, 0x90])], NftRedirect(port: .first),
            chain: "destination"),
        ExpressionCase("redirect", NftRedirect(), chain: "destination"),
        ExpressionCase(
            "meta l4proto tcp redirect to :80-90 random", isTCP + [.value([0, 80]), .value([0, 90], .word(4))],
            NftRedirect(port: .first, lastPort: .word(4), flags: .random), chain: "destination"),
        ExpressionCase("redirect persistent", NftRedirect(flags: .persistent), chain: "destination"),
    ]

    private static let updates: [ExpressionCase] = [
        ExpressionCase("add @clients { ip saddr }", [source], NftSetUpdate(.add, "clients"), in: [.ip]),
        ExpressionCase(
            "update @clients { ip saddr timeout 30s }", [source], NftSetUpdate(.update, "clients", timeout: 30_000),
            in: [.ip]),
        ExpressionCase("delete @clients { ip saddr }", [source], NftSetUpdate(.delete, "clients"), in: [.ip]),
        ExpressionCase(
            "update @affinity { ip saddr . tcp sport timeout 10m : 0x00000010 }",
            isTCP + [source, sourcePort, .value([0x10, 0, 0, 0], .word(4))],
            NftSetUpdate(.update, "affinity", data: .word(4), timeout: 600_000), in: [.ip]),
        ExpressionCase(
            "add @affinity { ip saddr . tcp sport : meta mark }",
            isTCP + [source, sourcePort, .meta(.mark, .word(4))], NftSetUpdate(.add, "affinity", data: .word(4)),
            in: [.ip]),
    ]
}
