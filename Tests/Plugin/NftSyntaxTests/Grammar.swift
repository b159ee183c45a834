import Addresses
import NetlinkCodec
import TestSupport

/// Makes conditions that nft takes, of everything that is to be understood.
struct Grammar {
    private var random: SplitMix64
    private let version: IPFamily
    private let family: NftFamily

    init(_ version: IPFamily, _ family: NftFamily, seed: UInt64) {
        random = SplitMix64(seed: seed)
        self.version = version
        self.family = family
    }

    /// One to four matches of different things. (nft joins those of neighbouring ports, and one protocol is enough.)
    mutating func condition() -> String {
        let transport = pick(["tcp", "udp", "sctp"])
        var matches = [
            source(), destination(), port(transport), interface("iifname"), interface("oifname"), mark("meta"),
            mark("ct"), state(), transportProtocol(transport), networkProtocol(transport), addressType(), status(),
            identity(),
        ]
        if family == .inet { matches.append("meta nfproto \(pick(["", "== ", "!= "]))ip\(version)") }
        matches.shuffle(using: &random)
        return matches.prefix(number(1...4)).joined(separator: pick([" ", "  "]))
    }

    private mutating func pick(_ choices: [String]) -> String { choices[number(0...choices.count - 1)] }
    private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    /// A comparison with one of the values, with a list of them, or in order with a single one.
    private mutating func comparison(
        _ single: (inout Grammar) -> String, _ any: (inout Grammar) -> String, isOrdered: Bool
    ) -> String {
        switch number(0...9) {
        case 0...4: return pick(["", "== ", "!= "]) + any(&self)
        case 5 where isOrdered: return pick(["< ", "> ", "<= ", ">= "]) + single(&self)
        default:
            let separator = pick([",", ", ", " , "])
            let values = (0..<number(1...5)).map { _ in any(&self) }.joined(separator: separator)
            return pick(["", "== ", "!= "]) + pick(["{", "{ "]) + values + pick(["}", " }", ", }"])
        }
    }

    private mutating func range(_ values: [Int], hexadecimal: Bool = false) -> String {
        let (first, last) = (values.min()!, values.max()!)
        let text = { (value: Int) in hexadecimal ? "0x" + String(value, radix: 16) : String(value) }
        return text(first) + pick(["-", " - "]) + text(last)
    }

    // Addresses: few bits vary, so that ranges meet.

    private mutating func address() -> IPAddress {
        let low = UInt128(number(0...31))
        let high = UInt128(number(0...3))
        return version == .v4
            ? IPAddress(.v4, 10 << 24 | high << 16 | low) : IPAddress(.v6, 0xfd00 << 112 | high << 64 | low)
    }

    private mutating func anyAddress() -> String {
        switch number(0...3) {
        case 0: return address().description
        case 1:
            let ends = [address(), address()].sorted()
            return "\(ends[0])-\(ends[1])"
        default: return CIDR(address(), number(1...version.bitWidth)).network.description
        }
    }

    private mutating func source() -> String { address("saddr") }
    private mutating func destination() -> String { address("daddr") }

    private mutating func address(_ field: String) -> String {
        (version == .v4 ? "ip " : "ip6 ") + field + " "
            + comparison({ $0.address().description }, { $0.anyAddress() }, isOrdered: true)
    }

    // The others.

    private mutating func port(_ transport: String) -> String {
        pick([transport, transport, "th"]) + pick([" sport ", " dport "])
            + comparison(
                { String($0.number(0...65535)) },
                { grammar in
                    let number = { (grammar: inout Grammar) in
                        grammar.number(0...1) == 0 ? grammar.number(0...20) : grammar.number(0...65535)
                    }
                    return grammar.number(0...1) == 0
                        ? String(number(&grammar)) : grammar.range([number(&grammar), number(&grammar)])
                }, isOrdered: true)
    }

    private mutating func interface(_ key: String) -> String {
        let name = { (grammar: inout Grammar) in
            let name =
                grammar.pick(["eth", "eth1", "eth10", "veth0a", "br-lan", "wan.7", "abcdefghijklmn"])
                + grammar.pick(["", "", "*"])
            return grammar.number(0...1) == 0 ? name : "\"\(name)\""
        }
        return pick(["", "meta "]) + key + " " + comparison(name, name, isOrdered: false)
    }

    private mutating func mark(_ kind: String) -> String {
        let single = { (grammar: inout Grammar) in
            grammar.number(0...1) == 0
                ? String(grammar.number(0...9)) : "0x" + String(grammar.number(0...0xffff_ffff), radix: 16)
        }
        let any = { (grammar: inout Grammar) in
            grammar.number(0...1) == 0
                ? single(&grammar)
                : grammar.range(
                    [grammar.number(0...40), grammar.number(0...0xffff)], hexadecimal: grammar.number(0...1) == 0)
        }
        guard number(0...2) == 0 else { return "\(kind) mark " + comparison(single, any, isOrdered: true) }
        return "\(kind) mark " + pick(["and ", "& "]) + single(&self) + pick([" == ", " != "]) + single(&self)
    }

    private mutating func state() -> String {
        var states = ["new", "established", "related", "invalid", "untracked"]
        states.shuffle(using: &random)
        let some = states.prefix(number(1...4)).joined(separator: pick([",", ", "]))
        return "ct state " + pick(["", "== ", "!= "]) + (number(0...2) == 0 ? "{ \(some) }" : some)
    }

    private mutating func status() -> String {
        var statuses = ["snat", "dnat", "assured", "confirmed", "seen-reply"]
        statuses.shuffle(using: &random)
        let some = statuses.prefix(number(1...3)).joined(separator: ",")
        return "ct status " + pick(["", "== ", "!= "]) + (number(0...2) == 0 ? "{ \(some) }" : some)
    }

    private mutating func addressType() -> String {
        let type = { (grammar: inout Grammar) in
            grammar.pick(["local", "unicast", "broadcast", "multicast", "anycast"])
        }
        return "fib " + pick(["saddr", "daddr"]) + pick(["", " . mark"]) + pick(["", " . iif"]) + " type "
            + comparison(type, type, isOrdered: false)
    }

    private mutating func identity() -> String {
        let id = { (grammar: inout Grammar) in String(grammar.number(0...70_000)) }
        return pick(["meta skuid ", "meta skgid ", "skuid "]) + comparison(id, id, isOrdered: true)
    }

    private mutating func transportProtocol(_ transport: String) -> String {
        "meta l4proto " + pick([transport, "== \(transport)", "{ \(transport) }", "!= { 1, 50 }"])
    }

    private mutating func networkProtocol(_ transport: String) -> String {
        (version == .v4 ? "ip protocol " : "ip6 nexthdr ")
            + pick([transport, "== \(transport)", "!= icmp", "{ \(transport) }", "!= { 1, 50 }"])
    }
}
