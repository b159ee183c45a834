import Addresses
import Foundation
import Kernel
import NetlinkCodec
import Posix
import TestSupport
import Testing

/// However many messages are sent at once, their answers are told apart.
@Suite struct BatchTests {
    @Test func ofTensOfThousandsOfRefusedChangesTheFirstIsTold() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            var up = LinkChange()
            up.isUp = true
            try socket.execute("set lo up") { $0.changeLink(.name("lo"), up) }
            var changes = Changes()
            // Done, and so answered for by nobody; then more refusals than the socket has room for.
            for number in 1...3 {
                changes.append("add \(number)") { $0.addAddress(CIDR("10.0.0.\(number)/8")!, to: 1) }
            }
            for number in 0..<20_000 {
                let address = CIDR(IPAddress(.v4, 0x0b00_0000 + UInt128(number)), 8)
                changes.append("delete \(number)", as: ChangeTag(number == 0 ? 1 : 2)) {
                    $0.deleteAddress(address, from: 1)
                }
            }
            do {
                try socket.execute(changes)
                throw UnexpectedState("all was done")
            } catch let error as Failure {
                try require(error.change == ChangeTag(1) && error.errno == .addressNotAvailable, "\(error)")
                try require(error.message.hasPrefix("delete 0: "), "\(error)")
            }
            // What was not read is not taken for the answer to something else.
            try require(try socket.link(.index(1))?.name == "lo", "lo is not found")
            try require(try socket.addresses(of: 1).filter { $0.address.family == .v4 }.count == 4, "addresses")
        }
    }

    @Test func ofThousandsOfQuestionsEachGetsItsOwnAnswer() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket(.netfilter)
            let table = NftTable(.inet, "t")
            var changes = Changes.batch()
            changes.append("table") { $0.addTable(table) }
            for number in 0..<2000 where number.isMultiple(of: 3) {
                changes.append("chain") { $0.addChain(NftChain("c\(number)"), to: table) }
            }
            try socket.execute(changes)
            let present = try socket.present((0..<2000).map { (name: "c\($0)", table: table) })
            try require(
                present.map { $0.name } == (0..<2000).filter { $0.isMultiple(of: 3) }.map { "c\($0)" },
                "\(present.count) of 667")
        }
    }
}
