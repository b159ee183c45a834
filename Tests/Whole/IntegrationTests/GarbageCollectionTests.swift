import ContainerRuntime
import Foundation
import Testing

/// GC removes exactly what is not in `cni.dev/valid-attachments`: reservations and host veths, of its own network only.
@Suite(.realKernel) struct GarbageCollectionTests {
    @Test(arguments: ["swiftlet", "bridge"]) func whatIsNotListedIsRemovedAndTheRestKeepsWorking(_ type: String) throws
    {
        let node = try Node()
        let pods = try node.pods(4)
        let list = try node.network(type == "swiftlet" ? node.swiftlet() : node.gatewayBridge())
        for pod in pods { _ = try node.runtime().add(list, pod.attachment) }
        // One of the stale ones has lost its namespace, and with it its interface.
        try pods[3].end()
        try node.runtime().gc(list, valid: [pods[0].valid, pods[1].valid])
        #expect(try node.reservations() == ["10.44.0.2", "10.44.0.3"])
        #expect(try node.veths().count == 2)
        #expect(try isUntouched(pods[2]))
        for pod in pods[..<2] { try node.runtime().check(list, pod.attachment) }
        try pods[0].ping("10.44.0.3")
    }

    @Test(arguments: ["swiftlet", "bridge", "layer 2"]) func anEmptyListMeansAll(_ type: String) throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try node.network(DelTests.plugin(node, type))
        for pod in pods { _ = try node.runtime().add(list, pod.attachment) }
        try node.runtime().gc(list, valid: [])
        #expect(try node.reservations() == [])
        #expect(try node.veths() == [])
        try node.runtime().gc(list, valid: [])
    }

    @Test func noListMeansNothingAndIsAnError() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugin = node.swiftlet()
        let list = try node.network(plugin)
        _ = try node.runtime().add(list, pod.attachment)
        let error = try failure { _ = try node.runtime().run(.gc, plugin, in: list) }
        #expect(error.code == 7)
        #expect(error.msg.contains("cni.dev/valid-attachments"))
        try node.runtime().check(list, pod.attachment)
    }

    @Test(arguments: ["cni.dev/valid-attachments", "cni.dev/attachments"]) func eitherNameOfTheListWillDo(_ key: String)
        throws
    {
        let node = try Node()
        let pods = try node.pods(2)
        let plugin = node.swiftlet()
        let list = try node.network(plugin)
        for pod in pods { _ = try node.runtime().add(list, pod.attachment) }
        let kept: JSONValue = [["containerID": .string(pods[1].id), "ifname": "eth0"]]
        _ = try node.runtime().run(.gc, plugin, in: list, inserting: [key: kept])
        #expect(try node.reservations() == ["10.44.0.3"])
        try node.runtime().check(list, pods[1].attachment)
    }

    @Test func interfacesOfOneContainerAreToldApart() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/24", "isDefaultGateway": false]))
        let second = PodAttachment(containerID: pod.id, netns: pod.path, ifname: "eth1")
        for attachment in [pod.attachment, second] { _ = try node.runtime().add(list, attachment) }
        try node.runtime().gc(list, valid: [ValidAttachment(containerID: pod.id, ifname: "eth1")])
        #expect(try pod.link("eth0") == nil && pod.link("eth1") != nil)
        #expect(try node.reservations() == ["10.44.0.3"])
        try node.runtime().check(list, second)
    }

    @Test(arguments: [("cbr0", "cbr0"), ("cbr0", "cbr1")])
    func anotherNetworkIsNoneOfItsBusiness(_ bridgeOfOne: String, _ bridgeOfTwo: String) throws {
        let node = try Node()
        let pods = try node.pods(2)
        func network(_ name: String, _ bridge: String, _ subnet: String) throws -> NetworkList {
            try node.network(
                node.swiftlet([
                    "bridge": .string(bridge), "subnet": .string(subnet), "isDefaultGateway": false, "isGateway": false,
                ]), name: name)
        }
        // One name is the beginning of the other.
        let one = try network("net", bridgeOfOne, "10.44.0.0/24")
        let two = try network("net-2", bridgeOfTwo, "10.45.0.0/24")
        for pod in pods {
            _ = try node.runtime().add(one, pod.attachment)
            _ = try node.runtime().add(two, PodAttachment(containerID: pod.id, netns: pod.path, ifname: "eth1"))
        }
        try node.runtime().gc(one, valid: [pods[0].valid])
        #expect(try node.reservations("net") == ["10.44.0.2"])
        #expect(try node.reservations("net-2") == ["10.45.0.2", "10.45.0.3"])
        #expect(try node.veths().count == 3)
        for pod in pods {
            try node.runtime().check(two, PodAttachment(containerID: pod.id, netns: pod.path, ifname: "eth1"))
        }
        try node.runtime().check(one, pods[0].attachment)
        #expect(try pods[1].links().count == 2)
    }

    @Test func linksAndFilesOfOthersStay() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        _ = try node.runtime().add(list, pod.attachment)
        try node.set("link", "add", "vethabcdefghijk", "type", "veth", "peer", "name", "other")
        try node.set("link", "set", "vethabcdefghijk", "master", "cbr0", "alias", "somebody's")
        try node.set("link", "add", "plain", "type", "veth", "peer", "name", "plainer")
        try node.set("link", "set", "plain", "master", "cbr0")
        try node.runtime().gc(list, valid: [])
        #expect(try Set(node.veths()) == ["vethabcdefghijk", "other", "plain", "plainer"])
    }

    @Test func itGoesOnPastErrorsAndReportsThem() throws {
        let node = try Node()
        let pods = try node.pods(3)
        let list = try node.network(node.swiftlet())
        for pod in pods { _ = try node.runtime().add(list, pod.attachment) }
        let script = #"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@""#
        let readOnly = node.runtime(wrapper: ["unshare", "--mount", "sh", "-c", script, node.data])
        let error = try failure { try readOnly.gc(list, valid: [pods[0].valid]) }
        #expect(error.code == 101)
        #expect(try node.veths().count == 1)
        try node.runtime().gc(list, valid: [pods[0].valid])
        #expect(try node.reservations() == ["10.44.0.2"])
    }

    @Test func aFullRangeIsUsableAgainAfterwards() throws {
        let node = try Node()
        let pods = try node.pods(3)
        let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/30", "rangeStart": "10.44.0.2"]))
        _ = try node.runtime().add(list, pods[0].attachment)
        #expect(try failure { _ = try node.runtime().add(list, pods[1].attachment) }.code == 102)
        try node.runtime().gc(list, valid: [])
        _ = try node.runtime().add(list, pods[2].attachment)
        try pods[2].ping("10.44.0.1")
    }

    @Test(arguments: ["0.3.1", "0.4.0", "1.0.0"]) func olderVersionsKnowNeitherGCNorStatus(_ version: String) throws {
        let node = try Node()
        for (command, extra) in [(Command.gc, ["cni.dev/valid-attachments": []]), (.status, [:])]
            as [(Command, [String: JSONValue])]
        {
            let error = try failure {
                _ = try node.runtime().run(
                    command, node.swiftlet(), in: node.network(node.swiftlet(), version: version), inserting: extra)
            }
            #expect(error.code == 1)
            #expect(error.msg.contains("config version does not allow \(command.rawValue)"))
        }
    }
}
