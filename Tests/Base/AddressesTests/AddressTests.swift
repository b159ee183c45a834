import Addresses
import Testing
import TestSupport

@Suite struct AddressTests {
    @Test func everyIPv4FieldIsReadAsInetPtonDoes() {
        var fields = (0...999).map { String($0) }
        fields += [
            "", "00", "01", "000", "0256", "0000", "-1", "+1", " 1", "1 ", "0x1", "1e1", "a", "\u{661}", "1\u{301}",
        ]
        for field in fields {
            for position in 0..<4 {
                var parts = ["10", "0", "255", "7"]
                parts[position] = field
                let text = parts.joined(separator: ".")
                #expect(IPAddress(text)?.bytes == inetPton(text), "\(text)")
            }
        }
    }

    @Test(arguments: [
        "", ".", "...", "1.2.3", "1.2.3.", ".1.2.3", "1.2.3.4.", "1.2.3.4.5", "1..2.3", "1.2.3.4/8", "localhost",
        "16909060",
    ])
    func aTextThatIsNoAddressIsRefused(_ text: String) {
        #expect(inetPton(text) == nil)
        #expect(IPAddress(text) == nil)
    }

    @Test func ipv4IsPrintedAsInetNtopDoesAndReadBack() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<20_000 {
            let address = IPAddress(.v4, UInt128(random.next() >> 32))
            #expect(address.description == inetNtop(address))
            #expect(IPAddress(address.description) == address)
        }
    }

    /// Texts put together from what IPv6 addresses are made of, right and wrong, are mostly near misses.
    @Test func ipv6TextsOfAllKindsAreReadAsInetPtonDoes() {
        let parts = [
            ":", ":", ":", ":", ":", "::", "::", "0", "1", "12", "abc", "FFFF", "ffff", "00ab", "00000", "12345", "g",
            ".", "%",
            "1.2.3.4", "0.0.0.0", "1.2.3", "01.2.3.4", "256.1.1.1", " ", "/", "-",
        ]
        var random = SplitMix64(seed: 2)
        var accepted = 0
        for round in 0..<50_000 {
            var text = ""
            if round.isMultiple(of: 2) {
                for _ in 0..<Int.random(in: 1...17, using: &random) { text += parts.randomElement(using: &random)! }
            } else {
                // Nearly right: groups and single separators, with one fault or none.
                var groups = (0..<Int.random(in: 6...9, using: &random)).map { _ in
                    String(random.next() >> UInt64(Int.random(in: 48...63, using: &random)), radix: 16)
                }
                groups[Int.random(in: 0..<groups.count, using: &random)] = ["", "0", "1.2.3.4", "::"].randomElement(
                    using: &random)!
                text = groups.joined(separator: ":")
            }
            guard text.contains(":") else { continue }
            let address = IPAddress(text)
            if address?.bytes != inetPton(text) { Issue.record("\(text)") }
            if address != nil { accepted += 1 }
        }
        #expect(accepted > 2_500, "the generator must not miss what is right")
    }

    @Test func noZoneAndNoNULIsPartOfAnAddress() {
        for text in ["fe80::1%eth0", "fe80::1%", "::1\0", "\0", "1.2.3.4\0", "1.2.3.4\n"] {
            #expect(IPAddress(text) == nil)
        }
        #expect(IPAddress(String(repeating: "0", count: 1_000_000)) == nil)
    }

    /// Which groups are zero decides what is shortened: all 256 ways.
    @Test func ipv6IsPrintedAsInetNtopDoesAndReadBack() {
        var random = SplitMix64(seed: 3)
        for round in 0..<256 * 40 {
            var value: UInt128 = 0
            for group in 0..<8 {
                let isZero = round & 1 << group == 0
                value = value << 16 | (isZero ? 0 : UInt128(UInt16.random(in: 1...UInt16.max, using: &random)))
            }
            let address = IPAddress(.v6, value)
            #expect(IPAddress(address.description) == address)
            #expect(IPAddress(address.description.uppercased()) == address)
            // glibc writes the long dead IPv4-compatible ::a.b.c.d with dots; RFC 5952 and Go do not.
            guard !(value <= 0xffff_ffff && value > 0xffff) else {
                let groups = [value >> 16, value & 0xffff].map { String($0, radix: 16) }
                #expect(address.description == "::" + groups.joined(separator: ":"))
                continue
            }
            #expect(address.description == inetNtop(address))
        }
    }

    @Test func ipv4MappedStaysIPv6AndKeepsItsDots() {
        let address = IPAddress("::ffff:10.1.0.5")
        #expect(address?.family == .v6)
        #expect(address?.description == "::ffff:10.1.0.5")
        #expect(address == IPAddress("::FFFF:0a01:0005"))
        #expect(address != IPAddress("10.1.0.5"))
        #expect(IPAddress("::ffff:0:1.2.3.4")?.description == "::ffff:0:102:304")
        #expect(IPAddress("0:0:0:0:0:ffff::")?.description == "::ffff:0.0.0.0")
    }

    @Test(arguments: [
        ("::ffff:10.1.0.5/112", "10.1.0.5/16"), ("::ffff:a01:5/128", "10.1.0.5/32"), ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
        ("::ffff:10.1.0.5/95", nil), ("::fffe:10.1.0.5/112", "::fffe:a01:5/112"), ("10.1.0.5/16", "10.1.0.5/16"),
        ("fd00::1/64", "fd00::1/64"), ("::1/128", "::1/128"),
    ])
    func whatIsMappedToIPv6IsUnmappedWithItsLength(_ text: String, _ unmapped: String?) throws {
        let cidr = try #require(CIDR(text))
        #expect(cidr.unmapped?.description == unmapped)
        if let unmapped { #expect("\(cidr.address.unmapped)" == unmapped.prefix { $0 != "/" }) }
    }

    @Test func octetsAreNetworkOrderAndOnlyFourOrSixteen() {
        var random = SplitMix64(seed: 4)
        for count in 0...40 {
            let octets = random.bytes(count)
            let address = IPAddress(bytes: octets)
            #expect((address != nil) == [4, 16].contains(count))
            if let address { #expect(address.bytes == octets) }
            #expect(IPAddress(bytes: octets[...].dropFirst(0)) == address)
        }
        #expect(IPAddress(bytes: [10, 1, 0, 5])?.description == "10.1.0.5")
    }

    @Test func stepsStayWithinTheFamily() {
        let v4 = IPAddress("255.255.255.250")!
        for distance in 0...10 {
            let expected: UInt8? = distance <= 5 ? UInt8(250 + distance) : nil
            #expect(v4.advanced(by: UInt128(distance))?.bytes.last == expected)
        }
        #expect(v4.advanced(by: .max) == nil)
        #expect(IPAddress("10.0.0.255")!.advanced(by: 1)?.description == "10.0.1.0")
        let v6 = IPAddress(.v6, .max - 1)
        #expect(v6.advanced(by: 1)?.value == .max)
        #expect(v6.advanced(by: 2) == nil)
        #expect(IPAddress(.v6, 0).advanced(by: .max)?.value == .max)
    }

    @Test func kindsOfAddressesEndAtTheirBoundaries() {
        func texts(_ test: (IPAddress) -> Bool) -> [String] {
            [
                "0.0.0.0", "0.0.0.1", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0", "169.253.255.255",
                "169.254.0.0", "169.254.255.255", "169.255.0.0", "223.255.255.255", "224.0.0.0", "239.255.255.255",
                "240.0.0.0", "255.255.255.255", "::", "::1", "::2", "fe7f:ffff::", "fe80::", "febf:ffff::", "fec0::",
                "feff::", "ff00::", "ffff::", "::127.0.0.1",
            ].filter { test(IPAddress($0)!) }
        }
        #expect(texts(\.isUnspecified) == ["0.0.0.0", "::"])
        #expect(texts(\.isLoopback) == ["127.0.0.0", "127.255.255.255", "::1"])
        #expect(texts(\.isMulticast) == ["224.0.0.0", "239.255.255.255", "ff00::", "ffff::"])
        #expect(texts(\.isLinkLocal) == ["169.254.0.0", "169.254.255.255", "fe80::", "febf:ffff::"])
    }

    @Test func orderIsFamilyThenNumber() {
        let sorted = ["0.0.0.0", "9.0.0.0", "10.0.0.0", "255.255.255.255", "::", "::1", "::9", "::a", "ff::"]
            .map { IPAddress($0)! }
        #expect(sorted.shuffled().sorted() == sorted)
        #expect(Set(sorted).count == sorted.count)
        #expect(IPAddress("0.0.0.1") != IPAddress("::1"))
    }
}
