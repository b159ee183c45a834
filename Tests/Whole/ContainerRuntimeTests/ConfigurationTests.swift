import ContainerRuntime
import Testing

@Suite struct ConfigurationTests {
    func parse(_ text: String) throws -> NetworkList { try NetworkList(parsing: Array(text.utf8)) }

    @Test func aSinglePluginIsAListOfOne() throws {
        let list = try parse(#"{"cniVersion":"0.4.0","name":"n","type":"loopback"}"#)
        #expect(list.plugins.map { $0["type"]?.string } == ["loopback"])
        #expect(list.version == "0.4.0")
    }

    @Test func theHighestKnownVersionIsChosen() throws {
        let list = try parse(
            #"{"cniVersion":"0.4.0","cniVersions":["1.0.0","9.0.0","0.3.1"],"name":"n","plugins":[{"type":"a"}]}"#)
        #expect(list.version == "1.0.0")
        #expect(try parse(#"{"name":"n","type":"a"}"#).version == "0.1.0")
    }

    @Test func booleansMayBeWords() throws {
        #expect(try parse(#"{"name":"n","type":"a","disableCheck":"true","disableGC":true}"#).disableCheck)
        #expect(throws: RuntimeError.self) { try parse(#"{"name":"n","type":"a","disableCheck":"perhaps"}"#) }
    }

    @Test(arguments: [
        "", "[", "[]", "{}", #"{"name":"n"}"#, #"{"name":"n","plugins":[]}"#, #"{"name":"n","plugins":{}}"#,
        #"{"name":"n","plugins":[{}]}"#, #"{"plugins":[{"type":"a"}]}"#,
        #"{"cniVersion":"7.0.0","name":"n","type":"a"}"#,
    ])
    func whatIsNoConfigurationIsRefused(_ text: String) {
        #expect(throws: RuntimeError.self) { try parse(text) }
    }

    @Test func jsonSurvivesBothWays() throws {
        let text = #"{"a":[1,-2,2.5,true,null,"x/\"é"],"b":{},"big":9007199254740993}"#
        #expect(String(decoding: try JSONValue(parsing: text).bytes, as: UTF8.self) == text)
    }
}
