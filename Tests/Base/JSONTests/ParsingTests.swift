import Posix
import JSON
import TestSupport
import Testing

@Suite struct ParsingTests {
    /// One of each kind of value, of each escape, nested.
    static let everything = #"""
        {"null": null, "flags": [true, false], "numbers": [0, -1, 9223372036854775807, 1.5, -2.5e-3, 1E2],
         "texts": ["", "é🦀", "\"\\\/\b\f\n\r\t\u00e9\ud83e\udd80"], "empty": [{}, []], "deep": {"a": {"b": [[[{"c": 1}]]]}}}
        """#

    @Test func whatIsWrittenIsReadBackTheSameAndAsFoundationReadsIt() throws {
        var random = SplitMix64(seed: 10)
        for _ in 0..<2000 {
            let document = random.document()
            for pretty in [true, false] {
                let text = document.serialized(pretty: pretty)
                #expect(try JSON(parsing: text) == document)
                #expect(try Reference(foundation: text) == Reference(document))
            }
        }
    }

    @Test func oneOfEachIsReadAsFoundationReadsIt() throws {
        let text = Array(ParsingTests.everything.utf8)
        #expect(try Reference(JSON(parsing: text)) == Reference(foundation: text))
    }

    @Test func everyTruncationIsACleanError() {
        let text = Array(ParsingTests.everything.utf8)
        for length in 0..<text.count {
            #expect(throws: Failure.self) { try JSON(parsing: Array(text[..<length])) }
        }
    }

    @Test func noChangedOctetCrashes() {
        let text = Array(ParsingTests.everything.utf8)
        for position in text.indices {
            for octet: UInt8 in [0, 0x22, 0x5c, 0x7b, 0x5d, 0x80, 0xc0, 0xff] {
                var broken = text
                broken[position] = octet
                // Whatever is accepted can be written again.
                if let document = try? JSON(parsing: broken) {
                    #expect((try? JSON(parsing: document.serialized())) == document)
                }
            }
        }
    }

    @Test func noiseNeverCrashes() {
        var random = SplitMix64(seed: 11)
        let pieces = [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "u", "d83e", "0", "-", ".", "e", "1", "null", "true", " ", "é",
            "\0",
        ]
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in pieces.randomElement(using: &random)! }
            _ = try? parse(text.joined())
            _ = try? JSON(parsing: random.bytes(Int.random(in: 0...40, using: &random)))
        }
    }

    @Test(arguments: [
        "", " ", "\n", "{", "}", "[", "nul", "tru", "True", "NaN", "Infinity", "-", "+1", "01", "1.", ".5", "1e",
        "0x10", "'a'",
        "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"a\nb\"", "[1,]",
        "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:2}", "{} {}", "{}x", "[]]", "// no\n{}",
        "/* no */{}", "\u{feff}{}", "{\"a\":1}\0",
    ])
    func aTextThatIsNotJSONIsRefusedWithAReason(_ text: String) {
        let error = #expect(throws: Failure.self) { try parse(text) }
        #expect(error?.description.isEmpty == false)
    }

    @Test func aSyntaxErrorSaysWhere() {
        let error = #expect(throws: Failure.self) { try parse("{\n  \"a\": x\n}") }
        #expect(error?.description.contains("line 2") == true)
    }

    @Test(
        arguments: [
            [0x80], [0xc0, 0x80], [0xc1, 0xbf], [0xc3], [0xe0, 0x80, 0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80],
            [0xf0, 0x80, 0x80, 0x80],
            [0xf4, 0x90, 0x80, 0x80], [0xf8, 0x88, 0x80, 0x80, 0x80], [0xfe], [0xff],
        ] as [[UInt8]])
    func whatIsNotUTF8IsRefusedInTextsAndInKeys(_ octets: [UInt8]) {
        let quoted = [UInt8(ascii: "\"")] + octets + [UInt8(ascii: "\"")]
        #expect(throws: Failure.self) { try JSON(parsing: quoted) }
        #expect(throws: Failure.self) { try JSON(parsing: Array("{".utf8) + quoted + Array(":1}".utf8)) }
        #expect(throws: Failure.self) { try JSON(parsing: octets) }
    }

    @Test(arguments: ["\"a\0b\"", #""a\u0000b""#, "{\"a\0b\": 1}", #"{"a\u0000b": 1}"#, "\0", "[1\0]"])
    func aNULIsRefusedWhereverItStands(_ text: String) {
        #expect(throws: Failure.self) { try parse(text) }
    }

    @Test(arguments: [
        ("9223372036854775807", JSON.integer(.max)), ("-9223372036854775808", .integer(.min)), ("-0", .integer(0)),
        ("1.0", .real(1)), ("1e3", .real(1000)), ("1.7976931348623157e308", .real(.greatestFiniteMagnitude)),
        ("1e-400", .real(0)),
    ])
    func numbersKeepTheirKindAndTheirValue(_ text: String, _ value: JSON) throws {
        #expect(try parse(text) == value)
    }

    @Test(arguments: [
        ("9223372036854775808", 0x1p63), ("-9223372036854775809", -0x1p63), ("18446744073709551615", 0x1p64),
        ("9223372036854776000", 0x1p63), ("1e309", .greatestFiniteMagnitude), ("-1E+400", -.greatestFiniteMagnitude),
        ("1" + String(repeating: "0", count: 400), .greatestFiniteMagnitude), ("1.5e400", .greatestFiniteMagnitude),
        ("-1" + String(repeating: "0", count: 350) + ".5", -.greatestFiniteMagnitude),
    ])
    func aNumberOutOfRangeIsNobodysBusinessUnlessItIsRead(_ text: String, _ nearest: Double) throws {
        #expect(try parse(text) == .real(nearest))
        let others = #""1e999": "2e999", "b": 9223372036854775807, "c": -5, "d": 1e-999"#
        let document = try parse(#"{"a\"1": [\#(text), 7], \#(others)}"#)
        guard case .object(let object) = document else { throw Failure(.internal, "no object") }
        #expect(object["a\"1"] == [.real(nearest), 7])
        #expect(object["1e999"] == "2e999")
        #expect(object["b"] == .integer(.max))
        #expect(object["c"] == -5)
        #expect(object["d"] == .real(0))
        #expect(throws: Failure.self) { try JSONReader(parse(text)).integer() }
        #expect(try JSON(parsing: document.serialized()) == document)
    }

    @Test(arguments: ["[1e400", "{\"a\": 18446744073709551615", "[1e400,]", "[1e400 x]", "18446744073709551615.e1"])
    func aNumberOutOfRangeHidesNoOtherFault(_ text: String) {
        #expect(throws: Failure.self) { try parse(text) }
    }

    @Test func containersNestAsDeepAsIsSaidAndNoDeeper() throws {
        func nested(_ depth: Int, _ core: String, _ open: String, _ close: String) -> String {
            String(repeating: open, count: depth) + core + String(repeating: close, count: depth)
        }
        let limit = JSON.maximumDepth
        for core in ["", "1"] {
            #expect(throws: Never.self) { try parse(nested(limit, core, "[", "]")) }
            #expect(throws: Failure.self) { try parse(nested(limit + 1, core, "[", "]")) }
        }
        #expect(throws: Never.self) { try parse(nested(limit, "1", "{\"a\":", "}")) }
        #expect(throws: Failure.self) { try parse(nested(limit + 1, "1", "{\"a\":", "}")) }
        for depth in [1000, 2048, 2049, 1_000_000] {
            #expect(throws: Failure.self) { try parse(nested(depth, "", "[", "]")) }
            #expect(throws: Failure.self) { try parse(String(repeating: "[", count: depth)) }
        }
    }

    @Test func aLargeDocumentIsRead() throws {
        let text = "[" + (0..<100_000).map { #"{"n": \#($0)}"# }.joined(separator: ",") + "]"
        guard case .array(let elements) = try parse(text) else {
            Issue.record("not an array")
            return
        }
        #expect(elements.count == 100_000)
        #expect(elements.last == ["n": 99_999])
        let long = String(repeating: "é", count: 1_000_000)
        #expect(try parse("\"\(long)\"") == .string(long))
    }

    @Test func membersKeepTheirOrderAndTheLastOfTwoCounts() throws {
        #expect(try parse(#"{"z":1,"a":2,"m":3}"#).text == #"{"z":1,"a":2,"m":3}"#)
        #expect(try parse(#"{"a":1,"b":2,"a":3}"#) == ["a": 3, "b": 2])
    }

    @Test func blanksAroundADocumentAreFine() throws {
        #expect(try parse(" \t\r\n{ } \n") == [:])
    }
}

@Suite struct WritingTests {
    @Test func aNULIsWrittenAsAnEscapeAndCutsNothingOff() {
        #expect(JSON.string("a\0b").text == #""a\u0000b""#)
        #expect(JSON.object(JSON.Object([JSON.Member("k\0l", 1)])).text == #"{"k\u0000l":1}"#)
    }

    @Test func prettyIsIndentedAndPlainIsOneLine() {
        let document: JSON = ["a": [1, true, nil], "b": "c"]
        #expect(document.text == #"{"a":[1,true,null],"b":"c"}"#)
        #expect(String(decoding: document.serialized(), as: UTF8.self).contains("\n    \"a\": ["))
    }

    @Test func aMemberIsSetReplacedAndRemovedInPlace() {
        var object = JSON.Object()
        object["a"] = 1
        object["b"] = 2
        object["a"] = 3
        object["c"] = nil
        #expect(object.members == [JSON.Member("a", 3), JSON.Member("b", 2)])
        object["a"] = .some(nil)
        #expect(object.isEmpty == false)
        object["b"] = Optional<JSON>.none
        #expect(object["b"] == nil)
    }
}
