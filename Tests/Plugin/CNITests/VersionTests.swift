import CNI
import JSON
import Testing

@Suite struct VersionTests {
    @Test(arguments: ["0.0.1", "0.3.2", "1.1.1", "1.2.0", "2.0.0", "1.1", "v1.1.0", "latest", " 1.1.0"])
    func aVersionThatIsNotSupportedIsCode1(_ version: String) {
        for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            let plugin = MadeUp()
            let answer = call(plugin, command, [:], #"{"cniVersion":"\#(version)","name":"net"}"#)
            #expect(answer.status == 1)
            #expect(answer.error?.code == .incompatibleVersion)
            #expect(answer.error?.message == "incompatible CNI versions")
            #expect(
                answer.error?.details
                    == "config is \"\(version)\", plugin supports [0.1.0 0.2.0 0.3.0 0.3.1 0.4.0 1.0.0 1.1.0]")
            #expect(plugin.record.all.isEmpty)
        }
    }

    @Test(arguments: SpecVersion.allCases)
    func aVersionThatThePluginDoesNotSupportIsCode1(_ version: SpecVersion) {
        let plugin = MadeUp(supportedVersions: [.v0_4_0, .v1_0_0])
        let answer = call(plugin, "ADD", [:], configuration(version))
        let fits = [.v0_4_0, .v1_0_0].contains(version)
        #expect((answer.status == 0) == fits)
        if !fits {
            #expect(answer.error?.code == .incompatibleVersion)
            #expect(answer.error?.details == "config is \"\(version.rawValue)\", plugin supports [0.4.0 1.0.0]")
        }
    }

    @Test(arguments: [nil, #""cniVersion":"","#, #""cniVersion":null,"#])
    func anAbsentVersionIs010(_ version: String?) {
        var plugin = MadeUp()
        plugin.onAdd = {
            #expect($0.configuration.version == .v0_1_0)
            return .example
        }
        let answer = call(plugin, "ADD", [:], "{\(version ?? "")\"name\":\"net\"}")
        #expect(answer["cniVersion"] == "0.1.0")
    }

    @Test(arguments: SpecVersion.allCases)
    func theResultIsInTheConfigurationsVersion(_ version: SpecVersion) throws {
        let answer = call(MadeUp(), "ADD", [:], configuration(version))
        #expect(answer.status == 0)
        #expect(answer.json == (try CNIResult.example.json(version: version)))
        #expect(answer["cniVersion"] == .string(version.rawValue))
    }

    @Test(arguments: SpecVersion.allCases)
    func anErrorIsInTheConfigurationsVersion(_ version: SpecVersion) {
        var plugin = MadeUp()
        plugin.onAdd = { _ throws(CNIError) in throw CNIError(.tryAgainLater, "later") }
        #expect(call(plugin, "ADD", [:], configuration(version))["cniVersion"] == .string(version.rawValue))
        // Also one about the configuration itself, once its version is known.
        let nameless = call(plugin, "ADD", [:], #"{"cniVersion":"\#(version.rawValue)","name":"-"}"#)
        #expect(nameless.error?.code == .invalidConfiguration)
        #expect(nameless["cniVersion"] == .string(version.rawValue))
    }

    @Test(arguments: SpecVersion.allCases, ["ADD", "DEL", "CHECK", "GC", "STATUS"])
    func checkNeeds040AndGCAndStatusNeed110(_ version: SpecVersion, _ command: String) {
        let plugin = MadeUp()
        let answer = call(plugin, command, [:], configuration(version, #","cni.dev/valid-attachments":[]"#))
        let least: SpecVersion = ["CHECK": .v0_4_0, "GC": .v1_1_0, "STATUS": .v1_1_0][command] ?? .v0_1_0
        if version >= least {
            #expect(answer.status == 0)
            #expect(plugin.record.all == [command])
        } else {
            #expect(answer.status == 1)
            #expect(answer.error?.code == .incompatibleVersion)
            #expect(answer.error?.message == "config version does not allow \(command)")
            #expect(plugin.record.all.isEmpty)
        }
    }

    @Test(arguments: ["0.1.0", "0.4.0", "1.1.0", "9.9.9"])
    func versionAnswersTheVersionThatItIsGivenAndThoseItSupports(_ version: String) {
        let all = JSON.array(SpecVersion.allCases.map { .string($0.rawValue) })
        let answer = call(MadeUp(), "VERSION", [:], #"{"cniVersion":"\#(version)"}"#)
        #expect(answer.status == 0)
        #expect(answer.json == ["cniVersion": .string(version), "supportedVersions": all])
    }

    @Test func versionDoesWithoutInputAndWithoutAnythingButTheCommand() {
        let answer = call(MadeUp(supportedVersions: [.v1_0_0]), Environment(["CNI_COMMAND=VERSION"]), "")
        #expect(answer.status == 0)
        #expect(answer.json == ["cniVersion": "1.1.0", "supportedVersions": ["1.0.0"]])
        #expect(call(MadeUp(), "VERSION", [:], "{}")["cniVersion"] == "1.1.0")
    }

    @Test(arguments: ["{", "[]", #"{"cniVersion":1}"#])
    func versionWithInputThatCannotBeDecodedIsCode6(_ input: String) {
        #expect(call(MadeUp(), "VERSION", [:], input).error?.code == .decodingFailure)
    }

    @Test func versionsAreInOrder() {
        #expect(SpecVersion.allCases.sorted() == SpecVersion.allCases)
        #expect(
            SpecVersion.allCases.map(\.rawValue) == ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
        #expect(SpecVersion.latest == .v1_1_0)
    }
}
