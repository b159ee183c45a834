import CBench
import ContainerRuntime
import Foundation
import Testing

/// What people have long asked the reference plugins for.
@Suite(.realKernel) struct BetterThanReferenceTests {
    @Test(arguments: ["swiftlet", "bridge"]) func routesKeepMtuAdvmssPriorityTableAndScope(_ type: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let routes: JSONValue = [
            ["dst": "10.1.0.0/16", "gw": "10.44.0.9", "mtu": 1400, "advmss": 1300],
            ["dst": "10.2.0.0/16", "gw": "10.44.0.1", "priority": 77, "table": 100],
            // RT_SCOPE_LINK: neighbours, with no gateway between.
            ["dst": "10.3.0.0/16", "scope": 253],
            ["dst": "fd00:1::/64", "gw": "fd00:44::1", "mtu": 1300, "priority": 9, "table": 100],
        ]
        let keys = Node.dualStack.merging(["routes": routes]) { $1 }
        let list = try node.network(
            type == "swiftlet" ? node.swiftlet(keys) : node.bridge(["isGateway": true], ipam: keys))
        let result = try node.runtime().add(list, pod.attachment).result
        #expect(result["routes"]?.array?.prefix(4).elementsEqual(routes.array ?? []) == true)

        let first = try #require(try pod.route("10.1.0.0/16"))
        #expect(first["gateway"] == "10.44.0.9")
        let metrics = first["metrics"]?[0]
        #expect(metrics?["mtu"]?.integer == 1400 && metrics?["advmss"]?.integer == 1300)
        let second = try #require(try pod.route("10.2.0.0/16", table: "100"))
        #expect(second["metric"]?.integer == 77)
        #expect(try pod.route("10.2.0.0/16") == nil)
        let third = try #require(try pod.route("10.3.0.0/16"))
        #expect(third["scope"] == "link" && third["gateway"] == nil)
        let fourth = try #require(try pod.route("fd00:1::/64", table: "100", family: "-6"))
        #expect(fourth["metric"]?.integer == 9 && fourth["metrics"]?[0]?["mtu"]?.integer == 1300)
        try node.runtime().check(list, pod.attachment)
    }

    @Test func theKernelsOwnMtuIsTold() throws {
        let node = try Node()
        let pod = try node.pod()
        let result = try node.runtime().add(node.network(node.swiftlet()), pod.attachment).result
        #expect((result["interfaces"]?.array ?? []).compactMap { $0["mtu"]?.integer } == [1500, 1500, 1500])
    }

    // IPv6: usable at once, and only as configured.

    @Test(arguments: ["swiftlet", "bridge"]) func nothingIsTentativeWhenAddReturns(_ type: String) throws {
        for _ in 0..<10 {
            let node = try Node()
            let pod = try node.pod()
            let list = try node.network(FailingAddTests.plugin(node, type))
            _ = try node.runtime().add(list, pod.attachment)
            #expect(try pod.unusableAddresses("eth0") == [] && node.unusableAddresses("cbr0") == [])
            #expect(try pod.addresses("eth0").count == 2 && node.addresses("cbr0").count == 2)
            // The very first packet gets through.
            try pod.ping("fd00:44::1")
            try node.ping("fd00:44::2")
            // Link-local ones are the kernel's: no duplicates are looked for either, but its worker has to come round.
            #expect(try pod.sysctl("ipv6/conf/eth0/accept_dad") == "0")
            #expect(try node.sysctl("ipv6/conf/cbr0/accept_dad") == "0")
        }
    }

    @Test func nobodyWaitsForDuplicateAddressDetection() throws {
        let node = try Node()
        let pod = try node.pod()
        let strace = Strace(node)
        let list = try node.network(node.swiftlet(Node.dualStack))
        _ = try node.runtime(
            wrapper: strace.tracing("nanosleep,clock_nanosleep,poll,ppoll,select,pselect6,epoll_wait,alarm,setitimer")
        )
        .add(list, pod.attachment)
        #expect(try strace.lines().filter { $0.contains("(") } == [])
    }

