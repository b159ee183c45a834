import Addresses
import Attachments
import Posix
import Testing

@testable import IPAM

@Suite("Pools and range sets")
struct PoolTests {
    @Test(
        "missing bounds are filled in as the reference plugin does",
        arguments: [
            ("10.1.0.0/24", "10.1.0.1", "10.1.0.254", "10.1.0.1"), ("10.1.0.4/30", "10.1.0.5", "10.1.0.6", "10.1.0.5"),
            ("fd00::/64", "fd00::1", "fd00::ffff:ffff:ffff:ffff", "fd00::1"),
            ("fd00::/126", "fd00::1", "fd00::3", "fd00::1"),
            ("0.0.0.0/0", "0.0.0.1", "255.255.255.254", "0.0.0.1"),
        ])
    func defaults(subnet: String, first: String, last: String, gateway: String) throws {
        let pool = try pool(subnet)
        #expect(pool.range == AddressRange(ip(first), ip(last)))
        #expect(pool.gateway == ip(gateway))
    }

    @Test(
        "what cannot be a pool is refused in the reference plugin's words",
        arguments: [
            ("10.1.0.0/31", nil, nil, "Network 10.1.0.0/31 too small to allocate from"),
            ("fd00::/127", nil, nil, "Network fd00::/127 too small to allocate from"),
            (
                "10.1.0.5/24", nil, nil,
                "Network has host bits set. For a subnet mask of length 24 the network address is 10.1.0.0"
            ),
            ("10.1.0.0/24", "10.2.0.0", nil, "RangeStart 10.2.0.0 not in network 10.1.0.0/24"),
            ("10.1.0.0/24", "10.1.0.9", "10.1.0.8", "RangeStart 10.1.0.9 not in network 10.1.0.0/24"),
            ("10.1.0.0/24", "fd00::1", nil, "RangeStart fd00::1 not in network 10.1.0.0/24"),
            ("10.1.0.0/24", nil, "10.1.1.0", "RangeEnd 10.1.1.0 not in network 10.1.0.0/24"),
            ("10.1.0.0/24", nil, "10.1.0.0", "RangeEnd 10.1.0.0 not in network 10.1.0.0/24"),
            ("10.1.0.0/24", "10.1.0.255", nil, "RangeStart 10.1.0.255 not in network 10.1.0.0/24"),
        ] as [(String, String?, String?, String)])
    func refusals(subnet: String, start: String?, end: String?, text: String) {
        let error = #expect(throws: Failure.self) { try pool(subnet, start: start, end: end) }
        #expect(error?.description.hasPrefix(text) == true, "\(error?.description ?? "")")
    }

    @Test("a gateway may lie outside the subnet, but not in the other family")
    func gateways() throws {
        #expect(try pool("10.1.0.0/24", gateway: "10.9.0.1").gateway == ip("10.9.0.1"))
        #expect(throws: Failure.self) { try pool("10.1.0.0/24", gateway: "fd00::1") }
    }

