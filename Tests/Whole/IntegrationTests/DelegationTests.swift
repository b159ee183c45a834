import ContainerRuntime
import Foundation
import Testing

/// Addresses from another IPAM plugin: in this process if it is our own, else from whatever CNI_PATH holds.
@Suite(.realKernel) struct DelegationTests {
    @Test func hostLocalOfThisExecutableRunsInTheProcess() throws {
        let node = try Node()
        let pod = try node.pod()
        let strace = Strace(node)
        let runtime = node.runtime(wrapper: strace.tracing("execve,execveat,fork,vfork,clone,clone3"))
        let list = try node.network(node.gatewayBridge())
        func calls() throws -> [String] { try strace.lines().filter { $0.contains("(") } }
        _ = try runtime.add(list, pod.attachment)
        #expect(try calls().count == 1, "only the plugin itself is executed")
        try runtime.check(list, pod.attachment)
        #expect(try calls().count == 1)
        try runtime.status(list)
        #expect(try calls().count == 1)
        #expect(try node.reservations() == ["10.44.0.2"])
    }

    @Test func aHostLocalThatIsAnotherProgramIsExecuted() throws {
        let node = try Node()
        let pod = try node.pod()
        try node.link(plugin: "bridge", from: Requirements.bin)
        let plugins = try node.link(plugin: "host-local", from: Requirements.referenceBin)
        let strace = Strace(node)
        let runtime = node.runtime(path: [plugins], wrapper: strace.tracing("execve"))
        let list = try node.network(node.gatewayBridge(), version: "1.0.0")
        _ = try runtime.add(list, pod.attachment)
        #expect(try strace.lines().contains { $0.contains("\(plugins)/host-local") })
        try pod.ping("10.44.0.1")
        try runtime.check(list, pod.attachment)
        try runtime.del(list, pod.attachment)
        #expect(try node.reservations() == [])
    }

