import ContainerRuntime
import Foundation
import Testing

/// What all plugins that give a pod an interface without a bridge promise.
@Suite(.realKernel) struct LinkPluginTests {
    /// A pod on a node that is prepared.
    struct Scene {
        let node: Node
        let pod: Pod
        let list: NetworkList

        init(
            _ plugin: LinkPlugin, _ keys: [String: JSONValue] = [:], ipam: [String: JSONValue]? = LinkPlugin.oneAddress
        )
            throws
        {
            node = try Node()
            try plugin.prepare(node)
            pod = try node.pod()
            list = try plugin.network(node, keys, ipam: ipam)
        }

        func snapshot() throws -> Snapshot { try Snapshot(node, [pod]).withoutStore }

        func add() throws { _ = try node.runtime().add(list, pod.attachment) }
    }

    @Test(arguments: LinkPlugin.available) func everyVersionIsSpoken(_ plugin: LinkPlugin) throws {
        let scene = try Scene(plugin)
        let (node, pod) = (scene.node, scene.pod)
        #expect(try node.runtime().version(scene.list)[0].supported == everyVersion)
        let before = try scene.snapshot().without("forward")
        for version in everyVersion {
            let list = try plugin.network(node, version: version)
            let result = try node.runtime().add(list, pod.attachment).result
            #expect(result["cniVersion"]?.string == version && result.addresses == ["10.44.0.2/24"])
            #expect(try pod.addresses("eth0") == ["10.44.0.2/24"] && pod.isUp("eth0"))
            if version >= "0.4.0" { try node.runtime().check(list, pod.attachment) }
            try node.runtime().del(list, pod.attachment)
            expectSame(try scene.snapshot().without("forward"), as: before, version)
        }
    }

    @Test(arguments: LinkPlugin.available) func statusAndGcDoWhatTheyAreFor(_ plugin: LinkPlugin) throws {
        let scene = try Scene(plugin)
        let (runtime, list) = (scene.node.runtime(), scene.list)
        try runtime.status(list)
        try scene.add()
        let told = try runtime.status(list).map(\.outcome.errorText).joined()
        #expect(told.contains("no IP addresses available in range set"))
        try runtime.gc(list, valid: [scene.pod.valid])
        try runtime.check(list, scene.pod.attachment)
        // The runtime forgets a pod whose namespace is gone.
        try scene.pod.end()
        try runtime.gc(list, valid: [])
        #expect(try scene.node.reservations() == [])
        try runtime.status(list)
    }

    @Test(arguments: [LinkPlugin.ptp, .macvlan, .tap]) func manyPodsAtOnceGetOneEach(_ plugin: LinkPlugin) throws {
        let scene = try Scene(plugin, ipam: ["subnet": "10.44.0.0/24"])
        let (node, list) = (scene.node, scene.list)
        let before = try Snapshot(node).withoutStore.without("forward")
        let pods = try node.pods(8)
        let results = inParallel(pods.count) { try node.runtime().add(list, pods[$0].attachment).result.hosts[0] }
        #expect(try Set(results.map { try $0.get() }).count == pods.count)
        for pod in pods { try node.runtime().check(list, pod.attachment) }
        for result in inParallel(pods.count, { try node.runtime().del(list, pods[$0].attachment).count }) {
            _ = try result.get()
        }
        for pod in pods { #expect(try isUntouched(pod)) }
        expectSame(try Snapshot(node).withoutStore.without("forward"), as: before)
    }

    // DEL

    enum Way: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case twice = "twice"
        case forgetful = "without prevResult"
        case broken = "with a broken prevResult"
        case refused = "with a configuration that ADD refuses"
        case gone = "with the namespace gone"
        case file = "with the namespace replaced by a file"
        case empty = "with CNI_NETNS empty"
        case unset = "with CNI_NETNS unset"

        var testDescription: String { rawValue }
        /// What is in the pod then is out of reach.
        var isBlind: Bool { [.gone, .file, .empty, .unset].contains(self) }

        func del(_ plugin: LinkPlugin, _ scene: Scene) throws {
            let (pod, list) = (scene.pod, scene.list)
            var runtime = scene.node.runtime()
            switch self {
            case .twice: try runtime.del(list, pod.attachment)
            case .forgetful: runtime.cacheDirectory = nil
            case .broken: try runtime.del(list, pod.attachment, prevResult: ["cniVersion": "1.1.0", "ips": 7])
            case .gone: try pod.end()
            case .file: try run("umount", pod.path)
            case .empty: return _ = try runtime.del(list, pod.with(netns: .some("")))
            case .unset: return _ = try runtime.del(list, pod.with(netns: .some(nil)))
            case .refused:
                for (key, value) in plugin.wrongKeys {
                    let wrong = try plugin.network(scene.node, [key: value], name: "other")
                    let error = try failure {
                        _ = try runtime.add(wrong, PodAttachment(containerID: "other", netns: pod.path, ifname: "eth1"))
                    }
                    #expect(error.code == 6 || error.code == 7)
                }
                return _ = try runtime.del(plugin.network(scene.node, plugin.wrongKeys), pod.attachment)
            }
            try runtime.del(list, pod.attachment)
        }
    }

