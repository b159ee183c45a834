import ContainerRuntime
import Foundation
import Testing

/// On a kernel that was started with ipv6.disable=1. In the machine that `make test-vm` starts so, nothing is left out.
private let isWithoutIPv6 =
    ProcessInfo.processInfo.environment["SWIFTLET_VM"] == "no-ipv6"
    || !FileManager.default.fileExists(atPath: "/proc/sys/net/ipv6")

@Suite(.realKernel, .enabled(if: isWithoutIPv6, "this kernel has IPv6; make test-vm has one without"))
struct NoIPv6Tests {
    @Test func podsHaveIPv4AllTheSame() throws {
        #expect(!FileManager.default.fileExists(atPath: "/proc/sys/net/ipv6"))
        let node = try Node()
        for plugin in [node.swiftlet(), node.gatewayBridge(["bridge": "cbr0"])] {
            let list = try node.network(plugin)
            let pods = try node.pods(2)
            let results = try pods.map { try node.runtime().add(list, $0.attachment).result }
            try pods[0].ping(results[1].hosts[0])
            try pods[0].ping("10.44.0.1")
            for pod in pods {
                try node.runtime().check(list, pod.attachment)
                try node.runtime().del(list, pod.attachment)
            }
            #expect(try node.veths().isEmpty && node.reservations().isEmpty)
        }
    }

    @Test func anIPv6AddressIsAnErrorThatLeavesNothing() throws {
        let node = try Node()
        let pod = try node.pod()
        let error = try failure {
            _ = try node.runtime().add(node.network(node.swiftlet(Node.dualStack)), pod.attachment)
        }
        #expect(error.code == 100 && error.msg.contains("fd00:44::2/64"))
        #expect(try node.veths().isEmpty && node.reservations().isEmpty)
    }
}
