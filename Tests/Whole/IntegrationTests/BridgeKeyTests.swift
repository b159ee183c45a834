import ContainerRuntime
import Testing

/// Each key, default, capability and argument of the reference's `bridge`, with the same meaning.
@Suite(.realKernel) struct BridgeKeyTests {
    @discardableResult
    func add(_ node: Node, _ pod: Pod, _ plugin: JSONValue, _ attachment: PodAttachment? = nil) throws -> JSONValue {
        try node.runtime().add(node.network(plugin), attachment ?? pod.attachment).result
    }

    @Test func byDefaultTheBridgeIsCni0AndNoGateway() throws {
        let node = try Node()
        let pod = try node.pod()
        let result = try add(node, pod, node.bridge(ipam: ["subnet": "10.44.0.0/24"]))
        #expect(try node.link("cni0")?["linkinfo"]?["info_kind"] == "bridge")
        #expect(try node.addresses("cni0") == [])
        #expect(try pod.route("default") == nil)
        #expect(result["ips"]?[0]?["gateway"] == "10.44.0.1")
        #expect(try node.sysctl("ipv4/ip_forward") == "0")
    }

    @Test func bridgeNamesTheBridge() throws {
        let node = try Node()
        let pod = try node.pod()
        let result = try add(node, pod, node.gatewayBridge(["bridge": "pods.0"]))
        #expect(result["interfaces"]?[0]?["name"] == "pods.0")
        #expect(try node.addresses("pods.0") == ["10.44.0.1/24"])
    }

    @Test func aBridgeThatIsThereIsUsedAsItIs() throws {
        let node = try Node()
        let pod = try node.pod()
        try node.set("link", "add", "cbr0", "address", "02:00:00:00:00:77", "type", "bridge")
        let result = try add(node, pod, node.swiftlet())
        #expect(result["interfaces"]?[0]?["mac"] == "02:00:00:00:00:77")
        #expect(try node.isUp("cbr0"))
        try pod.ping("10.44.0.1")
    }

    @Test func isGatewayGivesTheBridgeTheGatewaysAddressAndForwardsButAddsNoRoute() throws {
        let node = try Node()
        let pod = try node.pod()
        try add(node, pod, node.bridge(["isGateway": true], ipam: Node.dualStack))
        #expect(try Set(node.addresses("cni0")) == ["10.44.0.1/24", "fd00:44::1/64"])
        #expect(try pod.route("default") == nil)
        #expect(try node.sysctl("ipv4/ip_forward") == "1")
        #expect(try node.sysctl("ipv6/conf/all/forwarding") == "1")
    }

    @Test func isDefaultGatewayImpliesIsGatewayAndAddsADefaultRoute() throws {
        let node = try Node()
        let pod = try node.pod()
        try add(node, pod, node.gatewayBridge())
        #expect(try node.addresses("cni0") == ["10.44.0.1/24"])
        #expect(try pod.route("default")?["gateway"] == "10.44.0.1")
    }

    @Test func aDefaultRouteOfTheConfigurationIsNotDoubled() throws {
        let node = try Node()
        let pod = try node.pod()
        let route: JSONValue = ["dst": "0.0.0.0/0", "gw": "10.44.0.9"]
        let result = try add(
            node, pod, node.bridge(["isDefaultGateway": true], ipam: ["subnet": "10.44.0.0/24", "routes": [route]]))
        #expect(result["routes"] == [route])
        #expect(try pod.route("default")?["gateway"] == "10.44.0.9")
    }

