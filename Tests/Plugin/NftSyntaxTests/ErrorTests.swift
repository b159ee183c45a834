import Addresses
import NetlinkCodec
import NftSyntax
import Testing
import TestSupport

@Suite struct ErrorTests {
    private func complaint(_ text: String, _ family: IPFamily = .v4, _ table: NftFamily = .inet) -> String? {
        do throws(NftSyntaxError) {
            _ = try NftConditions(parsing: text, family: family, table: table)
            return nil
        } catch { return error.description }
    }

    @Test func theWordAndItsPlaceAreNamed() {
        let matches = "a match (ip, ip6, ether, tcp, udp, sctp, th, iifname, oifname, meta, ct, fib)"
        #expect(complaint("foo") == "unknown word \"foo\" at word 1: expected \(matches)")
        #expect(
            complaint("ip saddr 1.2.3.4 foo 5") == "unknown word \"foo\" at word 4: expected \(matches)")
        #expect(complaint("ip foo") == "unknown word \"foo\" at word 2: expected daddr, protocol, saddr")
        #expect(complaint("tcp  foo 5") == "unknown word \"foo\" at word 2: expected dport, sport")
        #expect(
            complaint("tcp dport http")
                == "unknown word \"http\" at word 3: expected a port number or range")
        #expect(
            complaint("ip daddr { 1.2.3.4, foo }")
                == "unknown word \"foo\" at word 5: expected an IPv4 address, CIDR or range")
        #expect(
            complaint("ct state new,old")?.hasPrefix("unknown word \"old\" at word 3: expected a state (new, ") == true)
        #expect(complaint("tcp dport { 80 443 }") == "unknown word \"443\" at word 5: expected } or a comma")
        #expect(complaint("tcp dport 65536") == "\"65536\" at word 3 is more than 65535, the highest value")
        #expect(complaint("tcp dport 90-80") == "\"90-80\" at word 3 is a range whose end is below its start")
    }

    @Test func whatIsMissingIsSaid() {
        #expect(
            complaint("ip saddr !=")
                == "the condition ends at word 3, where an IPv4 address, CIDR or range is expected")
        #expect(complaint("ip") == "the condition ends at word 1, where daddr, protocol, saddr is expected")
        #expect(
            complaint("tcp dport { 80,") == "the condition ends at word 4, where a port number or range is expected")
        #expect(complaint("tcp dport { 80") == "the condition ends at word 4, where } or a comma is expected")
        #expect(complaint("meta mark and") == "the condition ends at word 3, where a mask is expected")
        for empty in ["", "   "] {
            #expect(complaint(empty)?.hasPrefix("the condition is empty, where a match") == true)
        }
        #expect(
            complaint("iifname \"eth1") == "a quotation mark is not closed in word 2, \"\"eth1\"")
    }

    @Test(arguments: [
        ("-s 10.0.0.0/8", "-s", 1), ("! -d 192.0.2.0/24", "!", 1), ("ip saddr ! 10.0.0.0/8", "!", 3),
        ("-p tcp --dport 80", "-p", 1), ("tcp dport 80 -m mark", "-m", 4), ("tcp --dport 80", "--dport", 2),
        ("iifname ! eth0", "!", 2), ("tcp dport -5", "-5", 3), ("iifname -i", "-i", 2), ("tcp dport { -d }", "-d", 4),
        ("tcp dport - 5", "-", 3),
    ])
    func optionsOfIptablesAreToldSo(_ text: String, _ option: String, _ word: Int) {
        #expect(
            complaint(text)
                == "\"\(option)\" at word \(word) is iptables syntax; "
                + "conditions are written in the syntax of nft, such as: ip saddr != 10.0.0.0/8")
    }

    @Test func theOtherFamilyIsRefused() {
        #expect(complaint("ip6 saddr fd00::1") == "\"ip6\" at word 1 is of the wrong family: the condition is of IPv4")
        #expect(
            complaint("ip saddr 10.0.0.1", .v6) == "\"ip\" at word 1 is of the wrong family: the condition is of IPv6")
        let wanted = "is of the wrong family: expected an IPv4 address, CIDR or range"
        for address in ["fd00::1", "fd00::/8"] {
            #expect(complaint("ip saddr \(address)") == "\"\(address)\" at word 3 \(wanted)")
        }
        #expect(complaint("ip saddr fd00::1-fd00::2") == "\"fd00::1\" at word 3 \(wanted)")
        #expect(complaint("ip6 saddr 1.2.3.4", .v6)?.contains("wrong family: expected an IPv6 address") == true)
        #expect(
            complaint("meta nfproto ipv6") == "\"ipv6\" at word 3 is of the wrong family: the condition is of IPv4")
        #expect(complaint("meta nfproto != ipv4", .v6)?.contains("wrong family") == true)
        #expect(
            complaint("meta nfproto ipv4", .v4, .ip) == "\"meta\" at word 1 works only in tables of the family inet")
    }

    /// What can never match is a mistake; nft says so too.
    @Test func twoProtocolsAtOnceAreRefused() {
        let never = "can never match: another protocol was asked for before"
        let list = "does not fit the list of protocols before it: use th"
        for (text, reason) in [
            ("tcp dport 80 udp dport 80", never), ("ip protocol tcp udp dport 5", never),
            ("meta l4proto icmp tcp dport 5", never), ("ip protocol { tcp, udp } tcp dport 5", list),
            ("meta l4proto { udp, tcp } tcp dport 5", list), ("tcp dport 5 ip protocol { 1, 6 } tcp sport 6", list),
        ] {
            #expect(complaint(text)?.hasSuffix(reason) == true)
            #expect(throws: Failure.self, "nft takes \(text)") { try rulesOfNft([text], .inet) }
        }
    }

    /// Each of these is refused, most of them by nft as well.
    @Test(arguments: [
        "ip saddr 10.0.0.0/33", "ip saddr 10.0.0", "ip saddr 10.0.0.256", "ip saddr 10.0.0.1-", "ip saddr -10.0.0.1",
        "ip saddr 10.0.0.0/8-10.0.0.9", "ip saddr 1.2.3.4-1.2.3.5-1.2.3.6", "ip saddr > 10.0.0.0/8",
        "ip saddr < 1.2.3.4-1.2.3.5", "ip saddr > { 1.2.3.4, 1.2.3.5 }", "ip saddr = 1.2.3.4", "ip saddr !1.2.3.4",
        "ip saddr == != 1.2.3.4", "ip saddr \"1.2.3.4\"", "ip saddr {}", "ip saddr { , }", "ip saddr { 1.2.3.4 ",
        "ip saddr } 1.2.3.4", "ip saddr { { 1.2.3.4 } }", "ip saddr 1.2.3.4, 1.2.3.5", "tcp dport 80,443",
        "tcp dport +80", "tcp dport 0x", "tcp dport 080", "tcp dport 8O", "tcp dport 1 - ",
        "tcp dport 99999999999999999999",
        "tcp dport 340282366920938463463374607431768211456", "tcp dport ８０", "tcp flags syn", "udp dport 5-65536",
        "iifname *", "iifname \"\"", "iifname abcdefghijklmnop", "iifname abcdefghijklmno*", "iifname a*b",
        "iifname a/b", "iifname a\\*", "iifname > eth0", "iifname \"a b\"", "fib type local", "fib daddr",
        "fib daddr oif 1",
        "fib saddr . daddr type local", "fib daddr . iif . oif type local", "fib daddr type nosuch",
        "fib daddr . type local",
        "fib daddr type local,unicast", "fib daddr type > local", "fib iif type local", "meta pkttype 0x1",
        "ct direction up",
        "ct direction original,reply", "ether saddr 02:00", "ether type ip", "meta skuid root",
        "meta pkttype host,other",
        "meta mark 4294967296",
        "meta mark 0x1/0x1", "meta mark and 0x1 and 0x2 == 3", "meta mark set 5", "meta l4proto 256",
        "meta l4proto > 5", "meta l4proto 1-5", "meta l4proto nosuch", "meta nfproto { ipv4 }", "meta nfproto > ipv4",
        "ct state 8", "ct state > new", "ct state new established", "ct state new,", "ct mark -1", "ct status nosuch",
        "ct zone 1",
        "accept", "ip saddr 1.2.3.4 drop", "ip saddr @set", "ip saddr 1.2.3.4; drop", "tcp dport vmap { 80 : accept }",
    ])
    func isRefused(_ text: String) throws {
        let answer = try #require(complaint(text), "\(text) was taken")
        #expect(answer.contains("at word ") || answer.contains("in word "), "\(answer)")
    }

    @Test func aListHasItsLimit() {
        let list = { (count: Int) in "tcp dport { \((1...count).map(String.init).joined(separator: ", ")) }" }
        #expect(complaint(list(500)) == nil)
        #expect(complaint(list(501)) == "\"{\" at word 3 begins a list of more than 500 values")
    }

    /// The longest lists that there can be do fit into a message.
    @Test func theLongestListsAreMade() throws {
        let odd = (0..<500).map { "fd00::\(String($0 * 2 + 1, radix: 16))" }
        let separate = ["ip6 saddr { \(odd.joined(separator: ", ")) }"]
        let ranges = ["ip6 saddr { \((0..<500).map { "fd00:\($0 + 1)::/64" }.joined(separator: ", ")) }"]
        for conditions in [separate, ranges] {
            #expect(try ownRules(conditions, .v6, .inet).text == rulesOfNft(conditions, .inet).text)
        }
    }

    /// Whatever the words: an answer or an error, and never a trap.
    @Test func randomWordsNeverTrap() {
        var random = SplitMix64(seed: 9)
        let words = [
            "ip", "ip6", "saddr", "daddr", "protocol", "tcp", "th", "dport", "meta", "mark", "and", "&", "==", "!=",
            "<",
            "{", "}", ",", "1", "1-5", "-", "0xff", "10.0.0.1", "10.0.0.0/8", "::", "::/0", "iifname", "eth*", "*",
            "\"",
            "\"a\"", "ct", "state", "new", "l4proto", "nfproto", "ipv4", "!", "=", "\u{e9}", "\u{0}",
            "340282366920938463463374607431768211455",
        ]
        var taken = 0
        for _ in 0..<50_000 {
            let text = (0..<Int.random(in: 1...7, using: &random)).map { _ in words.randomElement(using: &random)! }
                .joined(separator: Bool.random(using: &random) ? " " : "")
            if complaint(text, Bool.random(using: &random) ? .v4 : .v6) == nil { taken += 1 }
        }
        #expect(taken > 0)
    }
}
