import ContainerRuntime
import Foundation
import Testing

/// An interface that no plugin has made, and `tuning` alone on it, so that DEL has something to restore.
final class TunedPod: Sendable {
    let node: Node
    let pod: Pod
    let data: String

    init(ifname: String = "eth0") throws {
        node = try Node()
        pod = try node.pod(ifname: ifname)
        data = node.directory + "/tuning"
        try pod.set("link", "add", ifname, "mtu", "1500", "type", "veth", "peer", "name", "peer")
        try pod.set("link", "set", ifname, "txqueuelen", "1000")
    }

    var file: String { "\(data)/\(pod.id)_\(pod.ifname).json" }
    var files: [String] { (try? FileManager.default.contentsOfDirectory(atPath: data)) ?? [] }

    var previous: JSONValue {
        [
            "cniVersion": "1.0.0",
            "interfaces": [["name": .string(pod.ifname), "mac": "02:00:00:00:00:01", "sandbox": .string(pod.path)]],
        ]
    }

    @discardableResult
    func run(
        _ command: ContainerRuntime.Command, _ keys: JSONValue, _ attachment: PodAttachment? = nil,
        runtime: CNIRuntime? = nil, version: String = "1.0.0", inserting extra: [String: JSONValue] = [:]
    ) throws -> JSONValue {
        var object = keys.object ?? [:]
        object.merge(["type": "tuning", "dataDir": .string(data), "capabilities": ["mac": true]]) { own, _ in own }
        let list = try node.network(.object(object), version: version)
        let run = try (runtime ?? node.runtime()).run(
            command, list.plugins[0], in: list, command == .gc ? nil : attachment ?? pod.attachment,
            prevResult: command == .gc ? nil : previous, inserting: extra)
        return (try? JSONValue(parsing: run.outcome.stdout)) ?? .null
    }

    /// What `tuning` could have changed.
    func state() throws -> [String] {
        let link = try pod.link(pod.ifname)
        let flags = (link?["flags"]?.array ?? []).compactMap(\.string).filter { ["PROMISC", "ALLMULTI"].contains($0) }
        return flags.sorted() + ["address", "mtu", "txqlen"].map { "\($0) \(link?[$0].map { "\($0)" } ?? "")" }
            + (try ["core/somaxconn", "ipv4/tcp_rmem", "ipv4/conf/\(pod.ifname)/arp_filter"].map {
                try pod.sysctl($0)
            })
    }
}

@Suite(.realKernel) struct TuningTests {
    static let everything = """
        {"sysctl":{"net.core.somaxconn":"500","net.ipv4.tcp_rmem":"4096  8192 16384","net.ipv4.conf.IFNAME.arp_filter":"1"},
         "mac":"02:00:00:00:00:99","promisc":true,"mtu":1400,"allmulti":true,"txQLen":77}
        """

    @Test(arguments: ["eth0", "net.1"]) func everyValueIsSetComparedAndRestored(_ ifname: String) throws {
        let tuned = try TunedPod(ifname: ifname)
        let before = try tuned.state()
        let keys = try JSONValue(parsing: Self.everything)
        let result = try tuned.run(.add, keys)
        #expect(result.interface(ifname)?["mac"] == "02:00:00:00:00:99")
        #expect(result.interface(ifname)?["mtu"] == 1400)
        let link = try #require(try tuned.pod.link(ifname))
        #expect(link["address"] == "02:00:00:00:00:99" && link["mtu"] == 1400 && link["txqlen"] == 77)
        let flags = (link["flags"]?.array ?? []).compactMap(\.string)
        #expect(flags.contains("PROMISC") && flags.contains("ALLMULTI"))
        #expect(try tuned.pod.sysctl("core/somaxconn") == "500")
        #expect(try tuned.pod.sysctl("ipv4/tcp_rmem") == "4096\t8192\t16384")
        #expect(try tuned.pod.sysctl("ipv4/conf/\(ifname)/arp_filter") == "1")
        try tuned.run(.check, keys)
        try tuned.run(.del, keys)
        #expect(try tuned.state() == before)
        #expect(tuned.files == [])
        try tuned.run(.del, keys)
    }