    @Test(arguments: LinkPlugin.available, Way.allCases)
    func delTakesEverythingAway(_ plugin: LinkPlugin, _ way: Way) throws {
        let scene = try Scene(plugin)
        // A veth, unlike a device of metal, goes with the namespace that it is in; a master stays promiscuous a while.
        let lost = !way.isBlind ? [] : plugin == .hostDevice ? ["dev0", "dev1"] : ["link uplink"]
        let before = try Snapshot(scene.node).withoutStore.without(lost + ["forward"])
        try scene.add()
        try way.del(plugin, scene)
        expectSame(try Snapshot(scene.node).withoutStore.without(lost + ["forward"]), as: before)
        if !way.isBlind { #expect(try isUntouched(scene.pod)) }
        #expect(try scene.node.reservations() == [])
    }

    @Test(arguments: LinkPlugin.available) func delOfWhatWasNeverAddedChangesNothing(_ plugin: LinkPlugin) throws {
        let scene = try Scene(plugin)
        // Somebody else's, under the name that it would have.
        try scene.pod.set("link", "add", "eth0", "type", "veth", "peer", "name", "other")
        if plugin == .ptp { try scene.pod.set("link", "del", "eth0") }
        let before = try scene.snapshot()
        let runs = try scene.node.runtime().del(scene.list, scene.pod.attachment)
        #expect(runs[0].outcome.text == "" && runs[0].outcome.errorText == "")
        expectSame(try scene.snapshot(), as: before)
    }

    @Test(arguments: LinkPlugin.available.filter { $0 != .hostDevice })
    func delLeavesTheInterfaceOfAnotherNetwork(_ plugin: LinkPlugin) throws {
        let scene = try Scene(plugin)
        let (node, pod) = (scene.node, scene.pod)
        try scene.add()
        // Under the same name, so that its ADD fails; the runtime calls DEL then.
        let other = try plugin.network(node, name: "other")
        try expectRefused(other, pod, code: 103, "already exists in \(pod.path)")
        try node.runtime().del(other, pod.attachment)
        try node.runtime().check(scene.list, pod.attachment)
    }

    // ADD that fails

    @Test(arguments: LinkPlugin.available) func aNameThatIsTakenIsSaidAndNothingIsLeft(_ plugin: LinkPlugin) throws {
        let scene = try Scene(plugin)
        try scene.pod.set("link", "add", "eth0", "type", "veth", "peer", "name", "other")
        let kind = plugin == .ptp ? "veth" : plugin.rawValue
        try expectRefused(
            scene.list, scene.pod, code: 103,
            "container \(kind) name provided (eth0) already exists in \(scene.pod.path)")
    }

    @Test(arguments: LinkPlugin.available) func aSecondAddIsRefusedAndTheFirstStays(_ plugin: LinkPlugin) throws {
        let scene = try Scene(plugin)
        try scene.add()
        try expectRefused(scene.list, scene.pod, code: 103, plugin == .ptp ? "already" : "already exists")
        try scene.node.runtime().check(scene.list, scene.pod.attachment)
    }

    @Test(arguments: LinkPlugin.available) func aFullRangeLeavesNothing(_ plugin: LinkPlugin) throws {
        let scene = try Scene(plugin)
        let other = PodAttachment(containerID: "other", netns: "/run/netns/none")
        let keys: [String: JSONValue] = ["type": "host-local", "dataDir": .string(scene.node.data)]
        let store = try scene.node.network([
            "type": "host-local", "ipam": .object(keys.merging(LinkPlugin.oneAddress) { $1 }),
        ])
        _ = try scene.node.runtime().add(store, other)
        try expectRefused(scene.list, scene.pod, code: 102, "no IP addresses available in range set")
    }

    @Test(arguments: LinkPlugin.available) func aRouteThatTheKernelRefusesLeavesNothing(_ plugin: LinkPlugin) throws {
        let routes: JSONValue = [["dst": "10.9.0.0/16", "gw": "172.31.0.1"]]
        let scene = try Scene(plugin, ipam: LinkPlugin.oneAddress.merging(["routes": routes]) { $1 })
        try expectRefused(scene.list, scene.pod, code: 100, "add route")
    }

    /// A fault in each of the calls of one kind.
    func expectNoFinding(
        _ plugin: LinkPlugin, _ operation: FaultScene.Operation, _ fault: Fault, at call: String
    ) throws {
        var sweep = FaultSweep(
            setting: .link(plugin), plugin: 0, name: plugin.rawValue, operation: operation, fault: fault, remedy: .del)
        sweep.only = call
        for finding in try sweep.run(every: 1) { Issue.record("\(finding)") }
    }

    @Test(
        arguments: [LinkPlugin.ptp, .macvlan, .tap, .hostDevice],
        [("sendto", Fault.error(.ENOBUFS)), ("recvmsg", .error(.EIO))])
    func anyRequestThatFailsLeavesNothing(_ plugin: LinkPlugin, _ place: (String, Fault)) throws {
        try expectNoFinding(plugin, .add, place.1, at: place.0)
    }

    @Test func aTapThatCannotBeMadeLeavesNothing() throws {
        try expectNoFinding(.tap, .add, .error(.EIO), at: "ioctl")
    }

    @Test(
        arguments: [LinkPlugin.ptp, .macvlan, .tap, .hostDevice],
        [(FaultScene.Operation.add, "sendto"), (.add, "recvmsg"), (.del, "sendto")])
    func whateverAKilledCallHasLeftIsGoneAfterTheNextDel(
        _ plugin: LinkPlugin, _ place: (FaultScene.Operation, String)
    ) throws {
        try expectNoFinding(plugin, place.0, .kill, at: place.1)
    }
}
