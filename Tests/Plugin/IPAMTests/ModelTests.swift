import Addresses
import Foundation
import Posix
import Testing

@testable import IPAM

@Suite("Against a model")
struct ModelTests {
    /// Random operations, by us, by the reference plugin, by a clumsy administrator and by the power company; after
    /// each of ours the directory must say what a plain dictionary says.
    @Test("whatever happens in whatever order, the directory says what it should", arguments: 0..<30 as Range<UInt64>)
    func anyOrder(seed: UInt64) throws {
        var random = SeededGenerator(seed)
        let fixture = Fixture()
        let files = fixture.files
        let pools = try [set("10.1.0.0/28"), set("fd00::/125")]
        /// What is reserved, by name; and of that, what an index knows, so that the next boot frees it.
        var model: [String: String] = [:]
        var known: [String: String] = [:]
        var boot = 0
        var isFirstOfBoot = false

        /// What every operation of ours does first.
        func settle() {
            if isFirstOfBoot { model = model.filter { known[$0.key] != $0.value } }
            isFirstOfBoot = false
            model = model.filter { !$0.value.isEmpty }
        }

        for step in 0..<80 {
            let id = "c\(Int.random(in: 0..<12, using: &random))"
            let record = "\(id)\r\neth0"
            let store = fixture.store("boot-\(boot)")
            var isOurs = true
            switch Int.random(in: 0..<16, using: &random) {
            case 0..<6:
                let sets = Bool.random(using: &random) ? pools : [pools[0]]
                settle()
                do {
                    let got = try store.add(id, sets)
                    #expect(!model.values.contains(record))
                    for text in got {
                        let name = CIDR(text)!.address.description
                        #expect(model[name] == nil && name != "10.1.0.1" && name != "fd00::1", "step \(step)")
                        model[name] = record
                    }
                    #expect(got.count == sets.count)
                } catch let error as Failure {
                    let free = sets.map { set in set.units(after: nil).count { model[$0.reservationName] == nil } }
                    #expect(
                        error.kind == .conflict ? model.values.contains(record) : free.contains(0),
                        "step \(step): \(error)")
                    #expect([.conflict, .addressNotAvailable].contains(error.kind))
                }
            case 6..<10:
                settle()
                try store.release(owner(id), hints: [ip("10.1.0.5")])
                model = model.filter { $0.value != record }
            case 10:
                settle()
                let kept = Set((0..<12).map { "c\($0)" }.filter { _ in Bool.random(using: &random) })
                // GC of a network whose directory never was does nothing.
                _ = try store.collectGarbage(keeping: Set(kept.map { owner($0) }))
                model = model.filter { kept.contains(String($0.value.prefix { $0 != "\r\n" })) }
            case 11:
                // The reference plugin's ADD.
                isOurs = false
                let name = "10.1.0.\(Int.random(in: 2..<15, using: &random))"
                guard model[name] == nil, !model.values.contains(record) else { continue }
                files.write(name, record)
                model[name] = record
            case 12:
                // The reference plugin's DEL removes links that read as the owner's record, then the files.
                isOurs = false
                for (entry, target) in files.indexEntries("boot-\(boot)")
                where files.read(String(target.dropFirst(3))) == record {
                    files.remove(".swiftlet.boot-\(boot)/\(entry)")
                }
                for name in model.keys where model[name] == record {
                    files.remove(name)
                    model[name] = nil
                }
            case 13:
                // A writer that was killed.
                isOurs = false
                let name = "10.1.0.\(Int.random(in: 2..<15, using: &random))"
                guard model[name] == nil else { continue }
                files.write(name, "")
                model[name] = ""
            case 14:
                isOurs = false
                if let name = model.keys.sorted().randomElement(using: &random) {
                    files.remove(name)
                    model[name] = nil
                }
            default:
                isOurs = false
                boot += 1
                // A boot in which we never ran leaves the older index as it was.
                isFirstOfBoot = true
            }
            if isOurs {
                known = model
                #expect(files.reservations == model, "seed \(seed), step \(step)")
                files.expectSound("boot-\(boot)")
                let listed = try store.all().map {
                    ($0.unit.reservationName, $0.owner.map { String(decoding: $0.record, as: UTF8.self) } ?? "")
                }
                #expect(Dictionary(uniqueKeysWithValues: listed) == model)
                #expect(
                    try store.usage(of: pools).map(\.used)
                        == pools.map { set in
                            UInt128(set.units(after: nil).count { model[$0.reservationName] != nil })
                        })
                #expect(
                    try store.isFull(pools)
                        == pools.contains { set in
                            set.units(after: nil).allSatisfy { model[$0.reservationName] != nil }
                        })
            }
            #expect(
                Set(try store.reservations(of: owner(id)).map(\.reservationName))
                    == Set(model.filter { $0.value == record }.keys))
        }
    }
}