    /// Its name exists, and it has no text.
    @Test func whatWasEmptyIsEmptyAgain() throws {
        let tuned = try TunedPod()
        let reserved = "ipv4/ip_local_reserved_ports"
        let keys: JSONValue = ["sysctl": ["net.ipv4.ip_local_reserved_ports": "8080,9000-9010"]]
        try #require(try tuned.pod.sysctl(reserved) == "")
        try tuned.run(.add, keys)
        #expect(try tuned.pod.sysctl(reserved) == "8080,9000-9010")
        try tuned.run(.del, keys)
        #expect(try tuned.pod.sysctl(reserved) == "")
        // The second one is refused when the first has been set.
        let failing: JSONValue = [
            "sysctl": ["net.ipv4.ip_local_reserved_ports": "8080", "net.ipv4.conf.IFNAME.arp_filter": "x"]
        ]
        #expect(try failure { try tuned.run(.add, failing) }.msg.contains("arp_filter"))
        #expect(try tuned.pod.sysctl(reserved) == "" && tuned.files == [])
        // And it can be asked for.
        try tuned.pod.setSysctl(reserved, "7000")
        let empty: JSONValue = ["sysctl": ["net.ipv4.ip_local_reserved_ports": ""]]
        try tuned.run(.add, empty)
        #expect(try tuned.pod.sysctl(reserved) == "")
        try tuned.run(.check, empty)
        try tuned.run(.del, empty)
        #expect(try tuned.pod.sysctl(reserved) == "7000")
    }

    @Test(arguments: [
        ("core/somaxconn", "501", "value of /proc/sys/net/core/somaxconn is 500, current value is 501"),
        ("ipv4/conf/eth0/arp_filter", "0", "value of /proc/sys/net/ipv4/conf/eth0/arp_filter is 1"),
        ("ipv4/tcp_rmem", "4096 8192 8192", "value of /proc/sys/net/ipv4/tcp_rmem"),
        ("address", "02:00:00:00:00:98", "Tuning configured Ethernet of eth0 is 02:00:00:00:00:99, current value is"),
        ("promisc", "off", "promisc of eth0 is true"), ("allmulticast", "off", "all-multicast mode of eth0 is true"),
        ("mtu", "1401", "Tuning configured MTU of eth0 is 1400, current value is 1401"),
        ("txqueuelen", "78", "Transmit Queue Length of eth0 is 77, current value is 78"),
    ]) func checkSeesEachDifference(_ what: String, _ value: String, _ text: String) throws {
        let tuned = try TunedPod()
        let keys = try JSONValue(parsing: Self.everything)
        try tuned.run(.add, keys)
        if what.contains("/") {
            try tuned.pod.setSysctl(what, "'\(value)'")
        } else {
            try tuned.pod.set("link", "set", "eth0", what, value)
        }
        let error = try failure { try tuned.run(.check, keys) }
        #expect(error.code == 104)
        #expect(error.msg.contains(text), "\(error)")
    }

    @Test func checkMindsNothingThatIsNotConfigured() throws {
        let tuned = try TunedPod()
        try tuned.run(.add, ["mtu": 1400])
        try tuned.pod.set("link", "set", "eth0", "promisc", "on", "allmulticast", "on", "txqueuelen", "5")
        try tuned.run(.check, ["mtu": 1400])
        try tuned.pod.set("link", "del", "eth0")
        #expect(try failure { try tuned.run(.check, ["mtu": 1400]) }.msg.contains("Cannot find container link eth0"))
        try tuned.run(.del, ["mtu": 1400])
        #expect(tuned.files == [])
    }

