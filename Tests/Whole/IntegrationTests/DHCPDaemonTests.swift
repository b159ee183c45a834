import ContainerRuntime
import Foundation
import Testing

/// Whatever becomes of the daemon, of pods and of other programs: no lease is lost that is needed, none kept that is not.
@Suite(.realKernel) struct DHCPDaemonTests {
    @Test(arguments: [SIGTERM, SIGKILL]) func leasesOutliveTheDaemon(_ signal: Int32) throws {
        let lan = try DHCPNode()
        let server = try lan.server(renewing: true)
        let first = try lan.daemon()
        let pod = try lan.node.pod()
        let list = try lan.network()
        let runtime = lan.node.runtime()
        let host = try runtime.add(list, pod.attachment).result.hosts[0]
        try first.end(signal)
        // Killed, it leaves its socket.
        #expect(FileManager.default.fileExists(atPath: lan.socket) == (signal == SIGKILL))
        let second = try lan.daemon()
        try eventually("it has read them") { second.log.contains("1 leases in") }
        try runtime.check(list, pod.attachment)
        try eventually("it is renewed") { second.log.contains("lease of \(host)/24") }
        #expect(server.log.components(separatedBy: "DHCPDISCOVER").count == 2)
        try runtime.del(list, pod.attachment)
        try eventually("it is released") { server.log.contains("DHCPRELEASE(cbr0) \(host) ") }
    }

    @Test func aSecondDaemonIsRefused() throws {
        let lan = try DHCPNode()
        let first = try lan.daemon()
        let outcome = try Launcher().run(
            Requirements.bin + "/swiftlet", arguments: ["dhcp", "daemon", "-socketpath", lan.socket], environment: [:])
        #expect(outcome.exit == .code(1) && outcome.errorText.contains("another dhcp daemon is running"))
        // With leases elsewhere, it is the socket that is taken.
        let other = try Launcher().run(
            Requirements.bin + "/dhcp",
            arguments: ["daemon", "-socketpath=\(lan.socket)", "--leasedir", lan.node.directory + "/other"],
            environment: [:])
        #expect(other.exit == .code(1) && other.errorText.contains("Error getting listener"))
        #expect(first.isRunning)
    }

    @Test func wrongFlagsAreNamed() throws {
        for (flags, words) in [
            (["-what"], "flag needs an argument: -what"), (["-what", "x"], "flag provided but not defined: -what"),
            (["-timeout", "soon"], "not a duration"), (["-pidfile", "relative"], "path not absolute"),
        ] {
            let outcome = try Launcher().run(
                Requirements.bin + "/dhcp", arguments: ["daemon"] + flags, environment: [:])
            #expect(outcome.exit == .code(2) && outcome.errorText.contains(words))
        }
    }

    @Test func theProcessIDIsWrittenAndRemoved() throws {
        let lan = try DHCPNode()
        let file = lan.node.directory + "/pid"
        let daemon = try lan.daemon("-pidfile", file)
        try eventually("it is written") { (try? String(contentsOfFile: file, encoding: .utf8)) == "\(daemon.process)" }
        try daemon.end()
        #expect(!FileManager.default.fileExists(atPath: file))
    }

