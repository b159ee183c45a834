import ContainerRuntime
import Foundation
import Testing

/// Where a log is configured, a call says what it does, a line an event, with its owner in each; elsewhere nothing.
@Suite(.realKernel) struct LogTests {
    @Test func eachVerbTellsWhatItDoesAndWhose() throws {
        let node = try Node()
        let pod = try node.pod()
        let runtime = node.runtime()
        let list = try node.network(node.loggingSwiftlet(["ipMasq": true]))
        _ = try runtime.add(list, pod.attachment)
        let added = try node.events()
        #expect(added.first?["event"] == "begin" && added.first?["netns"] == pod.path)
        let end = try #require(added.last)
        #expect(end["event"] == "end" && end["addresses"] == "10.44.0.2/24")
        #expect(end["interfaces"]?.hasSuffix(",eth0") == true)
        #expect(Int(end["duration_us"] ?? "") ?? 0 > 100)
        #expect(added.contains { $0["event"] == "reserved" && $0["addresses"] == "10.44.0.2/24" })
        let changes = added.compactMap { $0["what"] }
        for text in [
            "create bridge cbr0", "create veth eth0 of \(pod.id) on bridge cbr0", "add address 10.44.0.2/24 to eth0",
        ] {
            #expect(changes.contains(text), "\(text) in \(changes)")
        }
        #expect(changes.contains { $0.hasPrefix("add elements of net") }, "\(changes)")
        for verb in ["CHECK", "DEL"] {
            try FileManager.default.removeItem(atPath: node.eventLog)
            _ = try verb == "DEL" ? runtime.del(list, pod.attachment) : runtime.check(list, pod.attachment)
            let events = try node.events()
            #expect(events.first?["event"] == "begin" && events.last?["event"] == "end")
            #expect(events.allSatisfy { $0["verb"] == verb })
            if verb == "DEL" {
                #expect(events.contains { $0["event"] == "released" })
                #expect(events.contains { $0["what"]?.hasPrefix("delete link veth") == true })
            }
        }
        for event in added {
            #expect(event["verb"] == "ADD" && event["plugin"] == "swiftlet" && event["network"] == "net", "\(event)")
            #expect(event["container"] == pod.id && event["ifname"] == "eth0" && event["level"] == "info", "\(event)")
            #expect(event["time"]?.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z/) != nil, "\(event)")
        }
        try runtime.status(list)
        try runtime.gc(list, valid: [])
        #expect(try Set(node.events().compactMap { $0["verb"] }) == ["DEL", "STATUS", "GC"])
        let attributes = try FileManager.default.attributesOfItem(atPath: node.eventLog)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
    }

    @Test func aFailureIsToldWithItsCodeAndWhatCouldNotBeUndone() throws {
        let node = try Node()
        let pod = try node.pod()
        try pod.set("link", "add", "eth0", "type", "veth", "peer", "name", "other")
        let list = try node.network(node.loggingSwiftlet(["logLevel": "error"]))
        let error = try failure { _ = try node.runtime().add(list, pod.attachment) }
        let events = try node.events()
        #expect(events.count == 1 && events[0]["event"] == "failed" && events[0]["level"] == "error", "\(events)")
        #expect(events[0]["code"] == "103" && events[0]["error"] == error.msg && events[0]["details"] == error.details)
    }

    @Test func whatAnUndoSurvivesIsNotKeptSecret() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.loggingSwiftlet(["routes": [["dst": "10.9.0.0/16", "gw": "172.31.0.1"]]]))
        // The route is refused; then the veth is deleted, which is refused too.
        let strace = Strace(node)
        // The first one makes the bridge.
        for _ in 0..<2 {
            _ = try failure { _ = try node.runtime(wrapper: strace.tracing("sendto")).add(list, pod.attachment) }
        }
        let sends = try strace.count("sendto")
        try FileManager.default.removeItem(atPath: node.eventLog)
        _ = try failure {
            _ = try node.runtime(wrapper: strace.failing("sendto", "ENOBUFS", sends)).add(list, pod.attachment)
        }
        let events = try node.events()
        let survived = try #require(events.first { $0["event"] == "survived" }, "\(events)")
        #expect(
            survived["level"] == "warning" && survived["error"]?.hasPrefix("delete link veth") == true, "\(survived)")
        try node.runtime().del(list, pod.attachment)
    }

    @Test func debuggingShowsWhatIsSaidToTheKernelAndWhatItAnswers() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.loggingSwiftlet(["debug": true, "antiSpoof": true]))
        _ = try node.runtime().add(list, pod.attachment)
        try node.runtime().del(list, pod.attachment)
        let netlink = try node.events().filter { $0["event"] == "netlink" }
        func has(_ fields: [String: String], _ part: String = "") -> Bool {
            netlink.contains { event in
                fields.allSatisfy { event[$0.key] == $0.value }
                    && (part.isEmpty || event["message"]?.contains(part) == true)
            }
        }
        #expect(has(["dir": "send", "type": "RTM_NEWLINK", "family": "route"], "data={1={family=0"))
        #expect(has(["dir": "send", "type": "RTM_NEWADDR", "verb": "ADD"], "local=10.44.0.2"))
        #expect(has(["dir": "send", "type": "RTM_DELLINK", "verb": "DEL"]))
        #expect(has(["dir": "receive", "type": "RTM_NEWLINK"], "ifalias=swiftlet net/\(pod.id)/eth0"))
        #expect(
            has(["dir": "send", "type": "NFT_MSG_NEWSETELEM", "family": "netfilter"], "comment=net/\(pod.id)/eth0"))
        #expect(has(["dir": "receive", "type": "NLMSG_ERROR", "errno": "0"]))
        #expect(
            has(["dir": "receive", "type": "NLMSG_ERROR", "error": "No such file or directory"]), "an absent table")
        #expect(netlink.allSatisfy { $0["container"] == pod.id && $0["level"] == "debug" })
    }

    @Test func debuggingAloneGoesToStandardError() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/24", "debug": true]))
        let run = try #require(try node.runtime().add(list, pod.attachment).runs.first)
        let events = try LoggedEvent.all(String(decoding: run.outcome.stderr, as: UTF8.self))
        #expect(events.contains { $0["event"] == "netlink" } && events.last?["event"] == "end")
    }

    @Test func withoutALogNothingIsWrittenAndNothingIsAskedOfTheKernel() throws {
        let node = try Node()
        let pods = try node.pods(3)
        let strace = Strace(node)
        _ = try node.runtime().add(node.network(node.swiftlet()), pods[0].attachment)
        /// The calls of one ADD, by their names.
        func calls(_ keys: [String: JSONValue], _ pod: Pod) throws -> [String] {
            let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/24"].merging(keys) { $1 }))
            let runtime = node.runtime(wrapper: strace.tracing("all"))
            let run = try #require(try runtime.add(list, pod.attachment).runs.first)
            #expect(run.outcome.stderr == [])
            return try strace.lines().compactMap {
                $0.split(separator: " ").dropFirst().first.map { String($0.prefix { $0 != "(" }) }
            }
        }
        let plain = try calls([:], pods[1])
        let logged = try calls(["log": .string(node.eventLog)], pods[2])
        // Writing the result blocks SIGPIPE in this thread, and unblocks it.
        #expect(plain.filter { $0 == "rt_sigprocmask" }.count == 2)
        // A line is a write between the same two calls; the file is opened and looked at once.
        let lines = try node.events().count
        #expect(lines > 10 && logged.count == plain.count + 3 * lines + 2, "\(lines) lines")
    }
}
