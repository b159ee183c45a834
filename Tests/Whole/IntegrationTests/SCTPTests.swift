import ContainerRuntime
import Foundation
import Testing

/// Whether the kernel speaks SCTP. In the machine of `make test-vm` it must, so nothing is left out.
private let kernelSpeaksSCTP: Bool = {
    if ProcessInfo.processInfo.environment["SWIFTLET_VM"] == "1" { return true }
    let descriptor = socket(AF_INET, Transport.sctp.type, Transport.sctp.number)
    defer { close(descriptor) }
    return descriptor >= 0
}()

/// SCTP through host ports and masquerade, where the kernel has it: `make test-vm`.
@Suite(.realKernel, .enabled(if: kernelSpeaksSCTP, "this kernel has no SCTP; make test-vm has one"))
struct SCTPTests {
    @Test(arguments: Arrangement.allCases) func hostPortsLeadToPods(_ arrangement: Arrangement) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pods = try node.pods(2)
        let list = try arrangement.network(node)
        let ports: [JSONValue] = [
            hostPort(8080, .sctp), ["hostPort": 8000, "containerPort": 90, "protocol": "SCTP", "range": 3],
        ]
        _ = try node.runtime().add(list, pods[0].with(ports: ports))
        _ = try node.runtime().add(list, pods[1].attachment)
        let servers = try [80, 92].map { try Responder("at\($0)", in: pods[0], $0, [.sctp]) }
        for family in Family.allCases {
            let (uplink, gateway) = (Outside.node(family), Gateway.address(family))
            expectAnswer(servers[0].name, from: outside, uplink, 8080, .sctp, seen: Outside.host(family))
            expectAnswer(servers[1].name, from: outside, uplink, 8002, .sctp, seen: Outside.host(family))
            expectAnswer(servers[0].name, from: pods[1], uplink, 8080, .sctp, seen: gateway, "sibling")
            expectAnswer(servers[0].name, from: node, uplink, 8080, .sctp, "node")
            expectNoAnswer(from: outside, uplink, 8080, .tcp)
        }
        try node.runtime().check(list, pods[0].with(ports: ports))
        try node.runtime().del(list, pods[0].attachment)
        #expect(try node.ruleset().own.map(\.description) == [])
    }

    @Test func podsReachTheWorldFromTheNodesAddress() throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        let server = try Responder("outside", in: outside, 7, [.sctp])
        let keys = Node.dualStack.merging(["ipMasq": true]) { $1 }
        _ = try node.runtime().add(node.network(node.swiftlet(keys)), pod.attachment)
        for family in Family.allCases {
            expectAnswer(server.name, from: pod, Outside.host(family), 7, .sctp, seen: Outside.node(family))
        }
    }
}
