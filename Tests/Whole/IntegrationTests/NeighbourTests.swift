import ContainerRuntime
import Foundation
import Testing

/// What is there already, or belongs to somebody else: other networks of a pod, bridges made by others, kernels and
/// callers that are not as usual.
@Suite(.realKernel) struct NeighbourTests {
    /// As podman and Multus do it: each network brings a default route; that of the first one counts.
    @Test(arguments: [["subnet": "10.45.0.0/24"], ["subnet": "fd00:45::/64"]] as [[String: JSONValue]])
    func aPodIsInTwoNetworksThatBothBringADefaultRoute(_ second: [String: JSONValue]) throws {
        let node = try Node()
        let pod = try node.pod()
        let family = second["subnet"]?.string?.contains(":") == true ? "-6" : "-4"
        let first: [String: JSONValue] = family == "-4" ? ["subnet": "10.44.0.0/24"] : ["subnet": "fd00:44::/64"]
        var there = pod.attachment
        there.ifname = "eth1"
        let one = try node.network(node.swiftlet(first), name: "one")
        let two = try node.network(node.swiftlet(second.merging(["bridge": "cbr1"]) { $1 }), name: "two")
        let runtime = node.runtime()
        _ = try runtime.add(one, pod.attachment)
        _ = try runtime.add(two, there)
        for (list, attachment) in [(one, pod.attachment), (two, there)] { try runtime.check(list, attachment) }
        #expect(try pod.route("default", family: family)?["dev"]?.string == "eth0")
        #expect(try pod.exec("ip", family, "route", "show", "default").split(separator: "\n").count == 2)
        try runtime.del(one, pod.attachment)
        try runtime.check(two, there)
        #expect(try pod.route("default", family: family)?["dev"]?.string == "eth1")
        try runtime.del(two, there)
        #expect(try node.veths().isEmpty)
    }

    @Test func theDelOfAnAttachmentThatWasRefusedLeavesTheOtherAlone() throws {
        let node = try Node()
        let pod = try node.pod()
        let runtime = node.runtime()
        let first = try node.network(node.swiftlet(), name: "first")
        let second = try node.network(node.swiftlet(["subnet": "10.45.0.0/24", "bridge": "cbr1"]), name: "second")
        _ = try runtime.add(first, pod.attachment)
        #expect(try failure { _ = try runtime.add(second, pod.attachment) }.code == 103)
        try runtime.del(second, pod.attachment)
        try runtime.check(first, pod.attachment)
        var stranger = pod.attachment
        stranger.containerID = "stranger"
        try runtime.del(first, stranger)
        try runtime.check(first, pod.attachment)
    }

    @Test func aRefusedAddChangesNothingOfTheRunningPod() throws {
        let node = try Node()
        let pod = try node.pod()
        let runtime = node.runtime()
        let result = try runtime.add(node.network(node.bridge(ipam: nil)), pod.attachment).result
        let port = try #require(result["interfaces"]?[1]?["name"]?.string)
        try node.set("link", "set", port, "down")
        let before = try node.exec("ip", "-d", "link", "show", port)
        let other = try node.network(node.bridge(["hairpinMode": true, "portIsolation": true], ipam: nil))
        #expect(try failure { _ = try runtime.add(other, pod.attachment) }.code == 103)
        #expect(try node.exec("ip", "-d", "link", "show", port) == before)
    }

    @Test func aBridgeMadeByOthersKeepsItsMacAndHearsNoRouters() throws {
        let node = try Node()
        try node.set("link", "add", "cbr0", "type", "bridge")
        try node.set("link", "set", "cbr0", "up")
        let mac = try node.link("cbr0")?["address"]?.string
        let list = try node.network(node.swiftlet())
        for pod in try node.pods(6) {
            let result = try node.runtime().add(list, pod.attachment).result
            #expect(result.interface("cbr0")?["mac"]?.string == mac)
            try node.runtime().check(list, pod.attachment)
            #expect(try node.link("cbr0")?["address"]?.string == mac)
        }
        #expect(try node.sysctl("ipv6/conf/cbr0/accept_ra") == "0")
    }

    @Test(arguments: [68, 1279, 1280, 65535]) func everyMtuThatTheKernelTakesWorks(_ mtu: Int) throws {
        let node = try Node()
        let pod = try node.pod()
        let keys: [String: JSONValue] = ["mtu": .integer(Int64(mtu))]
        let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/24"].merging(keys) { $1 }))
        let result = try node.runtime().add(list, pod.attachment).result
        #expect(result.interface("eth0")?["mtu"]?.integer == Int64(mtu))
        try node.runtime().check(list, pod.attachment)
        try pod.ping("10.44.0.1")
        try node.runtime().del(list, pod.attachment)
        let dual = try node.network(node.swiftlet(Node.dualStack.merging(keys) { $1 }), name: "dual")
        if mtu < 1280 {
            let error = try failure { _ = try node.runtime().add(dual, pod.attachment) }
            #expect(error.code == 7 && error.msg.contains("mtu"))
            #expect(try node.reservations("dual").isEmpty)
        } else if mtu == 1280 {
            let another = try node.pod()
            _ = try node.runtime().add(dual, another.attachment)
        }
    }

