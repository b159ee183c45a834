import Addresses
import Foundation
import TestSupport
import Testing

@testable import IPAM

private let hostLocal = referencePlugins + "/host-local"

@Suite("Next to the reference plugin")
struct ReferenceTests {
    let fixture = Fixture()
    let subnets = ["10.1.0.0/24", "fd00::/64"]

    private func reference(_ command: String, _ id: String) -> Outcome {
        let ranges = subnets.map { "[{\"subnet\": \"\($0)\"}]" }.joined(separator: ",")
        return Outcome(
            [hostLocal],
            environment: [
                "CNI_COMMAND": command, "CNI_CONTAINERID": id, "CNI_NETNS": "/run/netns/none", "CNI_IFNAME": "eth0",
                "CNI_PATH": referencePlugins,
            ],
            input: """
                {"cniVersion": "1.0.0", "name": "net", "type": "x", "prevResult": {"cniVersion": "1.0.0"},
                 "ipam": {"type": "host-local", "dataDir": "\(fixture.directory.path)", "ranges": [\(ranges)]}}
                """)
    }

    private var sets: [RangeSet] { get throws { try subnets.map { try set($0) } } }

    @Test("either releases what the other has reserved, and no address is handed out twice")
    func interchange() throws {
        #expect(try fixture.store().add("ours", sets) == ["10.1.0.2/24", "fd00::2/64"])
        #expect(reference("ADD", "theirs").output.contains("\"address\": \"10.1.0.3/24\""))
        #expect(try fixture.store().add("ours-2", sets) == ["10.1.0.4/24", "fd00::4/64"])
        #expect(
            try fixture.store().reservations(of: owner("theirs")).map(\.description) == ["10.1.0.3/32", "fd00::3/128"])
        try fixture.store().release(owner("theirs"))
        #expect(reference("CHECK", "ours").status == 0)
        #expect(reference("DEL", "ours").status == 0)
        #expect(fixture.files.reservations == ["10.1.0.4": "ours-2\r\neth0", "fd00::4": "ours-2\r\neth0"])
        try fixture.store().release(owner("ours"))
        fixture.files.expectSound("boot-1")
        #expect(reference("CHECK", "ours").status != 0)
    }

    @Test("either refuses an owner that the other has served")
    func duplicates() throws {
        #expect(reference("ADD", "theirs").status == 0)
        fixture.store().expectFailure(.conflict, "10.1.0.2 has been allocated to theirs", "theirs", try sets)
        try fixture.store().add("ours", sets)
        #expect(
            reference("ADD", "ours").output.contains(
                "10.1.0.3 has been allocated to ours, duplicate allocation is not allowed"))
    }

    @Test("any order of both leaves each owner with its own addresses", arguments: 0..<3)
    func interleaved(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        var model: [String: Set<String>] = [:]
        for step in 0..<40 {
            let theirs = Bool.random(using: &random)
            if Int.random(in: 0..<5, using: &random) < 3 {
                let id = "c\(step)"
                let before = Set(fixture.files.reservations.keys)
                if theirs { #expect(reference("ADD", id).status == 0) } else { try fixture.store().add(id, sets) }
                model[id] = Set(fixture.files.reservations.keys).subtracting(before)
                #expect(model[id]?.count == 2)
            } else if let id = model.keys.sorted().randomElement(using: &random) {
                if theirs { #expect(reference("DEL", id).status == 0) } else { try fixture.store().release(owner(id)) }
                model[id] = nil
            }
            let owned = model.flatMap { id, names in names.map { ($0, "\(id)\r\neth0") } }
            #expect(fixture.files.reservations == Dictionary(uniqueKeysWithValues: owned))
        }
        #expect(try fixture.store().collectGarbage(keeping: []).count == model.count * 2)
        fixture.files.expectSound("boot-1")
    }
}
