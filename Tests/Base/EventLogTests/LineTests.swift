import Foundation
import EventLog
import Posix
import Testing

/// A line is one line, of printable ASCII, whatever names hold; and says again what went in.
@Suite struct LineTests {
    static func line(_ fields: [(String, String)]) -> String {
        var line = LogLine()
        for (key, value) in fields { line.append(key, value) }
        return String(decoding: line.bytes, as: UTF8.self)
    }

    /// Takes a line apart as logfmt readers do.
    static func pairs(_ line: String) throws -> [[String]] {
        try line.matches(of: /([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "\n]*)(?: |\n)/).map { match in
            let value = String(match.2)
            guard value.hasPrefix("\"") else { return [String(match.1), value] }
            return [String(match.1), try JSONDecoder().decode(String.self, from: Data(value.utf8))]
        }
    }

    @Test(arguments: [
        ("eth0", #"ifname=eth0"#), ("10.44.0.2/24,fd00::2/64", #"ifname=10.44.0.2/24,fd00::2/64"#),
        ("", #"ifname="""#), ("two words", #"ifname="two words""#), ("a=b", #"ifname="a=b""#),
        (#"say "hi""#, #"ifname="say \"hi\"""#), (#"a\b"#, #"ifname="a\\b""#),
        ("eth0\nlevel=error", #"ifname="eth0\nlevel=error""#), ("\u{1b}[2J", #"ifname="\u001b[2J""#),
        ("\u{85}\u{2028}\u{202e}", #"ifname="\u0085\u2028\u202e""#), ("ü😀", #"ifname="\u00fc\ud83d\ude00""#),
        ("\u{0}", #"ifname="\u0000""#), ("\r\n", #"ifname="\u000d\n""#),
    ])
    func valuesAreQuotedWhereTheyNeedIt(_ value: String, _ expected: String) {
        #expect(Self.line([("ifname", value)]) == expected + "\n")
    }

    @Test func whateverGoesInComesOutAgainOnOneLine() throws {
        // Those that quoting is about come often.
        let scalars = ["\"", "\\", "=", " ", "\n", "\r", "\t", "a", "u", "0", "\u{0}", "\u{7f}", "\u{2028}", "é", "😀"]
        for seed in 0..<2000 {
            var generator = Generator(state: UInt64(seed))
            let fields = (0..<Int.random(in: 1...4, using: &generator)).map { number in
                let length = Int.random(in: 0...40, using: &generator)
                let value = (0..<length).map { _ in scalars.randomElement(using: &generator)! }.joined()
                return ("key_\(["a", "b", "c", "d"][number])", value)
            }
            let line = Self.line(fields)
            #expect(line.utf8.dropLast().allSatisfy { (0x20..<0x7f).contains($0) } && line.hasSuffix("\n"), "\(fields)")
            #expect(try Self.pairs(line) == fields.map { [$0.0, $0.1] }, "seed \(seed): \(line)")
        }
    }

    struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    @Test(arguments: ["x", " ", "\n", "😀", "\u{1}"], 4050...4100)
    func aLineIsNeverLongerThanAPipeTakesAsAWhole(_ filling: String, _ length: Int) throws {
        let value = String(repeating: filling, count: length)
        let line = Self.line([("event", "e"), ("text", value), ("after", "lost")])
        #expect(line.utf8.count <= LogLine.maximumSize && line.filter { $0 == "\n" }.count == 1)
        let pairs = try Self.pairs(line)
        let isCut = pairs.contains(["truncated", "true"])
        #expect(isCut == !pairs.contains(["after", "lost"]))
        #expect((3...4).contains(pairs.count) && pairs[0] == ["event", "e"] && value.hasPrefix(pairs[1][1]))
    }

    @Test func whatDoesNotFitAtAllIsLeftOutWithItsName() throws {
        let line = Self.line([("text", String(repeating: "x", count: 4070)), ("event", "two words")])
        #expect(try Self.pairs(line).map { $0[0] } == ["text", "truncated"])
    }

    @Test(arguments: [
        0, 1, 86399, 86400, 951_782_399, 951_782_400, 951_868_800, 1_709_164_800, 1_709_251_199, 1_795_266_000,
        4_107_542_400, 253_402_300_799, -1, -86400, -2_203_977_600,
    ])
    func theTimeIsThatOfTheCalendar(_ seconds: Int) {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: false)
        let expected = Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(style)
        let text = Timestamp(seconds: seconds, nanoseconds: 1_234_567).text
        #expect(text == expected.dropLast() + ".001234Z")
    }

    @Test(arguments: [
        ("stderr", LogDestination.standardError), ("journal", .journal),
        ("/var/log/swiftlet.log", .file("/var/log/swiftlet.log")),
    ])
    func aDestinationIsOneOfThree(_ text: String, _ expected: LogDestination) {
        #expect(LogDestination(text) == expected && "\(expected)" == text)
    }

    @Test(arguments: [
        "", "log", "var/log", "./x", "/", "/var/log/", "STDERR", "/a\u{0}b", "/" + String(repeating: "x", count: 4096),
    ])
    func nothingElseIsADestination(_ text: String) { #expect(LogDestination(text) == nil) }
}
