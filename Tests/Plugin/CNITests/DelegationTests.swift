import Addresses
import CNI
import Foundation
import JSON
import Testing

private let result = #"{"cniVersion":"1.1.0","ips":[{"address":"10.1.0.5/16"}]}"#

/// Notes its environment and input under its command, and answers ADD.
private let wellBehaved = """
    env | sort >"$HERE/$CNI_COMMAND.environment"
    cat >"$HERE/$CNI_COMMAND.input"
    echo "$CNI_COMMAND" >>"$HERE/calls"
    [ "$CNI_COMMAND" != ADD ] || echo '\(result)'
    """

private func failing(_ command: String, _ output: String) -> String {
    """
    echo "$CNI_COMMAND" >>"$HERE/calls"
    [ "$CNI_COMMAND" != \(command) ] || { echo '\(output)'; exit 1; }
    """
}

private let error = #"{"cniVersion":"1.1.0","code":11,"msg":"busy","details":"wait"}"#
private let gcInput = configuration(.latest, #","cni.dev/valid-attachments":[]"#)

@Suite struct DelegationTests {
    @Test func aDelegateIsTheFirstRegularFileOfItsNameAlongThePath() throws {
        let first = try Scripts(["other": wellBehaved])
        let second = try Scripts(["inner": wellBehaved])
        let third = try Scripts(["inner": wellBehaved])
        // A folder of that name is no plugin.
        try FileManager.default.createDirectory(atPath: first.directory + "/inner", withIntermediateDirectories: false)
        let path = "/nonexistent:\(first.directory)::\(second.directory):\(third.directory)"
        #expect(call(delegating(), "ADD", ["CNI_PATH": path]).status == 0)
        #expect(second.file("calls") == "ADD\n")
        #expect(third.file("calls") == "")
    }

    @Test(arguments: ["ADD", "DEL", "CHECK", "GC", "STATUS"])
    func aDelegateGetsTheSameEnvironmentAndTheWholeConfigurationByteForByte(_ command: String) throws {
        let scripts = try Scripts(["inner": wellBehaved])
        let input = " {\"name\":\"net\",\n\t\"unknown\": [1.50, \"\\u00e9\"], \"cniVersion\" : \"1.1.0\"}\n \n"
        let answer = call(
            delegating(), command, ["CNI_PATH": scripts.directory, "CNI_ARGS": "A=1;B=2", "OTHER": "  x\n=y"], input)
        #expect(answer.status == 0)
        #expect(scripts.file("\(command).input") == input)
        let environment = scripts.file("\(command).environment")
        for line in [
            "CNI_COMMAND=\(command)", "CNI_CONTAINERID=pod-1", "CNI_IFNAME=eth0", "CNI_NETNS=/nonexistent/netns",
            "CNI_PATH=\(scripts.directory)", "CNI_ARGS=A=1;B=2", "OTHER=  x\n",
        ] {
            #expect(environment.contains(line))
        }
        // Nothing of this process's own is added; the shell sets three of its own.
        #expect(ProcessInfo.processInfo.environment["HOME"] == nil || !environment.contains("HOME="))
    }

    @Test(arguments: SpecVersion.allCases)
    func theDelegatesResultIsHandedBackInAnyVersion(_ version: SpecVersion) throws {
        let abbreviated = CNIResult(ips: [.init(address: CIDR("10.1.0.5/16")!, gateway: IPAddress("10.1.0.1")!)])
        let text = String(decoding: try abbreviated.json(version: version).serialized(pretty: false), as: UTF8.self)
        let scripts = try Scripts(["inner": "cat >/dev/null; echo '\(text)'"])
        for own in SpecVersion.allCases {
            let answer = call(delegating(), "ADD", ["CNI_PATH": scripts.directory], configuration(own))
            #expect(answer.status == 0)
            #expect(answer.json == (try abbreviated.json(version: own)))
        }
    }

    @Test(arguments: SpecVersion.allCases)
    func aResultWithoutAVersionHasThatOfTheConfiguration(_ version: SpecVersion) throws {
        let abbreviated = CNIResult(ips: [.init(address: CIDR("10.1.0.5/16")!)])
        guard case .object(var object) = try abbreviated.json(version: version) else {
            Issue.record("a result is an object")
            return
        }
        object["cniVersion"] = nil
        let text = String(decoding: JSON.object(object).serialized(pretty: false), as: UTF8.self)
        let scripts = try Scripts(["inner": "cat >/dev/null; echo '\(text)'"])
        let answer = call(delegating(), "ADD", ["CNI_PATH": scripts.directory], configuration(version))
        #expect(answer.json == (try abbreviated.json(version: version)))
    }

    @Test(arguments: ["DEL", "CHECK", "GC", "STATUS"])
    func otherVerbsAreForwardedAndTheirOutputIsNotOurs(_ command: String) throws {
        let scripts = try Scripts(["inner": wellBehaved + "\necho chatter"])
        let answer = call(delegating(), command, ["CNI_PATH": scripts.directory], gcInput)
        #expect(answer.status == 0)
        #expect(answer.output.isEmpty)
        #expect(scripts.file("calls") == "\(command)\n")
    }

    @Test(arguments: ["DEL", "CHECK", "GC", "STATUS"])
    func anErrorOfADelegateIsPassedOnWithItsCodeAndDetails(_ command: String) throws {
        let scripts = try Scripts(["inner": failing(command, error)])
        let answer = call(delegating(), command, ["CNI_PATH": scripts.directory], gcInput)
        #expect(answer.status == 1)
        #expect(answer.error?.code == .tryAgainLater)
        #expect(answer.error?.message == #"plugin type="inner" failed (\#(command)): busy"#)
        #expect(answer.error?.details == "wait")
        #expect(scripts.file("calls") == "\(command)\n")
    }

    @Test func aFailedAddOfADelegateIsFollowedByItsDelAndItsErrorIsPassedOn() throws {
        let scripts = try Scripts(["inner": failing("ADD", error)])
        let answer = call(delegating(), "ADD", ["CNI_PATH": scripts.directory])
        #expect(answer.error == CNIError(.tryAgainLater, #"plugin type="inner" failed (ADD): busy"#, details: "wait"))
        #expect(scripts.file("calls") == "ADD\nDEL\n")
    }

    @Test func theDelAfterAFailedAddHasTheSameEnvironmentAndConfiguration() throws {
        let scripts = try Scripts(["inner": wellBehaved + "\n[ $CNI_COMMAND = DEL ] || exit 1"])
        #expect(call(delegating(), "ADD", ["CNI_PATH": scripts.directory]).status == 1)
        #expect(scripts.file("DEL.input") == configuration())
        let add = scripts.file("ADD.environment").replacingOccurrences(of: "CNI_COMMAND=ADD", with: "CNI_COMMAND=DEL")
        #expect(scripts.file("DEL.environment") == add)
    }

    @Test func anAddThatFailsLaterCanBeUndoneInTheDelegate() throws {
        let scripts = try Scripts(["inner": wellBehaved])
        var plugin = MadeUp()
        plugin.onAdd = { request throws(CNIError) in
            try request.delegate(to: "inner")
            try request.undoDelegate("inner")
            throw CNIError(.kernel, "later step")
        }
        #expect(call(plugin, "ADD", ["CNI_PATH": scripts.directory]).error == CNIError(.kernel, "later step"))
        #expect(scripts.file("calls") == "ADD\nDEL\n")
    }

    static let misbehaviours: [(String, CNIError.Code, String)] = [
        ("true", .decodingFailure, "is not JSON"), ("echo '{'", .decodingFailure, "is not JSON"),
        ("echo '[]'", .decodingFailure, "result of inner must be an object"),
        (#"echo '{"cniVersion":"1.1.0","ips":7}'"#, .decodingFailure, "result of inner.ips must be an array"),
        (
            #"echo '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.1/8","interface":"2"}]}'"#, .decodingFailure,
            "result of inner.ips[0].interface must be"
        ), (#"echo '{"cniVersion":"9.0.0"}'"#, .incompatibleVersion, "incompatible CNI versions"),
        ("exit 7", .internal, "status 7"), ("echo gibberish; exit 1", .internal, "status 1"),
        (#"echo '{"code":0,"msg":"x"}'; exit 1"#, .internal, "status 1"), ("kill -9 $$", .internal, "status 137"),
        ("printf 'a\\000b'; exit 1", .internal, "status 1"),
    ]

    @Test(arguments: misbehaviours)
    func aDelegateThatBreaksTheProtocolIsAnErrorAndItsDelIsRun(
        _ script: String, _ code: CNIError.Code, _ message: String
    ) throws {
        let scripts = try Scripts([
            "inner": "cat >/dev/null; echo $CNI_COMMAND >>$HERE/calls; [ $CNI_COMMAND = ADD ] || exit 0; \(script)"
        ])
        let answer = call(delegating(), "ADD", ["CNI_PATH": scripts.directory])
        #expect(answer.status == 1)
        #expect(answer.error?.code == code)
        #expect(answer.error?.message.contains(message) == true, "\(answer.text)")
        #expect(scripts.file("calls") == "ADD\nDEL\n")
    }

    @Test func whatADelegateSaidInsteadOfAnErrorIsInTheDetails() throws {
        let scripts = try Scripts(["inner": "echo panic: oh dear; exit 2"])
        let answer = call(delegating(), "DEL", ["CNI_PATH": scripts.directory])
        #expect(answer.error?.details.contains("panic: oh dear") == true)
    }

    @Test func aDelegateThatPrintsTooMuchIsStopped() throws {
        let scripts = try Scripts(["inner": "cat >/dev/null; exec yes"])
        let answer = call(delegating(), "STATUS", ["CNI_PATH": scripts.directory])
        #expect(answer.error?.code == .inputOutput)
    }

    @Test func neitherSideWaitsForTheOtherWithFullPipes() throws {
        let long = String(repeating: "x", count: 1 << 20)
        let scripts = try Scripts([
            "inner": "head -c 300000 /dev/zero | tr '\\0' ' '; cat >/dev/null; echo '\(result)'",
            "deaf": "exec <&-; echo '\(result)'",
        ])
        let input = configuration(.latest, ",\"long\":\"\(long)\"")
        for type in ["inner", "deaf"] {
            #expect(call(delegating(to: type), "ADD", ["CNI_PATH": scripts.directory], input).status == 0)
        }
    }

    @Test(arguments: ["ADD", "DEL", "CHECK", "GC", "STATUS"])
    func aDelegateThatIsNowhereIsCode4AndTheMessageNamesIt(_ command: String) {
        let answer = call(delegating(), command, ["CNI_PATH": "/nonexistent:/also"], gcInput)
        #expect(answer.error?.code == .invalidEnvironment)
        #expect(answer.error?.message == #"failed to find plugin "inner" in path [/nonexistent /also]"#)
    }

    @Test(arguments: ["", "../inner", "a/b", ".", "..", "/bin/sh", "a b"])
    func aDelegateTypeIsAFileNameAndNothingElse(_ type: String) {
        let answer = call(delegating(to: type), "ADD", ["CNI_PATH": "/bin"])
        #expect(answer.error?.code == .invalidConfiguration)
    }

    @Test func aDelegateThatThisExecutableIsRunsInThisProcess() throws {
        let scripts = try Scripts()
        let this = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        try FileManager.default.createSymbolicLink(atPath: scripts.directory + "/inner", withDestinationPath: this)
        let inner = MadeUp()
        for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            let answer = call(
                delegating(), command, ["CNI_PATH": scripts.directory], gcInput, inner: inner)
            #expect(answer.status == 0)
        }
        #expect(inner.record.all == ["ADD", "DEL", "CHECK", "GC", "STATUS"])
    }

    /// It leaves nothing by itself; its DEL could only undo an earlier ADD, one that has succeeded.
    @Test func aFailedAddInThisProcessIsNotFollowedByDel() throws {
        let scripts = try Scripts()
        let this = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        try FileManager.default.createSymbolicLink(atPath: scripts.directory + "/inner", withDestinationPath: this)
        var inner = MadeUp()
        inner.onAdd = { _ throws(CNIError) in throw CNIError(.addressNotAvailable, "none left") }
        let answer = call(delegating(), "ADD", ["CNI_PATH": scripts.directory], inner: inner)
        #expect(answer.error == CNIError(.addressNotAvailable, "none left"))
        #expect(inner.record.all == ["ADD"])
    }

    @Test func anotherExecutableOfABuiltInsNameIsRunAsItIs() throws {
        let scripts = try Scripts(["inner": wellBehaved])
        let inner = MadeUp()
        #expect(call(delegating(), "ADD", ["CNI_PATH": scripts.directory], inner: inner).status == 0)
        #expect(inner.record.all.isEmpty)
        #expect(scripts.file("calls") == "ADD\n")
        // And one that CNI_PATH does not hold is not run, built in or not.
        #expect(call(delegating(), "ADD", ["CNI_PATH": "/nonexistent"], inner: inner).status == 1)
    }
}
