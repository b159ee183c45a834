import ContainerRuntime
import Foundation
import Testing

/// `swiftletctl doctor` finds nothing on a healthy node, and on a sick one what is wrong, and that only.
@Suite(.realKernel) struct DoctorTests {
    @Test func aHealthyNodeHasNothingToReport() throws {
        let scene = try DoctorScene(
            pods: 2,
            Node.dualStack.merging([
                "ipMasq": true, "antiSpoof": true, "ingressPolicy": "same-bridge",
                "capabilities": ["portMappings": true],
            ]) { $1 })
        // As strict as it may be; what it drops is what nobody should send.
        try scene.node.setSysctl("ipv4/conf/all/rp_filter", "1")
        let answer = try scene.examine()
        #expect(answer.findings == [] && answer.exit == .code(0), "\(answer.findings) \(answer.errors)")
        let text = try scene.ctl([])
        #expect(text.text == "healthy (\(DoctorScene.checks.count - 1) checks)\n", "\(text.text)")
    }

    /// Pods of other kinds, and of the reference plugins.
    @Test(arguments: ["ptp", "macvlan", "chain", "reference"]) func noKindOfNetworkIsTakenForASickOne(_ kind: String)
        throws
    {
        let scene = try DoctorScene(pods: 0)
        let node = scene.node
        try node.setSysctl("ipv4/conf/all/rp_filter", "1")
        let gateway: [String: JSONValue] = ["bridge": "br1", "isDefaultGateway": true, "ipMasq": true]
        let ports: JSONValue = ["type": "portmap", "capabilities": ["portMappings": true]]
        let plugins: [JSONValue] =
            switch kind {
            case "ptp": [node.plugin("ptp", ["ipMasq": true], ipam: Node.dualStack)]
            case "macvlan": [node.plugin("macvlan", ["master": "uplink"], ipam: Outside.neighbours)]
            case "chain":
                [
                    node.bridge(gateway, ipam: Node.dualStack), ports, ["type": "firewall"],
                    ["type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 8_000_000],
                ]
            default: [node.bridge(gateway, ipam: Node.dualStack), ports, ["type": "firewall"]]
            }
        let document: JSONValue = ["cniVersion": "1.0.0", "name": "net", "plugins": .array(plugins)]
        try node.write("conf/10-net.conflist", String(decoding: document.bytes, as: UTF8.self))
        let directory = kind == "reference" ? Requirements.referenceBin : Requirements.bin
        for type in ["ptp", "macvlan", "bridge", "portmap", "firewall", "bandwidth", "host-local"] {
            try node.link(plugin: type, from: directory)
        }
        let list = try NetworkList(parsing: document.bytes)
        for pod in try [node.pod(), node.pod()] {
            _ = try node.runtime(path: [directory]).add(list, pod.attachment)
            let answer = try scene.examine()
            #expect(answer.findings == [] && answer.exit == .code(0), "\(answer.findings) \(answer.errors)")
            withExtendedLifetime(pod) {}
        }
    }

    @Test func aNodeWithoutAnythingIsHealthy() throws {
        let scene = try DoctorScene(pods: 0)
        try scene.unconfigure("10-net.conflist")
        try scene.expectHealthy()
    }

    @Test(arguments: NodeFault.all)
    func whatIsWrongIsFoundAndMended(_ fault: NodeFault) throws {
        let scene = try DoctorScene(
            pods: fault.pods, Node.dualStack.merging(["ipMasq": true]) { $1 }.merging(fault.keys) { $1 })
        try fault.harm(scene)
        let answer = try scene.expect(fault.found)
        let fixable = answer.findings.filter { $0["fixable"]?.bool == true }
        if let mend = fault.mend {
            #expect(fixable.isEmpty, "\(fixable)")
            try mend(scene)
        } else {
            #expect(Set(fixable.compactMap { $0["name"]?.string }) == fault.found, "\(answer.findings)")
            let fixed = try scene.examine("--fix", "--yes")
            #expect(fixed.names() == [] && fixed.exit == .code(0), "\(fixed.findings) \(fixed.errors)")
            // It says before what it does.
            #expect(fixed.errors.contains("will "), "\(fixed.errors)")
        }
        try scene.expectHealthy("mended")
    }

    @Test func theGatewayThatIsConfiguredIsTheOneThatIsPutBack() throws {
        let scene = try DoctorScene([
            "ranges": [[["subnet": "10.44.0.0/24", "gateway": "10.44.0.254", "rangeEnd": "10.44.0.9"]]]
        ])
        try scene.node.set("addr", "del", "10.44.0.254/24", "dev", "cbr0")
        try scene.expect(["gateway-missing"])
        #expect(try scene.examine("--fix", "--yes").names() == [])
        #expect(try scene.node.addresses("cbr0") == ["10.44.0.254/24"])
    }

    /// What is found is true, and what mends it does.
    @Test(arguments: ["ipv4/ip_forward", "ipv4/conf/cbr0/forwarding"])
    func trafficStopsWithWhatIsFoundAndFlowsWhenItIsMended(_ parameter: String) throws {
        let scene = try DoctorScene()
        let world = try Responder("outside", in: scene.outside, 7)
        try scene.node.setSysctl(parameter, "0")
        expectNoAnswer(from: scene.pods[0], Outside.host(.v4), 7)
        try scene.expect(["forwarding"])
        _ = try scene.examine("--fix", "--yes")
        expectAnswer(world.name, from: scene.pods[0], Outside.host(.v4), 7, seen: Outside.node(.v4))
    }

    @Test func whatIsLeftOfAPodIsFreedAndTheOtherPodStays() throws {
        let scene = try DoctorScene(
            pods: 2, Node.dualStack.merging(["ipMasq": true, "antiSpoof": true]) { $1 })
        let before = try scene.node.ownElements(of: "net/\(scene.pods[1].id)/eth0")
        try scene.end(scene.pods[0])
        let answer = try scene.expect(["leftovers"])
        #expect(answer.findings.first?["subject"]?.string == "net/\(scene.pods[0].id)/eth0")
        // Young enough to be an ADD that has not ended.
        let young = try scene.ctl(["--json", "--older-than", "3600"])
        #expect(young.exit == .code(0) && young.text.contains("note"), "\(young.text)")
        _ = try scene.examine("--fix", "--yes")
        #expect(try scene.node.reservations() == ["10.44.0.3", "fd00:44::3"])
        #expect(try scene.node.ownElements(of: "net/\(scene.pods[0].id)/eth0") == [])
        #expect(try scene.node.ownElements(of: "net/\(scene.pods[1].id)/eth0") == before)
        try scene.runtime.check(scene.list, scene.pods[1].attachment)
        try scene.expectHealthy()
    }

    @Test func aFullPoolIsFound() throws {
        let scene = try DoctorScene(["subnet": "10.44.0.0/30"])
        let answer = try scene.expect(["pool-full"])
        #expect(answer.findings.first?["severity"] == "problem")
        try scene.runtime.del(scene.list, scene.pods[0].attachment)
        try scene.expectHealthy()
    }

    @Test func aFullTableOfConnectionsIsFound() throws {
        let scene = try DoctorScene()
        let parameters = "/proc/sys/net/netfilter"
        let maximum = try #require(Int(scene.node.sysctl("netfilter/nf_conntrack_max")))
        for (count, severity) in [(maximum, "problem"), (maximum * 95 / 100, "warning")] {
            try scene.node.write("count", "\(count)\n")
            let answer = try scene.expect(
                ["conntrack-table"],
                wrapper: mounting("\(scene.node.directory)/count", over: "\(parameters)/nf_conntrack_count"))
            #expect(answer.findings.first?["severity"]?.string == severity)
        }
        try scene.expectHealthy()
    }

    /// Only the machine's own namespace tells how many there are, in all of them.
    @Test func aFullTableOfNeighboursIsFound() throws {
        let scene = try DoctorScene(pods: 0)
        for number in 20..<25 {
            try scene.node.set(
                "neigh", "add", "192.0.2.\(number)", "lladdr", "02:00:00:00:00:01", "dev", "uplink")
        }
        let machine =
            ProcessInfo.processInfo.environment["SWIFTLET_USED"].map { ["nsenter", "--net=/proc/\($0)/ns/net"] } ?? []
        for (limit, found) in [("5", "problem"), ("1000000", "healthy")] {
            try scene.node.write("limit", "\(limit)\n")
            // scripts/used-machine runs tests in another one.
            let words =
                machine
                + mounting(
                    "\(scene.node.directory)/limit", over: "/proc/sys/net/ipv4/neigh/default/gc_thresh3")
            let outcome = try Launcher(prefix: words, timeout: .seconds(60)).run(
                "\(Requirements.bin)/swiftletctl",
                arguments: ["doctor", "--only", "neighbour-table", "--conf-dir", scene.node.directory + "/conf"],
                environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
            #expect(outcome.text.hasPrefix(found), "\(outcome.text) \(outcome.errorText)")
        }
    }

    /// Put before a command: it sees one file in the place of another.
    private func mounting(_ file: String, over place: String) -> [String] {
        ["unshare", "--mount", "sh", "-c", #"mount --bind "$0" \#(place) && exec "$@""#, file]
    }

    @Test func aProgramThatManagesPodsLinksIsFound() throws {
        let scene = try DoctorScene()
        let index = try #require(scene.node.link("cbr0")?["ifindex"]?.integer)
        let script = """
            set -e
            old=$0/run; mkdir -p "$old"; mount --rbind /run "$old"; mount -t tmpfs none /run
            for name in netns swiftlet; do mkdir /run/$name; mount --rbind "$old/$name" /run/$name; done
            mkdir -p /run/systemd/netif/links /run/NetworkManager/devices; printf "$1" >"$2"; shift 2; exec "$@"
            """
        for (file, content, manager) in [
            (
                "systemd/netif/links", "ADMIN_STATE=configured\\nNETWORK_FILE=/etc/systemd/network/80.network\\n",
                "networkd"
            ),
            ("NetworkManager/devices", "[device]\\nmanaged=1\\n", "NetworkManager"),
        ] {
            let answer = try scene.expect(
                ["link-manager"],
                wrapper: [
                    "unshare", "--mount", "sh", "-c", script, scene.node.directory, content, "/run/\(file)/\(index)",
                ])
            #expect(answer.findings.first?["text"]?.string?.contains(manager) == true, "\(answer.findings)")
        }
        try scene.expectHealthy()
    }

    @Test func twoRuntimesOnOneNetworkAreFound() throws {
        let scene = try DoctorScene()
        // As containerd and podman name them.
        let names = ["cni-", "netns-"].map { "\($0)\(UUID().uuidString.lowercased())" }
        defer { for name in names { _ = try? run("ip", "netns", "del", name) } }
        for (position, name) in names.enumerated() {
            try run("ip", "netns", "add", name)
            if position == 1 { try scene.expectHealthy("one runtime") }
            _ = try scene.runtime.add(
                scene.list, PodAttachment(containerID: "pod-\(position)", netns: "/run/netns/\(name)", ifname: "eth0"))
        }
        let answer = try scene.expect(["two-runtimes"])
        #expect(answer.findings.first?["text"]?.string?.contains("containerd and podman") == true)
        try run("ip", "netns", "del", names[1])
        try eventually("the pod's veth is gone") { try scene.node.ports(of: "cbr0").count == 2 }
        _ = try scene.examine("--fix", "--yes")
        try scene.expectHealthy()
    }

    @Test func onlyTheFirstFileOfANodeIsANote() throws {
        let scene = try DoctorScene()
        try scene.configure(
            "20-more.conflist", name: "more",
            [
                "type": "swiftlet", "subnet": "10.45.0.0/24", "bridge": "cbr1", "dataDir": .string(scene.node.data),
            ])
        let answer = try scene.examine()
        #expect(answer.exit == .code(0) && answer.names(atLeast: ["note"]) == ["configuration-shadowed"])
        #expect(try scene.examine("--skip", "configuration-shadowed").findings == [])
    }

    /// No pod could be attached to the second one; that is said before the first is tried.
    @Test func twoNetworksOnOneBridgeAreFound() throws {
        let scene = try DoctorScene()
        try scene.configure("20-more.conflist", name: "more", ["type": "swiftlet", "subnet": "10.45.0.0/24"])
        let answer = try scene.examine()
        let text = answer.findings.first { $0["name"] == "plugin-not-ready" }?["text"]?.string ?? ""
        #expect(text.contains("already has an IP address different from 10.45.0.1/24"), "\(answer.findings)")
        #expect(text.contains("give this network a bridge of its own, by the key bridge"), "\(answer.findings)")
    }

    @Test func checksCanBeChosen() throws {
        let scene = try DoctorScene()
        try scene.node.setSysctl("ipv4/ip_forward", "0")
        try scene.node.set("link", "set", "uplink", "mtu", "1400")
        #expect(try scene.examine("--only", "mtu").names() == ["mtu"])
        #expect(try scene.examine("--skip", "mtu").names() == ["forwarding"])
        // Only what was looked for is mended.
        #expect(try scene.examine("--only", "mtu", "--fix", "--yes").names() == ["mtu"])
        #expect(try scene.node.sysctl("ipv4/ip_forward") == "0")
        let list = try scene.ctl(["--list", "--json"])
        #expect(try JSONValue(parsing: list.stdout).array?.compactMap { $0["name"]?.string } == DoctorScene.checks)
    }

    @Test func wrongUsageIsTold() throws {
        let scene = try DoctorScene(pods: 0)
        for words in [
            ["--only", "nothing"], ["--fix"], ["--older-than", "-1"], ["--fix", "--json"],
            ["--only", "mtu", "--skip", "mtu"],
        ] {
            #expect(try scene.ctl(words).exit == .code(64), "\(words)")
        }
    }

    @Test func whatCannotBeLookedAtIsNotHealthy() throws {
        let scene = try DoctorScene(pods: 0)
        try scene.node.write("file", "x")
        let text = try scene.ctl(["--conf-dir", scene.node.directory + "/file"])
        #expect(text.exit == .code(2) && text.text.contains("could not be looked at: list "), "\(text.text)")
        #expect(!text.text.contains("healthy"))
        let answer = try scene.examine("--conf-dir", scene.node.directory + "/file")
        #expect(answer.exit == .code(2) && answer.findings == [])
        #expect(answer.errors.contains("could not be looked at: list "), "\(answer.errors)")
    }

    /// `repair` cannot help; the pod's DEL takes the record away.
    @Test(arguments: ["", "{\"a\"", "\u{0}\u{1}"]) func aRecordThatCannotBeReadIsFound(_ content: String) throws {
        let scene = try DoctorScene()
        let file = try #require(try scene.node.recordPaths().first { $0.contains("\(scene.pods[0].id):") })
        try Data(content.utf8).write(to: URL(filePath: "\(scene.node.records())/\(file)"))
        let answer = try scene.expect(["rules-damaged"])
        #expect(answer.findings.allSatisfy { $0["fixable"] == false }, "\(answer.findings)")
        try scene.runtime.del(scene.list, scene.pods[0].attachment)
        try scene.expectHealthy()
    }

    @Test func nothingIsChangedWithoutBeingAsked() throws {
        let scene = try DoctorScene()
        try scene.node.setSysctl("ipv4/ip_forward", "0")
        try scene.node.set("link", "set", scene.veth, "down")
        let before = try Snapshot(scene.node, scene.pods)
        try scene.expect(["forwarding", "port-down"])
        expectSame(try Snapshot(scene.node, scene.pods), as: before)
        #expect(try scene.node.sysctl("ipv4/ip_forward") == "0")
    }
}
