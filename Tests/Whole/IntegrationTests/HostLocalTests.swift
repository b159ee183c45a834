import ContainerRuntime
import Foundation
import Testing

/// Each key, default, capability and argument of the reference's `host-local`, with the same meaning, and its store.
///
/// The IPAM plugin is called as a main plugin calls it. It touches no interface, so no pod is needed.
@Suite(.realKernel) struct HostLocalTests {
    func plugin(_ node: Node, _ ipam: [String: JSONValue], _ keys: [String: JSONValue] = [:]) -> JSONValue {
        guard case .object(let object) = node.bridge(keys, ipam: ipam) else { return [:] }
        return .object(object.merging(["type": "host-local"]) { $1 })
    }

    func container(
        _ id: String, _ ifname: String = "eth0", args: [(String, String)] = [],
        _ capabilities: [String: JSONValue] = [:]
    ) -> PodAttachment {
        PodAttachment(
            containerID: id, netns: "/run/netns/none", ifname: ifname, args: args, capabilityArgs: capabilities)
    }

    @discardableResult
    func add(
        _ node: Node, _ id: String, _ ipam: [String: JSONValue], keys: [String: JSONValue] = [:],
        args: [(String, String)] = [], capabilities: [String: JSONValue] = [:], version: String = "1.1.0"
    ) throws -> JSONValue {
        let list = try node.network(plugin(node, ipam, keys), version: version)
        return try node.runtime().add(list, container(id, args: args, capabilities)).result
    }

    static let subnet: [String: JSONValue] = ["subnet": "10.1.2.0/24"]

    @Test(arguments: everyVersion) func addressesComeAndGoInEveryVersion(_ version: String) throws {
        let node = try Node()
        let list = try node.network(plugin(node, Self.subnet), version: version)
        let result = try node.runtime().add(list, container("a")).result
        #expect(result.addresses == ["10.1.2.2/24"])
        #expect(result["cniVersion"]?.string == version)
        // An IPAM plugin's result is abbreviated.
        #expect(result["interfaces"] == nil && result["ips"]?[0]?["interface"] == nil)
        if version >= "0.4.0" { try node.runtime().check(list, container("a")) }
        if version >= "1.1.0" {
            try node.runtime().status(list)
            try node.runtime().gc(list, valid: [ValidAttachment(containerID: "a", ifname: "eth0")])
        }
        #expect(try node.reservations() == ["10.1.2.2"])
        try node.runtime().del(list, container("a"))
        try node.runtime().del(list, container("a"))
        #expect(try node.reservations() == [])
    }

    @Test func byDefaultTheGatewayIsTheFirstAndPodsGetTheRest() throws {
        let node = try Node()
        let small: [String: JSONValue] = ["subnet": "10.1.2.0/29"]
        let got = try (0..<5).map { try add(node, "c\($0)", small) }
        #expect(got.map(\.hosts) == [["10.1.2.2"], ["10.1.2.3"], ["10.1.2.4"], ["10.1.2.5"], ["10.1.2.6"]])
        #expect(got[0]["ips"]?[0]?["gateway"] == "10.1.2.1")
        let full = try failure { try add(node, "c5", small) }
        #expect(full.msg.contains("no IP addresses available in range set: 10.1.2.1-10.1.2.6"))
        #expect(full.code == 102)
    }

    @Test func ipv6ReachesToTheLastAddress() throws {
        let node = try Node()
        let tiny: [String: JSONValue] = ["subnet": "fd00::/126"]
        #expect(try add(node, "a", tiny).addresses == ["fd00::2/126"])
        #expect(try add(node, "b", tiny).addresses == ["fd00::3/126"])
        #expect(try failure { try add(node, "c", tiny) }.code == 102)
        #expect(try node.reservations() == ["fd00::2", "fd00::3"])
    }

    @Test func rangeStartRangeEndAndGatewayAreKept() throws {
        let node = try Node()
        let ipam: [String: JSONValue] = [
            "subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.11", "gateway": "10.1.2.10",
        ]
        let got = try ["a", "b"].map { try add(node, $0, ipam) }
        #expect(got.flatMap(\.hosts) == ["10.1.2.9", "10.1.2.11"])
        #expect(got[0]["ips"]?[0]?["gateway"] == "10.1.2.10")
        #expect(try failure { try add(node, "c", ipam) }.msg.contains("10.1.2.9-10.1.2.11"))
    }

