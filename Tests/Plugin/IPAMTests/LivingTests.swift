import Addresses
import Attachments
import Foundation
import Posix
import Testing

@testable import IPAM

@Suite("What living pods have lost is put back before anything is handed out")
struct LivingTests {
    let fixture = Fixture()

    /// A store of which these containers have interfaces on the node.
    func store(_ living: String...) -> Store {
        var store = fixture.store()
        let owners = living.map { owner($0) }
        store.living = { owners }
        return store
    }

    @Test(
        "a reservation that was removed, emptied or given to somebody else", arguments: [nil, "", "\0x", "x\r\neth0"])
    func damaged(_ content: String?) throws {
        let range = try [set("10.1.0.0/29")]
        #expect(try store("a").add("a", range) == ["10.1.0.2/29"])
        fixture.files.remove("10.1.0.2")
        fixture.files.remove("last_reserved_ip.0")
        if let content { fixture.files.write("10.1.0.2", content) }
        #expect(try store("a").add("b", range) == ["10.1.0.3/29"])
        #expect(fixture.files.read("10.1.0.2") == "a\r\neth0")
        fixture.files.expectSound("boot-1")
        try store("a", "b").release(owner("a"))
        #expect(fixture.files.read("10.1.0.2") == nil)
    }

    @Test("of a pod that is gone nothing comes back")
    func gone() throws {
        let range = try [set("10.1.0.0/29")]
        _ = try store("a").add("a", range)
        fixture.files.remove("10.1.0.2")
        fixture.files.remove("last_reserved_ip.0")
        #expect(try store().add("b", range) == ["10.1.0.2/29"])
    }

    @Test("whom the file names keeps it if it lives")
    func rival() throws {
        let range = try [set("10.1.0.0/29")]
        _ = try store("a", "b").add("a", range)
        fixture.files.remove("10.1.0.2")
        fixture.files.write("10.1.0.2", "b\r\neth0")
        #expect(try store("a", "b").add("c", range) == ["10.1.0.3/29"])
        #expect(fixture.files.read("10.1.0.2") == "b\r\neth0")
    }

    @Test("it can be put back by name, but not taken from another")
    func putBack() throws {
        let address = try #require(IPAddress("10.1.0.2"))
        try fixture.store().putBack(address, of: owner("a"))
        #expect(fixture.files.read("10.1.0.2") == "a\r\neth0")
        try fixture.store().putBack(address, of: owner("a"))
        #expect(throws: Failure.self) { try fixture.store().putBack(address, of: owner("b")) }
        try fixture.store().putBack(address, of: owner("b"), insteadOf: owner("a"))
        #expect(fixture.files.read("10.1.0.2") == "b\r\neth0")
        #expect(try fixture.store().add("c", [set("10.1.0.0/29")]) == ["10.1.0.3/29"])
        fixture.files.expectSound("boot-1")
    }
}
