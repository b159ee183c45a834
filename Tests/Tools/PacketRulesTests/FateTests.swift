import Addresses
import Inventory
import ListedRules
import NetlinkCodec
import Testing

@testable import PacketRules

/// What becomes of forwarded packets is told only where it is certain.
@Suite struct FateTests {
    typealias Expression = NftListedExpression

    static let bridge = Interface(index: 2, name: "cbr0", kind: "bridge")
    static let uplink = Interface(index: 9, name: "eth0")
    static let pod = IPAddress("10.44.0.2")!
    static let world = IPAddress("1.1.1.1")!
    static let question = ForwardedPacket(from: pod, to: world, input: bridge, output: uplink)
    static let answer = ForwardedPacket(from: world, to: pod, input: uplink, output: bridge, isAnswer: true)

    static func rules(_ rules: [[Expression]], policy: UInt32 = 0) -> ListedRules {
        ListedRules(NftTable(.inet, "t")).base("c", policy: policy, rules: rules)
    }

    static func name(_ text: String) -> [UInt8] { Array(text.utf8) + [UInt8](repeating: 0, count: 16 - text.count) }
    static func port(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 0xff)] }
    static let isV4: [Expression] = [.load(.networkProtocol), .equal([2])]
    static let isV6: [Expression] = [.load(.networkProtocol), .equal([10])]
    static let isTCP: [Expression] = [.load(.transportProtocol), .equal([6])]
    static let port: Expression = .payload(.transport, offset: 2, length: 2, into: .first)
    static let source: Expression = .header(12, 4)
    static let mark: [Expression] = [.load(.mark), .equal([80, 0, 0, 0])]
    static func state(_ bits: UInt8) -> [Expression] {
        [
            .tracked(.state), .bitwise(keeping: [bits, 0, 0, 0], flipping: [0, 0, 0, 0], from: .first, into: .first),
            .compare(.notEqual, [0, 0, 0, 0], .first),
        ]
    }
    static let isDNAT: [Expression] = [
        .tracked(.status), .bitwise(keeping: [0x20, 0, 0, 0], flipping: [0, 0, 0, 0], from: .first, into: .first),
        .compare(.notEqual, [0, 0, 0, 0], .first),
    ]

    static let policy = "the policy of chain c in table inet t"
    static func rule(_ number: Int) -> String { "rule \(number) of chain c in table inet t" }

    /// `passes`, `not known`, or who drops it.
    static func text(_ fate: Fate) -> String {
        switch fate {
        case .passes: "passes"
        case .notKnown: "not known"
        case .dropped(let drop): "\(drop)"
        }
    }

    static let cases: [(rules: [[Expression]], fate: String)] = [
        ([], policy),
        ([[.accept]], "passes"),
        ([[.drop], [.accept]], rule(1)),
        ([[.counter(packets: 0, octets: 0), .record("log", []), .reject(type: 0, code: 3)]], rule(1)),
        ([isV4 + [source, .equal([10, 44, 0, 2]), .accept]], "passes"),
        ([isV4 + [source, .equal([10, 44, 0, 3]), .accept]], policy),
        ([isV4 + [source, .compare(.notEqual, [10, 44, 0, 2], .first), .accept]], policy),
        ([isV4 + [.header(12, 3), .equal([10, 44, 0]), .accept]], "passes"),
        ([isV4 + [.header(12, 3), .equal([10, 45, 0]), .accept]], policy),
        ([[source, .range(isInside: true, first: [10, 44, 0, 1], last: [10, 44, 0, 9], .first), .drop]], rule(1)),
        ([[.load(.inputInterfaceName), .equal(name("cbr0")), .accept]], "passes"),
        ([[.load(.inputInterfaceName), .equal(Array("cbr".utf8)), .accept]], "passes"),
        ([[.load(.inputInterfaceName), .equal(name("docker0")), .accept]], policy),
        ([state(2 | 4) + [.accept]], policy),
        ([state(8) + [.accept]], "passes"),
        ([isV6 + [.accept]], policy),
        ([isV6 + [.header(8, 16), .equal([UInt8](repeating: 1, count: 16)), .accept]], policy),
        // What is not known may let it through, and so nobody is blamed after it.
        ([mark + [.accept]], "not known"),
        ([mark + [.accept], [.drop]], "not known"),
        ([mark + [.drop]], policy),
        ([mark + [.drop], [.accept]], "not known"),
        ([mark + [.verdict(.return)], [.accept]], "not known"),
        ([[.payload(.link, offset: 6, length: 6, into: .first), .equal([0, 0, 0, 0, 0, 0]), .accept]], "not known"),
        // Some ports are not all, and connections to the node's published ports are not the pods' own.
        ([isTCP + [port, .equal(port(22)), .accept]], policy),
        ([isTCP + [port, .range(isInside: true, first: port(8000), last: port(8100), .first), .accept]], policy),
        ([isTCP + [port, .range(isInside: true, first: port(2900), last: port(3000), .first), .accept]], policy),
        ([isTCP + [port, .range(isInside: true, first: port(4096), last: port(65535), .first), .accept]], "passes"),
        (
            [isTCP + [port, .range(isInside: true, first: port(32768), last: port(65535), .first), .accept]],
            "not known"
        ),
        ([isTCP + [port, .compare(.notEqual, port(22), .first), .accept]], "passes"),
        ([isTCP + [port, .equal(port(22)), .drop], [.accept]], "passes"),
        ([isDNAT + [.accept]], policy),
        ([[.load(.transportProtocol), .equal([1]), .accept]], policy),
        ([[.load(.transportProtocol), .range(isInside: true, first: [6], last: [17], .first), .accept]], "passes"),
        ([[.record("flow_offload", [])]], policy),
        ([[.noTrack], [.accept]], "passes"),
        // Who is over a limit cannot be known.
        ([[.limit(over: false), .accept]], "not known"),
        ([[.limit(over: true), .drop], [.accept]], "not known"),
        ([[.limit(over: true), .drop]], policy),
        // A mark that a rule sets is known; after one that may set it, it is not.
        ([[.value([80, 0, 0, 0]), .setMark], mark + [.drop], [.accept]], rule(2)),
        ([[.value([0, 0, 0, 0]), .setMark], mark + [.drop], [.accept]], "passes"),
        (
            [
                [.value([0, 0, 0, 0]), .setMark],
                [.tracked(.mark), .equal([1, 0, 0, 0])]
                    + [.value([80, 0, 0, 0]), .setMark], mark + [.drop], [.accept],
            ], "not known"
        ),
        // What is not understood may do anything.
        ([[.other("later", [])], [.drop]], "not known"),
        ([[.other("queue", [])]], "not known"),
        ([[.object(type: .limit, "x"), .accept]], "not known"),
        ([[.load("numgen", [8, 0, 1, 0, 0, 0, 0, 1], into: .first), .equal([0, 0, 0, 0]), .accept]], "not known"),
        ([[.xtablesMatch("strange", revision: 0, []), .accept]], "not known"),
        ([[.xtablesMatch("comment", revision: 0, []), .accept]], "passes"),
        ([[.xtablesMatch("udp", revision: 0, []), .accept]], policy),
        ([[.xtablesTarget("REJECT", revision: 0, [])]], rule(1)),
        ([[.xtablesTarget("TCPMSS", revision: 0, [])]], policy),
        ([[.xtablesTarget("STRANGE", revision: 0, [])]], "not known"),
        // It does not match for certain, whatever the rest of it means.
        (
            [
                [
                    .load(.inputInterfaceName), .equal(name("docker0")), .xtablesMatch("strange", revision: 0, []),
                    .accept,
                ]
            ],
            policy
        ),
    ]

    @Test(arguments: cases.indices) func aPacketsFateIsTheKernels(_ number: Int) throws {
        let (rules, fate) = Self.cases[number]
        #expect(Self.text(Self.rules(rules).ruleset.fate(of: Self.question)) == fate, "\(rules)")
    }

    @Test func anAnswerIsEstablished() {
        let rules = Self.rules([Self.state(2) + [.accept]]).ruleset
        #expect(rules.fate(of: Self.answer) == .passes)
        #expect(Self.text(rules.fate(of: Self.question)) == Self.policy)
        // Whether its source was rewritten is not known at the forward hook.
        #expect(Self.rules([Self.isDNAT + [.accept]]).ruleset.fate(of: Self.answer) == .notKnown)
    }

    @Test func anInterfaceThatIsNotKnownIsNoOther() {
        var packet = Self.question
        packet.output = nil
        let rules = Self.rules([[.load(.outputInterfaceName), .equal(Self.name("eth1")), .accept]]).ruleset
        #expect(rules.fate(of: packet) == .notKnown)
        #expect(Self.text(rules.fate(of: Self.question)) == Self.policy)
    }

    @Test func chainsAreFollowedAndComeBack() {
        func fate(_ inner: [Expression]..., then rules: [[Expression]]) -> String {
            Self.text(Self.rules(rules).chain("other", rules: inner).ruleset.fate(of: Self.question))
        }
        let jump = Expression.verdict(.jump("other"))
        let inner = "chain other in table inet t"
        #expect(fate([.accept], then: [[jump], [.drop]]) == "passes")
        #expect(fate(then: [[jump], [.accept]]) == "passes")
        #expect(fate([.verdict(.return)], [.accept], then: [[jump]]) == Self.policy)
        #expect(fate([.verdict(.return)], then: [[.verdict(.goto("other"))], [.accept]]) == Self.policy)
        #expect(fate([.drop], then: [[jump], [.accept]]) == "rule 3 of \(inner)")
        #expect(fate([.drop], then: [Self.mark + [jump], [.accept]]) == "not known")
        #expect(fate([.drop], then: [Self.mark + [jump]]) == Self.policy)
        #expect(fate([.accept], then: [Self.mark + [jump]]) == "not known")
        // What comes back in one case goes on in the caller's next rule.
        #expect(fate(Self.mark + [.verdict(.return)], [.drop], then: [[jump], [.accept]]) == "not known")
        #expect(fate(Self.mark + [.verdict(.return)], [.drop], then: [[jump], [.drop]]) == "rule 4 of \(inner)")
    }

    @Test func verdictMapsAreFollowed() {
        func fate(_ key: [Expression], _ elements: [(UInt8, NftVerdict)], then rest: [[Expression]] = []) -> String {
            let rules = Self.rules([key + [.map("m")]] + rest)
                .set("m", elements.map { NftElement(key: [$0.0, 0, 0, 0], data: .verdict($0.1)) })
            return Self.text(rules.ruleset.fate(of: Self.question))
        }
        let state: [Expression] = [.tracked(.state)]
        let mark: [Expression] = [.load(.mark)]
        #expect(fate(state, [(2, .accept), (4, .accept)]) == Self.policy)
        #expect(fate(state, [(2, .accept), (8, .accept)]) == "passes")
        #expect(fate(state, [(1, .accept), (8, .drop)], then: [[.accept]]) == Self.rule(1))
        #expect(fate(state, []) == Self.policy)
        #expect(fate(mark, [(22, .accept)]) == "not known")
        #expect(fate(mark, [(22, .drop)]) == Self.policy)
        #expect(fate(state, [(8, .jump("nowhere"))]) == "not known")
        #expect(fate(state, [(8, .jump("c"))]) == "not known", "a chain that leads to itself ends")
    }

    @Test func setsAreLookedInto() {
        let rule: [Expression] = [Self.source, .isIn("s"), .accept]
        func fate(_ rules: ListedRules) -> String { Self.text(rules.ruleset.fate(of: Self.question)) }
        #expect(fate(Self.rules([rule]).set("s", [NftElement(key: [10, 44, 0, 2])])) == "passes")
        #expect(fate(Self.rules([rule]).set("s")) == Self.policy)
        #expect(fate(Self.rules([rule]).set("s", ranges: [([10, 44, 0, 0], [10, 44, 1, 0])])) == "passes")
        #expect(fate(Self.rules([rule]).set("s", ranges: [([10, 44, 0, 3], [10, 44, 1, 0])])) == Self.policy)
        #expect(fate(Self.rules([rule])) == "not known", "a set that is not listed")
    }

    @Test func everyTableHasToLetItThrough() {
        let ways: [(rules: [[Expression]], policy: UInt32)] = [([], 1), ([], 0), ([Self.mark + [.accept]], 0)]
        for first in ways {
            for second in ways {
                let fate = ListedRules().base("a", priority: -1, policy: first.policy, rules: first.rules)
                    .base("b", policy: second.policy, rules: second.rules).ruleset.fate(of: Self.question)
                let isDropped = [first, second].contains { $0.policy == 0 && $0.rules.isEmpty }
                let isUnsure = [first, second].contains { !$0.rules.isEmpty }
                switch fate {
                case .dropped: #expect(isDropped)
                case .notKnown: #expect(!isDropped && isUnsure)
                case .passes: #expect(!isDropped && !isUnsure)
                }
            }
        }
    }

    @Test func onlyFilterChainsOfTheForwardHookAndTheFamilyCount() {
        func fate(_ family: NftFamily, _ point: NftChain.Point = .forward, _ type: String = "filter") -> Fate {
            ListedRules(NftTable(family, "t")).base("c", point, type: type, policy: 0, rules: []).ruleset
                .fate(of: Self.question)
        }
        #expect(fate(.inet, .input) == .passes)
        #expect(fate(.inet, .forward, "nat") == .passes)
        #expect(fate(.ip6) == .passes)
        #expect(fate(.bridge) == .passes)
        #expect(fate(.ip) != .passes)
        #expect(Self.rules([], policy: 1).ruleset.fate(of: Self.question) == .passes)
    }

    /// Each rule of a chain leads into the next chain twice, which doubles the ways with each.
    @Test func effortHasAnEnd() {
        var rules = Self.rules([[.verdict(.jump("0"))]])
        for number in 0..<14 {
            let next = [Self.mark + [.verdict(.jump("\(number + 1)"))]]
            rules = rules.chain("\(number)", rules: Array(repeating: next, count: 12).flatMap { $0 })
        }
        let packet = Packet(.tcp, from: Self.pod, 40_000, to: Self.world, 80)
        var context = HookContext(point: .forward, families: [.inet], connection: TrackedConnection(packet))
        context.isMarkKnown = false
        var machine = NftMachine(rules.chain("14", rules: [[.drop]]).ruleset, packet, context)
        machine.steps = NftMachine.maximumSteps - 10_000
        machine.run()
        #expect(machine.fate == .notKnown && machine.steps == NftMachine.maximumSteps)
    }
}
