import Foundation
import EventLog
import Testing

/// A field of a journal's entry holds its value and nothing more.
@Suite struct JournalEntryTests {
    static func entry(_ name: String, _ value: String) -> [UInt8] {
        var entry = JournalEntry()
        entry.append(name, value.utf8)
        return entry.bytes
    }

    @Test func aPlainValueStandsBehindAnEqualsSign() {
        #expect(Self.entry("SWIFTLET_VERB", "ADD") == Array("SWIFTLET_VERB=ADD\n".utf8))
        #expect(Self.entry("A", "") == Array("A=\n".utf8))
    }

    @Test func aValueWithLinesInItHasItsLengthInFront() {
        let value = "eth0\nPRIORITY=0"
        let length: [UInt8] = [15, 0, 0, 0, 0, 0, 0, 0]
        #expect(Self.entry("A", value) == Array("A\n".utf8) + length + Array("\(value)\n".utf8))
    }

    @Test func aValueIsCutBeforeTheJournalRefusesIt() {
        #expect(Self.entry("A", String(repeating: "x", count: 1 << 20)).count == 3 + 4096)
    }
}
