import ContainerRuntime
import Foundation
import Testing

/// Logging hurts nobody: no call fails or waits for it, lines stay whole, and what is secret stays out of them.
@Suite(.realKernel) struct LogHarmlessTests {
    @Test(arguments: ["/dev/full", "/proc/swiftlet.log", "/nonexistent/directory/log", "/dev/null", "journal"])
    func aLogThatCannotBeWrittenHurtsNobody(_ destination: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(
            node.swiftlet(["subnet": "10.44.0.0/24", "log": .string(destination), "debug": true]))
        let run = try #require(try node.runtime().add(list, pod.attachment).runs.first)
        #expect(run.outcome.stderr == [])
        try node.runtime().check(list, pod.attachment)
        try node.runtime().del(list, pod.attachment)
        #expect(try node.veths() == [] && node.reservations() == [])
    }

    @Test func aSymbolicLinkAPipeAndALimitHurtNobodyEither() throws {
        let node = try Node()
        let pod = try node.pod()
        try node.write("target", "before\n")
        try run("ln", "-s", node.directory + "/target", node.directory + "/link")
        try run("mkfifo", node.directory + "/pipe")
        try node.write("full", String(repeating: "x", count: 4096))
        for name in ["link", "pipe", "full"] {
            let list = try node.network(
                node.swiftlet(["subnet": "10.44.0.0/24", "log": .string("\(node.directory)/\(name)"), "debug": true]))
            // The limit's signal would end the plugin.
            let runtime = node.runtime(wrapper: name == "full" ? ["prlimit", "--fsize=4096"] : [])
            _ = try runtime.add(list, pod.attachment)
            try runtime.del(list, pod.attachment)
        }
        #expect(try String(contentsOfFile: node.directory + "/target", encoding: .utf8) == "before\n")
        #expect(try String(contentsOfFile: node.directory + "/full", encoding: .utf8).utf8.count == 4096)
    }

    @Test func aReaderOfStandardErrorThatReadsNothingKeepsNobodyWaiting() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/24", "debug": true]))
        let pipe = node.directory + "/pipe"
        try run("mkfifo", pipe)
        let script = #"exec 9<>"$0"; head -c 65536 /dev/zero >&9; exec "$@" 2>&9"#
        let start = ContinuousClock.now
        _ = try node.runtime(wrapper: ["sh", "-c", script, pipe]).add(list, pod.attachment)
        #expect(ContinuousClock.now - start < .seconds(3))
        let gone = #"exec "$@" 2>&-"#
        try node.runtime(wrapper: ["sh", "-c", gone, "sh"]).del(list, pod.attachment)
    }

    @Test func theLinesOfManyPluginsAtOnceAreWhole() throws {
        let node = try Node()
        let pods = try node.pods(16)
        let list = try node.network(node.loggingSwiftlet(["debug": true]))
        let runtime = node.runtime()
        _ = try inFlight(16, of: 64) { number in
            let pod = pods[number % 16]
            if number < 16 { _ = try runtime.add(list, pod.attachment) }
            if number / 16 == 1 || number / 16 == 2 { try runtime.check(list, pod.attachment) }
            if number >= 48 { try runtime.del(list, pod.attachment) }
        }
        // Each is taken apart; one that is mixed with another does not come out.
        let events = try node.events()
        #expect(Set(events.compactMap { $0["container"] }) == Set(pods.map(\.id)))
        #expect(events.filter { $0["event"] == "begin" }.count == 64)
        #expect(events.filter { $0["event"] == "end" }.count == 64)
        #expect(events.allSatisfy { $0.description.utf8.count < 4096 })
    }

    @Test func whatIsSecretStaysOutOfIt() throws {
        let node = try Node()
        let pod = try node.pod()
        let log = JSONValue.string(node.eventLog)
        let keys: [String: JSONValue] = ["log": log, "debug": true, "_remark": "hunter2"]
        let plugins = [
            node.swiftlet(["subnet": "10.44.0.0/24"].merging(keys) { $1 }),
            // Unknown here, ignored there; wrong, and refused with its value.
            node.swiftlet(["subnet": "10.44.0.0/24", "password": "hunter2"].merging(keys) { $1 }),
            node.swiftlet(["subnet": "hunter2"].merging(keys) { $1 }),
            node.bridge(keys, ipam: ["subnet": "10.45.0.0/24", "token": "hunter2"]),
            node.bridge(keys.merging(["mtu": ["hunter2"]]) { $1 }, ipam: nil),
        ]
        let arguments = [("IgnoreUnknown", "1"), ("K8S_POD_NAME", "hunter2"), ("SECRET", "hunter2")]
        for plugin in plugins {
            let list = try node.network(plugin)
            for arguments in [arguments, [("SECRET", "hunter2")], [("IP", "hunter2")]] {
                _ = try? node.runtime().add(list, pod.with(args: arguments))
                _ = try? node.runtime().check(list, pod.with(args: arguments))
                try node.runtime().del(list, pod.with(args: arguments))
            }
        }
        let text = try String(contentsOfFile: node.eventLog, encoding: .utf8)
        #expect(text.contains("event=end") && text.contains("event=failed") && text.contains("event=netlink"))
        #expect(text.split(separator: "\n").filter { $0.contains("hunter2") } == [])
    }

    @Test func aNameCannotBeginALineOfItsOwn() throws {
        let node = try Node()
        let pod = try node.pod()
        var environment = pod.environment("ADD")
        environment["SWIFTLET_LOG"] = node.eventLog
        environment["CNI_CONTAINERID"] = "x\ntime=now event=forged \u{1b}[2J\""
        let outcome = try node.call(environment, stdin: #"{"cniVersion":"1.1.0","name":"net","type":"swiftlet"}"#)
        #expect(outcome.exit == .code(1))
        let events = try node.events()
        #expect(events.map { $0["event"] } == ["failed"] && events[0]["container"] == environment["CNI_CONTAINERID"])
        #expect(events[0]["code"] == "4" && events[0]["error"]?.contains("event=forged") == true)
    }
}
