import ContainerRuntime
import Foundation
import Testing

/// What root of a pod sets in its namespace is neither believed against the node's own links nor obeyed by a terminal, and
/// what cannot be read is told.
@Suite(.realKernel) struct NodeEvidenceTests {
    @Test func noPodKeepsADeadOne() throws {
        let scene = try NodeStatusTests.Scene()
        let pods = try scene.node.pods(2)
        for pod in pods { try scene.attach(pod) }
        let dead = pods[1].id
        let address = try #require(try pods[1].addresses("eth0").first)
        try pods[1].end()
        try eventually("the veth goes with the namespace") { try scene.node.veths().count == 1 }
        try pods[0].set("link", "set", "eth0", "alias", "swiftlet net/\(dead)/eth0")
        try pods[0].set("addr", "add", address, "dev", "eth0")
        let status = try scene.status()
        #expect(status["attachments"]?.array?.map { $0["id"]?["containerID"]?.string } == [pods[0].id])
        #expect(status["orphans"]?.array?.map { $0["id"]?["containerID"]?.string } == [dead])
        #expect(try scene.ctl("gc", "--older-than", "0").text.hasSuffix("freed what 1 pod had left\n"))
        #expect(try scene.status()["orphans"] == [])
    }

    @Test func noNameIsObeyedByATerminal() throws {
        let scene = try NodeStatusTests.Scene()
        let pod = try scene.node.pod()
        try scene.attach(pod)
        let name = "\u{1b}[2Jx"
        try pod.set("link", "add", name, "type", "veth", "peer", "name", "far")
        for link in [name, "far"] { try pod.set("link", "set", link, "up") }
        try pod.set("addr", "add", "10.99.0.1/24", "dev", name)
        try pod.set("link", "set", "far", "alias", "swiftlet net/\u{1b}]0;owned\u{7}root/far")
        let trace = try scene.node.shell(
            #""$@" || true"#, "\(Requirements.bin)/swiftletctl", "trace", pod.id, "10.99.0.7", "--conf-dir",
            scene.configurations)
        #expect(trace.contains("\\x1b[2Jx") && !trace.contains("\u{1b}"), "\(trace)")
        let status = try scene.ctl("status")
        #expect(!status.text.contains("owned") && status.text.contains("1 pod,"), "\(status.text)")
        let error = try scene.ctl("check", name)
        #expect(error.exit == .code(1) && error.errorText.contains("find pod \\x1b[2Jx:"), "\(error.errorText)")
    }

    /// As `bridge` without `isGateway` has it; the node need not forward, and is not to take the router's address.
    @Test func aRouterOnTheBridgeIsAGateway() throws {
        let scene = try NodeStatusTests.Scene()
        let node = scene.node
        let ipam: [String: JSONValue] = [
            "ranges": [[["subnet": "10.47.0.0/24", "gateway": "10.47.0.1", "rangeStart": "10.47.0.10"]]],
            "routes": [["dst": "0.0.0.0/0"]],
        ]
        let list = try node.network(node.bridge(["bridge": "br5"], ipam: ipam), name: "l2")
        let pod = try node.pod()
        _ = try node.runtime().add(list, pod.attachment)
        try node.setSysctl("ipv4/ip_forward", "0")
        let router = try node.pod()
        try node.set("link", "add", "cable", "type", "veth", "peer", "name", "eth0", "netns", router.netns)
        try node.set("link", "set", "cable", "master", "br5", "up")
        try router.set("addr", "add", "10.47.0.1/24", "dev", "eth0")
        try router.set("link", "set", "eth0", "up")
        let check = try scene.ctl("check", pod.id)
        #expect(check.exit.isSuccess && check.text.contains("not this node"), "\(check.text)")
        try router.set("link", "set", "eth0", "down")
        try pod.set("neigh", "flush", "dev", "eth0")
        // It is the pod's own packets that ask.
        _ = try? pod.exec("ping", "-c", "1", "-W", "5", "10.47.0.1")
        let silent = try scene.ctl("check", pod.id)
        #expect(silent.exit == .code(1) && silent.text.contains("✗ gateway 10.47.0.1"), "\(silent.text)")
        #expect(!silent.text.contains("addr add"), "\(silent.text)")
        try node.runtime().del(list, pod.attachment)
    }

    @Test func aDefaultRouteThatIsGoneIsTold() throws {
        let scene = try NodeStatusTests.Scene()
        let pod = try scene.node.pod()
        try scene.attach(pod)
        try pod.set("route", "del", "default")
        let check = try scene.ctl("check", pod.id)
        #expect(check.exit == .code(1) && check.text.contains("✗ route 0.0.0.0/0"), "\(check.text)")
    }

    @Test func whatIsNoReservationIsNotSaidToBeFreed() throws {
        let scene = try NodeStatusTests.Scene()
        let pod = try scene.node.pod()
        try scene.attach(pod)
        let store = scene.node.data + "/net"
        try FileManager.default.createSymbolicLink(atPath: store + "/10.44.0.80", withDestinationPath: "/etc/passwd")
        try FileManager.default.createDirectory(atPath: store + "/10.44.0.81", withIntermediateDirectories: false)
        try Data().write(to: URL(filePath: store + "/10.44.0.82"))
        let freed = try scene.ctl("gc", "--older-than", "0", "--json")
        #expect(freed.json?["freed"]?.array?.map { $0["reserved"] } == [["10.44.0.82/32"]], "\(freed.text)")
        let orphans = try #require(try scene.status()["orphans"]?.array)
        #expect(orphans.map { $0["reason"] } == ["isNoFile", "isNoFile"])
        #expect(FileManager.default.contents(atPath: "/etc/passwd") != nil)
    }

    @Test func whoMayNotReadRulesIsTold() throws {
        let node = try Node()
        let text = try node.shell(
            #"setpriv --bounding-set=-all --inh-caps=-all "$@" 2>&1; echo "exit=$?""#,
            "\(Requirements.bin)/swiftletctl", "rules")
        #expect(text.contains("list table inet swiftlet") && text.hasSuffix("exit=1\n"), "\(text)")
    }
}
