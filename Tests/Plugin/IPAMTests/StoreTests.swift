import Addresses
import Attachments
import Foundation
import Posix
import Testing

@testable import IPAM

@Suite("The store on one node")
struct StoreTests {
    let fixture = Fixture()

    @Test("what is written is what the reference plugin writes")
    func format() throws {
        #expect(
            try fixture.store().add("abc", [set("10.1.0.0/24"), set("fd00::/64")]) == ["10.1.0.2/24", "fd00::2/64"])
        #expect(
            fixture.files.names == [
                ".swiftlet.boot-1", "10.1.0.2", "fd00::2", "last_reserved_ip.0", "last_reserved_ip.1", "lock",
            ])
        #expect(fixture.files.read("10.1.0.2") == "abc\r\neth0")
        #expect(fixture.files.read("fd00::2") == "abc\r\neth0")
        #expect(fixture.files.read("last_reserved_ip.0") == "10.1.0.2")
        #expect(fixture.files.read("last_reserved_ip.1") == "fd00::2")
        fixture.files.expectSound("boot-1")
        let mode = try FileManager.default.attributesOfItem(atPath: fixture.files.path + "/10.1.0.2")[.posixPermissions]
        #expect(mode as? Int == 0o600)
    }

    @Test("an address that was freed is not handed out again before the others had their turn")
    func rotation() throws {
        let range = try [set("10.1.0.0/29")]
        var seen: [String] = []
        for turn in 0..<10 {
            seen += try fixture.store().add("c\(turn)", range)
            try fixture.store().release(owner("c\(turn)"))
        }
        #expect(seen.map { $0.dropFirst(7).dropLast(3) } == ["2", "3", "4", "5", "6", "2", "3", "4", "5", "6"])
    }

    @Test("a shorter address replaces a longer one as the last that was handed out")
    func cursorShrinks() throws {
        let range = try [RangeSet([pool("10.1.0.0/24", start: "10.1.0.100", end: "10.1.0.100"), pool("10.1.1.0/29")])]
        for id in ["a", "b"] { try fixture.store().add(id, range) }
        #expect(fixture.files.read("last_reserved_ip.0") == "10.1.1.2")
    }

    @Test("pools are used up one after the other, each address once")
    func pools() throws {
        let range = try [
            RangeSet([pool("10.1.0.0/30"), pool("10.2.0.0/30", gateway: "10.2.0.2"), pool("10.3.0.0/30")])
        ]
        let seen = try (0..<3).flatMap { try fixture.store().add("c\($0)", range) }
        #expect(seen == ["10.1.0.2/30", "10.2.0.1/30", "10.3.0.2/30"])
        fixture.store().expectFailure(
            .addressNotAvailable,
            "no IP addresses available in range set: 10.1.0.1-10.1.0.2,10.2.0.1-10.2.0.2,10.3.0.1-10.3.0.2",
            "d", range)
    }

    @Test("no pool's gateway is handed out from another pool of the set")
    func foreignGateways() throws {
        let range = try [
            RangeSet([
                pool("10.1.0.0/24", start: "10.1.0.9", end: "10.1.0.10"),
                pool("10.1.0.0/24", start: "10.1.0.1", end: "10.1.0.2", gateway: "10.1.0.10"),
            ])
        ]
        #expect(try fixture.store().add("a", range) == ["10.1.0.9/24"])
        #expect(try fixture.store().add("b", range) == ["10.1.0.2/24"])
        fixture.store().expectFailure(.addressNotAvailable, "no IP addresses available", "c", range)
    }

    @Test("a second reservation without a release in between is refused, and the first stays")
    func duplicates() throws {
        let range = try [set("10.1.0.0/24")]
        try fixture.store().add("a", range)
        fixture.store().expectFailure(
            .conflict, "10.1.0.2 has been allocated to a, duplicate allocation is not allowed", "a", range)
        #expect(fixture.files.reservations == ["10.1.0.2": "a\r\neth0"])
        #expect(try fixture.store().reserve(owner("a", "eth1"), from: range).count == 1)
    }

    @Test("all sets or none: a full set leaves nothing of the others")
    func allOrNothing() throws {
        let small = try [set("10.1.0.0/24"), set("fd00::/126")]
        try fixture.store().add("a", small)
        try fixture.store().add("b", small)
        let before = fixture.files.reservations
        fixture.store().expectFailure(
            .addressNotAvailable, "failed to allocate for range 1: no IP addresses available", "c", small)
        #expect(fixture.files.reservations == before)
        fixture.files.expectSound("boot-1")
    }

    @Test("releasing frees all that the owner has and nothing else, and may be repeated")
    func release() throws {
        let both = try [set("10.1.0.0/24"), set("fd00::/64")]
        for id in ["a", "b", "c"] { try fixture.store().add(id, both) }
        for _ in 0..<2 {
            try fixture.store().release(owner("b"))
            #expect(Set(fixture.files.reservations.values) == ["a\r\neth0", "c\r\neth0"])
            fixture.files.expectSound("boot-1")
        }
        try fixture.store().release(owner("a", "eth1"))
        #expect(fixture.files.reservations.count == 4)
    }

    @Test("releasing from a network that never was succeeds and makes nothing")
    func releaseOfNothing() throws {
        try fixture.store().release(owner("a"), hints: [ip("10.0.0.1")])
        #expect(try fixture.store().collectGarbage(keeping: []).isEmpty)
        #expect(try fixture.store().reservations(of: owner("a")).isEmpty)
        #expect(try fixture.store().all().isEmpty)
        #expect(try fixture.store().usage(of: [set("10.1.0.0/24")]).map(\.used) == [0])
        #expect(try !fixture.store().isFull([set("10.1.0.0/24")]))
        #expect(!FileManager.default.fileExists(atPath: fixture.files.path))
    }

    @Test("a hint finds a reservation that the index does not know, but frees no other owner's")
    func hints() throws {
        try fixture.store().add("a", [set("10.1.0.0/24")])
        try fixture.store().add("b", [set("10.1.0.0/24")])
        // Gone in a way that leaves the seals as they were.
        let index = "\(fixture.files.path)/.swiftlet.boot-1"
        _ = Outcome([
            "sh", "-c",
            "touch -r \(index) \(index)/../m; rm \(index)/\(owner("a").key).0; touch -r \(index)/../m \(index); rm \(index)/../m; touch -r \(index) \(index)/..",
        ])
        try fixture.store().release(owner("a"), hints: [ip("10.1.0.3"), ip("10.1.0.2"), ip("10.1.0.77")])
        #expect(fixture.files.reservations == ["10.1.0.3": "b\r\neth0"])
    }

    @Test("files of old releases, with the container's ID alone, are found, counted and released")
    func legacy() throws {
        fixture.files.write("10.1.0.2", "old")
        fixture.files.write("10.1.0.3", "older\n")
        #expect(try fixture.store().reservations(of: owner("old")) == [CIDR("10.1.0.2/32")!])
        fixture.store().expectFailure(.conflict, "10.1.0.2 has been allocated to old", "old", try [set("10.1.0.0/24")])
        #expect(try fixture.store().collectGarbage(keeping: [owner("old")]).map(\.unit.description) == ["10.1.0.3/32"])
        try fixture.store().release(owner("old"))
        #expect(fixture.files.reservations.isEmpty)
        fixture.files.expectSound("boot-1")
    }

    @Test("requested addresses go to the sets that they lie in; the rest get any")
    func requested() throws {
        let both = try [set("10.1.0.0/24"), set("fd00::/64")]
        #expect(
            try fixture.store().add("a", both, requested: [ip("fd00::77"), ip("fd00::77")]) == [
                "10.1.0.2/24", "fd00::77/64",
            ])
        #expect(
            try fixture.store().add("b", both, requested: [ip("fd00::9"), ip("10.1.0.9")]) == [
                "10.1.0.9/24", "fd00::9/64",
            ])
        #expect(try fixture.store().add("c", both) == ["10.1.0.10/24", "fd00::a/64"])
    }

    @Test("a request that cannot be met says why and changes nothing")
    func refusedRequests() throws {
        let both = try [set("10.1.0.0/24"), set("fd00::/64")]
        try fixture.store().add("a", both)
        let before = fixture.files.reservations
        let refuse = { (text: String, requested: [IPAddress]) in
            fixture.store().expectFailure(.addressNotAvailable, text, "b", both, requested: requested)
        }
        refuse(
            "failed to allocate all requested IPs: 10.9.0.1 10.1.0.4", [ip("10.1.0.3"), ip("10.9.0.1"), ip("10.1.0.4")])
        refuse("failed to allocate for range 0: requested ip 10.1.0.1 is subnet's gateway", [ip("10.1.0.1")])
        refuse("requested IP address 10.1.0.2 is not available in range set 10.1.0.1-10.1.0.254", [ip("10.1.0.2")])
        refuse("requested IP address fd00::2 is not available in range set fd00::1-", [ip("10.1.0.7"), ip("fd00::2")])
        #expect(fixture.files.reservations == before)
        fixture.files.expectSound("boot-1")
    }

    @Test("garbage collection leaves exactly the attachments that are kept")
    func garbageCollection() throws {
        let both = try [set("10.1.0.0/24"), set("fd00::/64")]
        for id in ["a", "b", "c", "d"] { try fixture.store().add(id, both) }
        fixture.files.write("10.1.0.200", "stranger\r\neth0")
        fixture.files.write("10.1.0.201", "")
        let freed = try fixture.store().collectGarbage(keeping: [owner("b"), owner("d"), owner("never")])
        #expect(freed.map(\.unit.address.description) == ["10.1.0.2", "10.1.0.4", "10.1.0.200", "fd00::2", "fd00::4"])
        #expect(freed.map(\.owner?.containerID) == ["a", "c", "stranger", "a", "c"])
        #expect(Set(fixture.files.reservations.values) == ["b\r\neth0", "d\r\neth0"])
        fixture.files.expectSound("boot-1")
    }

    @Test("what is in use is counted, and a full range is known to be full, without any change")
    func usage() throws {
        let range = try [set("10.1.0.0/29"), set("fd00::/64")]
        for id in ["a", "b", "c", "d"] { try fixture.store().add(id, range) }
        #expect(try fixture.store().usage(of: range).map(\.used) == [4, 4])
        #expect(try fixture.store().usage(of: range).map(\.total) == [5, UInt128(UInt64.max) - 1])
        #expect(try !fixture.store().isFull(range))
        try fixture.store().add("e", range)
        #expect(try fixture.store().isFull(range))
        #expect(try fixture.store().usage(of: range).map(\.used) == [5, 5])
        // An empty file would be taken over, so there is room; looking does not take it over.
        fixture.files.write("10.1.0.3", "")
        #expect(try !fixture.store().isFull(range))
        #expect(fixture.files.read("10.1.0.3")?.isEmpty == true)
        #expect(try fixture.store().all().count { $0.owner == nil } == 1)
        #expect(try fixture.store().all().count == 10)
    }

    @Test(
        "names that are no directory's name are refused before anything is touched",
        arguments: [
            "", ".", "..", "a/b", "../net", "a\u{0}b", String(repeating: "n", count: 256),
        ])
    func names(name: String) throws {
        let network = Store(dataDirectory: fixture.directory.path, network: name, bootID: "b")
        let boot = Store(dataDirectory: fixture.directory.path, network: "net", bootID: name)
        for store in name == "." || name == ".." ? [network] : [network, boot] {
            store.expectFailure(.invalidConfiguration, "is not the name of a directory", "a", try [set("10.1.0.0/24")])
            #expect(throws: Failure.self) { try store.release(owner("a")) }
            #expect(throws: Failure.self) { try store.all() }
        }
        #expect(Files(path: fixture.directory.path).names.isEmpty)
    }

    @Test(
        "owners that could not be found again are refused",
        arguments: [
            owner("a", ""), owner("", "eth0"), owner("a\nb", "eth0"), owner(" a", "eth0"),
            owner(String(repeating: "x", count: 4096)),
        ])
    func owners(owner: Attachments.Attachment) throws {
        let error = #expect(throws: Failure.self) { try fixture.store().reserve(owner, from: [set("10.1.0.0/24")]) }
        #expect(error?.kind == .invalidConfiguration)
    }
}
