import CNI
import JSON
import Testing

@Suite struct DispatcherTests {
    @Test(arguments: SpecVersion.allCases)
    func addSucceedsWithZeroAndOneResultOnStandardOutput(_ version: SpecVersion) {
        let answer = call(MadeUp(), "ADD", [:], configuration(version))
        #expect(answer.status == 0)
        #expect(answer.output.count == 1)
        #expect(answer.log.isEmpty)
        #expect(answer.error == nil)
    }

    @Test(arguments: ["DEL", "CHECK", "GC", "STATUS"])
    func otherVerbsSucceedWithZeroAndNoOutput(_ command: String) {
        let plugin = MadeUp()
        let answer = call(plugin, command, [:], configuration(.latest, #","cni.dev/valid-attachments":[]"#))
        #expect(answer.status == 0)
        #expect(answer.output.isEmpty)
        #expect(plugin.record.all == [command])
    }

    @Test(arguments: ["ADD", "DEL", "CHECK", "GC", "STATUS"])
    func anErrorIsOneObjectOnStandardOutputAndANonZeroExit(_ command: String) {
        var plugin = MadeUp()
        let error = CNIError(CNIError.Code(rawValue: 123), "say \"what\"", details: "and why")
        plugin.onAdd = { _ throws(CNIError) in throw error }
        plugin.onOther = { _ throws(CNIError) in throw error }
        let answer = call(plugin, command)
        #expect(answer.status == 1)
        #expect(answer.output.count == 1)
        #expect(answer.log.isEmpty)
        #expect(
            answer.json == ["cniVersion": "1.1.0", "code": 123, "msg": "say \"what\"", "details": "and why"])
    }

    @Test func whatThePluginLogsGoesToStandardErrorOnly() {
        var plugin = MadeUp()
        plugin.onOther = { $0.log("a word to the operator") }
        let answer = call(plugin, "DEL")
        #expect(answer.log == ["a word to the operator"])
        #expect(answer.output.isEmpty)
    }

    @Test func standardInputThatCannotBeReadIsCode5() {
        let record = Record()
        for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            let status = Dispatcher([PluginEntry("test", MadeUp())]).run(
                as: "test", variables(command),
                .init(
                    read: { () throws(CNIError) in throw CNIError(.inputOutput, "read: Input/output error") },
                    write: { record.append(String(decoding: $0, as: UTF8.self)) }, log: { _ in }))
            #expect(status == 1)
        }
        #expect(record.all.count == 5)
        #expect(record.all.allSatisfy { $0.contains("\"code\": 5") })
    }

    @Test(arguments: SpecVersion.allCases)
    func aResultThatCannotBeWrittenIsUndone(_ version: SpecVersion) {
        let plugin = MadeUp()
        let answer = call(plugin, "ADD", [:], configuration(version), failingWrites: true)
        #expect(answer.status == 1)
        #expect(plugin.record.all == ["ADD", "DEL"])
        #expect(answer.error?.code == .inputOutput)
    }

    @Test(arguments: [SpecVersion.v0_1_0, .v0_2_0])
    func aResultThatTheVersionCannotCarryIsUndone(_ version: SpecVersion) {
        var plugin = MadeUp()
        plugin.onAdd = { _ throws(CNIError) in CNIResult(interfaces: [.init(name: "eth0")]) }
        let answer = call(plugin, "ADD", [:], configuration(version))
        #expect(answer.status == 1)
        #expect(plugin.record.all == ["ADD", "DEL"])
        #expect(answer.error?.code == .incompatibleVersion)
        #expect(answer.error?.message == "cannot convert: no valid IP addresses")
    }

    @Test func theUndoingOfAResultIsADelLikeTheAdd() {
        var plugin = MadeUp()
        plugin.onOther = { request throws(CNIError) in
            #expect(request.invocation.command == .del)
            #expect(request.invocation.environment["CNI_COMMAND"] == "DEL")
            #expect(request.attachment == Attachment(containerID: "pod-1", ifname: "eth0"))
            throw CNIError(.internal, "what DEL says is not what ADD says")
        }
        let answer = call(plugin, "ADD", failingWrites: true)
        #expect(answer.error?.code == .inputOutput)
    }

    @Test func aFailedAddIsNotFollowedByADelOfTheDispatchers() {
        var plugin = MadeUp()
        plugin.onAdd = { _ throws(CNIError) in throw CNIError(.tryAgainLater, "later") }
        _ = call(plugin, "ADD")
        #expect(plugin.record.all == ["ADD"])
    }

    @Test(arguments: [50, 51] as [Int64])
    func statusReportsThatItIsNotReady(_ code: Int64) {
        var plugin = MadeUp()
        plugin.onOther = { _ throws(CNIError) in throw CNIError(CNIError.Code(rawValue: code), "no address is left") }
        let answer = call(plugin, "STATUS")
        #expect(answer.status == 1)
        #expect(answer.error?.code.rawValue == code)
        #expect(answer.error?.message == "no address is left")
    }

    @Test func noVerbAsksForStatusFirst() {
        for command in ["ADD", "DEL", "CHECK", "GC"] {
            var plugin = MadeUp()
            plugin.onOther = { request throws(CNIError) in
                if request.invocation.command == .status { throw CNIError(.notAvailable, "not ready") }
            }
            #expect(call(plugin, command).status == 0)
            #expect(plugin.record.all == [command])
        }
    }