    @Test func withoutAGatewayFromIpamItIsTheNetworksFirstAddress() throws {
        let node = try Node()
        let pod = try node.pod()
        try node.link(plugin: "bridge", from: Requirements.bin)
        let plugins = try node.script(
            "my-ipam",
            #"[ $CNI_COMMAND = ADD ] && echo '{"cniVersion":"1.1.0","ips":[{"address":"10.9.0.77/16"}]}'; exit 0"#)
        let list = try node.network(["type": "bridge", "isDefaultGateway": true, "ipam": ["type": "my-ipam"]])
        let result = try node.runtime(path: [plugins]).add(list, pod.attachment).result
        #expect(result["ips"]?[0]?["gateway"] == "10.9.0.1")
        #expect(try node.addresses("cni0") == ["10.9.0.1/16"])
        #expect(try pod.route("default")?["gateway"] == "10.9.0.1")
    }

    @Test(arguments: ["swiftlet", "bridge"]) func anAddressInTheGatewaysWayIsAnErrorUnlessForced(_ type: String) throws
    {
        let node = try Node()
        let pod = try node.pod()
        let plugin = type == "swiftlet" ? node.swiftlet() : node.gatewayBridge(["bridge": "cbr0"])
        try node.set("link", "add", "cbr0", "type", "bridge")
        try node.set("link", "set", "cbr0", "up")
        try node.set("addr", "add", "10.44.0.200/24", "dev", "cbr0")
        let before = try Snapshot(node, [pod]).without("file")
        let error = try failure { try add(node, pod, plugin) }
        #expect(error.msg.contains("\"cbr0\" already has an IP address different from 10.44.0.1/24"))
        #expect(error.code == 103)
        expectSame(try Snapshot(node, [pod]).without("file"), as: before)
        #expect(try node.reservations() == [])

        var forced = try #require(plugin.object)
        forced["forceAddress"] = true
        try add(node, pod, .object(forced))
        #expect(try node.addresses("cbr0") == ["10.44.0.1/24"])
        try pod.ping("10.44.0.1")
    }

    @Test func otherIPv6AddressesOfTheBridgeAreInNobodysWay() throws {
        let node = try Node()
        let pod = try node.pod()
        try node.set("link", "add", "cbr0", "type", "bridge")
        try node.set("link", "set", "cbr0", "up")
        try node.set("addr", "add", "2001:db8::1/64", "dev", "cbr0")
        try add(node, pod, node.swiftlet(Node.dualStack))
        #expect(try node.addresses("cbr0").contains("2001:db8::1/64"))
    }

    @Test func mtuIsThatOfBridgeAndVeth() throws {
        let node = try Node()
        let pod = try node.pod()
        let result = try add(node, pod, node.swiftlet(["subnet": "10.44.0.0/24", "mtu": 1400]))
        let told = (result["interfaces"]?.array ?? []).compactMap { $0["mtu"]?.integer }
        #expect(told == [1400, 1400, 1400])
        #expect(try node.link("cbr0")?["mtu"]?.integer == 1400)
        #expect(try node.link(node.veths()[0])?["mtu"]?.integer == 1400)
        #expect(try pod.link("eth0")?["mtu"]?.integer == 1400)
    }

    @Test(arguments: [("hairpinMode", "hairpin"), ("portIsolation", "isolated")])
    func bridgePortFlagsAreSet(_ key: String, _ flag: String) throws {
        let node = try Node()
        let (plain, flagged) = (try node.pod(), try node.pod())
        try add(node, plain, node.gatewayBridge())
        let before = try node.veths()
        #expect(before.count == 1)
        try add(node, flagged, node.gatewayBridge([key: true]))
        let after = try node.veths()
        #expect(after.count == 2)
        for veth in after {
            let data = try node.link(veth)?["linkinfo"]?["info_slave_data"]
            #expect(data?[flag] == .bool(!before.contains(veth)))
        }
    }

    @Test func isolatedPodsReachTheGatewayButNotEachOther() throws {
        let node = try Node()
        let (one, two) = (try node.pod(), try node.pod())
        let plugin = node.swiftlet(["subnet": "10.44.0.0/24", "portIsolation": true])
        for pod in [one, two] { try add(node, pod, plugin) }
        try one.ping("10.44.0.1")
        try two.ping("10.44.0.1")
        #expect(one.cannotPing("10.44.0.3"))
    }

    @Test func promiscModeSetsTheBridgePromiscuous() throws {
        let node = try Node()
        let pod = try node.pod()
        try add(node, pod, node.swiftlet())
        #expect(try node.link("cbr0")?["flags"]?.array?.contains("PROMISC") == false)
        // A bridge that is there already, too.
        let second = try node.pod()
        try add(node, second, node.swiftlet(["subnet": "10.44.0.0/24", "promiscMode": true]))
        #expect(try node.link("cbr0")?["flags"]?.array?.contains("PROMISC") == true)
    }

    /// What its link-local address announces goes to every port of the bridge: not while ADD is waiting.
    @Test func aPodWithoutIPv6AddressesKeepsTheKernelsDuplicateDetection() throws {
        let node = try Node()
        let pod = try node.pod()
        try pod.setSysctl("ipv6/conf/default/accept_dad", "2")
        try add(node, pod, node.swiftlet())
        #expect(try pod.sysctl("ipv6/conf/eth0/accept_dad") == "2")
        #expect(try pod.sysctl("ipv6/conf/eth0/accept_ra") == "0")
    }

    @Test(arguments: [false, true]) func enabledadTurnsDuplicateDetectionOn(_ enabled: Bool) throws {
        let node = try Node()
        let pod = try node.pod()
        try add(node, pod, node.swiftlet(Node.dualStack.merging(["enabledad": .bool(enabled)]) { $1 }))
        #expect(try pod.sysctl("ipv6/conf/eth0/accept_dad") == (enabled ? "1" : "0"))
        if enabled { #expect(try pod.sysctl("ipv6/conf/eth0/enhanced_dad") == "1") }
        try eventually("fd00:44::2 is usable") {
            try !pod.addressObjects("eth0").contains { $0["tentative"] == true }
        }
        try pod.ping("fd00:44::1")
        try node.runtime().check(node.network(node.swiftlet(Node.dualStack)), pod.attachment)
    }

    @Test func disableContainerInterfaceLeavesItDown() throws {
        let node = try Node()
        let pod = try node.pod()
        let plugin = node.bridge(["disableContainerInterface": true], ipam: nil)
        try add(node, pod, plugin)
        #expect(try !pod.isUp("eth0"))
        try node.runtime().check(node.network(plugin), pod.attachment)
        try node.runtime().del(node.network(plugin), pod.attachment)
        #expect(try isUntouched(pod))
    }

    @Test func dnsOverridesWhatIpamSays() throws {
        let node = try Node()
        let pods = try node.pods(4)
        try node.write("resolv.conf", "nameserver 10.0.0.53\nsearch ipam.example\n")
        let ipam: [String: JSONValue] = [
            "subnet": "10.44.0.0/24", "resolvConf": .string(node.directory + "/resolv.conf"),
        ]
        #expect(
            try add(node, pods[0], node.bridge(ipam: ipam))["dns"] == [
                "nameservers": ["10.0.0.53"], "search": ["ipam.example"],
            ])
        let dns: JSONValue = ["nameservers": ["192.0.2.53"], "domain": "example", "options": ["ndots:2"]]
        #expect(try add(node, pods[1], node.bridge(["dns": dns], ipam: ipam))["dns"] == dns)
        // An empty list that is written out clears what IPAM says; an empty object says nothing.
        let cleared = try add(node, pods[2], node.bridge(["dns": ["nameservers": []]], ipam: ipam))["dns"]
        #expect(cleared == [:])
        let kept = try add(node, pods[3], node.bridge(["dns": [:]], ipam: ipam))["dns"]
        #expect(kept?["nameservers"] == ["10.0.0.53"])
    }

    @Test func arpIsAnnouncedAndAddressesOutliveADownInThePod() throws {
        let node = try Node()
        let pod = try node.pod()
        try add(node, pod, node.swiftlet(Node.dualStack))
        #expect(try pod.sysctl("ipv4/conf/eth0/arp_notify") == "1")
        #expect(try pod.sysctl("ipv6/conf/eth0/keep_addr_on_down") == "1")
        try pod.set("link", "set", "eth0", "down")
        #expect(try pod.addresses("eth0").contains("fd00:44::2/64"))
    }

    @Test func ipv6IsSwitchedOnWhereAnIPv6AddressIsAskedFor() throws {
        let node = try Node()
        let pod = try node.pod()
        for name in ["all", "default", "lo"] {
            try pod.setSysctl("ipv6/conf/\(name)/disable_ipv6", "1")
            try node.setSysctl("ipv6/conf/\(name)/disable_ipv6", "1")
        }
        try add(node, pod, node.swiftlet(Node.dualStack))
        try pod.ping("fd00:44::1")
        #expect(try pod.fetch(from: pod, at: "::1").client == "::1")
    }

    // MAC: CNI_ARGS, overridden by args.cni.mac, overridden by the capability.

    @Test(arguments: [
        (true, false, false, "02:00:00:00:00:01"), (true, true, false, "02:00:00:00:00:02"),
        (true, true, true, "02:00:00:00:00:03"), (false, false, true, "02:00:00:00:00:03"),
        (false, true, false, "02:00:00:00:00:02"),
    ])
    func theMacAskedForIsThePods(_ inArgs: Bool, _ inConfiguration: Bool, _ asCapability: Bool, _ expected: String)
        throws
    {
        let node = try Node()
        let pod = try node.pod()
        var keys: [String: JSONValue] = ["capabilities": ["mac": true]]
        if inConfiguration { keys["args"] = ["cni": ["mac": "02:00:00:00:00:02"]] }
        let attachment = pod.with(
            args: inArgs ? [("IgnoreUnknown", "1"), ("K8S_POD_NAME", "x"), ("MAC", "02:00:00:00:00:01")] : [],
            capabilities: asCapability ? ["mac": "02:00:00:00:00:03"] : [:])
        let result = try add(node, pod, node.gatewayBridge(keys), attachment)
        #expect(result.interface("eth0")?["mac"]?.string == expected)
        #expect(try pod.link("eth0")?["address"]?.string == expected)
    }

    @Test func aCapabilityThatTheConfigurationDoesNotDeclareIsNotUsed() throws {
        let node = try Node()
        let pod = try node.pod()
        let attachment = pod.with(capabilities: ["mac": "02:00:00:00:00:03"])
        #expect(try add(node, pod, node.gatewayBridge(), attachment).interface("eth0")?["mac"] != "02:00:00:00:00:03")
    }

    @Test func withoutOneTheMacFollowsTheAddress() throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try node.network(
            node.swiftlet(["subnet": "10.44.0.0/24", "rangeStart": "10.44.0.5", "rangeEnd": "10.44.0.5"]))
        let first = try node.runtime().add(list, pods[0].attachment).result
        try node.ping("10.44.0.5")
        try node.runtime().del(list, pods[0].attachment)
        let second = try node.runtime().add(list, pods[1].attachment).result
        // The node still has the first pod's neighbour entry, and it is right.
        #expect(first.interface("eth0")?["mac"] == second.interface("eth0")?["mac"])
        try node.ping("10.44.0.5")
    }

