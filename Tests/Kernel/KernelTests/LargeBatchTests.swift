import Addresses
import Foundation
import Kernel
import NetlinkCodec
import Posix
import TestSupport
import Testing

/// A node's services and policies are tens of thousands of elements, which come and go at once.
@Suite struct LargeBatchTests {
    @Test func aHundredThousandElementsAreOneBatch() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            let table = NftTable(.inet, "t")
            let set = NftSet("s", NftType(.ipv4, .protocolNumber, .port))
            let count: UInt32 = 100_000
            let clock = ContinuousClock()
            let start = clock.now
            let elements = (0..<count).map { number in
                let octets = (0..<4).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
                return NftSetElement(
                    NftElement(
                        key: [10] + octets[1...] + [6, 0, 0, 0, 0x1f, 0x90, 0, 0], comment: "ns/service-\(number)"))
            }
            var batch = Changes.batch()
            batch.append("table") { $0.addTable(table) }
            batch.append("set") { $0.addSet(set, NftSetOptions(size: count), to: table, number: 1) }
            batch.addElements("elements", elements, to: "s", of: table)
            let built = clock.now
            var socket = try NetlinkSocket(.netfilter)
            try socket.execute(batch)
            let executed = clock.now
            let listed = try socket.setElements(of: "s", in: table)
            let read = clock.now
            try require(Set(listed) == Set(elements), "\(listed.count) of \(count)")
            // Generous: it takes a second or two without optimisation. What grows with the square takes minutes.
            let times = "built \(built - start), executed \(executed - built), read \(read - executed)"
            try require(read - start < .seconds(60), times)
        }
    }

    /// Each has an answer of its own if it fails: the first that did is told, and none is looked for from the start.
    @Test func theFirstOfManyChangesThatFailsIsTold() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            let table = NftTable(.inet, "t")
            let missing = 19_990
            var batch = Changes.batch()
            batch.append("table") { $0.addTable(table) }
            for number in 0..<20_000 {
                batch.append("change \(number)") {
                    if number < missing { $0.addTable(table) } else { $0.deleteChain("none", of: table) }
                }
            }
            var socket = try NetlinkSocket(.netfilter)
            let clock = ContinuousClock()
            let start = clock.now
            do {
                try socket.execute(batch)
                throw UnexpectedState("no error")
            } catch let error as Failure {
                try require(error.errno == .noSuchFile && error.message.hasPrefix("change \(missing): "), "\(error)")
            }
            try require(clock.now - start < .seconds(60), "\(clock.now - start)")
        }
    }
}
