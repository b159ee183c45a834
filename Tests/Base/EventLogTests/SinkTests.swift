import Foundation
import Posix
import Synchronization
import Testing

@testable import EventLog

/// A log that lasts is bounded, loses nothing without saying how much, and never falls silent for good.
@Suite struct SinkTests {
    /// Time as a test says.
    final class Clock: Sendable {
        private let time = Atomic<Int>(1000)
        var now: Int { time.load(ordering: .relaxed) }
        func advance(milliseconds: Int) { time.wrappingAdd(milliseconds, ordering: .relaxed) }
    }

    private static func path() -> String { NSTemporaryDirectory() + "swt-log-\(UUID())" }

    private static func lines(_ path: String) -> [String] {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }

    private static func event(_ name: String) -> LogEvent {
        LogEvent(level: .info, context: [("of", "test")], name: name, fields: [])
    }

    @Test func inASecondThereAreAtMostSoManyAndTheNextSaysHowManyAreMissing() {
        let (path, clock) = (Self.path(), Clock())
        let sink = LogSink.lasting(.file(path), 3) { clock.now }
        for number in 0..<10 { sink.write(Self.event("e\(number)")) }
        clock.advance(milliseconds: 1000)
        sink.write(Self.event("later"))
        let lines = Self.lines(path)
        #expect(lines.count == 4 && lines[3].hasSuffix("of=test event=later dropped=7"), "\(lines)")
        #expect(lines[..<3].allSatisfy { !$0.contains("dropped") })
        unlink(path)
    }

    @Test func whatCannotBeWrittenIsCountedUntilItCanBe() throws {
        let (folder, clock) = (Self.path(), Clock())
        let sink = LogSink.lasting(.file(folder + "/log"), 100) { clock.now }
        for _ in 0..<20_000 {
            sink.write(Self.event("lost"))
            clock.advance(milliseconds: 1)
        }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        clock.advance(milliseconds: 1000)
        for _ in 0..<3 { sink.write(Self.event("kept")) }
        let lines = Self.lines(folder + "/log")
        #expect(lines.count == 3 && lines[0].hasSuffix("event=kept dropped=20000"), "\(lines)")
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test func aFileThatIsRenamedIsLetGoWithinASecond() throws {
        let (path, clock) = (Self.path(), Clock())
        let sink = LogSink.lasting(.file(path), 100) { clock.now }
        sink.write(Self.event("before"))
        try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
        clock.advance(milliseconds: 1000)
        sink.write(Self.event("after"))
        #expect(Self.lines(path + ".1").count == 1 && Self.lines(path).count == 1)
        unlink(path)
        unlink(path + ".1")
    }

    /// Whatever fails and whenever: what was written and what was counted make up all that was said.
    @Test(arguments: 0..<50) func noEventIsLostUncounted(_ seed: Int) {
        var generator = LineTests.Generator(state: UInt64(seed))
        var flow = LogFlow(perSecond: Int.random(in: 1...20, using: &generator))
        var (now, said, written, counted) = (0, 0, 0, 0)
        for _ in 0..<2000 {
            now += [0, 0, 0, 1, 50, 2000].randomElement(using: &generator)!
            said += 1
            guard let turn = flow.admit(at: now) else { continue }
            if Bool.random(using: &generator) {
                flow.fail(turn)
            } else {
                written += 1
                counted += turn.dropped
            }
        }
        while true {
            now += 1000
            said += 1
            guard let turn = flow.admit(at: now) else { continue }
            #expect(written + 1 + counted + turn.dropped == said)
            return
        }
    }

    @Test func threadsWriteWholeLines() async {
        let path = Self.path()
        let sink = LogSink.lasting(.file(path), eventsPerSecond: 1_000_000)
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<8 {
                group.addTask { for number in 0..<200 { sink.write(Self.event("\(thread)-\(number)")) } }
            }
        }
        let names = Set(Self.lines(path).compactMap { $0.split(separator: "event=").last })
        #expect(names.count == 1600 && Self.lines(path).count == 1600)
        unlink(path)
    }

    @Test func thatOfASingleCallIsSilentAfterItsFirstFailure() throws {
        let folder = Self.path()
        let sink = LogSink.singleCall(.file(folder + "/log"))
        sink.write(Self.event("lost"))
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        sink.write(Self.event("silent"))
        #expect(Self.lines(folder + "/log").isEmpty)
        try FileManager.default.removeItem(atPath: folder)
    }

    @Test func aSinkOfOnesOwnGetsWhatIsSaidWithItsContext() async {
        await #expect(processExitsWith: .success) {
            let heard = Locked<[String]>([])
            Log.begin(
                LogSink { event in
                    heard.withLock { $0.append("\(event.level) \(event.name) \(event.context[0].value)") }
                }, .info, [("of", "agent")]
            ) { _ in 0 }
            Log.note(.info, "a")
            Log.note(.debug, "b")
            Log.end()
            Log.note(.info, "c")
            guard heard.withLock({ $0 }) == ["info a agent"], !Log.isOn else { fatalError() }
        }
    }
}
