import ContainerRuntime
import Foundation
import Testing

/// Bad input gets a clear error with the specification's code, and changes nothing.
@Suite(.realKernel) struct BadInputTests {
    static let plugins = ["swiftlet", "bridge", "host-local", "loopback"]

    /// A configuration that would be served.
    static func configuration(_ node: Node, _ plugin: String) -> String {
        let store = #""subnet":"10.44.0.0/24","dataDir":"\#(node.data)""#
        let keys = plugin == "swiftlet" ? store : #""ipam":{"type":"host-local",\#(store)}"#
        return #"{"cniVersion":"1.1.0","name":"net","type":"\#(plugin)",\#(keys)}"#
    }

    /// Calls a plugin on a node with a pod, and expects this error and no change.
    func expectRefused(
        _ plugin: String = "swiftlet", code: Int, _ texts: String..., environment change: [String: String?] = [:],
        command: String = "ADD", stdin: String? = nil, wrapper: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let node = try Node()
        let pod = try node.pod()
        var environment = pod.environment(command)
        for (name, value) in change { environment[name] = value }
        let before = try Snapshot(node, [pod])
        let outcome = try node.call(
            environment, stdin: stdin ?? Self.configuration(node, plugin), plugin: plugin, wrapper: wrapper)
        #expect(outcome.exit == .code(1), sourceLocation: sourceLocation)
        #expect(outcome.code == code, "\(outcome.text)", sourceLocation: sourceLocation)
        #expect(outcome.json?["cniVersion"]?.string != nil, sourceLocation: sourceLocation)
        for text in texts {
            #expect(outcome.text.contains(text), "\(outcome.text)", sourceLocation: sourceLocation)
        }
        expectSame(try Snapshot(node, [pod]), as: before, outcome.text, sourceLocation: sourceLocation)
    }

    // The environment: code 4, naming the variables.

    @Test(arguments: plugins) func missingVariablesAreAllNamed(_ plugin: String) throws {
        for command in ["ADD", "CHECK"] {
            try expectRefused(
                plugin, code: 4, "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME] missing",
                environment: ["CNI_CONTAINERID": nil, "CNI_NETNS": nil, "CNI_IFNAME": nil], command: command)
        }
        try expectRefused(
            plugin, code: 4, "required env variables [CNI_CONTAINERID,CNI_IFNAME] missing",
            environment: ["CNI_CONTAINERID": "", "CNI_NETNS": nil, "CNI_IFNAME": ""], command: "DEL")
        try expectRefused(plugin, code: 4, "CNI_NETNS", environment: ["CNI_NETNS": ""])
        try expectRefused(
            plugin, code: 4, "required env variables [CNI_PATH] missing", environment: ["CNI_PATH": nil], command: "GC")
    }

    @Test(arguments: plugins) func anUnknownCommandIsNamed(_ plugin: String) throws {
        for command in ["add", "RESTART", "ADD "] {
            try expectRefused(plugin, code: 4, "unknown CNI_COMMAND: \(command)", command: command)
        }
    }

    @Test(arguments: ["..", "../x", "a/b", ".hidden", "-x", "a b", "ü", "a\nb", String(repeating: "x", count: 129)])
    func aContainerIDThatIsNoneIsRefused(_ id: String) throws {
        for command in ["ADD", "DEL", "CHECK"] {
            try expectRefused(code: 4, "CNI_CONTAINERID", environment: ["CNI_CONTAINERID": id], command: command)
        }
        try expectRefused("host-local", code: 4, "CNI_CONTAINERID", environment: ["CNI_CONTAINERID": id])
    }

    @Test(arguments: [".", "..", "a/b", "a:b", "a b", "eth%d", "sixteen.letters_", "a\tb"])
    func anInterfaceNameThatIsNoneIsRefused(_ name: String) throws {
        for command in ["ADD", "DEL", "CHECK"] {
            try expectRefused(code: 4, "CNI_IFNAME", environment: ["CNI_IFNAME": name], command: command)
        }
    }

    // Standard input: 5 when it cannot be read, 6 when it is no configuration.

