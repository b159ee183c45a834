import ContainerRuntime
import Foundation
import Testing

/// `make install` and `make uninstall`.
@Suite(.realKernel) struct InstallTests {
    final class Destination: Sendable {
        let root: String
        var bin: String { root + "/opt/cni/bin" }

        init() throws {
            root = NSTemporaryDirectory() + "swt-install-" + UUID().uuidString
            try FileManager.default.createDirectory(atPath: bin, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: root) }

        @discardableResult
        func make(_ target: String, _ variables: String...) throws -> String {
            try run(
                ["make", "--no-print-directory", "-C", Requirements.packageRoot, target, "DESTDIR=\(root)"] + variables)
        }

        func files() throws -> [String] {
            try run("find", root, "!", "-type", "d", "-printf", "%P\\n").split(separator: "\n").map(String.init)
                .sorted()
        }

        func write(_ name: String, _ text: String) throws {
            try run(["sh", "-c", #"cat >"$0" && chmod 0755 "$0""#, "\(bin)/\(name)"], stdin: text)
        }
    }

    @Test func everythingIsWhereRuntimesLookAndUninstallTakesItAway() throws {
        let destination = try Destination()
        try destination.make("install")
        let list = try String(contentsOfFile: "\(Requirements.packageRoot)/scripts/plugin-names", encoding: .utf8)
        let names = (list.split(separator: "\n").map(String.init) + ["swiftlet"]).sorted()
        // With the list of what is swiftlet's own.
        let files = [".swiftlet-installed"] + names
        #expect(try destination.files() == files.map { "opt/cni/bin/\($0)" } + ["usr/local/sbin/swiftletctl"])
        #expect(FileManager.default.fileExists(atPath: destination.root + "/etc/cni/net.d"))
        for name in names {
            let outcome = try Launcher().run("\(destination.bin)/\(name)", environment: ["CNI_COMMAND": "VERSION"])
            #expect(outcome.json?["supportedVersions"]?.array?.count == 7)
        }
        try destination.make("uninstall")
        #expect(try destination.files() == [])
        // A second time is no error.
        try destination.make("uninstall")
    }

    @Test(arguments: ["install", "uninstall"]) func aNodeWithoutAToolchainIsToldNothingOfIt(_ target: String) throws {
        let destination = try Destination()
        try destination.make("install")
        let outcome = try Launcher().run(
            "/usr/bin/make",
            arguments: ["--no-print-directory", "-C", Requirements.packageRoot, target, "DESTDIR=\(destination.root)"],
            environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        #expect(outcome.exit == .code(0))
        #expect(String(decoding: outcome.stderr, as: UTF8.self) == "")
    }

    @Test func thePlacesCanBeChosen() throws {
        let destination = try Destination()
        try destination.make("install", "CNI_BIN_DIR=/my/bin", "CNI_CONF_DIR=/my/conf", "SBIN_DIR=/my/sbin")
        #expect(try destination.files().allSatisfy { $0.hasPrefix("my/") })
        #expect(FileManager.default.fileExists(atPath: destination.root + "/my/conf"))
        try destination.make("uninstall", "CNI_BIN_DIR=/my/bin", "CNI_CONF_DIR=/my/conf", "SBIN_DIR=/my/sbin")
        #expect(try destination.files() == [])
    }

    @Test func itCanBeTheNamesThatAreWantedWithAConfiguration() throws {
        let destination = try Destination()
        let configuration = Requirements.packageRoot + "/cni-conf/10-swiftlet.conflist"
        let wishes = ["PLUGINS": "loopback", "CNI_CONF": configuration, "DESTDIR": destination.root]
        func script(_ action: String) throws {
            try run([Requirements.packageRoot + "/scripts/install", action, Requirements.bin], environment: wishes)
        }
        #expect(throws: (any Error).self) { try script("check") }
        try script("ensure")
        try script("check")
        let expected = [
            "etc/cni/net.d/10-swiftlet.conflist", "opt/cni/bin/.swiftlet-installed", "opt/cni/bin/loopback",
            "opt/cni/bin/swiftlet", "usr/local/sbin/swiftletctl",
        ]
        #expect(try destination.files() == expected)
        // Whatever is not as it was left is put right.
        for path in expected where !path.hasSuffix("installed") {
            unlink("\(destination.root)/\(path)")
            #expect(throws: (any Error).self, "\(path) is missing") { try script("check") }
            try script("ensure")
            try script("check")
        }
        try script("uninstall")
        #expect(try destination.files() == [])
    }

    @Test func aPluginThatDoesNotExistIsRefusedBeforeAnythingIsTouched() throws {
        let destination = try Destination()
        #expect(throws: (any Error).self) { try destination.make("install", "PLUGINS=bridge swiftlett") }
        #expect(try destination.files() == [])
    }

    @Test func podsComeAndGoWhileItIsInstalledOverAndOver() throws {
        let destination = try Destination()
        try destination.make("install")
        let installing = destination.root + "/installing"
        try run("touch", installing)
        let node = try Node()
        let networks = [try node.network(node.swiftlet()), try node.network(node.gatewayBridge(), name: "other")]
        let results = inParallel(3) { number -> Int in
            guard number < networks.count else {
                defer { unlink(installing) }
                for _ in 0..<8 { try destination.make("install") }
                return .max
            }
            let pod = try node.pod()
            var rounds = 0
            // The second one runs its host-local in the process, unless that has just become another file.
            while access(installing, F_OK) == 0 {
                let runtime = node.runtime(path: [destination.bin])
                _ = try runtime.add(networks[number], pod.attachment)
                try runtime.check(networks[number], pod.attachment)
                try runtime.del(networks[number], pod.attachment)
                rounds += 1
            }
            return rounds
        }
        for result in results { #expect(try result.get() > 5) }
        #expect(try node.veths() == [] && node.reservations() == [] && node.reservations("other") == [])
        // And nothing temporary is left.
        #expect(try destination.files().allSatisfy { !$0.contains(".new.") })
    }

    @Test func anotherMakersPluginIsKeptToGoBackTo() throws {
        let destination = try Destination()
        let theirs = "#!/bin/sh\necho theirs\n"
        try destination.write("bridge", theirs)
        try destination.write("portmap", theirs)
        // Twice: the second time must not keep our own as theirs.
        for _ in 0..<2 { try destination.make("install") }
        let ours = try Launcher().run(destination.bin + "/bridge", environment: ["CNI_COMMAND": "VERSION"])
        #expect(ours.json?["supportedVersions"] != nil)
        #expect(try String(contentsOfFile: destination.bin + "/bridge.before-swiftlet", encoding: .utf8) == theirs)
        try destination.make("uninstall")
        #expect(try String(contentsOfFile: destination.bin + "/bridge", encoding: .utf8) == theirs)
        #expect(try destination.files() == ["opt/cni/bin/bridge", "opt/cni/bin/portmap"])
    }

    @Test func whatHasReplacedOursSinceIsNotRemoved() throws {
        let destination = try Destination()
        try destination.make("install")
        try run("rm", destination.bin + "/loopback")
        try destination.write("loopback", "#!/bin/sh\necho theirs\n")
        try destination.make("uninstall")
        #expect(try destination.files() == ["opt/cni/bin/loopback"])
    }

    @Test func whatHasReplacedOursIsKeptWhenOursComesAgain() throws {
        let destination = try Destination()
        try destination.write("bridge", "#!/bin/sh\necho one\n")
        try destination.make("install")
        // Another package, which knows of swiftlet, puts its own there; then swiftlet is installed again.
        let newer = "#!/bin/sh\necho two, instead of swiftlet\n"
        try run("rm", destination.bin + "/bridge")
        try destination.write("bridge", newer)
        try destination.make("install")
        try destination.make("uninstall")
        #expect(try String(contentsOfFile: destination.bin + "/bridge", encoding: .utf8) == newer)
    }

    @Test func withoutAnInstallationThereIsNothingToRemove() throws {
        let destination = try Destination()
        try destination.write("swiftlet", "#!/bin/sh\necho somebody's\n")
        try destination.make("uninstall")
        #expect(try destination.files() == ["opt/cni/bin/swiftlet"])
    }

    @Test func whereAnInstallationCannotSucceedItChangesNothing() throws {
        let destination = try Destination()
        try run("mkdir", destination.bin + "/host-local")
        #expect(throws: (any Error).self) { try destination.make("install") }
        #expect(try destination.files() == [])
    }

    @Test func anInstalledBridgeRunsItsHostLocalInTheProcess() throws {
        let destination = try Destination()
        try destination.make("install")
        let node = try Node()
        let pod = try node.pod()
        let strace = Strace(node)
        let runtime = node.runtime(path: [destination.bin], wrapper: strace.tracing("execve"))
        _ = try runtime.add(node.network(node.gatewayBridge()), pod.attachment)
        #expect(try strace.count("execve") == 1)
        try pod.ping("10.44.0.1")
    }
}
