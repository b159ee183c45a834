import Foundation
import TestSupport
import Testing

/// Input that others make is refused or understood, whatever it is. `make fuzz` looks for longer, and more cleverly.
@Suite struct HostileOctetsTests {
    private static let corpora = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpora")

    private static func corpus(_ target: String) throws -> [(name: String, octets: [UInt8])] {
        let folder = corpora.appending(path: target).path
        return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
            (name, Array(try #require(FileManager.default.contents(atPath: "\(folder)/\(name)"))))
        }
    }

    @Test func everyTargetHasACorpusAndEveryCorpusATarget() throws {
        let folders = try FileManager.default.contentsOfDirectory(atPath: Self.corpora.path)
        #expect(Set(folders) == Set(FuzzTarget.all.map(\.name)))
    }

    @Test(arguments: FuzzTarget.all) func noInputBreaksAPromise(_ target: FuzzTarget) throws {
        let corpus = try Self.corpus(target.name)
        var random = SplitMix64(seed: 40)
        func expectKept(_ octets: [UInt8], _ origin: String) {
            do { try target.run(octets) } catch {
                let input = String(decoding: octets, as: UTF8.self).debugDescription
                Issue.record("\(error)\n\(origin): \(input)\n\(octets)")
            }
        }
        for (name, octets) in corpus { expectKept(octets, name) }
        for round in 0..<target.smokeRounds {
            let (name, original) = corpus[round % corpus.count]
            var octets = original
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                Self.mutate(&octets, with: corpus[Int.random(in: 0..<corpus.count, using: &random)].octets, &random)
            }
            expectKept(Array(octets.prefix(target.maximumLength)), "\(name), round \(round)")
        }
    }

    /// Without this nobody would know whether a broken promise shows.
    @Test func theTargetThatIsKnownToBeBadIsBad() throws {
        #expect(throws: FuzzFailure.self) { try FuzzTarget.knownBad.run(Array("Swft".utf8) + [9, 0, 0, 0]) }
        try FuzzTarget.knownBad.run(Array("Swft".utf8) + [3, 0, 0, 0])
    }

    private static func mutate(_ octets: inout [UInt8], with other: [UInt8], _ random: inout SplitMix64) {
        guard !octets.isEmpty else { return octets = random.bytes(8) }
        let position = Int.random(in: 0..<octets.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: octets[position] = UInt8(truncatingIfNeeded: random.next())
        case 1: octets[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: octets.removeSubrange(position..<min(octets.count, position + 8))
        case 3: octets.insert(contentsOf: octets[position...].prefix(16), at: position)
        case 4: octets.removeLast(octets.count - position)
        default:
            let start = other.isEmpty ? 0 : Int.random(in: 0..<other.count, using: &random)
            octets.insert(contentsOf: other[start...].prefix(32), at: position)
        }
    }
}

extension FuzzTarget: CustomTestStringConvertible {
    var testDescription: String { name }

    /// Such that all of them take a few seconds: those of the file system and of thirty decoders take the longest.
    fileprivate var smokeRounds: Int {
        switch name {
        case "store": 200
        case "configuration": 300
        default: 3000
        }
    }
}
