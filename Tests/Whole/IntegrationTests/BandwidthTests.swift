import ContainerRuntime
import Foundation
import Testing

/// Limits come with ADD and go with DEL or GC, whoever made them; what makes no sense is refused before anything is done.
@Suite(.realKernel) struct BandwidthTests {
    @Test(arguments: LimitedBy.allCases) func limitsComeAndGoWithThePod(_ way: LimitedBy) throws {
        let node = try Node()
        let (pod, first) = (try node.pod(), try node.pod())
        let list = try way.network(node, limits(megabits: 50))
        let runtime = node.runtime()
        try runtime.status(list)
        // The bridge stays.
        _ = try runtime.add(list, first.attachment)
        try runtime.del(list, first.attachment)
        let before = try Snapshot(node)
        let attachment = way.attachment(pod, limits(megabits: 50))
        let result = try runtime.add(list, attachment).result
        let (ifb, veth) = (try node.onlyLink("ifb"), try node.onlyLink("veth"))
        #expect(result["interfaces"]?.array?.map { $0["name"]?.string } == ["cbr0", veth, "eth0", ifb])
        #expect(result.interface(ifb)?["mac"] == (try node.link(ifb))?["address"])
        #expect(result.interface(ifb)?["mtu"] == 1500)
        #expect(try node.link(ifb)?["ifalias"]?.string == "swiftlet net/\(pod.id)/eth0")
        #expect(try node.addressObjects(ifb) == [])
        for line in ["tbf 1: dev \(ifb)", "tbf 1: dev \(veth)", "ingress ffff: dev \(veth)"] {
            #expect(try node.shaping().contains { $0.contains("qdisc \(line)") })
        }
        try runtime.check(list, attachment)
        try expectConnected(pod, result.hosts[0], node, "10.44.0.1")
        // As after a restart of everything, with the namespace gone.
        try pod.end()
        for plugin in list.plugins.reversed() {
            _ = try runtime.run(.del, plugin, in: list, pod.with(netns: .some("")))
        }
        #expect(try node.shaping() == [])
        expectSame(try Snapshot(node), as: before)
        for plugin in list.plugins.reversed() { _ = try runtime.run(.del, plugin, in: list, pod.attachment) }
    }

    @Test(arguments: LimitedBy.allCases) func withoutLimitsNothingIsMade(_ way: LimitedBy) throws {
        let node = try Node()
        let pod = try node.pod()
        let none: [String: JSONValue] = ["ingressRate": 0, "ingressBurst": 0]
        let list = try way.network(node, none)
        let attachment = way.attachment(pod, none)
        let result = try node.runtime().add(list, attachment).result
        #expect(result["interfaces"]?.array?.count == 3)
        #expect(try node.shaping() == [])
        try node.runtime().check(list, attachment)
        try node.runtime().del(list, attachment)
    }