    @Test(arguments: ["0.3.1", "0.4.0", "1.0.0"]) func debiansStaticServesAddresses(_ version: String) throws {
        let node = try Node()
        let pod = try node.pod()
        try node.link(plugin: "bridge", from: Requirements.bin)
        let plugins = try node.link(plugin: "static", from: Requirements.referenceBin)
        let ipam: JSONValue = [
            "type": "static",
            "addresses": [
                ["address": "10.77.0.5/24", "gateway": "10.77.0.1"],
                ["address": "fd00:77::5/64", "gateway": "fd00:77::1"],
            ],
            "routes": [["dst": "10.0.0.0/8"]], "dns": ["nameservers": ["10.77.0.53"]],
        ]
        let list = try node.network(["type": "bridge", "isDefaultGateway": true, "ipam": ipam], version: version)
        let runtime = node.runtime(path: [plugins])
        let result = try runtime.add(list, pod.attachment).result
        #expect(result.addresses == ["10.77.0.5/24", "fd00:77::5/64"])
        #expect(result["dns"] == ["nameservers": ["10.77.0.53"]])
        #expect(try pod.route("10.0.0.0/8")?["gateway"] == "10.77.0.1")
        try expectConnected(pod, "10.77.0.5", node, "10.77.0.1")
        try expectConnected(pod, "fd00:77::5", node, "fd00:77::1")
        if version >= "0.4.0" { try runtime.check(list, pod.attachment) }
        try runtime.del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    @Test func swiftletTakesAnotherIpamToo() throws {
        let node = try Node()
        let pod = try node.pod()
        try node.link(plugin: "swiftlet", from: Requirements.bin)
        let plugins = try node.link(plugin: "static", from: Requirements.referenceBin)
        let list = try node.network(
            ["type": "swiftlet", "ipam": ["type": "static", "addresses": [["address": "10.77.0.5/24"]]]],
            version: "1.0.0")
        _ = try node.runtime(path: [plugins]).add(list, pod.attachment)
        try pod.ping("10.77.0.1")
        let both = try failure {
            _ = try node.runtime(path: [plugins]).add(
                node.network(["type": "swiftlet", "subnet": "10.44.0.0/24", "ipam": ["type": "static"]]), pod.attachment
            )
        }
        #expect(both.code == 7 && both.msg.contains("subnet must be inside ipam"))
    }

    @Test func theDelegateGetsTheSameEnvironmentAndTheWholeConfiguration() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script(
            "my-ipam",
            #"""
            env | grep ^CNI_ | sort >"$0.$CNI_COMMAND.env"; cat >"$0.$CNI_COMMAND.in"; echo "a word from $CNI_COMMAND" >&2
            [ $CNI_COMMAND = ADD ] && echo '{"cniVersion":"1.1.0","ips":[{"address":"10.9.0.7/16"}]}'; exit 0
            """#)
        try node.link(plugin: "bridge", from: Requirements.bin)
        let runtime = node.runtime(path: ["/nonexistent", plugins])
        let plugin: JSONValue = ["type": "bridge", "ipam": ["type": "my-ipam", "x": [1, 2]], "example.com/own": true]
        let list = try node.network(plugin)
        let attachment = pod.with(args: [("IgnoreUnknown", "1"), ("K8S_POD_NAME", "p")])
        var runs = try runtime.add(list, attachment).runs
        runs += try runtime.check(list, attachment)
        runs += try runtime.status(list)
        runs += try runtime.gc(list, valid: [pod.valid])
        runs += try runtime.del(list, attachment)
        for run in runs {
            let name = "\(plugins)/my-ipam.\(run.command.rawValue)"
            let input = try JSONValue(parsing: Array(FileManager.default.contents(atPath: name + ".in") ?? Data()))
            #expect(input == (try JSONValue(parsing: run.stdin)), "\(run.command)")
            let environment = try String(contentsOfFile: name + ".env", encoding: .utf8)
            let expected = run.environment.filter { $0.key.hasPrefix("CNI_") }.map { "\($0.key)=\($0.value)" }.sorted()
            #expect(environment.split(separator: "\n").map(String.init) == expected)
            #expect(run.outcome.errorText == "a word from \(run.command.rawValue)\n")
        }
    }

    struct Misbehaviour: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let script: String
        let code: Int
        let text: String

        init(_ description: String, _ script: String, _ code: Int, _ text: String) {
            (testDescription, self.script, self.code, self.text) = (description, script, code, text)
        }
    }

    static let misbehaviours = [
        Misbehaviour(
            "an error", #"echo '{"cniVersion":"1.1.0","code":117,"msg":"no leases","details":"d"}'; exit 1"#, 117,
            "no leases"),
        Misbehaviour("garbage and failure", "echo garbage; exit 3", 999, "my-ipam"),
        Misbehaviour("silence and failure", "exit 3", 999, "my-ipam"),
        Misbehaviour("garbage and success", "echo garbage", 6, "my-ipam"),
        Misbehaviour("silence and success", "true", 6, "my-ipam"),
        Misbehaviour("a list", "echo '[]'", 6, "my-ipam"),
        Misbehaviour("half a result", #"printf '{"cniVersion":"1.1.0","ips":['"#, 6, "my-ipam"),
        Misbehaviour("no address", #"echo '{"cniVersion":"1.1.0"}'"#, 7, "IPAM plugin returned missing IP config"),
        Misbehaviour(
            "an address that is none", #"echo '{"cniVersion":"1.1.0","ips":[{"address":"10.9.0.7"}]}'"#, 7,
            "ips[0].address"),
        Misbehaviour(
            "a version that nobody knows", #"echo '{"cniVersion":"7.0.0","ips":[]}'"#, 1, "incompatible CNI versions"),
        Misbehaviour(
            "a gateway of nowhere",
            #"echo '{"cniVersion":"1.1.0","ips":[{"address":"10.9.0.7/16","gateway":"192.0.2.1"}]}'"#, 100, "192.0.2.1"),
        Misbehaviour("a kill", "kill -9 $$", 999, "my-ipam"),
        Misbehaviour("more than anybody reads", "head -c 3000000 /dev/zero | tr '\\0' ' '", 5, "my-ipam"),
    ]

    @Test(arguments: misbehaviours)
    func aDelegateThatFailsIsToldToUndoAndNothingIsLeft(_ misbehaviour: Misbehaviour) throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script(
            "my-ipam",
            """
            echo $CNI_COMMAND >>"$0.calls"; cat >/dev/null
            [ $CNI_COMMAND = ADD ] || exit 0
            \(misbehaviour.script)
            """)
        try node.link(plugin: "bridge", from: Requirements.bin)
        let list = try node.network(["type": "bridge", "isDefaultGateway": true, "ipam": ["type": "my-ipam"]])
        let before = try Snapshot(node, [pod]).without("cni0", "forward")
        let error = try failure { _ = try node.runtime(path: [plugins]).add(list, pod.attachment) }
        #expect(error.code == misbehaviour.code, "\(error)")
        #expect(error.msg.contains(misbehaviour.text), "\(error)")
        expectSame(try Snapshot(node, [pod]).without("cni0", "forward"), as: before)
        #expect(try String(contentsOfFile: plugins + "/my-ipam.calls", encoding: .utf8) == "ADD\nDEL\n")
    }

    /// As OVS, danm and older IPAM plugins answer; the reference takes no notice of the index either.
    @Test func anInterfaceThatADelegateNamesAndThatIsNotThereIsIgnored() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script(
            "my-ipam",
            #"cat >/dev/null; echo '{"cniVersion":"1.1.0","ips":[{"address":"10.9.0.7/16","interface":5}]}'"#)
        try node.link(plugin: "bridge", from: Requirements.bin)
        let list = try node.network(["type": "bridge", "ipam": ["type": "my-ipam"]])
        let result = try node.runtime(path: [plugins]).add(list, pod.attachment).result
        #expect(result["ips"]?.array?.first?["interface"] == 2)
    }

    @Test func aDelegateThatReadsNothingAndOneThatIsSlowAreServedAlike() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script(
            "my-ipam",
            #"exec <&-; [ $CNI_COMMAND = ADD ] && echo '{"cniVersion":"1.1.0","ips":[{"address":"10.9.0.7/16"}]}'; exit 0"#
        )
        try node.link(plugin: "bridge", from: Requirements.bin)
        let padding = JSONValue.string(String(repeating: "x", count: 300_000))
        let list = try node.network(["type": "bridge", "ipam": ["type": "my-ipam"], "_padding": padding])
        _ = try node.runtime(path: [plugins]).add(list, pod.attachment)
        #expect(try pod.addresses("eth0") == ["10.9.0.7/16"])
    }

    @Test func aDelegateThatIsMissingOrNoFileNameIsNamed() throws {
        let node = try Node()
        let pod = try node.pod()
        for (type, code) in [("no-such-ipam", 4), ("../bridge", 7), ("/bin/sh", 7)] {
            let list = try node.network(["type": "bridge", "ipam": ["type": .string(type)]])
            let error = try failure { _ = try node.runtime().add(list, pod.attachment) }
            #expect(error.code == code, "\(error)")
            #expect(error.msg.contains(type), "\(error)")
            #expect(try isUntouched(pod))
        }
    }

    @Test func aDelegateThatCannotBeExecutedIsNamedWithTheReason() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script("my-ipam", "exit 0")
        try run("chmod", "0644", plugins + "/my-ipam")
        try node.link(plugin: "bridge", from: Requirements.bin)
        let list = try node.network(["type": "bridge", "ipam": ["type": "my-ipam"]])
        let error = try failure { _ = try node.runtime(path: [plugins]).add(list, pod.attachment) }
        #expect(error.code == 5)
        #expect(error.msg.contains("\(plugins)/my-ipam") && error.msg.contains("Permission denied"), "\(error)")
    }

    @Test(arguments: [Command.check, .del, .gc, .status]) func theDelegatesErrorIsPassedOn(_ command: Command) throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script(
            "my-ipam",
            """
            case $CNI_COMMAND in
            ADD) echo '{"cniVersion":"1.1.0","ips":[{"address":"10.9.0.7/16"}]}';;
            \(command.rawValue)) echo '{"cniVersion":"1.1.0","code":142,"msg":"not today"}'; exit 1;;
            esac
            """)
        try node.link(plugin: "bridge", from: Requirements.bin)
        let runtime = node.runtime(path: [plugins])
        let list = try node.network(["type": "bridge", "ipam": ["type": "my-ipam"]])
        _ = try runtime.add(list, pod.attachment)
        let error = try failure {
            switch command {
            case .check: try runtime.check(list, pod.attachment)
            case .del: try runtime.del(list, pod.attachment)
            case .gc: try runtime.gc(list, valid: [])
            default: try runtime.status(list)
            }
        }
        #expect(error.code == 142 && error.msg.contains("not today"))
        // DEL and GC have done their own part all the same.
        if [.del, .gc].contains(command) { #expect(try isUntouched(pod)) }
    }
}
