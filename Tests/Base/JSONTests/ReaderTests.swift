import Posix
import JSON
import Testing

@Suite struct ReaderTests {
    private func member(_ text: String, _ key: String) throws -> JSON? {
        try JSONReader(parse(text)).member(key)?.value
    }

    @Test(arguments: ["ipMasq", "IPMASQ", "ipmasq", "IpMaSq"])
    func aKeyIsFoundWithoutRegardToCase(_ written: String) throws {
        #expect(try member("{\"\(written)\": true}", "ipMasq") == true)
    }

    @Test func theLastOfKeysThatDifferInCaseCounts() throws {
        #expect(try member(#"{"MTU": 1, "mtu": 2, "Mtu": 3}"#, "mtu") == 3)
        #expect(try member(#"{"mtu": 1, "MTU": 3}"#, "mtu") == 3)
        #expect(try member(#"{"mtu": 1, "MTU": null}"#, "mtu") == 1)
    }

    /// Only ASCII letters have a case here: a Kelvin sign is no k, and a bracket is no brace.
    @Test(arguments: ["\u{212a}ey", "key\u{301}", "[key", "ke", "keyy", ""])
    func anotherKeyIsAnotherKey(_ written: String) throws {
        #expect(try member("{\"\(written)\": 1}", "key") == nil)
        #expect(!JSON.Object.equalIgnoringASCIICase("{", "["))
        #expect(!JSON.Object.equalIgnoringASCIICase("@", "`"))
    }

    @Test func nullCountsAsAbsent() throws {
        #expect(try member(#"{"a": null}"#, "a") == nil)
        #expect(try member("{}", "a") == nil)
        #expect(try member(#"{"a": false}"#, "a") == false)
        #expect(try member(#"{"a": ""}"#, "a") == "")
    }

    @Test func aWrongTypeIsReportedWithTheWholeKeyPath() throws {
        let document = JSONReader(try parse(#"{"ipam": {"ranges": [[{"subnet": "10.0.0.0/8"}, {"subnet": 7}]]}}"#))
        let range = try document.member("ipam")!.member("ranges")!.elements()[0].elements()[1]
        let error = #expect(throws: Failure.self) { try range.member("subnet")!.string() }
        #expect(error?.kind == .decodingFailure)
        #expect(error?.description == "ipam.ranges[0][1].subnet must be a string, but is an integer")
    }

    static let values: [(JSON, String)] = [
        (nil, "null"), (true, "a boolean"), (1, "an integer"), (.real(1.5), "a fraction"), ("x", "a string"),
        ([1], "an array"), (["k": 1], "an object"),
    ]

    @Test(arguments: values)
    func eachTypeIsReadAsItselfOnlyAndNamedInErrors(_ value: JSON, _ name: String) throws {
        let reader = JSONReader(value, path: "here")
        let readers: [(String, () throws(Failure) -> Void)] = [
            ("true or false", { () throws(Failure) in _ = try reader.bool() }),
            ("an integer", { () throws(Failure) in _ = try reader.integer() }),
            ("a string", { () throws(Failure) in _ = try reader.string() }),
            ("an array", { () throws(Failure) in _ = try reader.elements() }),
            ("an object", { () throws(Failure) in _ = try reader.object() }),
            ("an object", { () throws(Failure) in _ = try reader.member("k") }),
        ]
        for (expected, read) in readers {
            let fits = expected == name || (expected == "true or false" && name == "a boolean")
            do throws(Failure) {
                try read()
                #expect(fits)
            } catch {
                #expect(!fits)
                #expect(error.description == "here must be \(expected), but is \(name)")
            }
        }
    }

    @Test func anErrorAboutTheWholeDocumentSaysSo() {
        let error = #expect(throws: Failure.self) { try JSONReader([1]).object() }
        #expect(error?.description == "the document must be an object, but is an array")
    }

    @Test func elementsKnowTheirPlace() throws {
        let elements = try JSONReader(["a", "b"], path: "list").elements()
        #expect(elements.map(\.path) == ["list[0]", "list[1]"])
        #expect(elements.map(\.value) == ["a", "b"])
    }
}