    @Test func statusAndGCDoWithoutAnAttachment() {
        for command in ["GC", "STATUS"] {
            var plugin = MadeUp()
            plugin.onOther = { #expect($0.attachment == Attachment(containerID: "", ifname: "")) }
            let environment = Environment(["CNI_COMMAND=\(command)", "CNI_PATH=/nonexistent"])
            #expect(call(plugin, environment, configuration()).status == 0)
            #expect(plugin.record.all == [command])
        }
    }

    @Test func delWithoutAPreviousResultReachesThePlugin() {
        for more in ["", #","prevResult":null"#, #","prevResult":{}"#] {
            var plugin = MadeUp()
            plugin.onOther = { request throws(CNIError) in
                let previous = try request.configuration.previousResult()
                #expect(previous == nil || previous == CNIResult())
            }
            #expect(call(plugin, "DEL", [:], configuration(.latest, more)).status == 0)
        }
    }
}

@Suite struct ErrorTests {
    /// CNI spec 1.1.0, section "Error", and libcni's two.
    @Test func theWellKnownCodesAreThoseOfTheSpec() {
        let codes: [CNIError.Code] = [
            .incompatibleVersion, .unsupportedField, .unknownContainer, .invalidEnvironment, .inputOutput,
            .decodingFailure,
            .invalidConfiguration, .invalidNamespace, .tryAgainLater, .notAvailable, .limitedConnectivity, .internal,
        ]
        #expect(codes.map(\.rawValue) == [1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51, 999])
        let own: [CNIError.Code] = [.kernel, .storage, .addressNotAvailable, .conflict, .checkFailed]
        #expect(own.map(\.rawValue) == [100, 101, 102, 103, 104])
    }

    @Test func everyNumberIsACodeThatStaysThatNumber() {
        for number in (-10...1100).map(Int64.init) + [.min, .max] {
            #expect(CNIError.Code(rawValue: number).rawValue == number)
        }
    }

    /// What the layers below state without a number is the same as what a runtime or a delegate says with one.
    @Test func aKindIsTheSameAsTheCodeOfItsNumber() {
        let kinds: [CNIError.Code] = [
            .kernel, .storage, .inputOutput, .addressNotAvailable, .conflict, .tryAgainLater, .decodingFailure,
            .invalidConfiguration, .checkFailed, .internal, .invalidNamespace, .notAvailable, .numbered(1234),
        ]
        for kind in kinds {
            #expect(CNIError.Code(rawValue: kind.rawValue) == kind)
            // A kind that is new below has to have a number here, and has to be in this list.
            switch kind {
            case .kernel, .storage, .inputOutput, .addressNotAvailable, .conflict, .tryAgainLater, .decodingFailure,
                .invalidConfiguration, .checkFailed, .internal, .numbered:
                break
            }
        }
        #expect(Set(kinds.map(\.rawValue)).count == kinds.count)
    }

    @Test func whoLacksPermissionIsToldWhatThePluginNeeds() {
        let refused = CNIError("create veth eth0", .notPermitted).json(version: .latest)
        #expect(
            refused == [
                "cniVersion": "1.1.0", "code": 100, "msg": "create veth eth0: Operation not permitted",
                "details": "the plugin needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN)",
            ])
        // What is known better goes before it.
        #expect(CNIError("a", .notPermitted, details: "ask b").advised.details == "ask b")
        #expect(CNIError("a", .accessDenied).advised.details.isEmpty)
        // A file may be kept from root, too.
        #expect(CNIError(.storage, "a", errno: .notPermitted).advised.details.isEmpty)
    }

    @Test(arguments: SpecVersion.allCases)
    func anErrorIsWrittenAndReadBackTheSame(_ version: SpecVersion) {
        for error in [
            CNIError(.kernel, "a", details: "b"), CNIError(.internal, "a"), CNIError(.kernel, "", details: ""),
        ] {
            #expect(CNIError(error.json(version: version)) == error)
        }
        #expect(
            CNIError(.kernel, "a").json(version: version) == [
                "cniVersion": .string(version.rawValue), "code": 100, "msg": "a",
            ])
    }

    @Test func whatHasNoCodeIsNoError() {
        #expect(CNIError(["code": 0, "msg": "x"]) == nil)
        #expect(CNIError(["msg": "x"]) == nil)
        #expect(CNIError(["code": "7", "msg": "x"]) == nil)
        #expect(CNIError([]) == nil)
        #expect(CNIError(nil) == nil)
        #expect(CNIError(["code": 7]) == CNIError(.invalidConfiguration, ""))
        #expect(CNIError(["code": 7, "msg": 8, "details": []]) == CNIError(.invalidConfiguration, ""))
    }

    @Test func whatWasBeingDoneIsPutInFront() {
        let error = CNIError(.kernel, "File exists", details: "d").during("add address")
        #expect(error == CNIError(.kernel, "add address: File exists", details: "d"))
        #expect("\(error)" == "add address: File exists (d)")
        #expect("\(CNIError(.kernel, "m"))" == "m")
    }
}
