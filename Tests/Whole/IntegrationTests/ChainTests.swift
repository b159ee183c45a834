import ContainerRuntime
import Foundation
import Testing

/// `loopback`, and plugins one after the other.
@Suite(.realKernel) struct ChainTests {
    @Test(arguments: everyVersion) func loopbackComesUpAndGoesDownInEveryVersion(_ version: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(["type": "loopback"], version: version)
        let attachment = PodAttachment(containerID: pod.id, netns: pod.path, ifname: "lo")
        let result = try node.runtime().add(list, attachment).result
        #expect(try pod.isUp("lo"))
        if version >= "0.3.0" {
            #expect(result["interfaces"]?[0]?["name"] == "lo")
            #expect(result["interfaces"]?[0]?["mac"] == "00:00:00:00:00:00")
            #expect(result["interfaces"]?[0]?["sandbox"]?.string == pod.path)
        }
        #expect(result.addresses == ["127.0.0.1/8", "::1/128"])
        if version >= "0.4.0" {
            try node.runtime().check(list, attachment)
            try pod.set("link", "set", "lo", "down")
            #expect(
                try failure { try node.runtime().check(list, attachment) }.msg.contains("loopback interface is down"))
            try pod.set("link", "set", "lo", "up")
        }
        try node.runtime().del(list, attachment)
        #expect(try !pod.isUp("lo"))
        try node.runtime().del(list, attachment)
    }

    @Test func loopbackIsAlwaysLoWhateverTheNameAskedFor() throws {
        let node = try Node()
        let pod = try node.pod()
        let result = try node.runtime().add(node.network(["type": "loopback"]), pod.attachment).result
        #expect(result["interfaces"]?[0]?["name"] == "lo")
        #expect(try pod.isUp("lo"))
    }

    @Test func loopbackRefusesAnAddressThatDoesNotBelongThere() throws {
        let node = try Node()
        let pod = try node.pod()
        try pod.set("addr", "add", "10.7.7.7/32", "dev", "lo")
        let error = try failure { _ = try node.runtime().add(node.network(["type": "loopback"]), pod.attachment) }
        #expect(error.msg.contains("loopback interface found with non-loopback address \"10.7.7.7\""))
    }

    @Test func loopbackNeedsNoNamespaceForDel() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(["type": "loopback"])
        _ = try node.runtime().add(list, pod.attachment)
        try pod.end()
        try node.runtime().del(list, pod.attachment)
        try node.runtime().del(list, pod.with(netns: .some("")))
        try node.runtime().del(list, pod.with(netns: .some(nil)))
    }

    @Test func loopbackInAChainPassesTheResultThrough() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.gatewayBridge(), ["type": "loopback"])
        let added = try node.runtime().add(list, pod.attachment)
        #expect(added.result == (try JSONValue(parsing: added.runs[0].outcome.stdout)))
        #expect(try pod.isUp("lo"))
        try node.runtime().check(list, pod.attachment)
        try node.runtime().status(list)
        try node.runtime().gc(list, valid: [pod.valid])
        try node.runtime().del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    @Test(arguments: ["0.4.0", "1.0.0"]) func debiansPluginsFollowOurs(_ version: String) throws {
        let node = try Node()
        let pod = try node.pod()
        try node.link(plugin: "swiftlet", from: Requirements.bin)
        let plugins = try node.link(plugin: "tuning", from: Requirements.referenceBin)
        let list = try node.network(node.swiftlet(), ["type": "tuning", "mtu": 1400], version: version)
        let runtime = node.runtime(path: [plugins])
        _ = try runtime.add(list, pod.attachment)
        #expect(try pod.link("eth0")?["mtu"]?.integer == 1400)
        // What a later plugin has changed is its own affair.
        try runtime.check(list, pod.attachment)
        try runtime.del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }

    @Test func theResultOfAnEarlierPluginIsNoHindrance() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(["type": "loopback"], node.swiftlet())
        let result = try node.runtime().add(list, pod.attachment).result
        #expect(result.addresses.contains("10.44.0.2/24"))
        try pod.ping("10.44.0.1")
        try node.runtime().check(list, pod.attachment)
        try node.runtime().del(list, pod.attachment)
        #expect(try isUntouched(pod))
    }
}
