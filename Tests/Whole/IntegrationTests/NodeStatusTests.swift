import ContainerRuntime
import Foundation
import Testing

/// `swiftletctl status`, `graph`, `check` and `gc` say what there is on the node as it is at that moment, whatever has happened.
@Suite(.realKernel) struct NodeStatusTests {
    /// A node with one network whose configuration lies where the commands look for it.
    struct Scene {
        let node: Node
        let list: NetworkList
        let configurations: String

        init(_ keys: [String: JSONValue] = [:]) throws {
            node = try Node()
            let all = Node.dualStack.merging(["ipMasq": true, "capabilities": ["portMappings": true]]) { $1 }
                .merging(keys) { $1 }
            let plugin = node.swiftlet(all)
            list = try node.network(plugin)
            configurations = "\(node.directory)/net.d"
            try FileManager.default.createDirectory(atPath: configurations, withIntermediateDirectories: true)
            let document: JSONValue = ["cniVersion": "1.1.0", "name": "net", "plugins": [plugin]]
            try node.write("net.d/10-net.conflist", String(decoding: document.bytes, as: UTF8.self))
        }

        /// Not where this machine has its own.
        var places: [String] { ["--conf-dir", configurations, "--data-dir", node.data] }

        /// Runs the command on the node; its exit code and what it prints.
        func ctl(_ command: String, _ words: String...) throws -> ProcessOutcome {
            try Launcher(prefix: ["nsenter", "--net=\(node.path)"], timeout: .seconds(60)).run(
                "\(Requirements.bin)/swiftletctl", arguments: [command] + words + places,
                environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
        }

        func status() throws -> JSONValue {
            let outcome = try ctl("status", "--json")
            #expect(outcome.exit.isSuccess, "\(outcome.errorText)")
            return try JSONValue(parsing: outcome.stdout)
        }

        func attach(_ pod: Pod, ports: JSONValue...) throws {
            _ = try node.runtime().add(list, pod.with(ports: ports))
        }
    }

    @Test func everyPodIsShownWithWhatItHas() throws {
        let scene = try Scene(["antiSpoof": true, "ingressRate": 10_000_000, "ingressBurst": 1_000_000])
        let pods = try scene.node.pods(2)
        try scene.attach(pods[0], ports: hostPort(8080, .tcp))
        try scene.attach(pods[1])
        try pods[1].ping("10.44.0.1")
        let status = try scene.status()
        let shown = try #require(status["attachments"]?.array)
        #expect(shown.map { $0["id"]?["containerID"]?.string } == pods.map(\.id))
        #expect(shown.map { $0["namespace"]?["path"]?.string } == pods.map(\.path))
        for (pod, shown) in zip(pods, shown) {
            #expect(try shown["addresses"]?.array?.compactMap(\.string) == pod.addresses("eth0"))
            #expect(shown["state"] == "attached" && shown["kind"] == "veth" && shown["bridge"] == "cbr0")
            #expect(try scene.node.veths().contains(shown["hostInterface"]?.string ?? ""))
            #expect(shown["antiSpoof"] == true && shown["masquerade"] == true)
            #expect(shown["ingressLimit"]?["rate"] == 10_000_000)
        }
        #expect(shown[0]["ports"]?.array?.first?["hostPort"] == 8080 && shown[1]["ports"] == [])
        #expect(try #require(shown[1]["counters"]?["sentPackets"]?.integer) >= 1)
        let network = try #require(status["networks"]?.array?.first)
        #expect(network["name"] == "net" && network["bridge"] == "cbr0" && network["reservations"] == 4)
        #expect(network["pools"]?.array?.map { $0["used"] } == [2, 2])
        #expect(status["orphans"] == [] && status["remarks"] == [])
        let text = try scene.ctl("status").text
        #expect(text.contains("10.44.0.2 fd00:44::2") && text.contains("↓10M") && !text.contains("\u{1b}"))
        #expect(text.contains("1 network, 2 pods, 4 addresses, 1 port, no orphans"))
        for pod in pods { try scene.node.runtime().del(scene.list, pod.attachment) }
        #expect(try scene.status()["attachments"] == [])
    }

    @Test func aPodWithoutAnEndOnTheNodeIsFoundInItsNamespace() throws {
        let scene = try Scene()
        let pod = try scene.node.pod()
        try scene.node.set("link", "add", "cable", "type", "veth", "peer", "name", "far")
        let macvlan = try scene.node.network(
            scene.node.plugin("macvlan", ["master": "cable"], ipam: ["subnet": "10.45.0.0/24"]), name: "edge")
        _ = try scene.node.runtime().add(macvlan, pod.attachment)
        let outcome = try scene.ctl("status", "--json", "--network", "edge")
        let shown = try JSONValue(parsing: outcome.stdout)["attachments"]?.array ?? []
        #expect(shown.count == 1 && shown.first?["kind"] == "macvlan" && shown.first?["parent"] == "cable")
        #expect(shown.first?["namespace"]?["path"]?.string == pod.path)
        try scene.node.runtime().del(macvlan, pod.attachment)
    }

