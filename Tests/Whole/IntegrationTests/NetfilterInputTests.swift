import ContainerRuntime
import Foundation
import Testing

/// Host ports and masquerade that make no sense are refused, with their place in the configuration, and change nothing.
@Suite(.realKernel) struct NetfilterInputTests {
    struct Row: Sendable, CustomTestStringConvertible {
        /// Keys of the plugin object; with the number of what is wrong about them.
        let keys: String
        let code: Int
        /// All of them are in the message.
        let texts: [String]

        var testDescription: String { keys }

        init(_ keys: String, _ code: Int, _ texts: String...) {
            (self.keys, self.code, self.texts) = (keys, code, texts)
        }

        /// Of one port mapping.
        init(mapping: String, _ code: Int, _ key: String, _ value: String) {
            self.init(
                #""runtimeConfig":{"portMappings":[{"hostPort":1,"containerPort":1},{\#(mapping)}]}"#, code,
                "runtimeConfig.portMappings[1].\(key)", value)
        }
    }

    /// For portmap, and for swiftlet, which has portmap's keys.
    static let mappings: [Row] = [
        Row(mapping: #""hostPort":0,"containerPort":80"#, 7, "hostPort", "0"),
        Row(mapping: #""hostPort":65536,"containerPort":80"#, 7, "hostPort", "65536"),
        Row(mapping: #""hostPort":-1,"containerPort":80"#, 7, "hostPort", "-1"),
        Row(mapping: #""hostPort":9223372036854775807,"containerPort":80"#, 7, "hostPort", "9223372036854775807"),
        Row(mapping: #""hostPort":80,"containerPort":0"#, 7, "containerPort", "0"),
        Row(mapping: #""hostPort":80,"containerPort":65536"#, 7, "containerPort", "65536"),
        Row(mapping: #""hostPort":80,"containerPort":-1"#, 7, "containerPort", "-1"),
        Row(mapping: #""containerPort":80"#, 7, "hostPort", "hostPort"),
        Row(mapping: #""hostPort":80"#, 7, "containerPort", "containerPort"),
        Row(mapping: #""hostPort":"80","containerPort":80"#, 6, "hostPort", "hostPort"),
        Row(mapping: #""hostPort":80.5,"containerPort":80"#, 6, "hostPort", "hostPort"),
        Row(mapping: #""hostPort":80,"containerPort":[80]"#, 6, "containerPort", "containerPort"),
        Row(mapping: #""hostPort":80,"containerPort":80,"protocol":"icmp""#, 7, "protocol", "icmp"),
        Row(mapping: #""hostPort":80,"containerPort":80,"protocol":"tcp6""#, 7, "protocol", "tcp6"),
        Row(mapping: #""hostPort":80,"containerPort":80,"protocol":6"#, 6, "protocol", "protocol"),
        Row(mapping: #""hostPort":80,"containerPort":80,"hostIP":"300.1.1.1""#, 7, "hostIP", "300.1.1.1"),
        Row(mapping: #""hostPort":80,"containerPort":80,"hostIP":"192.0.2.0/24""#, 7, "hostIP", "192.0.2.0/24"),
        Row(mapping: #""hostPort":80,"containerPort":80,"hostIP":"localhost""#, 7, "hostIP", "localhost"),
        Row(mapping: #""hostPort":80,"containerPort":80,"hostIP":7"#, 6, "hostIP", "hostIP"),
        Row(mapping: #""hostPort":80,"containerPort":80,"range":0"#, 7, "range", "0"),
        Row(mapping: #""hostPort":80,"containerPort":80,"range":-5"#, 7, "range", "-5"),
        Row(mapping: #""hostPort":65000,"containerPort":80,"range":537"#, 7, "range", "537"),
        Row(mapping: #""hostPort":80,"containerPort":65535,"range":2"#, 7, "range", "2"),
        Row(
            mapping: #""hostPort":80,"containerPort":80,"range":9223372036854775807"#, 7, "range", "9223372036854775807"
        ),
        Row(mapping: #""hostPort":80,"containerPort":80,"range":"5""#, 6, "range", "range"),
        Row(#""runtimeConfig":{"portMappings":{"hostPort":80}}"#, 6, "runtimeConfig.portMappings"),
        Row(#""runtimeConfig":{"portMappings":[80]}"#, 6, "runtimeConfig.portMappings[0]"),
        Row(#""runtimeConfig":{"portMappings":"80:80"}"#, 6, "runtimeConfig.portMappings"),
    ]

    private static let port = #""runtimeConfig":{"portMappings":[{"hostPort":80,"containerPort":80}]}"#

    static let keys: [Row] = [
        Row(#"\#(port),"snat":"yes""#, 6, "snat"),
        Row(#"\#(port),"masqAll":1"#, 6, "masqAll"),
        Row(#"\#(port),"conditionsV4":"ip saddr 10.0.0.1""#, 6, "conditionsV4"),
        Row(#"\#(port),"conditionsV6":[7]"#, 6, "conditionsV6[0]"),
        Row(#"\#(port),"conditionsV4":["nonsense"]"#, 7, "conditionsV4", "nonsense"),
        Row(#"\#(port),"conditionsV4":["ip","saddr"]"#, 7, "conditionsV4", "ip saddr"),
        Row(#"\#(port),"conditionsV4":["ip","saddr","300.0.0.1"]"#, 7, "conditionsV4", "300.0.0.1"),
        Row(#"\#(port),"conditionsV6":["ip6","saddr","10.0.0.1"]"#, 7, "conditionsV6", "10.0.0.1"),
        // What would end the rule and begin another.
        Row(#"\#(port),"conditionsV4":["ip","saddr","10.0.0.1;","accept"]"#, 7, "conditionsV4", "10.0.0.1;"),
        Row(#"\#(port),"conditionsV4":["}","table","inet","x","{"]"#, 7, "conditionsV4", "}"),
        Row(#"\#(port),"backend":"pf""#, 7, #"unrecognized backend "pf""#),
        Row(#"\#(port),"backend":7"#, 6, "backend"),
        Row(#"\#(port),"markMasqBit":32"#, 7, "markMasqBit", "32"),
        Row(#"\#(port),"markMasqBit":-1"#, 7, "markMasqBit", "-1"),
        Row(#"\#(port),"markMasqBit":"5""#, 6, "markMasqBit"),
        Row(
            #"\#(port),"markMasqBit":5,"externalSetMarkChain":"KUBE-MARK-MASQ""#, 7, "markMasqBit",
            "externalSetMarkChain"),
    ]

    static let masquerade: [Row] = [
        Row(#""ipMasq":"yes""#, 6, "ipMasq"),
        Row(#""ipMasq":1"#, 6, "ipMasq"),
        Row(#""ipMasq":true,"ipMasqBackend":"pf""#, 7, #"unknown ipmasq backend "pf""#),
        Row(#""ipMasq":true,"ipMasqBackend":[]"#, 6, "ipMasqBackend"),
    ]

    static let exemptions: [Row] = [
        Row(#""ipMasq":true,"nonMasqueradeCIDRs":"10.0.0.0/8""#, 6, "nonMasqueradeCIDRs"),
        Row(#""ipMasq":true,"nonMasqueradeCIDRs":[10]"#, 6, "nonMasqueradeCIDRs[0]"),
        Row(
            #""ipMasq":true,"nonMasqueradeCIDRs":["10.0.0.0/8","10.0.0.0/33"]"#, 7, "nonMasqueradeCIDRs[1]",
            "10.0.0.0/33"),
        Row(#""ipMasq":true,"nonMasqueradeCIDRs":["ten"]"#, 7, "nonMasqueradeCIDRs[0]", "ten"),
    ]

    static func stdin(_ node: Node, _ pod: Pod, _ plugin: String, _ keys: String) -> String {
        let own: String
        switch plugin {
        case "portmap":
            own = """
                "prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"\(pod.path)"}],\
                "ips":[{"address":"10.44.0.2/24","gateway":"10.44.0.1","interface":0}]}
                """
        case "bridge":
            own = #""isGateway":true,"ipam":{"type":"host-local","subnet":"10.44.0.0/24","dataDir":"\#(node.data)"}"#
        default: own = #""subnet":"10.44.0.0/24","dataDir":"\#(node.data)""#
        }
        return #"{"cniVersion":"1.1.0","name":"net","type":"\#(plugin)",\#(own),\#(keys)}"#
    }

    func expectRefused(_ plugin: String, _ row: Row, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let node = try Node()
        let pod = try node.pod()
        let before = try Snapshot(node, [pod])
        let outcome = try node.call(
            pod.environment("ADD"), stdin: Self.stdin(node, pod, plugin, row.keys), plugin: plugin)
        #expect(outcome.exit == .code(1), sourceLocation: sourceLocation)
        #expect(outcome.code == row.code, "\(outcome.text)", sourceLocation: sourceLocation)
        for text in row.texts {
            #expect(
                outcome.message.contains(text) || (outcome.json?["details"]?.string ?? "").contains(text),
                "no \(text) in \(outcome.text)", sourceLocation: sourceLocation)
        }
        // Nothing at all was begun: not even tables are there.
        expectSame(
            try Snapshot(node, [pod]), as: before, outcome.text, allowingTables: false, sourceLocation: sourceLocation)
        // And no clean-up is refused for it.
        let removed = try node.call(
            pod.environment("DEL"), stdin: Self.stdin(node, pod, plugin, row.keys), plugin: plugin)
        if row.code == 7 { #expect(removed.exit.isSuccess, "\(removed.text)", sourceLocation: sourceLocation) }
    }

    @Test(arguments: ["portmap", "swiftlet"], mappings) func aMappingThatMakesNoSense(_ plugin: String, _ row: Row)
        throws
    {
        try expectRefused(plugin, row)
    }

    @Test(arguments: ["portmap", "swiftlet"], keys) func aKeyOfPortmapThatMakesNoSense(_ plugin: String, _ row: Row)
        throws
    {
        try expectRefused(plugin, row)
    }

    @Test(arguments: ["bridge", "swiftlet"], masquerade) func masqueradeThatMakesNoSense(_ plugin: String, _ row: Row)
        throws
    {
        try expectRefused(plugin, row)
    }

    @Test(arguments: exemptions) func exemptionsThatMakeNoSense(_ row: Row) throws {
        try expectRefused("swiftlet", row)
    }

    @Test func portmapMustBeChained() throws {
        let node = try Node()
        let pod = try node.pod()
        let before = try Snapshot(node, [pod])
        let list = try node.network(["type": "portmap", "capabilities": ["portMappings": true]])
        let error = try failure { _ = try node.runtime().add(list, pod.with(ports: hostPorts(8080))) }
        #expect(error.code == 7 && error.msg.contains("must be called as chained plugin"), "\(error)")
        expectSame(try Snapshot(node, [pod]), as: before, allowingTables: false)
    }

    /// A table of that name that somebody else has made for something else.
    @Test(arguments: [
        "chain mine { }", "map hostports_v4 { type ipv4_addr : ipv4_addr; }",
        "chain prerouting { type filter hook prerouting priority 0; }",
    ])
    func aTableOfTheSameNameThatIsNotOurs(_ content: String) throws {
        let node = try Node()
        let pod = try node.pod()
        try run(
            ["nsenter", "--net=\(node.path)", "nft", "-f", "-"], stdin: "table inet swiftlet {\n \(content)\n }\n")
        let before = try Snapshot(node, [pod])
        let keys = Self.port + #","ipMasq":true"#
        let outcome = try node.call(
            pod.environment("ADD"), stdin: Self.stdin(node, pod, "swiftlet", keys))
        #expect(outcome.code == 7, "\(outcome.text)")
        #expect(outcome.text.contains("inet swiftlet"), "\(outcome.text)")
        expectSame(
            try Snapshot(node, [pod]).without("cbr0", "forward", "file"), as: before.without("cbr0", "forward", "file"))
        #expect(try node.reservations() == [])
    }
}
