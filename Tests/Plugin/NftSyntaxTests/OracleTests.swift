import Addresses
import NetlinkCodec
import NftSyntax
import Testing
import TestSupport

/// What nft makes of each condition, and what is made of it here, listed by nft.
private func compare(_ conditions: [String], _ version: IPFamily, _ family: NftFamily) throws {
    let theirs = try rulesOfNft(conditions, family)
    let own = try ownRules(conditions, version, family)
    #expect(theirs.rules.count == conditions.count && own.rules.count == conditions.count)
    for (condition, (one, other)) in zip(conditions, zip(own.rules, theirs.rules)) {
        #expect(one == other, "\(family) \(condition)")
    }
    #expect(own.text == theirs.text)
    #expect(theirs.code.count > conditions.count)
    let difference = zip(own.code, theirs.code).first { $0 != $1 }
    #expect(own.code == theirs.code, "\(family): \(difference as Any)")
}

@Suite struct OracleTests {
    /// For all families, and what differs in an `inet` table.
    static let common = [
        "tcp dport 80", "tcp dport == 80", "tcp dport != 80", "tcp dport eq 80", "tcp dport ne 80", "tcp dport 80-90",
        "tcp dport == 80-90", "tcp dport != 80-90", "tcp dport 80 - 90", "tcp dport < 80", "tcp dport > 80",
        "tcp dport <= 80", "tcp dport >= 80", "tcp dport lt 80", "tcp dport gt 80", "tcp dport le 80",
        "tcp dport ge 80",
        "tcp dport 0", "tcp dport 65535", "tcp dport 0-65535", "tcp dport 80-80", "tcp dport 0x50", "tcp sport 80",
        "udp sport 53", "udp dport 0-5", "udp dport 5-65535", "sctp dport 7", "sctp sport != 7", "th dport 80",
        "th sport 1-1023", "tcp dport { 80 }", "tcp dport != { 80 }", "tcp dport { 80, 443 }",
        "tcp dport == { 80, 443 }", "tcp dport != { 80, 443 }", "tcp dport {80,443}", "tcp dport { 80, 443, }",
        "tcp dport { 1-5 }", "tcp dport != { 1-5 }", "tcp dport { 0-65535 }", "tcp dport { 0-65535, 7 }",
        "tcp dport { 80-90, 91-95, 96, 98 }", "tcp dport { 0-5, 7 }", "tcp dport { 5, 60000-65535 }",
        "tcp dport { 80, 80 }", "udp dport { 1 - 5, 9 }", "th dport { 80-90, 443 }",
        "iifname eth1", "iifname == eth1", "iifname != eth1", "iifname \"eth1\"", "oifname eth1", "meta iifname eth1",
        "meta oifname != \"eth1\"", "iifname eth*", "iifname \"eth*\"", "iifname != eth*", "iifname abcdefghijklmno",
        "iifname abcdefghijklmn*", "iifname e*", "iifname { eth1, eth2 }", "iifname != { eth1, \"eth2\" }",
        "iifname { eth* }", "iifname { eth1, eth* }", "oifname != { eth1, veth*, lo }", "iifname eth1.100",
        "iifname br-0123456789ab", "iifname eth1 oifname eth2", "iifname lo", "iifname != lo oifname != lo",
        "meta mark 1", "mark 1", "meta mark != 1", "meta mark == 0", "meta mark 0xffffffff", "meta mark and 0xff == 1",
        "meta mark & 0xff != 1", "meta mark and 0xff 1", "meta mark & 0x2000 == 0x2000", "meta mark & 0 == 0",
        "meta mark and 0xffffffff == 5", "meta mark 1-5", "meta mark != 1-5", "meta mark > 5", "meta mark <= 0x10",
        "meta mark { 1, 2 }", "meta mark { 0x100, 2 }", "meta mark { 1-5, 9 }", "meta mark != { 1-5, 9 }",
        "meta mark & 0xff == { 1, 2 }", "meta mark & 0xff > 3", "meta mark & 0xff == 1-3",
        "meta mark & 0xff != { 1-4, 6 }",
        "ct mark 5", "ct mark != 5", "ct mark and 0x3 == 1", "ct mark & 0xff00 != 0", "ct mark 1-5", "ct mark { 1, 2 }",
        "ct mark { 1-5, 7 }", "ct state new", "ct state == new", "ct state != new", "ct state new,established",
        "ct state new, established ,related", "ct state == new,established", "ct state != new,established",
        "ct state { new, established }", "ct state != { new, established }", "ct state { new }",
        "ct state == { new }", "ct state invalid,untracked", "ct state new,new", "ct state new ct state established",
        "meta l4proto tcp", "meta l4proto != udp", "meta l4proto 17", "meta l4proto 0", "meta l4proto { tcp, udp }",
        "meta l4proto != { tcp, udp }", "meta l4proto { tcp, udp } th dport 53", "meta l4proto tcp tcp dport 5",
        "meta l4proto tcp th dport 5", "meta l4proto != tcp udp dport 5", "meta l4proto sctp", "meta l4proto icmp",
        "meta l4proto icmpv6", "meta l4proto ipv6-icmp", "meta l4proto udplite", "meta l4proto dccp",
        "meta l4proto esp",
        "meta l4proto ah", "meta l4proto comp", "meta l4proto gre", "meta l4proto igmp", "meta l4proto == { udp }",
        "meta l4proto tcp meta l4proto tcp", "tcp dport 5 meta l4proto tcp",
        "iifname eth1 ct state new meta mark 5 tcp dport { 80, 443 } oifname { a, b }",
        "fib daddr type local", "fib saddr type != local", "fib daddr type { local, broadcast, multicast }",
        "fib saddr type != { unicast, local }", "fib daddr . iif type local", "fib saddr . mark . iif type unicast",
        "fib daddr type == anycast", "fib daddr type blackhole", "fib daddr type prohibit tcp dport 80",
        "fib saddr . mark type unreachable", "fib daddr . oif type local", "fib daddr type { local }",
        "fib saddr type unspec",
        "ct status dnat", "ct status != dnat", "ct status snat,dnat", "ct status { snat, dnat }",
        "ct status == assured",
        "ct status seen-reply", "ct status expected,confirmed", "ct status != { assured, dying }",
        "ct direction original", "ct direction != reply", "ct direction { original, reply }",
        "meta pkttype host", "meta pkttype != broadcast", "meta pkttype { broadcast, multicast }", "meta pkttype other",
        "meta skuid 1000", "skuid 0", "meta skgid != 100", "meta skuid { 0, 1000-2000 }", "meta skuid < 1000",
        "meta skgid { 1, 2 }", "meta skuid 1-5", "meta skuid != 0-999",
        "ether saddr 02:00:00:00:00:01", "ether daddr != 02:00:00:00:00:01",
        "ether saddr { 02:00:00:00:00:01, 02:00:00:00:00:02 }", "ether saddr != 0a:58:0a:01:00:02 tcp dport 80",
        "iifname eth1 fib daddr type local ct status dnat meta pkttype host tcp dport 80",
    ]

