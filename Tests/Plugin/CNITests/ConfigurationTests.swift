import Addresses
import CNI
import JSON
import Posix
import Testing

@Suite struct ConfigurationTests {
    @Test(arguments: [
        "", " ", "{", "nul", #"{"name":"net""#, "[]", "null", "7", #""net""#, #"{"name":"net"}}"#, "{'name':1}",
        "\u{fe}",
        #"{"name":"a\u0000"}"#, #"{"name":7}"#, #"{"name":"net","cniVersion":1}"#,
        #"{"name":"net","type":[]}"#, #"{"cniVersion":"1.1.0","name":{}}"#,
    ])
    func whatCannotBeDecodedIsCode6(_ input: String) {
        for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            let plugin = MadeUp()
            let answer = call(plugin, command, [:], input)
            #expect(answer.status == 1)
            #expect(answer.error?.code == .decodingFailure)
            #expect(plugin.record.all.isEmpty)
        }
    }

    @Test func aDocumentTooDeepIsCode6() {
        let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        #expect(call(MadeUp(), "ADD", [:], configuration(.latest, ",\"x\":\(deep)")).error?.code == .decodingFailure)
    }

    @Test func everyTruncationOfAConfigurationIsCode6() {
        let whole = configuration(.v1_0_0, #","ipam":{"type":"host-local","ranges":[[{"subnet":"10.0.0.0/8"}]]}"#)
        for length in 0..<whole.utf8.count {
            let answer = call(MadeUp(), "ADD", [:], String(whole.prefix(length)))
            #expect(answer.status == 1)
            #expect(answer.error?.code == .decodingFailure)
        }
    }

    @Test(arguments: [
        ("net", true), ("a", true), ("9_.-", true), (String(repeating: "n", count: 96), true),
        (String(repeating: "n", count: 97), false), ("-net", false), (".", false), ("a/b", false), ("a b", false),
        ("né", false),
    ])
    func aNetworkNameHasTheCharactersOfTheSpecOrCode7(_ name: String, _ fits: Bool) {
        let answer = call(MadeUp(), "ADD", [:], #"{"cniVersion":"1.1.0","name":"\#(name)","type":"test"}"#)
        #expect((answer.status == 0) == fits)
        if !fits {
            #expect(answer.error?.code == .invalidConfiguration)
            #expect(answer.error?.message == "invalid characters found in network name \"\(name)\"")
        }
    }

    @Test(arguments: [
        #"{"cniVersion":"1.1.0"}"#, #"{"cniVersion":"1.1.0","name":""}"#, #"{"cniVersion":"1.1.0","name":null}"#,
    ])
    func aMissingNetworkNameIsCode7(_ input: String) {
        let answer = call(MadeUp(), "ADD", [:], input)
        #expect(answer.error?.code == .invalidConfiguration)
        #expect(answer.error?.message == "missing network name")
    }

    /// The codes for keys that a plugin reads: of the wrong type 6, of the right type but of no sense 7, with the key named.
    @Test func aValueOfTheWrongTypeIsCode6AndOneOfNoSenseIsCode7() {
        let mtu = ConfigurationKey.number("mtu", default: 0, in: 0...65535, "octets")
        let flag = ConfigurationKey.flag("ipMasq", "masquerade")
        let text = ConfigurationKey.text("bridge", default: "cni0", "name")
        var plugin = MadeUp()
        plugin.onAdd = { request throws(CNIError) in
            _ = (try request.configuration[mtu], try request.configuration[flag], try request.configuration[text])
            return CNIResult()
        }
        let cases: [(String, CNIError.Code?, String)] = [
            (#","mtu":1500"#, nil, ""), (#","mtu":null,"bridge":"","ipMasq":null"#, nil, ""),
            (#","mtu":"1500""#, .decodingFailure, "mtu must be an integer"),
            (#","mtu":1.5"#, .decodingFailure, "mtu must be an integer"),
            (#","mtu":-1"#, .invalidConfiguration, "mtu must be from 0 to 65535, but is -1"),
            (#","mtu":65536"#, .invalidConfiguration, "mtu must be from 0 to 65535, but is 65536"),
            (#","ipMasq":"yes""#, .decodingFailure, "ipMasq must be true or false"),
            (#","bridge":7"#, .decodingFailure, "bridge must be a string"),
        ]
        for (more, code, message) in cases {
            let answer = call(plugin, "ADD", [:], configuration(.latest, more))
            #expect(answer.error?.code == code)
            if code != nil { #expect(answer.error?.message.hasPrefix(message) == true) }
        }
    }

    @Test func aKeyHasItsDefaultAndItsDescription() throws {
        let document = try Configuration(Array(configuration().utf8))
        let mtu = ConfigurationKey.number("mtu", default: 1400, in: 0...65535, "octets")
        #expect(try document[mtu] == 1400)
        #expect(mtu.described.fallback == "1400" && mtu.summary == "octets")
        let none = ConfigurationKey<String?>("x", default: nil, "") { reader throws(Failure) in
            try reader.string()
        }
        #expect(none.described.fallback == "")
        #expect(try document[none] == nil)
    }

    @Test func wellKnownKeysAreReadWhereTheSpecHasThem() throws {
        let document = try Configuration(
            Array(
                configuration(
                    .latest,
                    #"""
                    ,"ipam":{"type":"host-local"},"dns":{"nameservers":["10.0.0.53"],"domain":"d","search":["s"],"options":["o"]},
                    "runtimeConfig":{"mac":"02:00:00:00:00:01"},"args":{"cni":{"ips":["10.0.0.7"]}}
                    """#
                ).utf8))
        #expect(try document.ipamType() == "host-local")
        #expect(
            try document.dns() == CNIResult.DNS(nameservers: ["10.0.0.53"], domain: "d", search: ["s"], options: ["o"]))
        #expect(try document.runtimeConfiguration("mac")?.string() == "02:00:00:00:00:01")
        #expect(try document.conventionalArgument("ips")?.path == "args.cni.ips")
        let bare = try Configuration(Array(configuration().utf8))
        #expect(try bare.ipamType() == nil)
        #expect(try bare.dns().isEmpty)
        #expect(try bare.runtimeConfiguration("mac") == nil)
        #expect(try bare.conventionalArgument("ips") == nil)
        #expect(try bare.previousResult() == nil)
    }

    @Test(arguments: [
        #","ipam":[]"#, #","ipam":{"type":1}"#, #","dns":"x""#, #","dns":{"search":"x"}"#, #","runtimeConfig":1"#,
        #","args":1"#,
        #","args":{"cni":1}"#, #","prevResult":1"#, #","prevResult":{"ips":[{"address":1}]}"#,
    ])
    func aWellKnownKeyOfTheWrongTypeIsCode6(_ more: String) {
        var plugin = MadeUp()
        plugin.onAdd = { request throws(CNIError) in
            let document = request.configuration
            _ = (try document.ipamType(), try document.dns(), try document.runtimeConfiguration("x"))
            _ = (try document.conventionalArgument("x"), try document.previousResult())
            return CNIResult()
        }
        #expect(call(plugin, "ADD", [:], configuration(.latest, more)).error?.code == .decodingFailure)
    }

    @Test(arguments: SpecVersion.allCases)
    func aPreviousResultIsReadInItsOwnVersionAndPassedThroughInTheConfigurations(_ version: SpecVersion) throws {
        var plugin = MadeUp()
        plugin.onAdd = { request throws(CNIError) in try request.configuration.previousResult()! }
        let previous = String(decoding: try CNIResult.example.json(version: version).serialized(), as: UTF8.self)
        let answer = call(plugin, "ADD", [:], configuration(version, ",\"prevResult\":\(previous)"))
        #expect(answer.status == 0)
        #expect(answer.json == (try CNIResult.example.json(version: version)))
        // Another version than the configuration's, as after an upgrade of the configuration.
        for other in SpecVersion.allCases {
            let answer = call(plugin, "ADD", [:], configuration(other, ",\"prevResult\":\(previous)"))
            #expect(answer["cniVersion"] == .string(other.rawValue))
        }
    }

    @Test func aPreviousResultWithoutAVersionHasThatOfTheConfiguration() throws {
        let previous = #","prevResult":{"ips":[{"address":"10.1.0.5/16"}]}"#
        let document = try Configuration(Array(configuration(.v1_0_0, previous).utf8))
        #expect(try document.previousResult()?.ips.count == 1)
    }

    /// Go's programs write such numbers into keys that no plugin reads, and pass them on.
    @Test(arguments: ["1e999", "18446744073709551615", "9223372036854776000", "-1e400"])
    func aNumberThatNobodyReadsHindersNoVerb(_ number: String) {
        for command in ["ADD", "DEL", "CHECK"] {
            #expect(call(MadeUp(), command, [:], configuration(.latest, ",\"x\":{\"y\":[\(number)]}")).status == 0)
        }
    }

    @Test func theErrorAboutAPreviousResultNamesItsKeyPath() throws {
        let cases = [
            (#"{"ips":[{"address":"10.1.0.5"}]}"#, "prevResult.ips[0].address"),
            (#"{"routes":[{"dst":"10.0.0.0/8"},{"gw":"10.0.0.1"}]}"#, "prevResult.routes[1].dst"),
            (#"{"interfaces":[{}]}"#, "prevResult.interfaces[0].name"),
        ]
        for (previous, path) in cases {
            let document = try Configuration(Array(configuration(.latest, ",\"prevResult\":\(previous)").utf8))
            let error = #expect(throws: CNIError.self) { try document.previousResult() }
            #expect(error?.message.hasPrefix(path) == true)
        }
    }

    @Test func whatHasStructureIsReadWithItsKeyPath() throws {
        func numbers(_ list: String) throws -> [UInt32] {
            let configuration = try Configuration(Array(configuration(.latest, ",\"ports\":\(list)").utf8))
            return try configuration.decoding { reader throws(Failure) in
                try reader.list("ports") { port throws(Failure) in try port.required("number").uint32() }
            }
        }
        #expect(try numbers(#"[{"number":80},{"number":443}]"#) == [80, 443])
        #expect(try numbers("null").isEmpty)
        let error = #expect(throws: CNIError.self) { try numbers(#"[{"number":80},{"number":"x"}]"#) }
        #expect(error == CNIError(.decodingFailure, "ports[1].number must be an integer, but is a string"))
    }

    @Test(arguments: ["cni.dev/valid-attachments", "cni.dev/attachments"])
    func theValidAttachmentsOfGCAreReadUnderBothNames(_ key: String) throws {
        let list = #"[{"containerID":"a","ifname":"eth0"},{"containerID":"b","ifname":"net1"}]"#
        let document = try Configuration(Array(configuration(.latest, ",\"\(key)\":\(list)").utf8))
        #expect(
            try document.validAttachments()
                == [Attachment(containerID: "a", ifname: "eth0"), Attachment(containerID: "b", ifname: "net1")])
    }

    @Test func anEmptyListOfValidAttachmentsIsAListAndAMissingOneIsCode7() throws {
        let empty = try Configuration(Array(configuration(.latest, #","cni.dev/valid-attachments":[]"#).utf8))
        #expect(try empty.validAttachments().isEmpty)
        let both = #","cni.dev/valid-attachments":[],"cni.dev/attachments":[{"containerID":"a","ifname":"eth0"}]"#
        #expect(try Configuration(Array(configuration(.latest, both).utf8)).validAttachments().isEmpty)
        for more in ["", #","cni.dev/valid-attachments":null"#] {
            let missing = try Configuration(Array(configuration(.latest, more).utf8))
            let error = #expect(throws: CNIError.self) { try missing.validAttachments() }
            #expect(error?.code == .invalidConfiguration)
        }
    }

    @Test(arguments: [#"{}"#, #"[{"containerID":"a"}]"#, #"[{"containerID":1,"ifname":"eth0"}]"#, "[1]"])
    func attachmentsThatCannotBeReadAreAnErrorAndNotAnEmptyList(_ list: String) throws {
        let document = try Configuration(Array(configuration(.latest, ",\"cni.dev/valid-attachments\":\(list)").utf8))
        #expect(throws: CNIError.self) { try document.validAttachments() }
    }
}
