import ContainerRuntime
import Foundation
import Testing

/// What the plugin's own code costs, counted by callgrind: the same on a busy machine as on a quiet one, to a per mille.
///
/// A limit is what was counted when it was written down, and a tenth more. Who needs more raises it, and says so in
/// docs/performance.md.
@Suite(.realKernel) struct InstructionTests {
    @Test func anAttachmentTakesNoMoreInstructionsThanWrittenDown() throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try node.network(node.swiftlet())
        // The first one on a node makes the bridge.
        _ = try node.runtime().add(list, pods[0].attachment)
        let counts = node.directory + "/instructions"
        let runtime = node.runtime(
            wrapper: ["valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=\(counts)"])
        func instructions() throws -> Int {
            let text = try String(contentsOfFile: counts, encoding: .utf8)
            let total = text.split(separator: "\n").last { $0.hasPrefix("totals: ") }
            return try #require(total.flatMap { Int($0.dropFirst("totals: ".count)) }, "callgrind has counted nothing")
        }
        _ = try runtime.add(list, pods[1].attachment)
        let add = try instructions()
        try runtime.check(list, pods[1].attachment)
        let check = try instructions()
        print("instructions: ADD \(add), CHECK \(check)")
        #expect(add < 820_000)
        #expect(check < 1_020_000)
        #expect(add > 200_000 && check > 200_000, "that much no ADD can do with")
    }
}