    @Test func eachRangeSetGivesOneAddressFromThePoolsInIt() throws {
        let node = try Node()
        let ipam: [String: JSONValue] = [
            "ranges": [
                [["subnet": "10.1.2.0/30"], ["subnet": "10.1.3.0/24", "gateway": "10.1.3.254"]],
                [["subnet": "fd00::/64"]],
            ]
        ]
        #expect(try add(node, "a", ipam).addresses == ["10.1.2.2/30", "fd00::2/64"])
        let second = try add(node, "b", ipam)
        #expect(second.addresses == ["10.1.3.1/24", "fd00::3/64"])
        #expect(second["ips"]?[0]?["gateway"] == "10.1.3.254")
    }

    @Test func theCapabilityIpRangesComesFirstThenSubnetThenRanges() throws {
        let node = try Node()
        let ipam: [String: JSONValue] = ["subnet": "10.2.0.0/24", "ranges": [[["subnet": "10.3.0.0/24"]]]]
        let result = try add(
            node, "a", ipam, keys: ["capabilities": ["ipRanges": true]],
            capabilities: ["ipRanges": [[["subnet": "10.1.0.0/24"]]]])
        #expect(result.addresses == ["10.1.0.2/24", "10.2.0.2/24", "10.3.0.2/24"])
    }

    @Test func ipRangesAloneAreEnough() throws {
        let result = try add(
            try Node(), "a", [:], keys: ["capabilities": ["ipRanges": true]],
            capabilities: ["ipRanges": [[["subnet": "10.1.0.0/24"]], [["subnet": "fd00::/64"]]]])
        #expect(result.addresses == ["10.1.0.2/24", "fd00::2/64"])
    }

    @Test func addressesAreAskedForInThreeWaysAtOnce() throws {
        let ipam: [String: JSONValue] = [
            "ranges": [[["subnet": "10.1.0.0/24"]], [["subnet": "10.2.0.0/24"]], [["subnet": "fd00::/64"]]]
        ]
        let result = try add(
            try Node(), "a", ipam, keys: ["capabilities": ["ips": true], "args": ["cni": ["ips": ["10.2.0.20"]]]],
            args: [("IgnoreUnknown", "1"), ("IP", "10.1.0.10")], capabilities: ["ips": ["fd00::30/64"]])
        #expect(result.addresses == ["10.1.0.10/24", "10.2.0.20/24", "fd00::30/64"])
    }

    @Test func addressesGoRoundBeforeOneIsUsedAgain() throws {
        let node = try Node()
        let list = try node.network(plugin(node, Self.subnet))
        #expect(try add(node, "a", Self.subnet).hosts == ["10.1.2.2"])
        try node.runtime().del(list, container("a"))
        #expect(try add(node, "b", Self.subnet).hosts == ["10.1.2.3"])
    }

    @Test func routesAreCopiedWithAllTheirFields() throws {
        let routes: JSONValue = [
            ["dst": "0.0.0.0/0"],
            [
                "dst": "10.9.0.0/16", "gw": "10.1.2.7", "mtu": 1400, "advmss": 1300, "priority": 50, "table": 100,
                "scope": 0,
            ],
        ]
        #expect(try add(try Node(), "a", Self.subnet.merging(["routes": routes]) { $1 })["routes"] == routes)
    }