    @Test(arguments: ["swiftlet", "bridge", "layer 2"]) func routersAreNotListenedTo(_ type: String) throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try node.network(DelTests.plugin(node, type))
        try pod.setSysctl("ipv6/conf/default/accept_ra", "1")
        _ = try node.runtime().add(list, pod.attachment)
        #expect(try pod.sysctl("ipv6/conf/eth0/accept_ra") == "0")
        let bridge = type == "swiftlet" ? "cbr0" : "cni0"
        #expect(try node.sysctl("ipv6/conf/\(bridge)/accept_ra") == "0")
    }

    @Test func acceptRaIsOffBeforeTheLinkIsUp() throws {
        let node = try Node()
        let pod = try node.pod()
        let strace = Strace(node)
        let list = try node.network(node.swiftlet(Node.dualStack))
        _ = try node.runtime(wrapper: strace.tracing("openat,sendto")).add(list, pod.attachment)
        let lines = try strace.lines()
        let written = try #require(lines.firstIndex { $0.contains("ipv6/conf/eth0/accept_ra") })
        // The pod's end is set up together with its addresses, which come first of all addresses. strace does not know
        // what socket of another namespace it looks at.
        let up = try #require(
            lines.firstIndex { $0.contains("sendto(") && ($0.contains("=0x14 ") || $0.contains("RTM_NEWADDR")) })
        #expect(written < up)
    }

    /// A router on the bridge advertises a prefix all the time; a pod made by hand takes it, a pod of ours never does.
    @Test func aFloodOfRouterAdvertisementsGivesPodsNoAddress() throws {
        let node = try Node()
        let warm = try node.pod()
        let list = try node.network(node.swiftlet(Node.dualStack))
        _ = try node.runtime().add(list, warm.attachment)
        try eventually("the bridge has a link-local address to advertise from") {
            try node.addressObjects("cbr0").contains { $0["scope"] == "link" && $0["tentative"] != true }
        }
        let router = try RouterAdvertiser(node, "cbr0", prefix: "2001:db8:bad::")
        defer { router.stop() }

        let naive = try node.pod()
        try naive.setSysctl("ipv6/conf/default/accept_ra", "1")
        try node.set("link", "add", "byhand", "type", "veth", "peer", "name", "eth0", "netns", naive.netns)
        try node.set("link", "set", "byhand", "master", "cbr0", "up")
        try naive.set("link", "set", "eth0", "up")
        try eventually("a pod made by hand listens to the router") {
            try naive.addresses("eth0").contains { $0.hasPrefix("2001:db8:bad:") }
        }
        for _ in 0..<5 {
            let pod = try node.pod()
            try pod.setSysctl("ipv6/conf/default/accept_ra", "1")
            let result = try node.runtime().add(list, pod.attachment).result
            let sent = router.sent
            try eventually("ten more advertisements") { router.sent >= sent + 10 }
            #expect(try Set(pod.addresses("eth0")) == Set(result.addresses))
            #expect(try pod.ip("-6", "route", "show", "default").count == 1)
        }
    }

    // The bridge's MAC.

    @Test(arguments: ["swiftlet", "layer 2"]) func theBridgesMacStaysTheSameOverAThousandPods(_ type: String) throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try node.network(DelTests.plugin(node, type))
        let first = try node.runtime().add(list, pods[0].attachment).result
        let mac = try #require(first["interfaces"]?[0]?["mac"]?.string)
        let bridge = try #require(first["interfaces"]?[0]?["name"]?.string)
        try node.runtime().del(list, pods[0].attachment)
        // The loop runs beside the plugin, in a shell on the node: a thousand times in seconds.
        var object = try #require(list.plugins.first?.object)
        object["cniVersion"] = "1.1.0"
        object["name"] = .string(list.name)
        try node.write("conf", String(decoding: JSONValue.object(object).bytes, as: UTF8.self))
        let type = object["type"]?.string ?? ""
        let script = #"""
            export CNI_NETNS=$1 CNI_IFNAME=eth0 CNI_PATH=$2
            n=0
            while [ $n -lt 500 ]; do
                n=$((n + 1))
                CNI_COMMAND=ADD CNI_CONTAINERID=c$n-$6 $2/$3 <$4 >/dev/null || exit 1
                cat /sys/class/net/$5/address
                CNI_COMMAND=DEL CNI_CONTAINERID=c$n-$6 $2/$3 <$4 || exit 2
                cat /sys/class/net/$5/address
            done
            """#
        // /sys must be the node's for that.
        let seen = inParallel(2) { number in
            try run([
                "nsenter", "--net=\(node.path)", "unshare", "--mount", "sh", "-c",
                "mount -t sysfs none /sys && " + script, "sh",
                pods[number].path, Requirements.bin, type, node.directory + "/conf", bridge, "\(number)",
            ])
        }
        for text in seen {
            let lines = try text.get().split(separator: "\n")
            #expect(lines.count == 1000)
            #expect(Set(lines) == [Substring(mac)])
        }
        #expect(try node.veths() == [])
        #expect(try node.reservations() == [])
    }

    // A fresh node.

    @Test(arguments: ["swiftlet", "bridge"]) func sixtyFourFirstAddsAtOnceAllSucceed(_ type: String) throws {
        let node = try Node()
        let pods = try node.pods(64)
        let list = try node.network(FailingAddTests.plugin(node, type))
        let results = inParallel(64) { try node.runtime().add(list, pods[$0].attachment).result }
        let added = try results.map { try $0.get() }
        #expect(Set(added.flatMap(\.addresses)).count == 128)
        #expect(Set(added.compactMap { $0["interfaces"]?[0]?["mac"]?.string }).count == 1)
        #expect(try node.addresses("cbr0").count == 2)
        #expect(try node.ports(of: "cbr0").count == 64)
        for pod in [pods[0], pods[31], pods[63]] {
            try pod.ping("10.44.0.1")
            try pod.ping("fd00:44::1")
            try node.runtime().check(list, pod.attachment)
        }
        let removed = inParallel(64) { try node.runtime().del(list, pods[$0].attachment).count }
        for result in removed { _ = try result.get() }
        #expect(try node.veths() == [])
        #expect(try node.reservations() == [])
    }

    @Test func addsAndDelsOfManyPodsMixFreely() throws {
        let node = try Node()
        let pods = try node.pods(16)
        let list = try node.network(node.swiftlet(Node.dualStack))
        let results = inParallel(16) { number in
            for _ in 0..<8 {
                _ = try node.runtime().add(list, pods[number].attachment)
                try pods[number].ping("fd00:44::1")
                try node.runtime().check(list, pods[number].attachment)
                try node.runtime().del(list, pods[number].attachment)
            }
        }
        for result in results { try result.get() }
        #expect(try node.veths() == [])
        #expect(try node.reservations() == [])
    }

    @Test func theOwnerOfEachLinkIsWrittenOnIt() throws {
        let node = try Node()
        let pod = try node.pod("pod-with-a-name")
        _ = try node.runtime().add(node.network(node.swiftlet(), name: "blue"), pod.attachment)
        #expect(try node.link(node.veths()[0])?["ifalias"] == "swiftlet blue/pod-with-a-name/eth0")
    }

    @Test func theLongestNamesThatAreAllowedWork() throws {
        let node = try Node()
        let pod = try node.pod(String(repeating: "c", count: 128), ifname: "fifteen.letters")
        let list = try node.network(
            node.swiftlet(["subnet": "10.44.0.0/24", "bridge": "bridge-of-15-ch"]),
            name: String(repeating: "n", count: 96))
        _ = try node.runtime().add(list, pod.attachment)
        try node.runtime().check(list, pod.attachment)
        try node.runtime().gc(list, valid: [pod.valid])
        try pod.ping("10.44.0.1")
        try node.runtime().gc(list, valid: [])
        #expect(try node.veths() == [])
    }
}

/// Sends router advertisements from a link of a node until it is stopped.
private final class RouterAdvertiser: @unchecked Sendable {
    private let descriptor: Int32
    private let condition = NSCondition()
    private var count = 0
    private var isStopped = false

    init(_ node: Node, _ link: String, prefix: String) throws {
        let IPV6_MULTICAST_HOPS: Int32 = 18
        descriptor = try node.socket(AF_INET6, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_ICMPV6))
        // Receivers take it only with a hop limit that no router has lowered.
        var hops: Int32 = 255
        guard setsockopt(descriptor, Int32(IPPROTO_IPV6), IPV6_MULTICAST_HOPS, &hops, 4) == 0 else {
            throw CommandError(description: "IPV6_MULTICAST_HOPS: \(String(cString: strerror(errno)))")
        }
        let index = try node.link(link)?["ifindex"]?.integer ?? 0
        // Type 134, code 0, checksum (the kernel's), hop limit 64, no flags, lifetime 1800 s, no timers.
        var message: [UInt8] = [134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0]
        // Prefix information: 4 times 8 octets, /64, on-link and autonomous, valid and preferred for a day.
        message += [3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 1, 0x51, 0x80, 0, 0, 0, 0]
        try withSocketAddress(prefix, 0) { address, _ in
            address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                withUnsafeBytes(of: $0.pointee.sin6_addr) { message += $0 }
            }
        }
        let bytes = message
        Thread.detachNewThread { [self] in
            _ = try? withSocketAddress("ff02::1", 0) { address, size in
                var target = address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { $0.pointee }
                target.sin6_scope_id = UInt32(index)
                while condition.withLock({ !isStopped }) {
                    let sent = withUnsafePointer(to: &target) { pointer in
                        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                            sendto(descriptor, bytes, bytes.count, 0, $0, size)
                        }
                    }
                    condition.withLock { if sent == bytes.count { count += 1 } }
                    usleep(2000)
                }
                close(descriptor)
            }
        }
    }

    var sent: Int { condition.withLock { count } }

    func stop() { condition.withLock { isStopped = true } }
}
