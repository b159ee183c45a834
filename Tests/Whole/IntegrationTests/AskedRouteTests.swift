import ContainerRuntime
import Foundation
import Testing

/// Routes lead where the configuration says, or the configuration is refused.
@Suite(.realKernel) struct AskedRouteTests {
    let node: Node
    let pod: Pod

    init() throws {
        node = try Node()
        pod = try node.pod()
    }

    func list(_ type: String, _ routes: JSONValue..., chained: JSONValue...) throws -> NetworkList {
        let ipam = Node.dualStack.merging(["routes": .array(routes)]) { $1 }
        let plugin: JSONValue
        switch type {
        case "swiftlet": plugin = node.swiftlet(ipam)
        case "bridge": plugin = node.bridge(["isGateway": true], ipam: ipam)
        case "macvlan":
            if try node.link("uplink") == nil { try node.addUplink() }
            plugin = node.plugin(type, ["master": "uplink"], ipam: ipam)
        default: plugin = node.plugin(type, ipam: ipam)
        }
        let document: JSONValue = [
            "cniVersion": "1.0.0", "name": "net", "plugins": .array([plugin] + chained),
        ]
        return try NetworkList(parsing: document.bytes)
    }

    /// Where the pod sends what is for an address.
    func gateway(towards address: String) throws -> String? {
        let route = try pod.ip("route", "get", address).first
        return route?["gateway"]?.string ?? route?["via"]?["host"]?.string
    }

    static let types = ["swiftlet", "bridge", "ptp", "macvlan"]

    @Test(arguments: types) func anIPv4RouteByAnIPv6GatewayIsOne(_ type: String) throws {
        let list = try list(type, ["dst": "203.0.113.0/24", "gw": "fd00:44::1"])
        let result = try node.runtime().add(list, pod.attachment).result
        #expect(result["routes"]?.array?.contains(["dst": "203.0.113.0/24", "gw": "fd00:44::1"]) == true)
        #expect(try gateway(towards: "203.0.113.7") == "fd00:44::1")
        try node.runtime().check(list, pod.attachment)
        try pod.set("route", "del", "203.0.113.0/24")
        #expect(try failure { try node.runtime().check(list, pod.attachment) }.msg.contains("203.0.113.0/24"))
        try node.runtime().del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    /// The first octets of these would be gateways of IPv4, or none.
    @Test(arguments: ["a2c:1::1", "0a05:0501::1", "::1"]) func octetsOfOneFamilyAreNeverReadAsTheOthers(
        _ address: String
    ) throws {
        let error = try failure {
            _ = try node.runtime().addOrUndo(
                list("swiftlet", ["dst": "203.0.113.0/24", "gw": .string(address)]), pod.attachment)
        }
        #expect(error.msg.contains("203.0.113.0/24"), "\(error)")
        #expect(try isUntouched(pod))
    }

    @Test(arguments: types) func anIPv6RouteByAnIPv4GatewayIsRefused(_ type: String) throws {
        let list = try list(type, ["dst": "198.51.100.0/24"], ["dst": "2001:db8:9::/64", "gw": "10.44.0.1"])
        let error = try failure { _ = try node.runtime().addOrUndo(list, pod.attachment) }
        #expect(error.code == 7 && error.msg.contains("routes[1].gw"), "\(error)")
        #expect(try isUntouched(pod))
    }

    /// The kernel's own route to it would have the neighbours asked directly.
    @Test(arguments: ["swiftlet", "bridge", "macvlan"], [true, false])
    func theOwnSubnetIsReachedByTheGatewayIfThatIsAsked(_ type: String, _ isNamed: Bool) throws {
        func route(_ subnet: String, _ gateway: String) -> JSONValue {
            isNamed ? ["dst": .string(subnet), "gw": .string(gateway)] : ["dst": .string(subnet)]
        }
        let list = try list(
            type, route("10.44.0.0/24", "10.44.0.1"), route("fd00:44::/64", "fd00:44::1"), ["dst": "0.0.0.0/0"],
            ["dst": "::/0"])
        _ = try node.runtime().add(list, pod.attachment)
        #expect(try gateway(towards: "10.44.0.77") == "10.44.0.1")
        #expect(try gateway(towards: "fd00:44::77") == "fd00:44::1")
        #expect(try gateway(towards: "203.0.113.7") == "10.44.0.1" && gateway(towards: "2001:db8:9::1") == "fd00:44::1")
        try node.runtime().check(list, pod.attachment)
        try node.runtime().del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    /// With traffic: what the pod sends to its neighbour has been forwarded once.
    @Test func whatIsSentToANeighbourGoesByTheNode() throws {
        let pods = [pod, try node.pod()]
        let list = try list(
            "swiftlet", ["dst": "10.44.0.0/24", "gw": "10.44.0.1"], ["dst": "fd00:44::/64", "gw": "fd00:44::1"])
        for pod in pods { _ = try node.runtime().add(list, pod.attachment) }
        for pod in pods { try pod.setSysctl("ipv4/conf/eth0/accept_redirects", "0") }
        try node.setSysctl("ipv4/conf/all/send_redirects", "0")
        try node.setSysctl("ipv4/conf/cbr0/send_redirects", "0")
        for address in ["10.44.0.3", "fd00:44::3"] {
            let text = try pods[0].exec("ping", "-n", "-c", "1", "-W", "5", address)
            // It left its sender with 64 hops.
            #expect(text.contains("ttl=63"), "\(text)")
        }
    }

    @Test func suchRoutesMoveToTheTableOfTheirAddress() throws {
        try expectRoutes(towards: ["from", "10.44.0.2"], movedBy: ["type": "sbr"])
    }

    @Test(.enabled(if: kernelHasVRFs, "this kernel has no VRFs; make test-vm has one that does"))
    func suchRoutesMoveToTheTableOfAVRF() throws {
        try expectRoutes(towards: ["vrf", "red"], movedBy: ["type": "vrf", "vrfname": "red"])
    }

    func expectRoutes(towards source: [String], movedBy plugin: JSONValue) throws {
        let list = try list(
            "bridge", ["dst": "10.44.0.0/24", "gw": "10.44.0.1"], ["dst": "fd00:44::/64", "gw": "fd00:44::1"],
            ["dst": "203.0.113.0/24", "gw": "fd00:44::1"], chained: plugin)
        _ = try node.runtime().add(list, pod.attachment)
        try node.runtime().check(list, pod.attachment)
        func route(_ address: String) throws -> String {
            try run(["ip", "-n", pod.netns, "route", "get", address] + source)
        }
        #expect(try route("10.44.0.77").contains("via 10.44.0.1"))
        #expect(try route("203.0.113.7").contains("via inet6 fd00:44::1"))
        try node.runtime().del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }
}
