import ContainerRuntime
import Foundation
import Testing

/// An ADD that fails leaves nothing: no link, no address, no route, no reservation.
@Suite(.realKernel) struct FailingAddTests {
    /// Two addresses, each with a gateway of its own: as many steps as there can be.
    static func plugin(_ node: Node, _ type: String) -> JSONValue {
        type == "swiftlet"
            ? node.swiftlet(Node.dualStack)
            : node.bridge(["isDefaultGateway": true, "bridge": "cbr0"], ipam: Node.dualStack)
    }

    @Test(arguments: ["swiftlet", "bridge"]) func aTakenInterfaceName(_ type: String) throws {
        let node = try Node()
        let pod = try node.pod()
        try pod.set("link", "add", "eth0", "type", "veth", "peer", "name", "other")
        try expectNothingIsLeft(
            node, pod, Self.plugin(node, type), code: 103, "container veth name provided (eth0) already exists")
    }

    @Test func aSecondAddOfTheSameAttachment() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        let first = try node.runtime().add(list, pod.attachment).result
        try expectNothingIsLeft(node, pod, node.swiftlet(), code: 103, "duplicate allocation is not allowed")
        // Nor has it broken what is there.
        try node.runtime().check(list, pod.attachment, prevResult: first)
        try pod.ping("10.44.0.1")
        let layer2 = try node.network(node.bridge(ipam: nil), name: "l2")
        let attachment = PodAttachment(containerID: pod.id, netns: pod.path, ifname: "eth1")
        _ = try node.runtime().add(layer2, attachment)
        let error = try failure { _ = try node.runtime().add(layer2, attachment) }
        #expect(error.code == 103 && error.msg.contains("is already attached to network l2 as eth1"))
        #expect(try pod.links().count == 3)
    }

    @Test func aFullRange() throws {
        let node = try Node()
        let (first, pod) = (try node.pod(), try node.pod())
        let plugin = node.swiftlet(["subnet": "10.44.0.0/30"])
        _ = try node.runtime().add(node.network(plugin), first.attachment)
        try expectNothingIsLeft(node, pod, plugin, code: 102, "no IP addresses available in range set")
        try first.ping("10.44.0.1")
    }

    @Test(arguments: [
        #"{"dst":"10.9.0.0/16","gw":"172.31.0.1"}"#, #"{"dst":"10.9.0.0/16","gw":"10.44.0.7","table":0,"scope":253}"#,
        #"{"dst":"fd00:9::/64","gw":"fd00:55::1"}"#,
    ])
    func aRouteThatTheKernelRefuses(_ route: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let keys = Node.dualStack.merging(["routes": .array([try JSONValue(parsing: route)])]) { $1 }
        try expectNothingIsLeft(node, pod, node.swiftlet(keys), code: 100, "add route")
        try expectNothingIsLeft(node, pod, node.bridge(["isGateway": true], ipam: keys), code: 100, "add route")
    }

    @Test func aConflictOfTheSecondGatewayOnly() throws {
        let node = try Node()
        let pod = try node.pod()
        try node.set("link", "add", "cbr0", "type", "bridge")
        try node.set("link", "set", "cbr0", "up")
        try node.set("addr", "add", "fd00:44::99/64", "dev", "cbr0", "nodad")
        try expectNothingIsLeft(
            node, pod, node.swiftlet(Node.dualStack), code: 103,
            "already has an IP address different from fd00:44::1/64")
    }

    @Test func aBridgeNameThatIsAnotherKindOfLink() throws {
        let node = try Node()
        let pod = try node.pod()
        try node.set("link", "add", "cbr0", "type", "veth", "peer", "name", "other")
        try expectNothingIsLeft(node, pod, node.swiftlet(), code: 103, "\"cbr0\" already exists but is not a bridge")
        try expectNothingIsLeft(
            node, pod, node.swiftlet(["subnet": "10.44.0.0/24", "bridge": "lo"]), code: 103,
            "\"lo\" already exists but is not a bridge")
    }

    @Test func aBlockOfAddressesForOnePod() throws {
        let node = try Node()
        let pod = try node.pod()
        try expectNothingIsLeft(
            node, pod, node.swiftlet(["subnet": "10.0.0.0/14", "blockLength": 16]), code: 7, "a block is a subnet")
    }

    @Test(arguments: ["0.1.0", "0.2.0"]) func aResultThatAnOldVersionCannotSay(_ version: String) throws {
        let node = try Node()
        let pod = try node.pod()
        try expectNothingIsLeft(
            node, pod, node.bridge(ipam: nil), version: version, code: 1, "cannot convert: no valid IP addresses")
    }

    @Test func aResultThatNobodyTakes() throws {
        let node = try Node()
        let (neighbour, pod) = (try node.pod(), try node.pod())
        let list = try node.network(node.swiftlet())
        _ = try node.runtime().add(list, neighbour.attachment)
        let before = try Snapshot(node, [neighbour, pod])
        // /dev/full takes nothing.
        let runtime = node.runtime(wrapper: ["sh", "-c", #""$@" >/dev/full"#, "sh"])
        #expect(throws: PluginError.self) { try runtime.add(list, pod.attachment) }
        expectSame(try Snapshot(node, [neighbour, pod]), as: before)
        let closed = node.runtime(wrapper: ["sh", "-c", #""$@" >&-"#, "sh"])
        #expect(throws: PluginError.self) { try closed.add(list, pod.attachment) }
        expectSame(try Snapshot(node, [neighbour, pod]), as: before)
    }

    @Test func aReadOnlyDataDirectory() throws {
        let node = try Node()
        let pod = try node.pod()
        try run("mkdir", "-p", node.data)
        let script = #"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#
        try expectNothingIsLeft(
            node, pod, node.swiftlet(), wrapper: ["unshare", "--mount", "sh", "-c", script, node.data], code: 101,
            node.data)
    }

    @Test(arguments: 1...12) func aFullDataDirectory(_ inodes: Int) throws {
        let node = try Node()
        let pod = try node.pod()
        try run("mkdir", "-p", node.data)
        // Each number of files that fit is a different place to run out of them.
        let script =
            #"mount -t tmpfs -o size=64k,nr_inodes=\#(inodes) none "$0" && "$@"; code=$?; find "$0" -name "10.*" -o -name "fd*" -o -type l >&2; exit $code"#
        let wrapper = ["unshare", "--mount", "sh", "-c", script, node.data]
        let before = try Snapshot(node, [pod])
        do {
            _ = try node.runtime(wrapper: wrapper).add(node.network(node.swiftlet(Node.dualStack)), pod.attachment)
            #expect(inodes > 6)
        } catch let error as PluginError {
            #expect(error.code == 101, "\(error)")
            #expect(error.run.outcome.errorText == "")
            expectSame(try Snapshot(node, [pod]), as: before)
        }
    }

    @Test func aNamespaceThatIsMissingOrNone() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        try run("mkfifo", node.directory + "/fifo")
        for (path, code) in [
            ("/run/netns/no-such-namespace", 4), ("/etc/passwd", 4), ("/tmp", 4), (node.directory + "/fifo", 4),
            ("/proc/self/ns/mnt", 4), (node.path, 8),
        ] {
            let before = try Snapshot(node, [pod])
            let error = try failure { _ = try node.runtime().add(list, pod.with(netns: path)) }
            #expect(error.code == code, "\(error)")
            #expect((error.msg + error.details).contains(path), "\(error)")
            expectSame(try Snapshot(node, [pod]), as: before)
        }
    }

    /// ADD fails with this code and text, and everything is as before.
    func expectNothingIsLeft(
        _ node: Node, _ pod: Pod, _ plugin: JSONValue, version: String = "1.1.0", wrapper: [String] = [], code: Int,
        _ text: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        // Bridges stay, and a store that has been used has a lock; so this is about the second time.
        for _ in 0..<2 {
            let before = try Snapshot(node, [pod])
            let list = try node.network(plugin, version: version)
            let error = try failure(sourceLocation: sourceLocation) {
                _ = try node.runtime(wrapper: wrapper).add(list, pod.attachment)
            }
            #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
            #expect((error.msg + error.details).contains(text), "\(error)", sourceLocation: sourceLocation)
            let after = try Snapshot(node, [pod])
            guard after != before else { return }
            // The first time may make the bridge, and nothing else.
            expectSame(
                after.without("cbr0", "cni0", "forward", "/lock", "file net \"\"", ".swiftlet"),
                as: before.without("cbr0", "cni0", "forward", "/lock", "file net \"\"", ".swiftlet"),
                sourceLocation: sourceLocation)
            #expect(try node.veths().filter { $0.hasPrefix("veth") }.isEmpty, sourceLocation: sourceLocation)
        }
        Issue.record("a second failing ADD changes something too", sourceLocation: sourceLocation)
    }
}
