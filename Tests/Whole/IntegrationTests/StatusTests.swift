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

    /// A node that is not ready loses its running pods; one that is full only has to wait for the next to end.
    @Test(arguments: ["swiftlet", "bridge"], [nil, false, true])
    func aFullNodeIsReadyUnlessSomebodyWantsItOtherwise(_ type: String, _ isNotReady: Bool?) throws {
        let node = try Node()
        let pod = try node.pod()
        var keys: [String: JSONValue] = ["ranges": [[["subnet": "10.44.0.0/30"]], [["subnet": "fd00:44::/64"]]]]
        if let isNotReady { keys["fullIsNotReady"] = .bool(isNotReady) }
        let list = try node.network(
            type == "swiftlet" ? node.swiftlet(keys) : node.bridge(["isDefaultGateway": true], ipam: keys))
        #expect(try node.runtime().status(list).allSatisfy { $0.outcome.errorText == "" })
        _ = try node.runtime().add(list, pod.attachment)
        let text = "no IP addresses available in range set: 10.44.0.1-10.44.0.2"
        if isNotReady == true {
            let error = try failure { try node.runtime().status(list) }
            #expect(error.code == 50 && error.msg.contains(text), "\(error)")
        } else {
            let told = try node.runtime().status(list).map(\.outcome.errorText).joined()
            #expect(told.contains(text) && told.contains("the next pod gets none"), "\(told)")
        }
        let second = try node.pod()
        let refusal = try failure { _ = try node.runtime().add(list, second.attachment) }
        #expect(refusal.code == 102, "\(refusal)")
        try node.runtime().check(list, pod.attachment)
        try node.runtime().gc(list, valid: [pod.valid])
        try node.runtime().del(list, pod.attachment)
        try node.runtime().status(list)
    }

    /// Nobody may get an address that another node may have: see docs/agent.md.
    @Test func aSuspendedNodeAttachesNobodyAndSaysWhyButLetsPodsGo() throws {
        let node = try Node()
        let (running, next) = (try node.pod(), try node.pod())
        _ = try node.runtime().add(node.network(node.swiftlet()), running.attachment)
        let list = try node.network(
            node.swiftlet(["subnet": "10.44.0.0/16", "suspended": "the claim of node-1 is in doubt"]))
        let status = try failure { try node.runtime().status(list) }
        #expect(status.code == 50 && status.msg.contains("the claim of node-1 is in doubt"), "\(status)")
        let before = try Snapshot(node)
        let refusal = try failure { _ = try node.runtime().add(list, next.attachment) }
        #expect(refusal.code == 11 && refusal.msg.contains("the claim of node-1 is in doubt"), "\(refusal)")
        expectSame(try Snapshot(node), as: before)
        try node.runtime().check(list, running.attachment)
        try node.runtime().del(list, running.attachment)
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

    /// The next ADD would fail, and so would all after it.
    @Test(arguments: ["swiftlet", "bridge"]) func aBridgeThatAnotherNetworkLivesOnIs50(_ type: String) throws {
        let node = try Node()
        func list(_ name: String, _ subnet: String, _ keys: [String: JSONValue] = [:]) throws -> NetworkList {
            let ranges: [String: JSONValue] = ["ranges": [[["subnet": .string(subnet)]], [["subnet": "fd00:44::/64"]]]]
            let gateway = keys.merging(["isDefaultGateway": true, "bridge": "cbr0"]) { own, _ in own }
            return try node.network(
                type == "swiftlet" ? node.swiftlet(gateway.merging(ranges) { $1 }) : node.bridge(gateway, ipam: ranges),
                name: name)
        }
        let runtime = node.runtime()
        let (first, second) = (try list("one", "10.44.0.0/24"), try list("two", "10.45.0.0/24"))
        try runtime.status(second)
        let (pod, other) = (try node.pod(), try node.pod())
        _ = try runtime.add(first, pod.attachment)
        for error in [
            try failure { try runtime.status(second) }, try failure { _ = try runtime.add(second, other.attachment) },
        ] {
            #expect(error.msg.contains("\"cbr0\" already has an IP address different from 10.45.0.1/24"), "\(error)")
            #expect(error.details.contains("pods of one live by 10.44.0.1/24"), "\(error)")
            #expect(
                error.details.contains("give this network a bridge of its own") && !error.details.contains("addr del"))
        }
        #expect(try failure { try runtime.status(second) }.code == 50)
        try runtime.status(first)
        // As the advice says, and the other ways to have room.
        try runtime.status(list("two", "10.45.0.0/24", ["bridge": "cbr1"]))
        try runtime.status(list("two", "10.45.0.0/24", ["forceAddress": true]))
        try runtime.status(list("one", "10.44.0.0/24", ["isDefaultGateway": false, "isGateway": false]))
        // Nobody lives by it any more: now it may go.
        try runtime.del(first, pod.attachment)
        let error = try failure { try runtime.status(second) }
        #expect(error.code == 50 && error.details.contains("ip addr del 10.44.0.1/24 dev cbr0"), "\(error)")
        try node.exec("ip", "addr", "del", "10.44.0.1/24", "dev", "cbr0")
        try runtime.status(second)
        _ = try runtime.add(second, pod.attachment)
    }

    /// What only some pods need is no reason to take all from the node.
    @Test func withoutNftablesOrTokenBucketsOnlyWhoNeedsThemIsRefused() throws {
        let node = try Node()
        let strace = Strace(node)
        let ports: JSONValue = ["type": "portmap", "capabilities": ["portMappings": true]]
        let annotated: JSONValue = ["type": "bandwidth", "capabilities": ["bandwidth": true]]
        let fixed: JSONValue = ["type": "bandwidth", "ingressRate": 8000, "ingressBurst": 80000]
        func status(_ plugin: JSONValue) throws -> String {
            let runtime = node.runtime(wrapper: strace.failing("socket", "EAFNOSUPPORT", 1))
            return try runtime.status(node.network(plugin)).map(\.outcome.errorText).joined()
        }
        #expect(try status(ports).contains("no pod with ports can be attached"))
        #expect(try status(annotated).contains("no pod with limits can be attached"))
        #expect(try failure { _ = try status(fixed) }.code == 50)
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
