import CNI
import Foundation
import Testing

@Suite struct EnvironmentTests {
    static let required: [(String, [String])] = [
        ("ADD", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
        ("CHECK", ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"]),
        ("DEL", ["CNI_CONTAINERID", "CNI_IFNAME"]), ("GC", ["CNI_PATH"]), ("STATUS", []), ("VERSION", []),
    ]

    /// All ways to leave variables out, by not setting them and by setting them to nothing.
    @Test(arguments: required)
    func missingVariablesAreAllNamedWithCode4(_ command: String, _ required: [String]) {
        let all = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_PATH"]
        for choice in 0..<1 << all.count {
            let absent = all.indices.filter { choice & 1 << $0 != 0 }.map { all[$0] }
            let missing = required.filter(absent.contains)
            for value in [nil, ""] as [String?] {
                let changes = Dictionary(uniqueKeysWithValues: absent.map { ($0, value) })
                let input = configuration(.latest, #","cni.dev/valid-attachments":[]"#)
                let answer = call(MadeUp(), command, changes, input)
                if missing.isEmpty {
                    #expect(answer.status == 0)
                } else {
                    #expect(answer.status == 1)
                    #expect(answer.error?.code == .invalidEnvironment)
                    #expect(
                        answer.error?.message == "required env variables [\(missing.joined(separator: ","))] missing")
                    #expect(answer.error?.details.contains(command) == true)
                }
            }
        }
    }

    @Test func delDoesWithoutANamespace() throws {
        var plugin = MadeUp()
        plugin.onOther = { #expect($0.invocation.netns == nil) }
        #expect(call(plugin, "DEL", ["CNI_NETNS": nil]).status == 0)
        #expect(plugin.record.all == ["DEL"])
    }

    @Test(arguments: [
        ("pod-1", true), ("P", true), ("0", true), ("a_b.c-d", true), (String(repeating: "a", count: 128), true),
        (String(repeating: "a", count: 129), false), ("-pod", false), ("_pod", false), (".pod", false), ("..", false),
        ("pod/1", false), ("../x", false), ("pod 1", false), ("pod:1", false), ("pöd", false), ("pod\n", false),
        ("pod;", false),
    ])
    func aContainerIDHasTheCharactersOfTheSpecOrCode4(_ id: String, _ fits: Bool) {
        for command in ["ADD", "DEL", "CHECK"] {
            let answer = call(MadeUp(), command, ["CNI_CONTAINERID": id])
            #expect((answer.status == 0) == fits)
            if !fits {
                #expect(answer.error?.code == .invalidEnvironment)
                #expect(answer.error?.message.contains("CNI_CONTAINERID") == true)
            }
        }
    }

    @Test(arguments: [
        ("eth0", true), ("a", true), ("fifteen-letters", true), ("sixteen-letters-", false), (".", false),
        ("..", false),
        ("...", true), ("a/b", false), ("a:b", false), ("a b", false), ("a\tb", false), ("a\n", false),
        ("veth%d", false),
        ("éééééééé", false), ("ééé", true),
    ])
    func anInterfaceNameIsOneThatTheKernelTakesOrCode4(_ name: String, _ fits: Bool) {
        for command in ["ADD", "DEL", "CHECK"] {
            let answer = call(MadeUp(), command, ["CNI_IFNAME": name])
            #expect((answer.status == 0) == fits)
            if !fits {
                #expect(answer.error?.code == .invalidEnvironment)
                #expect(answer.error?.message.contains("CNI_IFNAME") == true)
            }
        }
    }

    @Test(arguments: ["add", "ADD ", "UPDATE", "0", "ADD\n"])
    func anUnknownCommandIsCode4(_ command: String) {
        let answer = call(MadeUp(), command)
        #expect(answer.status == 1)
        #expect(answer.error?.code == .invalidEnvironment)
        #expect(answer.error?.message == "unknown CNI_COMMAND: \(command)")
    }

    @Test(arguments: [nil, ""] as [String?])
    func withoutACommandItSaysWhatItIsOnStandardErrorAndSucceeds(_ command: String?) {
        let plugin = MadeUp()
        let answer = call(plugin, variables(nil, ["CNI_COMMAND": command]), "")
        #expect(answer.status == 0)
        #expect(answer.output.isEmpty)
        #expect(answer.log.joined().contains("CNI plugin test"))
        #expect(answer.log.joined().contains("1.1.0"))
        #expect(plugin.record.all.isEmpty)
    }

    @Test(arguments: ["ADD", "CHECK"])
    func thePluginsOwnNamespaceIsRefusedWithCode8UnlessOverridden(_ command: String) {
        for own in ["/proc/self/ns/net", "/proc/\(ProcessInfo.processInfo.processIdentifier)/ns/net"] {
            let plugin = MadeUp()
            let answer = call(plugin, command, ["CNI_NETNS": own])
            #expect(answer.status == 1)
            #expect(answer.error?.code == .invalidNamespace)
            #expect(answer.error?.message == "plugin's netns and netns from CNI_NETNS should not be the same")
            #expect(plugin.record.all.isEmpty)
            for override in ["1", "true", "TRUE"] {
                #expect(call(MadeUp(), command, ["CNI_NETNS": own, "CNI_NETNS_OVERRIDE": override]).status == 0)
            }
            #expect(call(MadeUp(), command, ["CNI_NETNS": own, "CNI_NETNS_OVERRIDE": "0"]).status == 1)
        }
    }

    @Test func forDelThePluginsOwnNamespaceIsOneThatIsGone() {
        var plugin = MadeUp()
        plugin.onOther = { request throws(CNIError) in #expect(request.invocation.netns == nil) }
        #expect(call(plugin, "DEL", ["CNI_NETNS": "/proc/self/ns/net"]).status == 0)
        #expect(plugin.record.all == ["DEL"])
    }

    @Test func whatThePluginSeesIsWhatTheRuntimeSaid() {
        var plugin = MadeUp()
        plugin.onAdd = { request throws(CNIError) in
            #expect(request.attachment == Attachment(containerID: "pod-1", ifname: "eth0"))
            #expect(request.invocation.netns == "/nonexistent/netns")
            #expect(request.invocation.path == ["/a", "/b"])
            #expect(request.invocation.arguments["K8S_POD_NAME"] == "web-0")
            #expect(request.invocation.arguments["k8s_pod_name"] == nil)
            #expect(request.invocation.arguments["E"] == "a=b")
            #expect(request.invocation.arguments["TWICE"] == "2")
            return CNIResult()
        }
        let arguments = "IgnoreUnknown=1;K8S_POD_NAME=web-0;;E=a=b;TWICE=1;TWICE=2;"
        #expect(call(plugin, "ADD", ["CNI_PATH": "/a:/b:", "CNI_ARGS": arguments]).status == 0)
    }

    @Test(arguments: ["novalue", "=x", "A=1;b", ";;x", "IgnoreUnknown=1;none"])
    func argumentsThatAreNoPairsAreRefusedByPluginsThatReadThemAndNeverByDel(_ arguments: String) {
        var reading = MadeUp()
        reading.onAdd = { request throws(CNIError) in
            try request.invocation.arguments.requireKnown(["A"])
            return CNIResult()
        }
        reading.onOther = { request throws(CNIError) in try request.invocation.arguments.requireKnown(["A"]) }
        for command in ["ADD", "CHECK"] {
            let answer = call(reading, command, ["CNI_ARGS": arguments])
            #expect(answer.error?.code == .invalidEnvironment)
            #expect(answer.error?.message.contains("CNI_ARGS: ARGS: invalid pair") == true)
        }
        #expect(call(reading, "DEL", ["CNI_ARGS": arguments]).status == 0)
        for command in ["ADD", "CHECK", "DEL"] { #expect(call(MadeUp(), command, ["CNI_ARGS": arguments]).status == 0) }
    }

    @Test func aContainerIDThatIsTooLongIsSaidToBe() {
        let answer = call(MadeUp(), "ADD", ["CNI_CONTAINERID": String(repeating: "a", count: 129)])
        #expect(answer.error?.message == "CNI_CONTAINERID has 129 octets")
    }

    @Test(arguments: [
        ("IP=10.0.0.1", true), ("IP=10.0.0.1;FOO=1", false), ("IgnoreUnknown=1;FOO=1", true),
        ("FOO=1;IgnoreUnknown=true", true),
        ("IgnoreUnknown=0;FOO=1", false), ("ip=10.0.0.1", false), ("", true),
    ])
    func unknownArgumentsAreRefusedUnlessTheyAreToBeIgnored(_ text: String, _ fits: Bool) throws {
        let arguments = try Arguments(text)
        do {
            try arguments.requireKnown(["IP"])
            #expect(fits)
        } catch {
            #expect(!fits)
            #expect(error.code == .invalidEnvironment)
            #expect(error.message.contains("unknown args ["))
        }
    }

    @Test func anUnknownPluginNameIsCode4() {
        let status = Dispatcher([PluginEntry("a", MadeUp()), PluginEntry("b", MadeUp())]).run(
            as: "c", variables("ADD"),
            .init(
                read: { [] },
                write: { text in
                    #expect(String(decoding: text, as: UTF8.self).contains(#"no plugin is called \"c\" here"#))
                    #expect(String(decoding: text, as: UTF8.self).contains("a, b"))
                }, log: { _ in }))
        #expect(status == 1)
    }
}
