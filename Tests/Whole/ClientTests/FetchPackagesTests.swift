import ContainerRuntime
import Foundation
import TestSupport
import Testing

/// scripts/fetch-packages, with an apt-get that has one package in suites that may be out of reach.
@Suite struct FetchPackagesTests {
    private let package = "containernetworking-plugins"
    private let place = NSTemporaryDirectory() + "swt-fetch-" + UUID().uuidString

    init() throws {
        try FileManager.default.createDirectory(atPath: place + "/bin", withIntermediateDirectories: true)
        try write(
            "bin/apt-get",
            #"""
            #!/bin/sh -e
            echo "$*" >>"$PLACE/calls"
            suite=$(echo "$*" | sed -n 's|.* Dir::State=[^ ]*/\([^ /]*\) .*|\1|p')
            case " $* " in
            *" update "*) case " $REACHABLE " in *" $suite "*) ;; *) echo "E: no route to $suite" >&2; exit 100 ;; esac ;;
            *" download "*) cp "$PLACE/$suite.deb" ./containernetworking-plugins_x_all.deb ;;
            esac
            """#)
        guard chmod(place + "/bin/apt-get", 0o755) == 0 else { throw POSIXError(.EACCES) }
        for (suite, version) in [("sid", "1.9.1+ds1-1"), ("trixie", "1.1.1+ds1-3")] {
            try write(
                "\(suite)/DEBIAN/control",
                "Package: \(package)\nVersion: \(version)\nArchitecture: all\nMaintainer: nobody\nDescription: none\n")
            try write("\(suite)/usr/lib/cni/bridge", suite)
            _ = try run(["dpkg-deb", "--build", "\(place)/\(suite)", "\(place)/\(suite).deb"])
        }
    }

    private func write(_ name: String, _ text: String) throws {
        let path = URL(filePath: "\(place)/\(name)")
        try FileManager.default.createDirectory(
            at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: path)
    }

    private func run(_ words: [String], reachable: String = "") throws -> String {
        let outcome = try Launcher().run(
            words[0], arguments: Array(words.dropFirst()),
            environment: [
                "PATH": "\(place)/bin:/usr/sbin:/usr/bin:/sbin:/bin", "XDG_CACHE_HOME": "\(place)/cache",
                "PLACE": place, "REACHABLE": reachable, "LC_ALL": "C",
            ])
        let text = String(decoding: outcome.stdout + outcome.stderr, as: UTF8.self)
        try #require(outcome.exit.isSuccess, "\(text)")
        return text
    }

    /// Fetches, and returns what it said and which plugin it found.
    private func fetch(_ flags: String..., reachable: String) throws -> (said: String, bridge: String?) {
        let said = try run(
            ["\(repository.path)/scripts/fetch-packages"] + flags + ["\(place)/out"], reachable: reachable)
        let bridge = FileManager.default.contents(atPath: "\(place)/out/\(package)/usr/lib/cni/bridge")
        return (said, bridge.flatMap { String(data: $0, encoding: .utf8) })
    }

    private var calls: Int {
        get throws { try String(contentsOfFile: place + "/calls", encoding: .utf8).split(separator: "\n").count }
    }

    @Test func theNewestIsFetchedOnceAndThenNoNetworkIsNeeded() throws {
        defer { try? FileManager.default.removeItem(atPath: place) }
        let first = try fetch(reachable: "sid trixie")
        #expect(first.said == "fetch-packages: \(package) 1.9.1+ds1-1 (sid)\n" && first.bridge == "sid")
        let version = try String(contentsOfFile: "\(place)/out/\(package).version", encoding: .utf8)
        #expect(version == "\(package) 1.9.1+ds1-1 (sid)\n")
        let before = try calls
        let second = try fetch(reachable: "")
        #expect(second == first)
        #expect(try calls == before)
        // Nothing but the private folders of the cache is read or written.
        let configuration = try String(contentsOfFile: place + "/calls", encoding: .utf8)
        #expect(!configuration.contains("/etc/apt"))
    }

    @Test func whereTheNewestCannotBeHadItIsSaidAndTheNextIsTaken() throws {
        defer { try? FileManager.default.removeItem(atPath: place) }
        let older = try fetch(reachable: "trixie")
        #expect(older.bridge == "trixie")
        #expect(
            older.said.contains("1.1.1+ds1-3 (trixie); not to be had from sid (E: no route to sid)"), "\(older.said)")
        // The next run tries again.
        #expect(try fetch(reachable: "sid").bridge == "sid")
    }

    @Test func whereNothingCanBeHadTheInstalledOneIsTaken() throws {
        defer { try? FileManager.default.removeItem(atPath: place) }
        let installed = try fetch(reachable: "")
        #expect(
            installed.said.contains(" (installed); not to be had from sid (") && installed.said.contains(" trixie ("))
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: "\(place)/out/\(package)") == "/")
    }

    @Test func twoAtOnceFetchOnce() async throws {
        defer { try? FileManager.default.removeItem(atPath: place) }
        async let one = fetch(reachable: "sid")
        async let other = fetch(reachable: "sid")
        let (first, second) = try await (one, other)
        #expect(first == second && first.bridge == "sid")
        let downloads =
            try String(contentsOfFile: place + "/calls", encoding: .utf8)
            .components(separatedBy: " download ").count - 1
        #expect(downloads == 1)
    }
}
