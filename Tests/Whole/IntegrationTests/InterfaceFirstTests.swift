import ContainerRuntime
import Foundation
import Testing

/// An IPAM plugin that needs the pod's interface, as DHCP does, finds it there: in ADD, in DEL, and up to the end.
@Suite(.realKernel) struct InterfaceFirstTests {
    static let types = ["bridge"] + LinkPlugin.available.map(\.rawValue)

    /// Fails where the interface is not in the pod; with a file `refuse` in the node's directory it fails at ADD anyway.
    static func script(_ node: Node) -> String {
        """
        echo $CNI_COMMAND >>\(node.directory)/calls
        case $CNI_COMMAND in
        ADD | DEL)
            nsenter --net=$CNI_NETNS ip link show $CNI_IFNAME >/dev/null ||
                { echo '{"cniVersion":"1.1.0","code":99,"msg":"no interface"}'; exit 1; } ;;
        esac
        [ $CNI_COMMAND != DEL ] || echo released >>\(node.directory)/calls
        [ $CNI_COMMAND = ADD ] || exit 0
        [ ! -e \(node.directory)/refuse ] || { echo '{"cniVersion":"1.1.0","code":98,"msg":"no offer"}'; exit 1; }
        # The kernel takes no route by a gateway that is not on the link.
        [ ! -e \(node.directory)/mislead ] || routes='"routes":[{"dst":"10.9.0.0/16","gw":"172.31.0.1"}],'
        echo '{"cniVersion":"1.1.0",'"$routes"'"ips":[{"address":"10.44.0.9/24","gateway":"10.44.0.1"}]}'
        """
    }

    @Test(arguments: types) func theInterfaceIsThereWhenIpamRuns(_ type: String) throws {
        let node = try Node()
        let plugin = LinkPlugin(rawValue: type)
        try plugin?.prepare(node)
        try node.link(plugin: type, from: Requirements.bin)
        let runtime = node.runtime(path: [try node.script("lease", Self.script(node))])
        let pod = try node.pod()
        let keys = (plugin?.keys ?? [:]).merging(["type": .string(type), "ipam": ["type": "lease"]]) { $1 }
        let list = try node.network(.object(keys))
        func snapshot() throws -> Snapshot { try Snapshot(node, [pod]).without("cni0", "forward") }
        let before = try snapshot()
        let result = try runtime.add(list, pod.attachment).result
        #expect(result.addresses == ["10.44.0.9/24"])
        #expect(try pod.addresses("eth0") == ["10.44.0.9/24"])
        try runtime.check(list, pod.attachment)
        try runtime.del(list, pod.attachment)
        expectSame(try snapshot(), as: before)
        try node.write("refuse", "")
        let error = try failure { _ = try runtime.add(list, pod.attachment) }
        #expect(error.code == 98 && error.msg.contains("no offer"))
        expectSame(try snapshot(), as: before, "IPAM has failed")
        try FileManager.default.removeItem(atPath: node.directory + "/refuse")
        try node.write("mislead", "")
        #expect(try failure { _ = try runtime.add(list, pod.attachment) }.msg.contains("add route"))
        expectSame(try snapshot(), as: before, "the plugin has failed")
        // Each time the lease is given back while there is an interface to give it back by.
        let calls = try String(contentsOfFile: node.directory + "/calls", encoding: .utf8).split(separator: "\n")
        #expect(calls == ["ADD", "CHECK", "DEL", "released", "ADD", "DEL", "released", "ADD", "DEL", "released"])
    }
}
