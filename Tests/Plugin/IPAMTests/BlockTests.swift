import Addresses
import Posix
import Testing

@testable import IPAM

@Suite("Blocks")
struct BlockTests {
    let fixture = Fixture()

    @Test("a node gets a whole block, under a name that says so")
    func blocks() throws {
        let sets = try [set("10.244.0.0/16", blocks: 24), set("fd00::/48", blocks: 64)]
        #expect(try fixture.store().add("node-1", sets) == ["10.244.0.0/24", "fd00::/64"])
        #expect(try fixture.store().add("node-2", sets) == ["10.244.1.0/24", "fd00:0:0:1::/64"])
        #expect(
            fixture.files.reservations.keys.sorted() == [
                "10.244.0.0_24", "10.244.1.0_24", "fd00:0:0:1::_64", "fd00::_64",
            ])
        try fixture.store().release(owner("node-1"))
        #expect(fixture.files.reservations.keys.sorted() == ["10.244.1.0_24", "fd00:0:0:1::_64"])
        fixture.files.expectSound("boot-1")
    }

    @Test("a requested address gets the block that it lies in")
    func requested() throws {
        let sets = try [set("10.244.0.0/16", blocks: 24)]
        #expect(try fixture.store().add("n", sets, requested: [ip("10.244.7.9")]) == ["10.244.7.0/24"])
        fixture.store().expectFailure(
            .addressNotAvailable, "not available in range set", "m", sets, requested: [ip("10.244.7.1")])
        #expect(try fixture.store().add("m", sets) == ["10.244.8.0/24"])
    }

    @Test("no block covers a single address, no single address lies in a block, whichever came first")
    func noOverlap() throws {
        let singles = try [RangeSet([pool("10.1.0.0/28", start: "10.1.0.3", end: "10.1.0.6")])]
        let blocks = try [set("10.1.0.0/28", blocks: 30)]
        #expect(try fixture.store().add("s", singles) == ["10.1.0.3/28"])
        #expect(try fixture.store().add("b", blocks) == ["10.1.0.4/30"])
        fixture.store().expectFailure(.addressNotAvailable, "no IP addresses available", "s2", singles)
        fixture.store().expectFailure(
            .addressNotAvailable, "is not available", "s2", singles, requested: [ip("10.1.0.5")])
        fixture.store().expectFailure(
            .addressNotAvailable, "is not available", "b2", blocks, requested: [ip("10.1.0.0")])
        #expect(try fixture.store().usage(of: singles + blocks).map(\.used) == [4, 2])
        try fixture.store().release(owner("b"))
        #expect(try fixture.store().add("s2", singles) == ["10.1.0.5/28"])
        #expect(try fixture.store().add("b", blocks) == ["10.1.0.8/30"])
        fixture.files.expectSound("boot-1")
    }

    @Test("blocks of another length do not overlap those that are there")
    func otherLength() throws {
        try fixture.store().add("a", [set("10.1.0.0/24", blocks: 26)])
        #expect(try fixture.store().add("b", [set("10.1.0.0/24", blocks: 28)]) == ["10.1.0.64/28"])
        #expect(try fixture.store().add("c", [set("10.1.0.0/24", blocks: 26)]) == ["10.1.0.128/26"])
    }

    @Test("when the odd size is gone, the network is fast again")
    func censusForgets() throws {
        let singles = try [set("10.1.0.0/24")]
        let blocks = try [set("10.2.0.0/16", blocks: 24)]
        try fixture.store().add("a", singles)
        try fixture.store().add("b", blocks)
        try fixture.store().release(owner("b"))
        try fixture.store().add("c", singles)
        let time = try FileStatus.of(fixture.files.path).modified
        #expect(Seal.census(at: time)?.v4 == .only(32))
    }

    @Test("a full pool of blocks says so, and is full for STATUS as well")
    func full() throws {
        let sets = try [set("10.1.0.0/24", blocks: 26)]
        for id in 0..<4 { try fixture.store().add("n\(id)", sets) }
        fixture.store().expectFailure(
            .addressNotAvailable, "no IP addresses available in range set: 10.1.0.0-10.1.0.255", "n4", sets)
        #expect(try fixture.store().isFull(sets))
    }
}