    @Test func aSocketFromSystemdIsTaken() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        // What systemd does: descriptor 3 listens, and the variables name the process.
        let script = """
            use Socket; use POSIX; $^F = 9; socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un($ARGV[0])); listen($s, 9);
            POSIX::dup2(fileno($s), 3); $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = 1;
            exec($ARGV[1], 'daemon', '-leasedir', "$ARGV[0].leases");
            """
        let daemon = try Service(
            ["perl", "-e", script, lan.socket, Requirements.bin + "/dhcp"], log: lan.node.directory + "/daemon.log")
        try eventually("it listens") { daemon.log.contains("listening") }
        let pod = try lan.node.pod()
        _ = try lan.node.runtime().add(lan.network(), pod.attachment)
        try lan.node.runtime().del(lan.network(), pod.attachment)
        try daemon.end()
        // The file is systemd's.
        #expect(FileManager.default.fileExists(atPath: lan.socket))
        withExtendedLifetime(server) {}
    }

    @Test func withoutADaemonErrorsSayHowToStartIt() throws {
        let lan = try DHCPNode()
        let pod = try lan.node.pod()
        let list = try lan.network()
        let runtime = lan.node.runtime()
        let before = try Snapshot(lan.node, [pod]).without("cbr0")
        for (code, call) in [
            (50, { _ = try runtime.add(list, pod.attachment) }), (50, { _ = try runtime.status(list) }),
            (50, { _ = try runtime.gc(list, valid: []) }),
        ] as [(Int, () throws -> Void)] {
            let error = try failure { try call() }
            #expect(error.code == code)
            #expect(error.msg.contains("error dialing DHCP daemon") && error.msg.contains(lan.socket))
            #expect(error.details.contains("dhcp daemon"))
        }
        expectSame(try Snapshot(lan.node, [pod]).without("cbr0"), as: before)
        try runtime.del(list, pod.attachment)
    }

    @Test func delWithoutADaemonForgetsTheLease() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        _ = try lan.node.runtime().add(lan.network(), pod.attachment)
        try daemon.end(SIGKILL)
        try lan.node.runtime().del(lan.network(), pod.attachment)
        #expect(try isUntouched(pod))
        #expect(lan.leases == [])
        withExtendedLifetime(server) {}
    }

    @Test(arguments: ["gone", "empty"]) func delWithoutANamespaceForgetsTheLease(_ how: String) throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        let list = try lan.network()
        let runtime = lan.node.runtime()
        _ = try runtime.add(list, pod.attachment)
        if how == "gone" { try pod.end() }
        try runtime.del(list, how == "gone" ? pod.attachment : pod.with(netns: .some(nil)))
        #expect(lan.leases == [])
        #expect(try lan.node.veths() == [])
        let error = try failure { try runtime.check(list, pod.attachment, prevResult: ["cniVersion": "1.1.0"]) }
        #expect(error.code != nil)
        withExtendedLifetime((server, daemon)) {}
    }

    @Test func aPodThatGoesWithoutDelIsNoticedAtTheNextRenewal() throws {
        let lan = try DHCPNode()
        let server = try lan.server(renewing: true)
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        _ = try lan.node.runtime().add(lan.network(), pod.attachment)
        try pod.end()
        try eventually("its lease is dropped") { lan.leases == [] }
        try eventually("its veth is not held by the daemon") { try lan.node.veths() == [] }
        #expect(daemon.log.contains("the pod is gone"))
        withExtendedLifetime(server) {}
    }

    @Test func aSilentServerDoesNotKeepADeadPodsNamespace() throws {
        let lan = try DHCPNode()
        // The next sending is the better part of a minute after the first.
        let server = try lan.server(50...69, "--dhcp-option=option:T1,3", "--dhcp-option=option:T2,100")
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        _ = try lan.node.runtime().add(lan.network(), pod.attachment)
        try server.end(SIGKILL)
        let sockets = { try FileManager.default.contentsOfDirectory(atPath: "/proc/\(daemon.process)/fd").count }
        let resting = try sockets()
        try eventually("it asks, and nobody answers") { try sockets() > resting }
        try pod.end()
        try eventually("its interface is gone with it") { try lan.node.veths() == [] }
    }

    @Test func anInterfaceThatIsDownStaysDownAndItsLeaseIsRenewedLater() throws {
        let lan = try DHCPNode()
        let server = try lan.server(renewing: true)
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        let list = try lan.network()
        _ = try lan.node.runtime().add(list, pod.attachment)
        try pod.set("link", "set", "eth0", "down")
        try eventually("the renewal fails") { daemon.log.contains("Network is down") }
        #expect(try !pod.isUp("eth0"))
        try lan.node.runtime().del(list, pod.attachment)
        #expect(lan.leases == [])
        withExtendedLifetime(server) {}
    }

    @Test func gcReleasesWhatBelongsToNobody() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon()
        let pods = try lan.node.pods(3)
        let (list, other) = (try lan.network(), try lan.network(name: "other"))
        let runtime = lan.node.runtime()
        let hosts = try pods[..<2].map { try runtime.add(list, $0.attachment).result.hosts[0] }
        _ = try runtime.add(other, pods[2].attachment)
        try runtime.gc(list, valid: [pods[0].valid])
        #expect(lan.leases == ["net:\(pods[0].id):eth0", "other:\(pods[2].id):eth0"].sorted())
        try eventually("the release is seen") { server.log.contains("DHCPRELEASE(cbr0) \(hosts[1]) ") }
        #expect(server.log.components(separatedBy: "DHCPRELEASE").count == 2)
        try runtime.check(list, pods[0].attachment)
        try runtime.check(other, pods[2].attachment)
        withExtendedLifetime(daemon) {}
    }

    @Test func checkComparesTheLeaseWithTheResult() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon()
        let pod = try lan.node.pod()
        let alone = try lan.node.network([
            "type": "dhcp", "ipam": ["type": "dhcp", "daemonSocketPath": .string(lan.socket)],
        ])
        let runtime = lan.node.runtime()
        let result = try runtime.add(lan.network(), pod.attachment).result
        try runtime.check(alone, pod.attachment, prevResult: result)
        let other: JSONValue = ["cniVersion": "1.1.0", "ips": [["address": "10.99.0.200/24"]]]
        let error = try failure { try runtime.check(alone, pod.attachment, prevResult: other) }
        #expect(error.code == 104 && error.msg.contains(result.addresses[0]))
        try runtime.del(lan.network(), pod.attachment)
        let gone = try failure { try runtime.check(alone, pod.attachment, prevResult: result) }
        #expect(gone.code == 104 && gone.msg.contains("no lease is held"))
        #expect(lan.leases == [])
        withExtendedLifetime((server, daemon)) {}
    }

    @Test func clientsThatSayNothingOrNonsenseAreNoObstacle() throws {
        let lan = try DHCPNode()
        let server = try lan.server()
        let daemon = try lan.daemon()
        let idle = try (0..<40).map { _ in try lan.connect() }
        for (number, client) in idle.enumerated() where number.isMultiple(of: 2) {
            client.say(
                number.isMultiple(of: 4) ? "CONNECT /_goRPC_ HTTP/1.0\n\n\u{7f}garbage" : "GET / HTTP/1.1\r\n\r\n")
        }
        let pod = try lan.node.pod()
        let start = ContinuousClock.now
        _ = try lan.node.runtime().add(lan.network(), pod.attachment)
        #expect(ContinuousClock.now - start < .seconds(5))
        for client in idle { client.close() }
        try lan.node.runtime().del(lan.network(), pod.attachment)
        #expect(daemon.isRunning)
        withExtendedLifetime(server) {}
    }

    @Test(arguments: [
        (#"{"provide":[{"option":"nonsense","value":"x"}]}"#, 7, "Can not parse option"),
        (#"{"provide":[{"option":"53","value":"x"}]}"#, 7, "provide[0].option"),
        (#"{"provide":[{"value":"x"}]}"#, 7, "provide[0].option is missing"),
        (#"{"request":[{"option":"0"}]}"#, 7, "request[0].option"), (#"{"request":7}"#, 6, "ipam.request"),
        (#"{"suppress":["dns"]}"#, 7, "suppress[0]"), (#"{"priority":-1}"#, 7, "ipam.priority"),
        (#"{"daemonSocketPath":7}"#, 6, "daemonSocketPath"),
    ]) func wrongKeysAreRefusedBeforeAnythingIsAsked(_ keys: String, _ code: Int, _ words: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let ipam = try #require(JSONValue(parsing: Array(keys.utf8)).object)
        let list = try node.network(["type": "dhcp", "ipam": .object(["type": "dhcp"].merging(ipam) { $1 })])
        let error = try failure { _ = try node.runtime().add(list, pod.attachment) }
        #expect(error.code == code && error.msg.contains(words), "\(error)")
    }
}
