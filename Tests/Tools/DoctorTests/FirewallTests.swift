import Addresses
import Testing

@testable import Doctor

/// Other programs' rules, as nft lists them in JSON, are followed as the kernel follows them; what is not understood is
/// never taken for a drop.
@Suite struct FirewallTests {
    /// A table whose forward chain has these rules.
    static func firewall(
        _ rules: [String], policy: String = "drop", family: String = "inet", hook: String = "forward",
        type: String = "filter", more: [String] = []
    ) throws -> Firewall {
        let place = #""family": "\#(family)", "table": "t""#
        let chain =
            #"{"chain": {\#(place), "name": "c", "type": "\#(type)", "hook": "\#(hook)", "prio": 0, "policy": "\#(policy)"}}"#
        let listed = rules.enumerated().map { number, expressions in
            #"{"rule": {\#(place), "chain": "c", "handle": \#(number + 1), "expr": [\#(expressions)]}}"#
        }
        var firewall = Firewall()
        let objects =
            [#"{"metainfo": {"version": "1.0.6"}}"#, chain] + more.map { $0.replacing("PLACE", with: place) } + listed
        try firewall.add(Array(#"{"nftables": [\#(objects.joined(separator: ", "))]}"#.utf8))
        return firewall
    }

    static let packet = Firewall.Packet(
        family: .v4, source: IPAddress("10.44.0.2")!, destination: IPAddress("1.1.1.1")!, input: "cbr0", output: "eth0",
        state: "new")

    static func match(_ left: String, _ right: String, _ operation: String = "==") -> String {
        #"{"match": {"op": "\#(operation)", "left": \#(left), "right": \#(right)}}"#
    }

    static let source = #"{"payload": {"protocol": "ip", "field": "saddr"}}"#
    static let input = #"{"meta": {"key": "iifname"}}"#
    static let state = #"{"ct": {"key": "state"}}"#
    static let port = #"{"payload": {"protocol": "tcp", "field": "dport"}}"#
    static let mark = #"{"meta": {"key": "mark"}}"#
    static func vmap(_ key: String, _ elements: String) -> String {
        #"{"vmap": {"key": \#(key), "data": {"set": [\#(elements)]}}}"#
    }
    static let accept = #"{"accept": null}"#
    static let drop = #"{"drop": null}"#

    static let policy = Firewall.Fate.dropped("the policy of chain c in table inet t")
    static func rule(_ number: Int) -> Firewall.Fate { .dropped("rule \(number) of chain c in table inet t") }

    static let cases: [(rules: [String], fate: Firewall.Fate)] = [
        ([], policy),
        ([accept], .passes),
        ([drop, accept], rule(1)),
        ([#"{"counter": {"packets": 0, "bytes": 0}}, {"log": {"prefix": "x"}}, {"reject": null}"#], rule(1)),
        ([match(source, #""10.44.0.2""#) + "," + accept], .passes),
        ([match(source, #""10.44.0.3""#) + "," + accept], policy),
        ([match(source, #""10.44.0.2""#, "!=") + "," + accept], policy),
        ([match(source, #"{"prefix": {"addr": "10.44.0.0", "len": 24}}"#) + "," + accept], .passes),
        ([match(source, #"{"prefix": {"addr": "10.45.0.0", "len": 24}}"#) + "," + accept], policy),
        ([match(source, #"{"range": ["10.44.0.1", "10.44.0.9"]}"#) + "," + drop], rule(1)),
        ([match(source, #"{"set": ["1.2.3.4", {"prefix": {"addr": "10.0.0.0", "len": 8}}]}"#) + "," + accept], .passes),
        ([match(input, #""cbr0""#) + "," + accept], .passes),
        ([match(input, #""cbr*""#) + "," + accept], .passes),
        ([match(input, #""docker0""#) + "," + accept], policy),
        ([match(input, #"{"set": ["a", "cbr0"]}"#) + "," + drop], rule(1)),
        ([match(state, #"["established", "related"]"#, "in") + "," + accept], policy),
        ([match(state, #"["new"]"#, "in") + "," + accept], .passes),
        ([match(#"{"meta": {"key": "nfproto"}}"#, #""ipv6""#) + "," + accept], policy),
        // The other family's.
        ([match(#"{"payload": {"protocol": "ip6", "field": "saddr"}}"#, #""fd00::1""#) + "," + accept], policy),
        ([match(#"{"payload": {"protocol": "ip6", "field": "saddr"}}"#, #""fd00::1""#, "!=") + "," + accept], policy),
        // What is not understood may let it through, and so nobody is blamed after it.
        ([match(mark, "80") + "," + accept], .unknown),
        ([match(mark, "80") + "," + accept, drop], .unknown),
        ([match(mark, "80") + "," + drop], policy),
        ([match(mark, "80") + "," + drop, accept], .passes),
        // Some ports are not all, and connections to the node's published ports are not the pods' own.
        ([match(port, "22") + "," + accept], policy),
        ([match(port, #"{"set": [80, 443, {"range": [8000, 8100]}]}"#) + "," + accept], policy),
        ([match(port, #"{"range": [1024, 65535]}"#) + "," + accept], .unknown),
        ([match(port, "22", "!=") + "," + accept], .passes),
        ([match(port, "22") + "," + drop, accept], .passes),
        ([match(#"{"ct": {"key": "status"}}"#, #""dnat""#, "in") + "," + accept], policy),
        ([match(#"{"meta": {"key": "l4proto"}}"#, #""icmp""#) + "," + accept], policy),
        ([match(#"{"meta": {"key": "l4proto"}}"#, #"{"set": ["tcp", "udp"]}"#) + "," + accept], .passes),
        ([#"{"xt": {"type": "match", "name": "tcp"}},"# + accept], policy),
        ([#"{"xt": {"type": "target", "name": "TCPMSS"}}"#], policy),
        ([#"{"flow": {"op": "add", "flowtable": "@ft"}}"#], policy),
        ([vmap(state, #"["established", {"accept": null}], ["related", {"accept": null}]"#)], policy),
        ([vmap(state, #"["established", {"accept": null}], ["new", {"accept": null}]"#)], .passes),
        ([vmap(state, #"["invalid", {"accept": null}], ["new", {"drop": null}]"#), accept], rule(1)),
        ([vmap(port, #"[22, {"accept": null}]"#)], policy),
        ([vmap(mark, #"[22, {"accept": null}]"#)], .unknown),
        ([vmap(input, #"["cbr0", {"jump": {"target": "nowhere"}}]"#)], .unknown),
        ([#"{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": []}}}"#], policy),
        ([#"{"vmap": {"key": {"ct": {"key": "state"}}, "data": "@gone"}}"#], .unknown),
        ([#"{"xt": {"type": "match", "name": "conntrack"}},"# + accept], .unknown),
        ([#"{"xt": {"type": "match", "name": "comment"}},"# + accept], .passes),
        ([#"{"xt": {"type": "target", "name": "REJECT"}}"#], rule(1)),
        // It does not match for certain, whatever the rest of it means.
        ([match(input, #""docker0""#) + #",{"xt": {"type": "match", "name": "conntrack"}},"# + accept], policy),
    ]

    @Test(arguments: cases.indices) func aPacketsFateIsTheKernels(_ number: Int) throws {
        let (rules, fate) = Self.cases[number]
        #expect(try Self.firewall(rules).fate(of: Self.packet) == fate, "\(rules)")
    }

    @Test func chainsAreFollowedAndComeBack() throws {
        let other = #"{"chain": {PLACE, "name": "other"}}"#
        func rule(_ text: String) -> String { #"{"rule": {PLACE, "chain": "other", "handle": 9, "expr": [\#(text)]}}"# }
        let jump = #"{"jump": {"target": "other"}}"#
        func fate(_ inner: String..., then rules: [String]) throws -> Firewall.Fate {
            try Self.firewall(rules, more: [other] + inner.map(rule)).fate(of: Self.packet)
        }
        #expect(try fate(Self.accept, then: [jump, Self.drop]) == .passes)
        #expect(try fate(then: [jump, Self.accept]) == .passes)
        #expect(try fate(#"{"return": null}"#, Self.accept, then: [jump]) == Self.policy)
        #expect(try fate(#"{"return": null}"#, then: [#"{"goto": {"target": "other"}}"#, Self.accept]) == Self.policy)
        #expect(try fate(Self.drop, then: [jump]) == .dropped("rule 9 of chain other in table inet t"))
        #expect(try fate(Self.drop, then: [Self.match(Self.mark, "80") + "," + jump, Self.accept]) == .passes)
        #expect(try fate(Self.accept, then: [Self.match(Self.mark, "80") + "," + jump]) == .unknown)
    }

    @Test func aChainThatJumpsToItselfEnds() throws {
        let firewall = try Self.firewall([#"{"jump": {"target": "c"}}"#])
        #expect(firewall.fate(of: Self.packet) == .unknown)
    }

    @Test func onlyFilterChainsOfTheForwardHookAndTheFamilyCount() throws {
        #expect(try Self.firewall([], hook: "input").fate(of: Self.packet) == .passes)
        #expect(try Self.firewall([], type: "nat").fate(of: Self.packet) == .passes)
        #expect(try Self.firewall([], family: "ip6").fate(of: Self.packet) == .passes)
        #expect(try Self.firewall([], policy: "accept").fate(of: Self.packet) == .passes)
    }

    @Test(arguments: [
        (#"["10.44.0.2"]"#, Firewall.Fate.passes), (#"[{"elem": {"val": "10.44.0.2", "timeout": 5}}]"#, .passes),
        ("[]", policy),
    ])
    func namedSetsAreLookedInto(_ elements: String, _ fate: Firewall.Fate) throws {
        let set = #"{"set": {PLACE, "name": "s", "type": "ipv4_addr", "handle": 3, "elem": \#(elements)}}"#
        let rule = Self.match(Self.source, #""@s""#) + "," + Self.accept
        #expect(try Self.firewall([rule], more: [set]).fate(of: Self.packet) == fate)
    }

    @Test(arguments: [
        "{}", "[]", #"{"nftables": 7}"#, #"{"nftables": [7, {}, {"rule": {}}, {"chain": {"family": "ip"}}]}"#,
    ])
    func strangeListingsAreNoFirewall(_ text: String) throws {
        var firewall = Firewall()
        try firewall.add(Array(text.utf8))
        #expect(firewall.fate(of: Self.packet) == .passes)
    }
}