    @Test func resolvConfBecomesDns() throws {
        let node = try Node()
        try node.write(
            "resolv.conf",
            "# comment\n; another\nnameserver 10.0.0.1\nnameserver fd00::53\ndomain a.example\nsearch b.example c.example\noptions ndots:5 edns0\nsortlist x\n"
        )
        let result = try add(
            node, "a", Self.subnet.merging(["resolvConf": .string(node.directory + "/resolv.conf")]) { $1 })
        #expect(
            result["dns"] == [
                "nameservers": ["10.0.0.1", "fd00::53"], "domain": "a.example", "search": ["b.example", "c.example"],
                "options": ["ndots:5", "edns0"],
            ])
        let missing = try failure { try add(node, "b", Self.subnet.merging(["resolvConf": "/nonexistent"]) { $1 }) }
        #expect(missing.code == 7 && missing.msg.contains("/nonexistent"))
    }

    @Test func dataDirIsByDefaultVarLibCniNetworks() throws {
        let node = try Node()
        let list = try node.network(["type": "host-local", "ipam": ["type": "host-local", "subnet": "10.1.2.0/24"]])
        _ = try node.runtime(wrapper: node.withOwnVarLib).add(list, container("a"))
        let file = node.directory + "/var-lib/cni/networks/net/10.1.2.2"
        #expect(FileManager.default.contents(atPath: file) == Data("a\r\neth0".utf8))
    }

    @Test func aReservationIsAFileAsTheReferenceWritesIt() throws {
        let node = try Node()
        try add(node, "pod-1", Self.subnet)
        let directory = node.data + "/net"
        #expect(FileManager.default.contents(atPath: directory + "/10.1.2.2") == Data("pod-1\r\neth0".utf8))
        let mode = try FileManager.default.attributesOfItem(atPath: directory + "/10.1.2.2")[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(FileManager.default.contents(atPath: directory + "/last_reserved_ip.0") == Data("10.1.2.2".utf8))
        #expect(FileManager.default.fileExists(atPath: directory + "/lock"))
    }

    @Test func aFileOfAnOldReleaseWithoutInterfaceIsFoundAndFreed() throws {
        let node = try Node()
        try add(node, "new", Self.subnet)
        try run(["sh", "-c", "printf old >\(node.data)/net/10.1.2.77"])
        try node.runtime().del(try node.network(plugin(node, Self.subnet)), container("old"))
        #expect(try node.reservations() == ["10.1.2.2"])
    }

    @Test(arguments: [
        (#"{}"#, "no IP ranges specified"), (#"{"ranges":[]}"#, "no IP ranges specified"),
        (#"{"ranges":[[]]}"#, "invalid range set 0: empty range set"),
        (
            #"{"ranges":[[{"subnet":"10.1.0.0/24"},{"subnet":"fd00::/64"}]]}"#,
            "invalid range set 0: mixed address families"
        ),
        (#"{"ranges":[[{"subnet":"10.1.0.0/16"},{"subnet":"10.1.2.0/24"}]]}"#, "overlap"),
        (#"{"ranges":[[{"subnet":"10.1.0.0/16"}],[{"subnet":"10.1.2.0/24"}]]}"#, "range set 0 overlaps with 1"),
        (#"{"subnet":"10.1.0.0/31"}"#, "Network 10.1.0.0/31 too small to allocate from"),
        (#"{"subnet":"10.1.0.0/32"}"#, "too small to allocate from"),
        (#"{"subnet":"fd00::/127"}"#, "Network fd00::/127 too small to allocate from"),
        (
            #"{"subnet":"10.1.0.7/24"}"#,
            "Network has host bits set. For a subnet mask of length 24 the network address is 10.1.0.0"
        ),
        (#"{"subnet":"10.1.0.0/24","rangeStart":"10.2.0.1"}"#, "RangeStart 10.2.0.1 not in network 10.1.0.0/24"),
        (#"{"subnet":"10.1.0.0/24","rangeEnd":"10.2.0.1"}"#, "RangeEnd 10.2.0.1 not in network 10.1.0.0/24"),
        (#"{"subnet":"10.1.0.0/24","dataDir":"relative"}"#, "dataDir"),
        (#"{"subnet":"10.1.0.0/33"}"#, "subnet"), (#"{"subnet":"10.1.0.0"}"#, "subnet"),
        (#"{"subnet":"10.1.0.0/24","gateway":"here"}"#, "gateway"),
        (#"{"subnet":"10.1.0.0/24","routes":[{"gw":"10.1.0.1"}]}"#, "routes[0].dst"),
        (#"{"subnet":"10.1.0.0/24","routes":[{"dst":"10.0.0.0/8","mtu":-1}]}"#, "routes[0].mtu"),
        (manyRanges, "at most 1024"),
    ])
    func aWrongValueIsNamedAndChangesNothing(_ ipam: String, _ text: String) throws {
        let node = try Node()
        let keys = try JSONValue(parsing: ipam).object ?? [:]
        let error = try failure { try add(node, "a", keys) }
        #expect(error.code == 7, "\(error)")
        #expect(error.msg.contains(text), "\(error)")
        #expect(!FileManager.default.fileExists(atPath: node.data))
    }

    /// More than anybody has, each of which would have to be compared with all others.
    static let manyRanges =
        #"{"ranges":["# + (0..<1025).map { #"[{"subnet":"10.\#($0 / 256).\#($0 % 256).0/24"}]"# }.joined(separator: ",")
        + "]}"

    @Test func withoutAnIpamKeyItSaysSo() throws {
        let node = try Node()
        let error = try failure { _ = try node.runtime().add(node.network(["type": "host-local"]), container("a")) }
        #expect(error.code == 7 && error.msg.contains("IPAM config missing 'ipam' key"))
    }

    @Test(arguments: ["0.1.0", "0.2.0"]) func oldVersionsHaveOneAddressOfEachFamily(_ version: String) throws {
        let node = try Node()
        let two: [String: JSONValue] = ["ranges": [[["subnet": "10.1.0.0/24"]], [["subnet": "10.2.0.0/24"]]]]
        let error = try failure { try add(node, "a", two, version: version) }
        #expect(error.code == 7)
        #expect(error.msg.contains("CNI version \(version) does not support more than 1 address per family"))
        #expect(try node.reservations() == [])
    }

    @Test func addressesThatCannotBeHadAreErrorsThatReserveNothing() throws {
        let node = try Node()
        let ask = { (address: String) in
            try failure { try add(node, "b", Self.subnet, keys: ["args": ["cni": ["ips": [.string(address)]]]]) }
        }
        try add(node, "a", Self.subnet)
        for (address, text) in [
            ("10.1.2.1", "requested ip 10.1.2.1 is subnet's gateway"),
            ("10.1.2.2", "requested IP address 10.1.2.2 is not available in range set 10.1.2.1-10.1.2.254"),
            ("10.9.9.9", "failed to allocate all requested IPs: 10.9.9.9"),
        ] {
            let error = try ask(address)
            #expect(error.msg.contains(text), "\(error)")
            #expect(error.code == 102)
        }
        #expect(try ask("nonsense").code == 7)
        let duplicate = try failure { try add(node, "a", Self.subnet) }
        #expect(duplicate.msg.contains("10.1.2.2 has been allocated to a, duplicate allocation is not allowed"))
        #expect(duplicate.code == 103)
        #expect(try node.reservations() == ["10.1.2.2"])
    }

    @Test func aSecondSetThatIsFullReservesNothingOfTheFirst() throws {
        let node = try Node()
        let ipam: [String: JSONValue] = ["ranges": [[["subnet": "10.1.0.0/24"]], [["subnet": "10.2.0.0/30"]]]]
        try add(node, "a", ipam)
        let before = try Snapshot(node)
        let error = try failure { try add(node, "b", ipam) }
        #expect(error.msg.contains("failed to allocate for range 1"))
        expectSame(try Snapshot(node), as: before)
    }

    @Test func checkFindsALostReservation() throws {
        let node = try Node()
        let list = try node.network(plugin(node, Self.subnet))
        _ = try node.runtime().add(list, container("a"))
        try FileManager.default.removeItem(atPath: node.data + "/net/10.1.2.2")
        let error = try failure { try node.runtime().check(list, container("a")) }
        #expect(error.msg.contains("host-local: Failed to find address added by container a"))
    }

    @Test func interfacesOfOneContainerHaveAddressesOfTheirOwn() throws {
        let node = try Node()
        let list = try node.network(plugin(node, Self.subnet))
        _ = try node.runtime().add(list, container("a", "eth0"))
        _ = try node.runtime().add(list, container("a", "eth1"))
        try node.runtime().del(list, container("a", "eth0"))
        #expect(try node.reservations() == ["10.1.2.3"])
        try node.runtime().check(list, container("a", "eth1"))
    }

    @Test func wholePodCidrsComeFromTheSameStore() throws {
        let node = try Node()
        let ipam: [String: JSONValue] = ["subnet": "10.0.0.0/14", "blockLength": 16]
        #expect(
            try ["a", "b", "c", "d"].flatMap { try add(node, $0, ipam).addresses } == [
                "10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16",
            ])
        #expect(try failure { try add(node, "e", ipam) }.code == 102)
        let list = try node.network(plugin(node, ipam))
        try node.runtime().check(list, container("b"))
        // Full: told on standard error, but no reason to evict the node's pods.
        try node.runtime().status(list)
        try node.runtime().del(list, container("b"))
        try node.runtime().status(list)
        #expect(try add(node, "e", ipam).addresses == ["10.1.0.0/16"])
    }

    // The store, when things have gone wrong.

    @Test func reservationsMadeBeforeARebootAreFree() throws {
        let node = try Node()
        let tiny: [String: JSONValue] = ["subnet": "10.1.2.0/30"]
        let list = try node.network(plugin(node, tiny))
        let before = try node.runtime(boot: 1)
        _ = try before.add(list, container("a"))
        #expect(try failure { _ = try before.add(list, container("b")) }.code == 102)
        let after = try node.runtime(boot: 2)
        #expect(try after.add(list, container("b")).result.hosts == ["10.1.2.2"])
        #expect(FileManager.default.contents(atPath: node.data + "/net/10.1.2.2") == Data("b\r\neth0".utf8))
        #expect(try failure { _ = try after.add(list, container("c")) }.code == 102)
    }

    @Test(arguments: ["", "\0\0\0\0\0\0\0\0", "\r\n", "a\nb\nc\nd"])
    func anEmptyOrGarbageFileCostsNoAddress(_ content: String) throws {
        let node = try Node()
        try FileManager.default.createDirectory(atPath: node.data + "/net", withIntermediateDirectories: true)
        try node.reserve("10.1.2.2", content)
        #expect(try add(node, "a", ["subnet": "10.1.2.0/30"]).hosts == ["10.1.2.2"])
    }

    @Test func whatGarbageAppearsLaterCostsNoAddressEither() throws {
        let node = try Node()
        let tiny: [String: JSONValue] = ["subnet": "10.1.2.0/29"]
        let list = try node.network(plugin(node, tiny))
        try add(node, "a", tiny)
        for last in 3...6 { try node.reserve("10.1.2.\(last)", "") }
        try node.runtime().status(list)
        #expect(try add(node, "b", tiny).hosts.count == 1)
    }

    @Test func aLockThatIsHeldForLongMeansTryAgainLater() async throws {
        let node = try Node()
        try add(node, "a", Self.subnet)
        // Waiting takes ten seconds, in which other tests want this thread.
        let error = try await withCheckedThrowingContinuation {
            (continuation: CheckedContinuation<PluginError, any Error>) in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        let lock = open(node.data + "/net/lock", O_RDWR | O_CLOEXEC)
                        defer { close(lock) }
                        guard flock(lock, LOCK_EX) == 0 else { throw CommandError(description: "flock") }
                        return try failure { try add(node, "b", Self.subnet) }
                    })
            }
        }
        #expect(error.code == 11)
        #expect(error.run.outcome.wall < .seconds(30))
        try add(node, "b", Self.subnet)
    }

    @Test func sixtyThousandReservationsCostNoMoreSystemCallsThanTen() throws {
        let node = try Node()
        let ipam: [String: JSONValue] = ["subnet": "10.1.0.0/16"]
        let list = try node.network(plugin(node, ipam))
        let strace = Strace(node)
        func calls(_ id: String) throws -> Int {
            var count = 0
            let runtime = node.runtime(wrapper: strace.tracing("all"))
            _ = try runtime.add(list, container(id))
            count += try strace.lines().count
            try runtime.del(list, container(id))
            return count + (try strace.lines().count)
        }
        for number in 0..<10 { try add(node, "ten-\(number)", ipam) }
        let few = try calls("few")
        for third in 8..<242 {
            for last in 0..<256 { try node.reserve("10.1.\(third).\(last)", "c-\(third)-\(last)\r\neth0") }
        }
        // The first one to come has to read what somebody else has written.
        try add(node, "first", ipam)
        #expect(try calls("many") <= few + 10)
    }

    @Test func manyAtOnceGetDifferentAddressesAndTheRangeIsUsedUpToTheLast() throws {
        let node = try Node()
        let ipam: [String: JSONValue] = ["subnet": "10.1.2.0/26"]
        let results = inParallel(61) { try add(node, "c\($0)", ipam).hosts[0] }
        #expect(try Set(results.map { try $0.get() }).count == 61)
        #expect(try failure { try add(node, "one-more", ipam) }.code == 102)
    }
}
