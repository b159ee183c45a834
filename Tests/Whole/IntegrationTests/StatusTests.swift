import ContainerRuntime
import Foundation
import Testing

/// STATUS says whether ADD could be served, and if not, why.
@Suite(.realKernel) struct StatusTests {
    @Test(arguments: ["swiftlet", "bridge", "layer 2", "loopback"]) func aNodeThatHasNothingYetIsReady(_ type: String)
        throws
    {
        let node = try Node()
        let before = try Snapshot(node)
        let list = try node.network(type == "loopback" ? ["type": "loopback"] : DelTests.plugin(node, type))
        let runs = try node.runtime().status(list)
        #expect(runs[0].outcome.text == "")
        expectSame(try Snapshot(node), as: before)
    }

    @Test(arguments: ["swiftlet", "bridge"]) func fullRangesAre50AndEverythingElseStillWorks(_ type: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let keys: [String: JSONValue] = ["ranges": [[["subnet": "10.44.0.0/30"]], [["subnet": "fd00:44::/64"]]]]
        let list = try node.network(
            type == "swiftlet" ? node.swiftlet(keys) : node.bridge(["isDefaultGateway": true], ipam: keys))
        try node.runtime().status(list)
        _ = try node.runtime().add(list, pod.attachment)
        let error = try failure { try node.runtime().status(list) }
        #expect(error.code == 50)
        #expect(error.msg.contains("no IP addresses available in range set: 10.44.0.1-10.44.0.2"))
        try node.runtime().check(list, pod.attachment)
        try node.runtime().gc(list, valid: [pod.valid])
        try node.runtime().del(list, pod.attachment)
        try node.runtime().status(list)
    }

    @Test func aDataDirectoryThatCannotBeWrittenIs50() throws {
        let node = try Node()
        try run("mkdir", "-p", node.data)
        let script = #"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#
        let readOnly = node.runtime(wrapper: ["unshare", "--mount", "sh", "-c", script, node.data])
        let error = try failure { try readOnly.status(node.network(node.swiftlet())) }
        #expect(error.code == 50)
        #expect(error.msg.contains(node.data))
    }

    @Test func aKernelThatCannotMakeTheLinksIs50() throws {
        let node = try Node()
        let strace = Strace(node)
        // The kernel's own answer is EOPNOTSUPP in a netlink message; a socket that is refused comes to the same.
        let error = try failure {
            try node.runtime(wrapper: strace.failing("socket", "EAFNOSUPPORT", 1)).status(node.network(node.swiftlet()))
        }
        #expect(error.code == 50)
    }

    @Test func aConfigurationWithoutRangesIsNotReady() throws {
        let node = try Node()
        let error = try failure { try node.runtime().status(node.network(["type": "swiftlet"])) }
        #expect(error.code == 7)
        #expect(error.msg.contains("no IP ranges specified"))
    }

    @Test func aDelegateThatIsNotReadyIsNotReady() throws {
        let node = try Node()
        try node.link(plugin: "bridge", from: Requirements.bin)
        let plugins = try node.script(
            "my-ipam",
            #"[ $CNI_COMMAND = STATUS ] && { echo '{"cniVersion":"1.1.0","code":51,"msg":"out of leases","details":"ask later"}'; exit 1; }; exit 0"#
        )
        let list = try node.network(["type": "bridge", "ipam": ["type": "my-ipam"]])
        let error = try failure { try node.runtime(path: [plugins]).status(list) }
        #expect(error.code == 51)
        #expect(error.msg.contains("out of leases") && error.details.contains("ask later"))
    }
}