    @Test func whatAPodThatIsGoneHasLeftIsShownAndFreed() throws {
        let scene = try Scene()
        let pods = try scene.node.pods(3)
        for (number, pod) in pods.enumerated() { try scene.attach(pod, ports: hostPort(8080 + Int64(number), .tcp)) }
        try pods[1].end()
        try eventually("the veth goes with the namespace") { try scene.node.veths().count == 2 }
        let orphans = try #require(try scene.status()["orphans"]?.array)
        #expect(orphans.map { $0["id"]?["containerID"]?.string } == [pods[1].id])
        #expect(orphans.first?["reason"] == "podIsGone" && orphans.first?["isGone"] == true)
        #expect(orphans.first?["reserved"]?.array?.count == 2 && orphans.first?["elements"] != 0)
        // It may be an ADD that has come so far.
        let early = try scene.ctl("gc")
        #expect(early.exit.isSuccess && early.text.contains("an ADD may be under way"), "\(early.text)")
        let rehearsal = try scene.ctl("gc", "--dry-run", "--older-than", "0")
        #expect(rehearsal.text.contains("would free net/\(pods[1].id)/eth0"), "\(rehearsal.text)")
        #expect(try scene.node.reservations().count == 6)
        let freed = try scene.ctl("gc", "--older-than", "0", "--json")
        #expect(freed.exit.isSuccess, "\(freed.text)\(freed.errorText)")
        #expect(freed.json?["freed"]?.array?.count == 1 && freed.json?["failed"] == [])
        #expect(try scene.node.reservations().count == 4)
        #expect(try scene.node.ownElements(of: "net/\(pods[1].id)/eth0") == [])
        #expect(try scene.node.recordPaths().filter { $0.contains(pods[1].id) } == [])
        #expect(try scene.status()["orphans"] == [])
        for pod in [pods[0], pods[2]] {
            try scene.node.runtime().check(scene.list, pod.with(ports: hostPort(pod === pods[0] ? 8080 : 8082, .tcp)))
        }
        #expect(try scene.ctl("gc", "--older-than", "0").text == "nothing to free\n")
    }

    /// A killed ADD leaves some of it: whatever that is, it is shown, and gc frees it.
    @Test(arguments: ["openat", "write", "sendto"]) func whatAKilledAddHasLeftIsShownAndFreed(_ call: String) throws {
        let scene = try Scene()
        let kept = try scene.node.pod()
        try scene.attach(kept)
        let before = try scene.node.reservations()
        let injector = FaultInjector(scene.node)
        let rehearsal = try scene.node.pod()
        _ = try scene.node.runtime(wrapper: injector.watching).add(scene.list, rehearsal.attachment)
        try scene.node.runtime().del(scene.list, rehearsal.attachment)
        let calls = try injector.calls().filter { $0.process == 0 && $0.isInMain && $0.name == call }
        for killed in [calls.count / 3, calls.count * 2 / 3, calls.count - 1].map({ calls[$0] }) {
            let pod = try scene.node.pod()
            let error = #expect(throws: PluginError.self) {
                try scene.node.runtime(wrapper: injector.wrapper(.kill, at: killed)).add(scene.list, pod.attachment)
            }
            #expect(error?.run.outcome.exit == .signal(SIGKILL))
            try pod.end()
            try eventually("the veth goes with the namespace") { try scene.node.veths().count <= 1 }
            let orphans = try scene.status()["orphans"]?.array ?? []
            // A reservation whose writer was killed names nobody.
            #expect(orphans.allSatisfy { ["", pod.id].contains($0["id"]?["containerID"]?.string) })
            #expect(orphans.allSatisfy { $0["isGone"] == true }, "\(orphans)")
            #expect(try scene.node.reservations() == before || !orphans.isEmpty)
            let freed = try scene.ctl("gc", "--older-than", "0")
            #expect(freed.exit.isSuccess, "\(freed.text)\(freed.errorText)")
            #expect(try scene.node.reservations() == before)
            #expect(try scene.status()["orphans"] == [])
        }
        try scene.node.runtime().check(scene.list, kept.attachment)
    }

    @Test func gcLeavesAPodAloneWhoseNamespaceLives() throws {
        let scene = try Scene()
        let pod = try scene.node.pod()
        try scene.attach(pod)
        try pod.set("link", "del", "eth0")
        let orphan = try #require(try scene.status()["orphans"]?.array?.first)
        #expect(orphan["reason"] == "interfaceIsGone" && orphan["isGone"] == false)
        #expect(try scene.ctl("gc", "--older-than", "0").text == "nothing to free\n")
        #expect(try scene.node.reservations().count == 2)
    }