    @Test("what cannot be a range set is refused in the reference plugin's words")
    func setRefusals() throws {
        #expect(throws: Failure(.invalidConfiguration, "empty range set")) { try RangeSet([]) }
        #expect(throws: Failure(.invalidConfiguration, "mixed address families")) {
            try RangeSet([pool("10.1.0.0/24"), pool("fd00::/64")])
        }
        #expect(throws: Failure(.invalidConfiguration, "subnets 10.1.0.1-10.1.0.254 and 10.1.0.9-10.1.0.254 overlap")) {
            try RangeSet([pool("10.1.0.0/24"), pool("10.1.0.0/24", start: "10.1.0.9")])
        }
        #expect(throws: Failure(.invalidConfiguration, "range set 1 overlaps with 2")) {
            try RangeSet.validate([set("10.1.0.0/24"), set("10.2.0.0/24"), set("10.2.0.0/16")])
        }
        #expect(throws: Failure(.invalidConfiguration, "no IP ranges specified")) { try RangeSet.validate([]) }
        try RangeSet.validate([set("10.1.0.0/24"), set("10.2.0.0/24"), set("fd00::/64")])
    }

    @Test("only whole blocks within the bounds are handed out, the first and the last included")
    func blocks() throws {
        let whole = try RangeSet([pool("10.1.0.0/16", blocks: 24)])
        #expect(whole.capacity == 256)
        #expect(Array(whole.units(after: nil)).first == CIDR("10.1.0.0/24"))
        #expect(Array(whole.units(after: nil)).last == CIDR("10.1.255.0/24"))
        let part = try RangeSet([pool("10.1.0.0/22", start: "10.1.0.1", end: "10.1.2.255", blocks: 24)])
        #expect(Array(part.units(after: nil)).map(\.description) == ["10.1.1.0/24", "10.1.2.0/24"])
        let gated = try RangeSet([pool("10.1.0.0/22", gateway: "10.1.1.7", blocks: 24)])
        #expect(Array(gated.units(after: nil)).map(\.description) == ["10.1.0.0/24", "10.1.2.0/24", "10.1.3.0/24"])
        #expect(gated.capacity == 3)
        #expect(try RangeSet([pool("255.255.255.0/24", blocks: 32)]).capacity == 256)
        #expect(try RangeSet([pool("fd00::/16", blocks: 64)]).capacity == 1 << 48)
        #expect(throws: Failure.self) { try pool("10.1.0.0/24", start: "10.1.0.1", blocks: 24) }
        for length in [0, 15, 33] { #expect(throws: Failure.self) { try pool("10.1.0.0/16", blocks: length) } }
        #expect(throws: Failure.self) { try pool("::/0", blocks: 0) }
    }

    /// Start, end and gateway of each small subnet, against the obvious answer. Of the larger ones, every few.
    @Test(
        "every small subnet hands out exactly what lies between its bounds, in turn", arguments: [30, 29, 28, 27, 24])
    func exhaustive(length: Int) throws {
        let subnet = try #require(CIDR("10.0.7.0/\(length)"))
        let base = subnet.first.value
        let size = Int(subnet.range.count)
        let step = length >= 28 ? 1 : length == 27 ? 5 : 61
        let choices: [Int?] =
            [nil] + (Array(stride(from: 0, to: size, by: step)) + [size - 1, size]).map(Optional.some)
        let address = { (offset: Int?) in offset.map { IPAddress(.v4, base + UInt128($0)) } }
        for start in choices {
            for end in choices {
                let first = start ?? 1
                let last = end ?? size - 2
                guard first < size, last < size, first <= last else {
                    #expect(throws: Failure.self) {
                        try Pool(subnet: subnet, rangeStart: address(start), rangeEnd: address(end), gateway: nil)
                    }
                    continue
                }
                for gateway in choices {
                    let pool = try Pool(
                        subnet: subnet, rangeStart: address(start), rangeEnd: address(end), gateway: address(gateway))
                    let set = try RangeSet([pool])
                    for after in length >= 29 ? choices : [nil, last] {
                        let turn = after.flatMap { (first...last).contains($0) ? $0 : nil } ?? last
                        let order = Array(first...last).filter { $0 > turn } + Array(first...last).filter { $0 <= turn }
                        let expected = order.filter { $0 != gateway ?? 1 }.map { base + UInt128($0) }
                        guard set.units(after: address(after)).map(\.address.value).elementsEqual(expected),
                            set.capacity == UInt128(expected.count)
                        else {
                            Issue.record(
                                "\(subnet) from \(first) to \(last), gateway \(gateway ?? 1), after \(after ?? -1)")
                            return
                        }
                    }
                }
            }
        }
    }

    @Test("the search among what is taken finds what trying one after the other finds")
    func searchAgreesWithTrying() throws {
        var random = SeededGenerator(7)
        for _ in 0..<400 {
            let set = try RangeSet([
                pool("10.0.0.0/27", start: "10.0.0.3", gateway: "10.0.0.9"), pool("10.0.1.0/26", blocks: 28),
                pool("10.0.2.0/29"),
            ])
            let taken = TakenRanges(
                (0..<Int.random(in: 0..<60, using: &random)).map { _ in
                    let length = [32, 32, 32, 30, 28].randomElement(using: &random)!
                    let value = 0x0a00_0000 + UInt128.random(in: 0..<0x300, using: &random)
                    return CIDR(IPAddress(.v4, value), length).network
                }, family: .v4)
            let last = IPAddress(.v4, 0x0a00_0000 + UInt128.random(in: 0..<0x300, using: &random))
            let free = set.units(after: last).filter { unit in !taken.ranges.contains { $0.overlaps(unit.range) } }
            #expect(set.firstFree(after: last, avoiding: taken) == free.first)
            #expect(set.used(taken) == set.capacity - UInt128(free.count))
        }
    }

    @Test(
        "a name stands for one unit only, and the other way round",
        arguments: [
            "10.0.0.1", "10.1.0.0_24", "fd00::", "fd00::_64", "::1", "0.0.0.0_1",
        ])
    func namesReadBack(name: String) throws {
        #expect(try #require(CIDR(reservationName: name)).reservationName == name)
    }

    @Test(
        "other names are no reservations",
        arguments: [
            "", "lock", "last_reserved_ip.0", ".swiftlet.x", "010.0.0.1", "10.0.0.1_32", "10.0.0.1_24", "10.0.0.0_024",
            "10.0.0.0_+8",
            "FD00::1", "fd00:0::1", "10.0.0.1 ", "10.0.0.0_24_3", "10.0.0.0/24", "10.0.0.0_", "0.0.0.0_0",
        ])
    func otherNames(name: String) { #expect(CIDR(reservationName: name) == nil) }

    @Test("a record reads back as its owner, whatever white space surrounds it")
    func records() {
        #expect(Attachment(record: Array("abc\r\neth0".utf8)) == owner("abc"))
        #expect(Attachment(record: Array(" \nabc\r\neth0\n".utf8)) == owner("abc"))
        #expect(Attachment(record: Array("abc\neth0".utf8)) == owner("abc"))
        #expect(Attachment(record: Array("abc".utf8)) == owner("abc", ""))
        #expect(owner("abc").record == Array("abc\r\neth0".utf8))
        for garbage in ["", " \r\n ", "a\r\nb\r\nc", "a\u{0}b", "a\tb", String(repeating: "x", count: 4097)] {
            #expect(Attachment(record: Array(garbage.utf8)) == nil, "\(garbage)")
        }
        #expect(Attachment(record: [UInt8](repeating: 0, count: 20)) == nil)
        #expect(Attachment(record: [0xff, 0xfe]) == nil)
        #expect(owner("", "").key == "6c62272e07bb014262b821756295c58d")
        #expect(owner("foobar", "").key == "343e1662793c64bf6f0d3597ba446f18")
    }

    @Test("every census survives being written as a time")
    func seals() {
        let units = ["10.0.0.1/32", "10.0.0.0/24", "10.0.0.0/1", "fd00::1/128", "fd00::/64", "8000::/1"].map {
            CIDR($0)!
        }
        for chosen in 0..<64 {
            let census = Census(units.enumerated().filter { chosen & 1 << $0.offset != 0 }.map(\.element))
            #expect(Seal.census(at: Seal.time(of: census)) == census)
        }
        #expect(Seal.census(at: .init(seconds: 1_800_000_000, nanoseconds: 0)) == nil)
        #expect(Seal.census(at: .init(seconds: 410_227_200, nanoseconds: 1)) == nil)
        #expect(Seal.census(at: .init(seconds: -1, nanoseconds: 0)) == nil)
    }
}