    @Test func keysOfTheBlockGoBeforeTheCapability() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try LimitedBy.alone.network(
            node, ["ingressRate": 30_000_000, "ingressBurst": 600_000, "capabilities": ["bandwidth": true]])
        _ = try node.runtime().add(list, pod.with(capabilities: ["bandwidth": .object(limits(megabits: 50))]))
        let lines = try node.shaping()
        #expect(lines.count == 1 && lines[0].contains("rate 30Mbit "), "\(lines)")
    }

    @Test(arguments: LimitedBy.allCases) func gcRemovesWhatBelongsToNoAttachment(_ way: LimitedBy) throws {
        let node = try Node()
        let pods = try node.pods(3)
        let (list, other) = (
            try way.network(node, limits(megabits: 50)),
            try way.network(
                node, limits(megabits: 50), ipam: ["subnet": "10.45.0.0/24"], name: "other", bridge: "cbr1")
        )
        for pod in pods[..<2] { _ = try node.runtime().add(list, way.attachment(pod, limits(megabits: 50))) }
        _ = try node.runtime().add(other, way.attachment(pods[2], limits(megabits: 50)))
        try pods[1].end()
        try node.runtime().gc(list, valid: [pods[0].valid])
        let left = try node.links().filter { $0["linkinfo"]?["info_kind"] == "ifb" }.compactMap {
            $0["ifalias"]?.string
        }
        #expect(Set(left) == ["swiftlet net/\(pods[0].id)/eth0", "swiftlet other/\(pods[2].id)/eth0"])
        try node.runtime().check(list, way.attachment(pods[0], limits(megabits: 50)))
        try node.runtime().gc(list, valid: [])
        try node.runtime().gc(other, valid: [])
        #expect(try node.shaping() == [])
    }

    @Test func aSecondInterfaceOnTheSameNetworkHasItsOwn() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try LimitedBy.chain.network(node, limits(megabits: 50))
        let second = PodAttachment(containerID: pod.id, netns: pod.path, ifname: "eth1")
        for attachment in [pod.attachment, second] { _ = try node.runtime().add(list, attachment) }
        for attachment in [pod.attachment, second] { try node.runtime().check(list, attachment) }
        try node.runtime().del(list, pod.attachment)
        try node.runtime().check(list, second)
        try node.runtime().del(list, second)
        #expect(try node.shaping() == [])
    }

    static let refused: [([String: JSONValue], Int, String)] = [
        (["ingressRate": 1000], 7, "if rate is set, burst must also be set"),
        (["egressBurst": 1000], 7, "if burst is set, rate must also be set"),
        (["ingressRate": 8, "ingressBurst": 34_359_738_360], 7, "burst cannot be more than 4GB"),
        (["ingressRate": 7, "ingressBurst": 1000], 7, "ingressRate"),
        (["ingressRate": -1, "ingressBurst": 1000], 7, "ingressRate"),
        (["egressRate": "10M", "egressBurst": 1000], 6, "egressRate"),
        (["unshapedSubnets": ["10.0.0.0/8"]], 2, "unshapedSubnets"),
    ]

    @Test(arguments: LimitedBy.allCases, refused) func whatMakesNoSenseIsRefused(
        _ way: LimitedBy, _ refused: ([String: JSONValue], Int, String)
    ) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try way.network(node, refused.0)
        let error = try failure { _ = try node.runtime().add(list, way.attachment(pod, refused.0)) }
        #expect(error.code == refused.1 && error.msg.contains(refused.2), "\(error)")
        #expect(try node.shaping() == [])
    }

    @Test func theChainMustHaveMadeAVeth() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugin = JSONValue.object(limits(megabits: 50).merging(["type": "bandwidth"]) { $1 })
        let runtime = node.runtime()
        let alone = try node.network(plugin)
        #expect(
            try failure { _ = try runtime.add(alone, pod.attachment) }.msg.contains("must be called as chained plugin"))
        func refusal(_ previous: JSONValue) throws -> PluginError {
            try failure { _ = try runtime.run(.add, plugin, in: alone, pod.attachment, prevResult: previous) }
        }
        let nothing: JSONValue = ["cniVersion": "1.1.0", "interfaces": []]
        #expect(try refusal(nothing).msg.contains("container interface eth0 has no veth peer"))
        let bridge = try node.network(node.gatewayBridge())
        _ = try runtime.add(bridge, pod.attachment)
        let error = try refusal(nothing)
        #expect(error.code == 7 && error.msg.contains("no veth peer of container interface found in host ns"))
        #expect(try node.shaping() == [])
    }

    @Test func aPlaceThatIsTakenIsLeftAlone() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try LimitedBy.chain.network(node, limits(megabits: 50))
        let result = try node.runtime().run(.add, list.plugins[0], in: list, pod.attachment).outcome.json
        try node.exec("tc", "qdisc", "add", "dev", node.onlyLink("veth"), "ingress")
        let before = try node.shaping()
        let error = try failure {
            _ = try node.runtime().run(.add, list.plugins[1], in: list, pod.attachment, prevResult: result)
        }
        #expect(error.code == 103 && error.msg.contains("ingress"), "\(error)")
        #expect(try node.shaping() == before)
    }

    /// Wherever it fails.
    @Test(arguments: [LimitedBy.chain, .alone]) func aFailedAddLeavesNothing(_ way: LimitedBy) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try way.network(node, limits(megabits: 50))
        let (runtime, strace) = (node.runtime(), Strace(node))
        let last = list.plugins[list.plugins.count - 1]
        var previous: JSONValue?
        func prepare() throws {
            previous = nil
            for plugin in list.plugins.dropLast() {
                previous = try runtime.run(.add, plugin, in: list, pod.attachment, prevResult: previous).outcome.json
            }
        }
        func add(_ wrapper: [String]) throws {
            _ = try node.runtime(wrapper: wrapper).run(.add, last, in: list, pod.attachment, prevResult: previous)
        }
        // The first one makes the bridge as well.
        _ = try runtime.add(list, pod.attachment)
        try runtime.del(list, pod.attachment)
        try prepare()
        let before = try node.shaping() + node.veths()
        try add(strace.tracing("sendto"))
        let count = try strace.count("sendto")
        try #require(count > 5)
        try runtime.del(list, pod.attachment)
        try prepare()
        for number in 1...count {
            let error = try failure { try add(strace.failing("sendto", "ENOBUFS", number)) }
            #expect(error.code != nil, "\(error)")
            #expect(try node.shaping() + node.veths() == before, "sendto \(number) of \(count): \(error)")
        }
        try add([])
    }
}