    @Test(arguments: [
        (
            #"{"hairpinMode":true,"promiscMode":true}"#, 7,
            "cannot set hairpin mode and promiscuous mode at the same time"
        ),
        (#"{"vlan":4095}"#, 7, "invalid VLAN ID 4095 (must be between 0 and 4094)"),
        (#"{"vlan":-1}"#, 7, "invalid VLAN ID -1 (must be between 0 and 4094)"),
        (#"{"vlanTrunk":[{"minID":0,"maxID":9}]}"#, 7, "incorrect trunk minID parameter"),
        (#"{"vlanTrunk":[{"minID":9,"maxID":4095}]}"#, 7, "incorrect trunk maxID parameter"),
        (#"{"vlanTrunk":[{"id":4095}]}"#, 7, "incorrect trunk id parameter"),
        (#"{"vlanTrunk":[{"minID":9,"maxID":3}]}"#, 7, "minID is greater than maxID in trunk parameter"),
        (#"{"vlanTrunk":[{"minID":9}]}"#, 7, "minID and maxID should be configured simultaneously, maxID is missing"),
        (#"{"vlanTrunk":[{"maxID":9}]}"#, 7, "minID and maxID should be configured simultaneously, minID is missing"),
        (#"{"disableContainerInterface":true}"#, 7, "cannot use IPAM when DisableContainerInterface flag is set"),
        (#"{"ipMasq":1}"#, 6, "ipMasq"), (#"{"ipMasqBackend":"pf"}"#, 7, "unknown ipmasq backend \"pf\""),
        (#"{"mtu":-1}"#, 7, "mtu"), (#"{"mtu":65536}"#, 7, "65536"), (#"{"mtu":"1500"}"#, 6, "mtu"),
        (#"{"isGateway":"yes"}"#, 6, "isGateway"), (#"{"bridge":7}"#, 6, "bridge"),
        (#"{"bridge":"a-name-that-is-too-long"}"#, 7, "a-name-that-is-too-long"), (#"{"bridge":"a/b"}"#, 7, "a/b"),
        (#"{"bridge":".."}"#, 7, ".."), (#"{"vlanTrunk":{}}"#, 6, "vlanTrunk"),
        (#"{"args":{"cni":{"mac":"nonsense"}}}"#, 7, "nonsense"),
        (#"{"args":{"cni":{"mac":"01:00:5e:00:00:01"}}}"#, 7, "01:00:5e"),
        (#"{"dns":{"nameservers":"10.0.0.1"}}"#, 6, "dns.nameservers"),
    ])
    func aWrongValueIsNamedAndChangesNothing(_ keys: String, _ code: Int, _ text: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let before = try Snapshot(node, [pod])
        let plugin = node.gatewayBridge(try JSONValue(parsing: keys).object ?? [:])
        let error = try failure { try add(node, pod, plugin) }
        #expect(error.code == code, "\(error)")
        #expect(error.msg.contains(text), "\(error)")
        expectSame(try Snapshot(node, [pod]), as: before)
    }

    @Test func swiftletRefusesKeysThatNobodyKnows() throws {
        let node = try Node()
        let pod = try node.pod()
        let before = try Snapshot(node, [pod])
        let error = try failure { try add(node, pod, node.swiftlet(["subnet": "10.44.0.0/24", "hairpin": true])) }
        #expect(error.code == 2)
        #expect(error.msg.contains("hairpin: true"))
        expectSame(try Snapshot(node, [pod]), as: before)
        try add(
            node, pod, node.swiftlet(["subnet": "10.44.0.0/24", "_comment": "remarks are free", "example.com/x": 1]))
    }

    @Test func argumentsAreKnownOrDeclaredIgnorable() throws {
        let node = try Node()
        let pod = try node.pod()
        let unknown = try failure { try add(node, pod, node.gatewayBridge(), pod.with(args: [("COLOUR", "red")])) }
        #expect(unknown.code == 4)
        #expect(unknown.msg.contains("ARGS: unknown args") && unknown.msg.contains("COLOUR"))
        let environment = pod.environment("ADD").merging(["CNI_ARGS": "nonsense"]) { $1 }
        let invalid = try node.call(
            environment, stdin: #"{"cniVersion":"1.1.0","name":"net","type":"swiftlet","subnet":"10.44.0.0/24"}"#)
        #expect(invalid.code == 4)
        #expect(invalid.message.contains("ARGS: invalid pair \"nonsense\""))
        #expect(try isUntouched(pod))
        for flag in ["1", "true"] {
            try add(node, pod, node.gatewayBridge(), pod.with(args: [("IgnoreUnknown", flag), ("COLOUR", "red")]))
            try node.runtime().del(
                node.network(node.gatewayBridge()), pod.with(args: [("IgnoreUnknown", flag), ("COLOUR", "red")]))
        }
    }
}