    @Test func delOfANamespaceThatHasBecomeTheHostsStillFreesEverything() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(node.swiftlet())
        _ = try node.runtime().add(list, pod.attachment)
        try node.runtime().del(list, pod.with(netns: node.path))
        #expect(try node.veths().isEmpty)
        #expect(try node.reservations().isEmpty)
    }

    @Test func aCallerThatIgnoresItsChildrenCanDelegateAllTheSame() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script(
            "elsewhere", #"cat >/dev/null; echo '{"cniVersion":"1.0.0","ips":[{"address":"10.44.0.9/24"}]}'"#)
        let list = try node.network(
            .object(["type": "bridge", "ipam": ["type": "elsewhere"]]), version: "1.0.0")
        let ignoring = ["perl", "-e", "$SIG{CHLD}='IGNORE'; exec @ARGV", "--"]
        let runtime = node.runtime(path: [Requirements.bin, plugins], wrapper: ignoring)
        #expect(try runtime.add(list, pod.attachment).result.addresses == ["10.44.0.9/24"])
        try runtime.del(list, pod.attachment)
    }

    @Test func aSecondAddDoesNotMakeAnotherIpamPluginFreeTheFirst() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script(
            "elsewhere",
            """
            cat >/dev/null; echo $CNI_COMMAND >>\(node.directory)/calls
            [ $CNI_COMMAND = ADD ] && echo '{"cniVersion":"1.0.0","ips":[{"address":"10.44.0.9/24"}]}' || true
            """)
        let list = try node.network(.object(["type": "bridge", "ipam": ["type": "elsewhere"]]), version: "1.0.0")
        let runtime = node.runtime(path: [Requirements.bin, plugins])
        _ = try runtime.add(list, pod.attachment)
        #expect(try failure { _ = try runtime.add(list, pod.attachment) }.code == 103)
        #expect(try String(contentsOfFile: node.directory + "/calls", encoding: .utf8) == "ADD\n")
    }

    @Test func anotherIpamPluginsKeysMayMeanSomethingElse() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugins = try node.script(
            "elsewhere", #"cat >/dev/null; echo '{"cniVersion":"1.0.0","ips":[{"address":"10.44.0.9/24"}]}'"#)
        let ipam: JSONValue = ["type": "elsewhere", "ranges": "all", "subnet": 7, "blockLength": ["x"]]
        for type in ["bridge", "swiftlet"] {
            let list = try node.network(.object(["type": .string(type), "ipam": ipam]), version: "1.0.0")
            let runtime = node.runtime(path: [Requirements.bin, plugins])
            #expect(try runtime.add(list, pod.attachment).result.addresses == ["10.44.0.9/24"])
            try runtime.del(list, pod.attachment)
        }
    }

    @Test func aRouteThatSaysZeroSaysNothing() throws {
        let node = try Node()
        let pod = try node.pod()
        let routes: JSONValue = [
            ["dst": "0.0.0.0/0"],
            ["dst": "10.99.0.0/16", "priority": 0, "table": 0, "mtu": 0, "advmss": 0],
            ["dst": "10.98.0.0/16", "mtu": 70000],
        ]
        let list = try node.network(node.swiftlet(["subnet": "10.44.0.0/24", "routes": routes]))
        _ = try node.runtime().add(list, pod.attachment)
        try node.runtime().check(list, pod.attachment)
        #expect(try pod.route("default")?["gateway"]?.string == "10.44.0.1")
        let wide: JSONValue = [["dst": "10.97.0.0/16", "scope": 300]]
        let another = try node.pod()
        let error = try failure {
            _ = try node.runtime().add(
                node.network(node.swiftlet(["subnet": "10.44.0.0/24", "routes": wide])), another.attachment)
        }
        #expect(error.code == 7 && error.msg.contains("scope"))
    }

    @Test func whatSwiftletCannotDoYetIsRefusedAtEveryDepth() throws {
        let node = try Node()
        let pod = try node.pod()
        func refusal(_ keys: [String: JSONValue], _ capabilities: [String: JSONValue] = [:]) throws -> PluginError {
            let list = try node.network(node.swiftlet(keys))
            return try failure { _ = try node.runtime().add(list, pod.with(capabilities: capabilities)) }
        }
        let subnet: [String: JSONValue] = ["subnet": "10.44.0.0/24"]
        for (keys, capabilities, text) in [
            (
                subnet.merging(["capabilities": ["bandwidth": true]]) { $1 },
                ["bandwidth": ["ingressRate": 1000, "ingressBurst": 1000, "shapedSubnets": ["10.0.0.0/8"]]],
                "runtimeConfig.bandwidth.shapedSubnets"
            ),
            (["ranges": [[["subnet": "10.44.0.0/24", "gatway": "10.44.0.9"]]]], [:], "gatway"),
            (subnet.merging(["routes": [["dst": "10.0.0.0/8", "prio": 5]]]) { $1 }, [:], "prio"),
        ] as [([String: JSONValue], [String: JSONValue], String)] {
            let error = try refusal(keys, capabilities)
            #expect(error.code == 2 && error.msg.contains(text), "\(error)")
        }
        for keys in [
            subnet.merging(["ipam": ["subnet": "10.45.0.0/24"]]) { $1 },
            ["ranges": [[["subnet": "10.44.0.0/24"]]], "gateway": "10.44.0.9"],
            ["gateway": "10.44.0.9", "ipam": ["type": "host-local", "subnet": "10.45.0.0/24"]],
        ] as [[String: JSONValue]] {
            #expect(try refusal(keys).code == 7)
        }
        #expect(try isUntouched(pod))
    }
}