    /// The first two fail when everything else has been set already, the others before anything is.
    @Test(arguments: [
        (#"{"mtu":70000}"#, "set MTU 70000 of eth0"),
        (#"{"sysctl":{"net.ipv4.conf.IFNAME.arp_filter":"x"}}"#, "arp_filter"),
        (#"{"sysctl":{"net.core.nothing":"1"}}"#, "/proc/sys/net/core/nothing"),
        (#"{"sysctl":{"net.core":"1"}}"#, "/proc/sys/net/core"),
        (#"{"mac":"01:00:5e:00:00:01"}"#, "not a unicast"),
    ]) func aFailedAddLeavesNothing(_ keys: String, _ text: String) throws {
        let tuned = try TunedPod()
        let before = try tuned.state()
        var all = try JSONValue(parsing: Self.everything).object ?? [:]
        for (key, value) in try JSONValue(parsing: keys).object ?? [:] {
            let both = (all[key]?.object ?? [:]).merging(value.object ?? [:]) { _, new in new }
            all[key] = value.object == nil ? value : .object(both)
        }
        let error = try failure { try tuned.run(.add, .object(all)) }
        #expect(error.msg.contains(text), "\(error)")
        #expect(try tuned.state() == before)
        #expect(tuned.files == [])
    }

    @Test(arguments: [
        "kernel.hostname", "net", "net.", "net..core.somaxconn", "net/../kernel/hostname",
        "net/core/../../kernel/hostname",
        "/net/core/somaxconn", "net/./core/somaxconn", "", ".", "IFNAME",
    ]) func namesThatLeadOutOfTheNetworkAreRefused(_ key: String) throws {
        let tuned = try TunedPod()
        let error = try failure { try tuned.run(.add, ["sysctl": .object([key: "1"])]) }
        #expect(error.code == 7)
        #expect(error.msg.contains("invalid net sysctl key: \"\(key)\""), "\(error)")
    }

    @Test(arguments: [
        #"{"net.ipv4.conf.IFNAME.arp_filter":"1","net.ipv4.conf.eth0.arp_filter":"0"}"#,
        #"{"net.core.somaxconn":"1","net/core/somaxconn":"2"}"#,
    ]) func twoKeysOfOneSysctlAreRefused(_ sysctls: String) throws {
        let tuned = try TunedPod()
        let error = try failure { try tuned.run(.add, ["sysctl": JSONValue(parsing: sysctls)]) }
        #expect(error.code == 7 && error.msg.contains("duplicated sysctl keys are not allowed"), "\(error)")
    }

    @Test func interfacesWithDotsCanBeWrittenOut() throws {
        let tuned = try TunedPod(ifname: "net.1")
        try tuned.run(.add, ["sysctl": ["net/ipv4/conf/net.1/arp_filter": "1"]])
        #expect(try tuned.pod.sysctl("ipv4/conf/net.1/arp_filter") == "1")
    }

    @Test func argumentsOfTheRuntimeComeInTheirOrder() throws {
        let tuned = try TunedPod()
        var keys: [String: JSONValue] = ["mac": "02:00:00:00:00:01", "mtu": 1400]
        func mac(_ attachment: PodAttachment) throws -> JSONValue? {
            try tuned.run(.add, .object(keys), attachment)
            try tuned.run(.check, .object(keys), attachment)
            return try tuned.pod.link("eth0")?["address"]
        }
        let argument = [("MAC", "02:00:00:00:00:02")]
        #expect(try mac(tuned.pod.attachment) == "02:00:00:00:00:01")
        #expect(try mac(tuned.pod.with(args: argument)) == "02:00:00:00:00:02")
        let both = tuned.pod.with(args: argument, capabilities: ["mac": "02:00:00:00:00:03"])
        #expect(try mac(both) == "02:00:00:00:00:03")
        keys["args"] = ["cni": ["mac": "02:00:00:00:00:04", "mtu": 1300, "sysctl": ["net.core.somaxconn": "77"]]]
        #expect(try mac(both) == "02:00:00:00:00:04")
        #expect(try tuned.pod.link("eth0")?["mtu"] == 1300)
        #expect(try tuned.pod.sysctl("core/somaxconn") == "77")
        // In the place of the same sysctl, however it is written.
        keys["sysctl"] = ["net/core/somaxconn": "66", "net.ipv4.conf.eth0.arp_filter": "1"]
        #expect(try mac(both) == "02:00:00:00:00:04")
        #expect(try tuned.pod.sysctl("core/somaxconn") == "77")
        #expect(try tuned.pod.sysctl("ipv4/conf/eth0/arp_filter") == "1")
    }

    @Test func theAllowlistIsHeeded() throws {
        let tuned = try TunedPod()
        let etc = tuned.node.directory + "/etc"
        func add(_ list: String, _ key: String) throws {
            try run("mkdir", "-p", etc + "/cni/tuning")
            try tuned.node.write("etc/cni/tuning/allowlist.conf", list)
            let script = #"mount --bind "$0" /etc && exec "$@""#
            try tuned.run(
                .add, ["sysctl": .object([key: "1"])],
                runtime: tuned.node.runtime(wrapper: ["unshare", "--mount", "sh", "-c", script, etc]))
        }
        let list = "\n  ^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]+$  \n# net.core\n^net.core.(some|other)conn$\n"
        try add(list, "net.ipv4.conf.IFNAME.arp_filter")
        for (list, key) in [
            (list, "net.ipv4.conf.eth0.arp_filter"), (list, "net.core.somaxconn"), ("", "net.core.somaxconn"),
        ] {
            let error = try failure { try add(list, key) }
            #expect(
                error.code == 7
                    && error.msg.contains("Sysctl \(key) is not allowed. Only the following sysctls are allowed:"))
        }
        for foreign in [#"^net\.core\.\d"#, "(?i)net", #"net[\.]core"#, "net(", #"\pL"#] {
            let error = try failure { try add("net.*\n\(foreign)", "net.core.somaxconn") }
            #expect(error.code == 7 && error.msg.contains(foreign), "\(error)")
        }
        #expect(try tuned.pod.sysctl("core/somaxconn") != "1")
    }

    @Test func delNeedsNoNamespace() throws {
        for netns in [nil, "", "/run/netns/none"] {
            let tuned = try TunedPod()
            try tuned.run(.add, ["mtu": 1400])
            try tuned.run(.del, ["mtu": "broken"], tuned.pod.with(netns: .some(netns)))
            #expect(tuned.files == [])
        }
    }

    @Test func whatAnEarlierPodOfThatNameHasLeftIsNotRestored() throws {
        let tuned = try TunedPod()
        let keys: JSONValue = ["mtu": 1400]
        try tuned.run(.add, keys)
        let later = try tuned.node.pod(tuned.pod.id)
        try later.set("link", "add", "eth0", "mtu", "1450", "type", "veth", "peer", "name", "peer")
        let old = try String(contentsOfFile: tuned.file, encoding: .utf8)
        try tuned.run(.add, keys, later.attachment)
        try tuned.run(.del, keys, later.attachment)
        #expect(try later.link("eth0")?["mtu"] == 1450)
        // Even if its file is still there.
        try tuned.run(.add, keys, later.attachment)
        try old.write(toFile: tuned.file, atomically: true, encoding: .utf8)
        try tuned.run(.del, keys, later.attachment)
        #expect(try later.link("eth0")?["mtu"] == 1400)
    }

    @Test func severalOfAChainRestoreWhatWasThereBeforeTheFirst() throws {
        let tuned = try TunedPod()
        let before = try tuned.state()
        try tuned.run(.add, ["mtu": 1400, "sysctl": ["net.core.somaxconn": "7"]])
        try tuned.run(.add, ["mtu": 1300, "txQLen": 5, "sysctl": ["net.core.somaxconn": "8"]])
        // One that fails leaves what the first ones have kept.
        #expect(throws: PluginError.self) { try tuned.run(.add, ["mtu": 70000]) }
        #expect(try tuned.pod.link("eth0")?["mtu"] == 1300)
        for _ in 0..<2 { try tuned.run(.del, [:]) }
        #expect(try tuned.state() == before)
    }

    @Test func gcRemovesWhatItsNetworkHasLeftBehind() throws {
        let tuned = try TunedPod()
        try tuned.run(.add, ["mtu": 1400])
        let text = try String(contentsOfFile: tuned.file, encoding: .utf8)
        let names = [
            "stale_eth0.json", "stale_eth0.json.new", "other_eth0.json", "reference_eth0.json", "broken_eth0.json",
        ]
        let contents = [text, text, text.replacing("\"net\"", with: "\"net-2\""), #"{"mtu":1500}"#, "{"]
        for (name, content) in zip(names, contents) {
            try content.write(toFile: "\(tuned.data)/\(name)", atomically: true, encoding: .utf8)
        }
        let kept: JSONValue = [["containerID": .string(tuned.pod.id), "ifname": "eth0"]]
        try tuned.run(.gc, [:], version: "1.1.0", inserting: ["cni.dev/valid-attachments": kept])
        #expect(Set(tuned.files) == Set(names[2...] + [tuned.pod.id + "_eth0.json"]))
        try tuned.run(.gc, [:], version: "1.1.0", inserting: ["cni.dev/valid-attachments": []])
        #expect(Set(tuned.files) == Set(names[2...]))
    }

    @Test(arguments: [true, false]) func theReferenceRestoresWhatOursHasSetAndOursWhatItsHas(_ oursFirst: Bool) throws {
        let tuned = try TunedPod()
        let before = try tuned.state()
        let somaxconn = try tuned.pod.sysctl("core/somaxconn")
        let theirs = tuned.node.runtime(path: [Requirements.referenceBin])
        let (first, second) = oursFirst ? (tuned.node.runtime(), theirs) : (theirs, tuned.node.runtime())
        let keys: JSONValue = [
            "mac": "02:00:00:00:00:99", "promisc": true, "mtu": 1400, "allmulti": true,
            "sysctl": ["net.core.somaxconn": "500"],
        ]
        try tuned.run(.add, keys, runtime: first)
        for runtime in [first, second] { try tuned.run(.check, keys, runtime: runtime) }
        try tuned.run(.del, keys, runtime: second)
        // The reference neither restores sysctls nor writes them down.
        #expect(try tuned.state() == before.map { $0 == somaxconn ? "500" : $0 })
        #expect(tuned.files == [])
    }

    @Test func behindSwiftletThePodTalksWithWhatWasTuned() throws {
        let node = try Node()
        let pods = try node.pods(2)
        let tuning: JSONValue = [
            "type": "tuning", "dataDir": .string(node.directory + "/tuning"), "mtu": 1400, "mac": "02:00:00:00:00:99",
        ]
        let plain = try node.network(node.swiftlet())
        let list = try node.network(node.swiftlet(), tuning)
        let result = try node.runtime().add(list, pods[0].attachment).result
        _ = try node.runtime().add(plain, pods[1].attachment)
        try expectConnected(pods[0], "10.44.0.2", pods[1], "10.44.0.3")
        #expect(result.interface("eth0")?["mtu"] == 1400)
        #expect(try pods[1].exec("ip", "neigh").contains("02:00:00:00:00:99"))
        try node.runtime().check(list, pods[0].attachment)
        try node.runtime().status(list)
        try node.runtime().del(list, pods[0].attachment)
        #expect(try isUntouched(pods[0]))
    }

    @Test func withoutAPreviousResultOrAnInterfaceItSaysSo() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(["type": "tuning", "mtu": 1400, "dataDir": .string(node.directory)])
        let error = try failure { _ = try node.runtime().add(list, pod.attachment) }
        #expect(error.code == 7 && error.msg.contains("Required prevResult missing"))
        let alone = try failure {
            _ = try node.runtime().run(
                .add, list.plugins[0], in: list, pod.attachment, prevResult: ["cniVersion": "1.1.0"])
        }
        #expect(alone.code == 7 && alone.msg.contains("failed to get \"eth0\""), "\(alone)")
        #expect(throws: PluginError.self) {
            _ = try node.runtime().run(
                .add, list.plugins[0], in: list, pod.with(netns: .some("/run/netns/none")),
                prevResult: ["cniVersion": "1.1.0"])
        }
    }
}