    @Test func aSoundPodPassesAndADamagedOneIsTold() throws {
        let scene = try Scene()
        let pods = try scene.node.pods(2)
        for (number, pod) in pods.enumerated() { try scene.attach(pod, ports: hostPort(8080 + Int64(number), .tcp)) }
        for name in [pods[0].id, "net/\(pods[0].id)/eth0", "10.44.0.2", "fd00:44::2", pods[0].netns, pods[0].path] {
            let sound = try scene.ctl("check", name)
            #expect(sound.exit.isSuccess, "\(name): \(sound.text)\(sound.errorText)")
            #expect(sound.text.contains("net/\(pods[0].id)/eth0") && sound.text.hasSuffix("all is right\n"))
            #expect(sound.text.contains("gateway 10.44.0.1") && sound.text.contains("default route"))
        }
        // The one before has a longer name that begins like this.
        let begun = try scene.ctl("check", String(pods[0].id.dropLast(pods[0].id.count - 4)))
        #expect(begun.exit == .code(1) && begun.errorText.contains("several containers"), "\(begun.errorText)")
        try scene.node.exec("nft", "flush", "ruleset")
        try pods[0].set("addr", "del", "10.44.0.2/24", "dev", "eth0")
        try scene.node.set("addr", "del", "10.44.0.1/24", "dev", "cbr0")
        let damaged = try scene.ctl("check", pods[0].id, "--json")
        #expect(damaged.exit == .code(1))
        let wrong = (damaged.json?.array?.first?["items"]?.array ?? []).filter { $0["isRight"] == false }
        #expect(
            wrong.compactMap { $0["subject"]?.string } == [
                "address 10.44.0.2", "route 0.0.0.0/0", "rules of swiftlet", "node: cbr0",
            ])
        #expect(wrong.allSatisfy { $0["advice"] != "" })
        let other = try scene.ctl("check", pods[1].id).text
        #expect(other.contains("✗ gateway 10.44.0.1") && other.contains("this node does not have it"), "\(other)")
        let nobody = try scene.ctl("check", "10.44.0.99")
        #expect(nobody.exit == .code(1) && nobody.errorText.contains("find pod 10.44.0.99"), "\(nobody.errorText)")
    }

    @Test(arguments: ["svg", "dot", "mermaid"]) func thePictureHasEveryPod(_ format: String) throws {
        let scene = try Scene()
        let pods = try scene.node.pods(3)
        for pod in pods { try scene.attach(pod) }
        let file = "\(scene.node.directory)/node.\(format)"
        let outcome = try scene.ctl("graph", "--format", format, "--output", file)
        #expect(outcome.exit.isSuccess && outcome.text.isEmpty, "\(outcome.errorText)")
        let picture = try String(contentsOfFile: file, encoding: .utf8)
        for pod in pods { #expect(try picture.contains(pod.addresses("eth0")[0].split(separator: "/")[0])) }
        #expect(try scene.ctl("graph", "--format", format).text == picture)
    }

    @Test(arguments: ["INT", "QUIT", "HUP"]) func watchingShowsItAgainAndAgainUntilItIsEnded(_ signal: String) throws {
        let scene = try Scene()
        // Whoever reads ends it when it has been shown three times.
        let script = #"""
            sh -c 'echo $$; exec "$@"' sh "$@" | {
                read -r process
                times=0
                while read -r line; do
                    case $line in *"0 pods"*) times=$((times + 1)) ;; esac
                    [ $times -lt 3 ] || kill -\#(signal) "$process" 2>/dev/null
                done
                echo $times
            }
            exit "${PIPESTATUS[0]}"
            """#
        let times = try run([
            "nsenter", "--net=\(scene.node.path)", "bash", "-c", script, "bash", "\(Requirements.bin)/swiftletctl",
            "status", "--watch", "0.1", "--conf-dir", scene.configurations, "--data-dir", scene.node.data,
        ])
        #expect(try #require(Int(times.dropLast())) >= 3)
    }

    /// As programs do that SIGPIPE ends: no words.
    @Test func whoHasSeenEnoughIsToldNothing() throws {
        let scene = try Scene()
        let text = try scene.node.shell(
            #"""
            gone=$1/gone && mkfifo "$gone" && shift
            { { read -r _ <"$gone"; "$@"; echo "exit=$?" >&2; } | { exec <&-; echo >"$gone"; }; } 2>&1
            """#, scene.node.directory, "\(Requirements.bin)/swiftletctl", "status",
            "--conf-dir", scene.configurations, "--data-dir", scene.node.data)
        #expect(text == "exit=141\n")
    }

    @Test func aNetworkThatIsNotThereIsAnError() throws {
        let outcome = try Scene().ctl("status", "--network", "nowhere")
        #expect(outcome.exit == .code(1) && outcome.errorText.contains("find network nowhere"), "\(outcome.errorText)")
    }
}