    @Test(arguments: plugins) func unreadableStandardInput(_ plugin: String) throws {
        for redirection in ["<&-", "</"] {
            try expectRefused(
                plugin, code: 5, "standard input", wrapper: ["sh", "-c", "\"$@\" \(redirection)", "sh"])
        }
    }

    static let depth = 100_000

    @Test(arguments: [
        ("nothing", ""), ("white space", " \n"), ("half", #"{"cniVersion":"1.1.0","name":"n"#), ("a list", "[]"),
        ("a text", #""x""#),
        ("a number", "7"), ("null", "null"), ("two", "{}{}"), ("garbage behind", #"{"name":"net"} x"#),
        ("no JSON", "name: net"),
        ("no UTF-8", "{\"name\":\"n\u{0}\"}"), ("a nest", String(repeating: "[", count: depth)),
        ("a closed nest", String(repeating: #"{"a":"#, count: depth) + "1" + String(repeating: "}", count: depth)),
    ])
    func whatIsNoConfigurationIsRefused(_ what: String, _ text: String) throws {
        try expectRefused(code: 6, stdin: text)
        try expectRefused("host-local", code: 6, command: "DEL", stdin: text)
    }

    @Test func aDocumentTooLargeIsRefusedInBoundedMemory() throws {
        // Twenty million octets, from a process that makes them: one long text in an otherwise good configuration.
        let script =
            #"{ printf '{"cniVersion":"1.1.0","name":"net","x":"'; head -c 20000000 /dev/zero | tr '\0' x; printf '"}'; } | "$@""#
        try expectRefused(code: 6, "16777216", wrapper: ["sh", "-c", script, "sh"])
    }

    @Test(arguments: [
        (#"{"cniVersion":1,"name":"net"}"#, 6, "cniVersion"), (#"{"cniVersion":"1.1.0","name":["net"]}"#, 6, "name"),
        (#"{"cniVersion":"1.1.0","name":"net","type":7}"#, 6, "type"),
        (#"{"cniVersion":"1.1.0","name":"net","subnet":7}"#, 6, "subnet"),
        (#"{"cniVersion":"1.1.0","name":"net","ipam":[]}"#, 6, "ipam"),
        (#"{"cniVersion":"1.1.0","name":"net","subnet":"10.44.0.0/24","args":7}"#, 6, "args"),
        (#"{"cniVersion":"1.1.0","name":"net","subnet":"10.44.0.0/24","runtimeConfig":"x"}"#, 6, "runtimeConfig"),
        (#"{"cniVersion":"1.1.0","name":"net","ranges":{"subnet":"10.44.0.0/24"}}"#, 6, "ranges"),
        (#"{"cniVersion":"1.1.0","name":"net","ranges":[{"subnet":"10.44.0.0/24"}]}"#, 6, "ranges[0]"),
        (#"{"cniVersion":"1.1.0","name":"net","subnet":"10.44.0.0/24","routes":[7]}"#, 6, "routes[0]"),
        (#"{"cniVersion":"1.1.0","name":"net","subnet":"10.44.0.0/24","mtu":1.5}"#, 6, "mtu"),
        (
            #"{"cniVersion":"1.1.0","name":"net","subnet":"10.44.0.0/24","mtu":99999999999999999999}"#, 6,
            "a number that is out of range"
        ),
        (#"{"cniVersion":"1.1.0","name":"net","subnet":"10.44.0.0/29","rangeStart":"10.44.0.9"}"#, 7, "10.44.0.9"),
        (#"{"cniVersion":"1.1.0","name":"net","subnet":"10.44.0.0/31"}"#, 7, "10.44.0.0/31"),
        (#"{"cniVersion":"1.1.0","name":"net"}"#, 7, "no IP ranges specified"),
        (#"{"cniVersion":"1.1.0","subnet":"10.44.0.0/24"}"#, 7, "missing network name"),
        (#"{"cniVersion":"1.1.0","name":"","subnet":"10.44.0.0/24"}"#, 7, "missing network name"),
        (#"{"cniVersion":"9.9.9","name":"net","subnet":"10.44.0.0/24"}"#, 1, "incompatible CNI versions"),
        (
            #"{"cniVersion":"1.1","name":"net","subnet":"10.44.0.0/24"}"#, 1,
            #"config is \"1.1\", plugin supports [0.1.0 0.2.0"#
        ),
    ])
    func aConfigurationThatMakesNoSenseIsRefused(_ text: String, _ code: Int, _ expected: String) throws {
        try expectRefused(code: code, expected, stdin: text)
    }

    @Test(arguments: ["..", ".", "../x", "a/b", "/etc", "a b", "-net", String(repeating: "n", count: 97)])
    func aNetworkNameThatWouldLeaveItsDirectoryIsRefused(_ name: String) throws {
        let text = #"{"cniVersion":"1.1.0","name":"\#(name)","subnet":"10.44.0.0/24"}"#
        for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
            try expectRefused(code: 7, "invalid characters found in network name", command: command, stdin: text)
        }
    }

    // The namespace.

    @Test(arguments: plugins.filter { $0 != "host-local" }) func theHostsOwnNamespaceIsRefused(_ plugin: String) throws
    {
        for command in ["ADD", "CHECK"] {
            let node = try Node()
            let pod = try node.pod()
            let before = try Snapshot(node, [pod])
            for path in [node.path, "/proc/self/ns/net"] {
                let outcome = try node.call(
                    pod.environment(command).merging(["CNI_NETNS": path]) { $1 },
                    stdin: Self.configuration(node, plugin),
                    plugin: plugin)
                #expect(outcome.code == 8, "\(outcome.text)")
                #expect(outcome.message.contains("plugin's netns and netns from CNI_NETNS should not be the same"))
            }
            expectSame(try Snapshot(node, [pod]), as: before)
        }
    }

    @Test(arguments: ["1", "true"]) func theHostsOwnNamespaceIsTakenWhenTheRuntimeInsists(_ value: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let environment = pod.environment("ADD").merging(["CNI_NETNS": node.path, "CNI_NETNS_OVERRIDE": value]) { $1 }
        let outcome = try node.call(environment, stdin: Self.configuration(node, "loopback"), plugin: "loopback")
        #expect(outcome.exit.isSuccess, "\(outcome.text)")
    }

    @Test(arguments: plugins.filter { $0 != "host-local" }) func aNamespaceThatIsMissingIsNamed(_ plugin: String) throws
    {
        for command in ["ADD", "CHECK"] {
            let prevResult = #","prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"/x"}]}}"#
            let node = try Node()
            let pod = try node.pod()
            let text = Self.configuration(node, plugin).dropLast() + prevResult
            // CHECK asks IPAM first, so that there has to be a reservation.
            if command == "CHECK", plugin != "loopback" {
                _ = try node.call(pod.environment("ADD"), stdin: Self.configuration(node, plugin), plugin: plugin)
            }
            let outcome = try node.call(
                pod.environment(command).merging(["CNI_NETNS": "/run/netns/no-such"]) { $1 }, stdin: String(text),
                plugin: plugin)
            #expect(outcome.code == 4, "\(outcome.text)")
            #expect(
                outcome.message.contains("/run/netns/no-such") && outcome.message.contains("No such file"),
                "\(outcome.text)")
        }
    }

    @Test func withoutPrivilegeItSaysWhatIsNeeded() throws {
        let node = try Node()
        let pod = try node.pod()
        let before = try Snapshot(node, [pod])
        let outcome = try node.call(
            pod.environment("ADD"), stdin: Self.configuration(node, "swiftlet"),
            wrapper: ["setpriv", "--bounding-set=-net_admin,-sys_admin", "--inh-caps=-net_admin,-sys_admin"])
        #expect(outcome.code == 100, "\(outcome.text)")
        #expect(
            outcome.text.contains("Operation not permitted") && outcome.text.contains("CAP_NET_ADMIN"),
            "\(outcome.text)")
        expectSame(try Snapshot(node, [pod]).without("file"), as: before)
        #expect(try node.reservations() == [])
    }
}