    static let v4 = [
        "ip saddr 10.0.0.1", "ip daddr 10.0.0.1", "ip saddr == 10.0.0.1", "ip saddr != 10.0.0.1",
        "ip saddr 10.0.0.0/8", "ip saddr != 10.0.0.0/8", "ip saddr 10.0.0.0/9", "ip saddr != 10.0.0.0/12",
        "ip saddr 10.0.0.5/24", "ip saddr 10.1.0.0/16", "ip saddr 0.0.0.0/0", "ip saddr 10.0.0.1/32",
        "ip saddr 128.0.0.0/1", "ip saddr 10.0.0.0/31", "ip saddr 10.0.0.1-10.0.0.9", "ip saddr != 10.0.0.1-10.0.0.9",
        "ip saddr 10.0.0.1 - 10.0.0.9", "ip saddr > 10.0.0.1", "ip daddr <= 10.0.0.1", "ip saddr { 10.0.0.1 }",
        "ip saddr != { 10.0.0.1 }", "ip saddr == { 10.0.0.1, 10.0.0.2 }", "ip daddr { 1.2.3.4, 5.6.7.8 }",
        "ip saddr { 10.0.0.0/8 }", "ip saddr != { 10.0.0.0/8 }", "ip saddr { 10.0.0.0/9, 10.128.0.0/9 }",
        "ip saddr { 10.0.0.1, 10.0.0.1 }", "ip saddr { 0.0.0.0/1, 1.2.3.4 }", "ip saddr { 128.0.0.0/1, 1.2.3.4 }",
        "ip saddr != { 10.0.0.1, 10.0.0.0/24 }", "ip saddr { 10.0.0.1-10.0.0.9, 10.1.0.0/16 }",
        "ip saddr { 10.0.0.1/32, 10.0.0.2 }", "ip saddr != { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 }",
        "ip saddr { 255.255.255.255, 0.0.0.0 }", "ip saddr { 255.255.255.0/24, 0.0.0.0/24 }",
        "ip protocol tcp", "ip protocol != udp", "ip protocol 6", "ip protocol { tcp, udp }",
        "ip protocol tcp tcp dport 5", "ip protocol 6 th dport 5", "ip protocol != tcp tcp dport 5",
        "ip protocol tcp ip protocol tcp", "ip protocol { tcp, udp } th dport 53", "meta l4proto tcp ip protocol tcp",
        "tcp dport 5 ip protocol tcp", "tcp dport 5 ip saddr 10.0.0.1", "ip saddr 10.0.0.1 tcp dport 5",
        "ip saddr 10.0.0.1 ip daddr 10.0.0.2", "ip saddr 10.0.0.0/24 ip daddr != 10.0.0.0/24",
        "ip daddr 10.0.0.1 ip saddr 10.0.0.2", "ip daddr != 10.0.0.1 ip saddr != 10.0.0.2",
        "iifname eth1 ip saddr 10.0.0.0/8 tcp dport { 80, 443 } ct state new meta mark 5",
        "ip saddr { 1.1.1.1, 2.2.2.2 } ip daddr != { 3.3.3.3, 4.4.4.0/24 } udp dport { 1, 2 }",
    ]

