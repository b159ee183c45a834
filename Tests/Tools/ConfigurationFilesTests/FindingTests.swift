import ConfigurationFiles
import Foundation
import Testing

/// What is wrong is told in one line, with its place and a way out.
@Suite struct FindingTests {
    /// A text, and a line that must be among what is said of it.
    static let cases: [(String, String)] = [
        ("", "net.conflist: error: it is not JSON: the text is empty"),
        ("{\n\"name\": x}", "net.conflist:2: error: it is not JSON: invalid token near 'x' (line 2, column 9)"),
        ("[]", "net.conflist:1: error: it must be an object, but is an array"),
        (
            "{\"cniVersion\": \"1.0.0\",\n\"plugins\": [{\"type\": \"loopback\"}]}",
            "net.conflist:1: error: name: missing network name (the configuration needs a \"name\")"
        ),
        (
            "{\"cniVersion\": \"1.0.0\",\n\"name\": \"a b\", \"plugins\": [{\"type\": \"loopback\"}]}",
            "net.conflist:2: error: name: invalid characters found in network name \"a b\" "
                + "(name must match [a-zA-Z0-9][a-zA-Z0-9_.-]* and be at most 96 long)"
        ),
        (
            "{\"name\": \"net\",\n\"cniVersion\": \"2.0.0\", \"plugins\": [{\"type\": \"loopback\"}]}",
            "net.conflist:2: error: cniVersion: incompatible CNI versions (config is \"2.0.0\", plugin supports "
                + "[0.1.0 0.2.0 0.3.0 0.3.1 0.4.0 1.0.0 1.1.0])"
        ),
        (
            "{\"name\": \"net\", \"plugins\": [{\"type\": \"loopback\"}]}",
            "net.conflist:1: warning: cniVersion is missing, which means 0.1.0: no CHECK, one address per family "
                + "(set it to 1.0.0, and with \"cniVersions\": [\"1.0.0\", \"1.1.0\"] runtimes choose)"
        ),
        (
            #"{"name": "net", "cniVersion": "1.0.0", "plugins": []}"#,
            "net.conflist:1: error: plugins is empty: a network has one plugin at least"
        ),
        (
            #"{"name": "net", "cniVersion": "1.0.0", "type": "loopback"}"#,
            "net.conflist:1: error: plugins is missing: a .conflist has a list of plugins "
                + "(put the plugin's object into \"plugins\": [...], or call the file .conf)"
        ),
        (
            #"{"name": "net", "cniVersion": "1.0.0", "disableChek": true, "plugins": [{"type": "loopback"}]}"#,
            "net.conflist:1: warning: disableChek: runtimes do not know this key, and ignore it (did you mean disableCheck?)"
        ),
        (
            #"{"name": "net", "cniVersion": "1.0.0", "disableCheck": 1, "plugins": [{"type": "loopback"}]}"#,
            "net.conflist:1: error: disableCheck: it must be true or false, but is an integer"
        ),
        (list("5"), "net.conflist:2: error: plugins[0] must be an object, but is an integer"),
        (list("{}"), "net.conflist:2: error: plugins[0].type is missing: it is required"),
        (
            list(#"{"type": "../x"}"#),
            "net.conflist:2: error: plugins[0].type must be a plugin's name: invalid plugin name, but is \"../x\""
        ),
        (
            list(#"{"type": "swiftlet", "subnet": "10.1.0.0/24", "antispof": true}"#),
            "net.conflist:2: error: plugins[0].antispof: true is not a key of swiftlet (did you mean antiSpoof?)"
        ),
        (
            list(#"{"type": "brigde"}"#),
            "net.conflist:2: warning: plugins[0].type: brigde is not a plugin known here (did you mean bridge?)"
        ),
        (
            list(#"{"type": "calico", "ipam": {"type": "host-locl"}}"#),
            "net.conflist:2: warning: plugins[0].ipam.type: host-locl is not a plugin known here (did you mean host-local?)"
        ),
        (
            list("{\"type\": \"bridge\",\n\"isGatway\": true}"),
            "net.conflist:3: warning: plugins[0].isGatway: bridge does not know this key, and ignores it (did you mean isGateway?)"
        ),
        (
            list("{\"type\": \"bridge\",\n\"subnet\": \"10.1.0.0/24\", \"ipam\": {\"type\": \"host-local\"}}"),
            "net.conflist:3: warning: plugins[0].subnet: bridge does not know this key, and ignores it "
                + "(host-local takes it: it belongs in ipam)"
        ),
        (
            list(
                "{\"type\": \"ptp\",\n\"ipam\": {\"type\": \"host-local\", \"subnet\": \"10.1.0.0/24\",\n\"antiSpoof\": true}}"
            ),
            "net.conflist:4: warning: plugins[0].ipam.antiSpoof: host-local does not know this key, and ignores it "
                + "(it is a key of swiftlet)"
        ),
        (
            list(
                "{\"type\": \"ptp\", \"ipam\": {\"type\": \"host-local\", \"ranges\": [[\n{\"subnet\": \"10.1.0.0/33\"}]]}}"
            ),
            "net.conflist:3: error: plugins[0].ipam.ranges[0][0].subnet must be an address with prefix length, "
                + "like 10.1.0.0/16, but is \"10.1.0.0/33\""
        ),
        (
            list(
                "{\"type\": \"ptp\", \"ipam\": {\"type\": \"host-local\", \"ranges\": [[\n{\"subnt\": \"10.1.0.0/16\"}]]}}"
            ),
            "net.conflist:3: warning: plugins[0].ipam.ranges[0][0].subnt: host-local does not know this key, "
                + "and ignores it (did you mean subnet?)"
        ),
        (
            list(
                "{\"type\": \"swiftlet\", \"subnet\": \"10.200.3.0/24\", \"ipMasq\": true,\n\"nonMasqueradeCIDRs\": [\"10.44.0.0/16\"]}"
            ),
            "net.conflist:3: note: plugins[0].nonMasqueradeCIDRs: no network here has the pods' own 10.200.3.0/24 in it: "
                + "pods of other nodes see the node's address, unless theirs are here "
                + "(for a cluster, name the pod network of all nodes)"
        ),
        (
            list(#"{"type": "bridge", "hairpinMode": true, "promiscMode": true}"#),
            "net.conflist:2: error: plugins[0]: bridge: cannot set hairpin mode and promiscuous mode at the same time "
                + "(hairpinMode and promiscMode are both true)"
        ),
        (
            list(#"{"type": "bridge", "mtu": 5, "mtu": 1400}"#),
            "net.conflist:2: warning: plugins[0].mtu: the key occurs more than once (the last one counts: remove the others)"
        ),
        (
            list(#"{"type": "bridge", "capabilities": {"ip": true}, "ipam": {"type": "static"}}"#),
            "net.conflist:2: warning: plugins[0].capabilities.ip: bridge does nothing for this capability (did you mean ips?)"
        ),
        (
            list(#"{"type": "bridge", "capabilities": {"portMappings": true}}"#),
            "net.conflist:2: warning: plugins[0].capabilities.portMappings: bridge does nothing for this capability "
                + "(it is served by portmap, swiftlet)"
        ),
        (
            list(#"{"type": "portmap", "capabilities": {"portMappings": true}}"#),
            "net.conflist:2: error: plugins[0]: portmap is the first plugin: missing prevResult from earlier plugin "
                + "(it changes what another plugin has made: put it after that one)"
        ),
        (
            list(#"{"type": "bridge"}"#, #"{"type": "portmap"}"#),
            "net.conflist:3: warning: plugins[1]: portmap gets no ports (\"capabilities\": {\"portMappings\": true})"
        ),
        (
            list(#"{"type": "bridge"}"#, #"{"type": "firewall", "backend": 5}"#),
            "net.conflist:3: error: plugins[1].backend must be a string, but is an integer"
        ),
        (
            list(#"{"type": "bridge", "ipMasqBackend": "iptables"}"#),
            "net.conflist:2: note: plugins[0]: ipMasqBackend: iptables was requested; nftables table inet swiftlet does the same"
        ),
        (
            list(
                #"{"type": "swiftlet", "subnet": "10.1.0.0/24", "capabilities": {"portMappings": true}}"#,
                #"{"type": "portmap", "capabilities": {"portMappings": true}}"#),
            "net.conflist:3: warning: plugins[1].capabilities.portMappings: swiftlet already serves this capability "
                + "(declare it for one of the two)"
        ),
        (
            list(#"{"type": "bridge", "ipam": {"type": "portmap"}}"#),
            "net.conflist:2: error: plugins[0].ipam.type: portmap hands out no addresses (use host-local, static or dhcp)"
        ),
        (
            list(
                #"{"type": "macvlan", "ipam": {"type": "dhcp"}}"#, #"{"type": "vlan", "master": "eth0", "vlanId": 5}"#),
            "net.conflist:3: warning: plugins[1]: vlan makes the pod's interface, which macvlan has already made, "
                + "so the name is taken (for a second interface, use a second network)"
        ),
        (
            list(
                #"{"type": "ptp", "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}}"#,
                #"{"type": "firewall", "ingressPolicy": "isolated"}"#),
            "net.conflist:3: error: plugins[1].ingressPolicy: it needs a bridge, but prevResult has none "
                + "(firewall must come after bridge in \"plugins\")"
        ),
        (
            list(#"{"type": "loopback", "prevResult": {}}"#),
            "net.conflist:2: warning: plugins[0].prevResult: the runtime fills this in: in a file it has no effect"
        ),
    ]

    @Test(arguments: cases)
    func whatIsWrongIsSaidInOneLine(_ text: String, _ line: String) {
        let lines = check(text).findings.map { $0.description }
        #expect(lines.contains(line), "\(lines.joined(separator: "\n"))")
    }

    @Test func allThatIsWrongIsToldAtOnce() {
        let report = check(
            list(
                """
                {"type": "swiftlet",
                 "subnet": "10.1.0.0/99",
                 "mtu": "big",
                 "unknown": 1}
                """, #"{"type": "tuning", "mtu": -1}"#))
        #expect(report.findings.filter { $0.severity == .error }.compactMap { $0.line } == [3, 4, 5, 6])
        let paths = Set(report.findings.map { $0.path })
        #expect(paths.isSuperset(of: ["plugins[0].subnet", "plugins[0].mtu", "plugins[0].unknown", "plugins[1].mtu"]))
    }

    /// A plugin of another maker is nobody's business here, and what the runtime fills in is not missing.
    @Test(arguments: [
        list(#"{"type": "calico", "anything": {"goes": 1}, "capabilities": {"new": true}}"#),
        list(
            #"{"type": "bridge", "ipam": {"type": "whereabouts", "range": "10.1.0.0/16"}, "capabilities": {"x": true}}"#
        ),
        list(#"{"type": "host-device", "capabilities": {"deviceID": true}}"#),
        list(#"{"type": "ptp", "capabilities": {"ipRanges": true}, "ipam": {"type": "host-local"}}"#),
        list(#"{"type": "swiftlet", "capabilities": {"ipRanges": true}}"#),
        list(
            #"{"type": "bridge", "isGATEWAY": true, "_remark": 1, "example.com/key": 2, "mtu": null, "ipam": {"type": "dhcp"}}"#
        ),
        list(#"{"type": "macvlan", "ipam": {"type": "dhcp"}}"#, #"{"type": "ipvlan"}"#),
        list(#"{"type": "loopback"}"#, #"{"type": "bridge", "ipam": {"type": "dhcp"}}"#),
    ])
    func whatIsNotOursToJudgeIsFine(_ text: String) {
        #expect(check(text).findings.map { $0.description } == [])
    }

    @Test func aSinglePluginStandsWithoutAList() {
        let text = #"{"cniVersion": "1.0.0", "name": "net", "type": "swiftlet", "subnet": "10.1.0.0/24", "vlan": "x"}"#
        #expect(check(text, as: "10-net.conf").findings.map { $0.path } == ["vlan"])
    }

    @Test func pluginsMustBeThere() throws {
        let directory = try TemporaryDirectory(["bridge": "", "portmap": ""])
        chmod("\(directory.path)/bridge", 0o755)
        let text = list(
            #"{"type": "bridge", "ipam": {"type": "dhcp"}}"#,
            #"{"type": "portmap", "capabilities": {"portMappings": true}}"#)
        let report = Validator(binDirectory: directory.path).check(Array(text.utf8), file: "net.conflist")
        #expect(
            report.findings.map { "\($0)" }.sorted() == [
                "net.conflist:2: error: plugins[0].ipam.type: failed to find plugin \"dhcp\" in path [\(directory.path)] "
                    + "(install it, or name its directory by --bin-dir)",
                "net.conflist:3: error: plugins[1].type: failed to find plugin \"portmap\" in path [\(directory.path)] "
                    + "(install it, or name its directory by --bin-dir)",
            ])
    }

    /// Whatever is in a file: no crash, and a document that is cut off anywhere is wrong.
    @Test func beginningsOfAFileAreErrors() {
        let text = list(#"{"type": "swiftlet", "ranges": [[{"subnet": "10.1.0.0/24"}]], "_x": "\"\\"}"#)
        #expect(check(text).findings == [])
        for count in 0..<text.utf8.count - 1 {
            #expect(check(String(decoding: text.utf8.prefix(count), as: UTF8.self)).count(.error) == 1)
        }
    }
}
