import ContainerRuntime
import Foundation
import Testing

/// `swiftletctl conf` as people and scripts use it.
@Suite struct CommandTests {
    static let executable =
        URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path + "/swiftletctl"

    private func conf(_ arguments: String...) throws -> (
        exit: ContainerRuntime.ExitStatus, output: String, errors: String
    ) {
        // The plugins of the test's own, whatever this machine has in /opt/cni/bin.
        let plugins = try TemporaryDirectory(["swiftlet": "", "bridge": "", "dhcp": ""], mode: 0o755)
        let own = arguments.first == "validate" && !arguments.contains("--bin-dir") ? ["--bin-dir", plugins.path] : []
        let outcome = try Launcher(timeout: .seconds(20)).run(
            Self.executable, arguments: ["conf"] + arguments + own, environment: ["PATH": "/usr/bin:/bin"])
        return (
            outcome.exit, String(decoding: outcome.stdout, as: UTF8.self),
            String(decoding: outcome.stderr, as: UTF8.self)
        )
    }

    @Test func exitCodesTellScriptsWhetherAnythingIsWrong() throws {
        let directory = try TemporaryDirectory([
            "good.conflist": list(#"{"type": "swiftlet", "subnet": "10.1.0.0/24"}"#),
            "odd.conflist": list(#"{"type": "bridge", "isGatway": true, "ipam": {"type": "dhcp"}}"#),
            "bad.conflist": list(#"{"type": "bridge", "mtu": 1}"#),
        ])
        let good = try conf("validate", directory.path + "/good.conflist")
        #expect(good.exit == .code(0))
        #expect(good.output == "\(directory.path)/good.conflist: fine: network net, swiftlet\n")
        #expect(try conf("validate", directory.path + "/odd.conflist").exit == .code(0))
        #expect(try conf("validate", "--strict", directory.path + "/odd.conflist").exit == .code(1))
        let bad = try conf("validate", directory.path + "/bad.conflist")
        #expect(bad.exit == .code(1))
        #expect(bad.output.contains("bad.conflist:2: error: plugins[0].mtu must be 0, or from 68 to 65535, but is 1\n"))
        #expect(bad.output.hasSuffix("1 file, 1 error, 0 warnings\n"))
        #expect(try conf("validate", directory.path + "/none.conflist").errors.contains("No such file"))
        #expect(try conf("validate", directory.path).output.contains("3 files, 1 error, 2 warnings"))
        #expect(try conf("validate", "--bin-dir", directory.path, directory.path + "/good.conflist").exit == .code(1))
    }

    @Test func findingsAreJSONForPrograms() throws {
        let directory = try TemporaryDirectory(["bad.conflist": list(#"{"type": "bridge", "mtu": 1}"#)])
        let outcome = try conf("validate", "--json", directory.path + "/bad.conflist")
        let report = try JSONValue(parsing: Array(outcome.output.utf8))
        let finding = try #require(report["findings"]?.array?.first { $0["severity"] == "error" })
        #expect(finding["severity"] == "error")
        #expect(finding["line"] == 2)
        #expect(finding["path"] == "plugins[0].mtu")
        #expect(report["networks"]?.array?.first?["name"] == "net")
    }

    @Test func aNewNetworkIsWrittenOnceAndWhole() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/10-db.conflist"
        // TEST-NET-2: no route of this machine leads there.
        let arguments = [
            "new", "--name", "db", "--subnet", "198.51.100.0/24", "--ports", "--bandwidth", "--output", file,
        ]
        let run = { (more: [String]) throws -> (exit: ContainerRuntime.ExitStatus, errors: String) in
            let outcome = try Launcher(timeout: .seconds(20)).run(
                Self.executable, arguments: ["conf"] + arguments + more, environment: [:])
            return (outcome.exit, String(decoding: outcome.stderr, as: UTF8.self))
        }
        #expect(try run([]).exit == .code(0))
        let text = try directory.text("10-db.conflist")
        #expect(try conf("validate", "--strict", file).exit == .code(0))
        #expect(text.contains(#""subnet": "198.51.100.0/24""#))
        let again = try run(["--no-masquerade"])
        #expect(again.exit != .code(0))
        #expect(again.errors.contains("it already exists (--force replaces it)"))
        #expect(try directory.text("10-db.conflist") == text)
        #expect(try run(["--no-masquerade", "--force"]).exit == .code(0))
        #expect(try !directory.text("10-db.conflist").contains("ipMasq"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["10-db.conflist"])
        #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o644)
    }

    @Test func whatNodesOfAClusterNeedIsAskedForByOptions() throws {
        let text = try conf(
            "new", "--subnet", "198.51.100.0/24", "--non-masquerade", "198.51.0.0/16", "--anti-spoof", "--no-hairpin",
            "--bridge", "br-pods"
        ).output.replacing(#/\s+/#, with: "")
        for part in [
            #""nonMasqueradeCIDRs":["198.51.0.0/16"]"#, #""antiSpoof":true"#, #""hairpinMode":false"#,
            #""bridge":"br-pods""#,
        ] {
            #expect(text.contains(part), "\(part) is not in \(text)")
        }
        #expect(try conf("new", "--non-masquerade", "10.44.0.7/16").errors.contains("is not a network"))
        #expect(try conf("new", "--plugin", "ptp", "--bridge", "br0").errors.contains("ptp has no bridge"))
        #expect(try conf("new", "--plugin", "chain", "--anti-spoof").errors.contains("only the plugin swiftlet"))
    }

    @Test func withoutATerminalAndWithoutOptionsItPrintsAProposal() throws {
        let outcome = try conf("new")
        #expect(outcome.exit == .code(0))
        #expect(check(outcome.output).findings == [])
    }

    @Test func whatMakesNoSenseIsRefusedBeforeAnythingIsWritten() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/x.conflist"
        #expect(
            try conf("new", "--name", "a b", "--output", file).errors.contains(
                "invalid characters found in network name"))
        #expect(try conf("new", "--subnet", "10.44.0.5", "--output", file).errors.contains("is not a subnet"))
        #expect(try conf("new", "--subnet", "198.51.100.7/24", "--output", file).errors.contains("198.51.100"))
        #expect(try conf("new", "--subnet", "127.0.0.0/16", "--output", file).errors.contains("overlaps 127.0.0.0/8"))
        #expect(try conf("new", "--subnet", "224.0.0.0/24", "--output", file).errors.contains("multicast"))
        #expect(try conf("new", "--plugin", "none", "--output", file).exit == .code(64))
        #expect(try conf("new", "--output", directory.path + "/x.conf").errors.contains(".conflist"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
    }

    /// A terminal, by util-linux' script(1).
    @Test func questionsHaveAnswersToStartFrom() throws {
        let directory = try TemporaryDirectory()
        let file = directory.path + "/10-db.conflist"
        let answers = "d b\ndb\n\n127.1.0.0/16\n198.51.100.0/24 fd00:99::/64\n\nmaybe\nno\nyes\nisolated\n\(file)\n"
        let outcome = try Launcher(timeout: .seconds(20)).run(
            "/usr/bin/script", arguments: ["-qec", "\(Self.executable) conf new", "/dev/null"],
            environment: ["PATH": "/usr/bin:/bin"], stdin: Array(answers.utf8))
        let output = String(decoding: outcome.stdout, as: UTF8.self)
        #expect(outcome.exit == .code(0), "\(output)")
        #expect(output.contains("Name of the network [pods]:"))
        #expect(output.contains("\"d b\" is no answer to that") && output.contains("\"maybe\" is no answer to that"))
        #expect(output.contains("subnet 127.1.0.0/16 overlaps 127.0.0.0/8, which this node reaches by lo"))
        let text = try directory.text("10-db.conflist")
        #expect(check(text).findings == [])
        for part in ["\"db\"", "fd00:99::/64", "\"ipMasq\": true", "\"bandwidth\": true", "\"isolated\""] {
            #expect(text.contains(part), "\(part) is not in \(text)")
        }
        #expect(!text.contains("portMappings"))
    }

    @Test func theReferenceExplainsEachKey() throws {
        let text = try conf("reference", "vlan").output
        #expect(text.contains("vlanId") && text.contains("Default: 0."))
        #expect(!text.contains("`"))
        let json = try JSONValue(parsing: Array(try conf("reference", "swiftlet", "--json").output.utf8))
        let keys = json.array?.first?["keys"]?.array?.compactMap { $0["name"]?.string } ?? []
        #expect(Set(keys).isSuperset(of: ["antiSpoof", "subnet", "ingressRate", "mtu"]))
        #expect(try conf("reference").output.contains("host-local"))
        #expect(try conf("reference", "brigde").errors.contains("No plugin is called brigde"))
    }
}