    static let v4InInet = [
        "meta nfproto ipv4", "meta nfproto == ipv4", "meta nfproto != ipv4", "meta nfproto ipv4 ip saddr 1.2.3.4",
        "ip saddr 1.2.3.4 meta nfproto ipv4", "meta nfproto != ipv4 ip saddr 1.2.3.4",
    ]

    static let v6 = [
        "ip6 saddr fd00::1", "ip6 daddr != fd00::1", "ip6 saddr fd00::/8", "ip6 saddr != fd00::/64",
        "ip6 saddr fd00::1/65", "ip6 saddr fd00::/7", "ip6 saddr fd00::/127", "ip6 saddr fd00::1/128", "ip6 saddr ::/0",
        "ip6 saddr ::/1", "ip6 saddr ::1", "ip6 saddr fd00::1-fd00::5", "ip6 saddr != fd00::1-fd00::5",
        "ip6 daddr > fd00::1", "ip6 saddr { fd00::1, fd00::2 }", "ip6 saddr { fd00::/8, fe80::1 }",
        "ip6 saddr != { fd00::/8, fe80::/10 }", "ip6 saddr { fd00::1 }", "ip6 saddr { ff00::/8, ::/8 }",
        "ip6 saddr { fd00::1-fd00::9, fd00::a, fd00::c }", "ip6 nexthdr tcp", "ip6 nexthdr != udp", "ip6 nexthdr 6",
        "ip6 nexthdr { tcp, udp }", "ip6 nexthdr tcp tcp dport 5", "ip6 nexthdr tcp ip6 saddr fd00::/8",
        "ip6 nexthdr icmpv6", "ip6 nexthdr ipv6-icmp", "ip6 saddr fd00::1/65 tcp dport 5",
        "ip6 nexthdr tcp tcp dport 5 ip6 daddr fd00::1", "ip6 saddr fd00::1 ip6 daddr fd00::2",
        "tcp dport { 80, 443 } ip6 saddr != { fd00::1, fd00::2 }",
    ]

    static let v6InInet = ["meta nfproto ipv6", "meta nfproto != ipv6", "meta nfproto ipv6 ip6 saddr fd00::1"]

    @Test func inAnInetTable() throws {
        try compare(Self.common + Self.v4 + Self.v4InInet, .v4, .inet)
        try compare(Self.common + Self.v6 + Self.v6InInet, .v6, .inet)
    }

    @Test func inATableOfOneFamily() throws {
        try compare(Self.common + Self.v4, .v4, .ip)
        try compare(Self.common + Self.v6, .v6, .ip6)
    }

    /// nft keeps the number that an interface has when the rule is made, here its name is kept.
    @Test func interfacesByNumberAreTakenByName() throws {
        for (text, named) in [
            ("iif lo", "iifname lo"), ("meta oif != lo", "oifname != lo"), ("oif { lo }", "oifname { lo }"),
            ("iif \"lo\" tcp dport 80", "iifname \"lo\" tcp dport 80"),
        ] {
            #expect(try rulesOfNft([text], .inet).rules.count == 1, "nft takes \(text)")
            #expect(try ownRules([text], .v4, .inet).text == ownRules([named], .v4, .inet).text)
        }
    }

    /// nft joins comparisons of neighbouring fields; what it then lists is the same where they stood in the order in
    /// which packets have them.
    @Test func neighbouringFieldsMeanTheSame() throws {
        let conditions = ["tcp sport 1 tcp dport 80", "udp sport 53 th dport 7"]
        let (theirs, own) = try (rulesOfNft(conditions, .inet), ownRules(conditions, .v4, .inet))
        #expect(own.text == theirs.text)
    }

    @Test(arguments: [(IPFamily.v4, NftFamily.inet), (.v6, .inet), (.v4, .ip), (.v6, .ip6)])
    func randomConditions(_ version: IPFamily, _ family: NftFamily) throws {
        var grammar = Grammar(version, family, seed: 400)
        let conditions = (0..<400).map { _ in grammar.condition() }
        #expect(Set(conditions).count > 350)
        try compare(conditions, version, family)
    }
}
