import ContainerRuntime
import Foundation
import Testing

/// Whether the kernel has BIG TCP for both families: since 6.3.
private let kernelHasBigTCP: Bool = {
    var names = utsname()
    uname(&names)
    let release = withUnsafeBytes(of: names.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    let numbers = release.split(whereSeparator: { !$0.isNumber }).prefix(2).compactMap { Int($0) }
    return numbers.count == 2 && (numbers[0], numbers[1]) >= (6, 3)
}()

private let largest: Int64 = 524280

/// `gsoIPv4MaxSize` and `gsoIPv6MaxSize`: packets of more than 64 KiB arrive in one piece.
@Suite(.realKernel) struct BigTCPTests {
    /// The network of these tests, of both families, with these keys.
    func network(_ node: Node, _ keys: [String: JSONValue] = [:]) throws -> NetworkList {
        try node.network(node.swiftlet(Node.dualStack.merging(["ipMasq": true]) { $1 }.merging(keys) { $1 }))
    }

    func bigNetwork(_ node: Node) throws -> NetworkList {
        try network(node, ["gsoIPv4MaxSize": .integer(largest), "gsoIPv6MaxSize": .integer(largest)])
    }

    /// Sends for a second from one to the other's address, and says how many packets have come in that are larger than
    /// any without BIG TCP, seen by the receiver itself.
    func largePackets(from sender: some Namespace, at address: String, to receiver: some Namespace) throws -> Int64 {
        try receiver.exec(
            "nft",
            """
            table inet look {
                counter large { }
                chain input { type filter hook input priority 0; meta length > 65536 counter name large; }
            }
            """)
        defer { _ = try? receiver.exec("nft", "delete table inet look") }
        let rates = try throughput(from: sender, to: receiver, address, seconds: 1)
        #expect(rates.contains { $0 > 0 })
        let listed = try JSONValue(parsing: try receiver.exec("nft", "-j", "list", "counters"))
        let counter = try #require(listed["nftables"]?.array?.compactMap { $0["counter"] }.first)
        return try #require(counter["packets"]?.integer)
    }

    @Test(.enabled(if: kernelHasBigTCP, "needs Linux 6.3"), arguments: Family.allCases)
    func podsAndNodeExchangeLargePackets(_ family: Family) throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try bigNetwork(node)
        let results = try pods.map { try node.runtime().add(list, $0.attachment).result }
        let addresses = results.map { $0.hosts[family == .v4 ? 0 : 1] }
        #expect(try largePackets(from: pods[0], at: addresses[0], to: pods[1]) > 0)
        #expect(try largePackets(from: pods[0], at: addresses[0], to: node) > 0)
        let gateway = family == .v4 ? "10.44.0.1" : "fd00:44::1"
        #expect(try largePackets(from: node, at: gateway, to: pods[0]) > 0)
        for pod in pods { try node.runtime().check(list, pod.attachment) }
    }

    @Test(.enabled(if: kernelHasBigTCP, "needs Linux 6.3"), arguments: Family.allCases)
    func aPodWithoutTheKeysGetsThemInOnePieceAndSendsNone(_ family: Family) throws {
        let node = try Node()
        let pods = try node.pods(2)
        let results = [
            try node.runtime().add(bigNetwork(node), pods[0].attachment).result,
            try node.runtime().add(network(node), pods[1].attachment).result,
        ]
        let addresses = results.map { $0.hosts[family == .v4 ? 0 : 1] }
        #expect(try largePackets(from: pods[0], at: addresses[0], to: pods[1]) > 0)
        #expect(try largePackets(from: pods[1], at: addresses[1], to: pods[0]) == 0)
    }

    @Test(.enabled(if: kernelHasBigTCP, "needs Linux 6.3"), arguments: Family.allCases)
    func theWorldIsReachedAsBefore(_ family: Family) throws {
        let node = try Node()
        let outside = try Outside(node)
        let pod = try node.pod()
        _ = try node.runtime().add(bigNetwork(node), pod.attachment)
        // It knows no pod, so the pod connects.
        let rates = try throughput(
            from: pod, to: outside, Outside.host(family), seconds: 1, isSenderConnecting: true)
        #expect(rates.contains { $0 > 100_000_000 })
    }

    @Test(.enabled(if: kernelHasBigTCP, "needs Linux 6.3")) func ipv6RoutesLeaveRoomForTheKernelsHeader() throws {
        let node = try Node()
        let pods = try node.pods(2)
        let result = try node.runtime().add(bigNetwork(node), pods[0].attachment).result
        let routes = try #require(result["routes"]?.array)
        #expect(routes.map { $0["mtu"]?.integer } == [nil, 1492])
        let metrics = try pods[0].route("default", family: "-6")?["metrics"]?[0]
        #expect(metrics?["mtu"] == 1492)
        let small = try network(node, ["gsoIPv6MaxSize": .integer(largest), "mtu": 1287])
        try expectRefused(small, pods[1], code: 7, "mtu 1287 is too small for gsoIPv6MaxSize")
    }

    @Test(.enabled(if: kernelHasBigTCP, "needs Linux 6.3")) func checkSaysWhatHasBeenLowered() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try bigNetwork(node)
        _ = try node.runtime().add(list, pod.attachment)
        let hostEnd = try #require(try node.veths().first)
        for (place, link) in [(pod as any Namespace, "eth0"), (node, hostEnd), (node, "cbr0")] {
            try node.runtime().check(list, pod.attachment)
            try place.set("link", "set", link, "gso_max_size", "65536")
            let error = try failure { _ = try node.runtime().check(list, pod.attachment) }
            #expect(error.msg.contains("the packet size of \(link) is limited to 65536 octets"), "\(error)")
            _ = try node.runtime().del(list, pod.attachment)
            _ = try node.runtime().add(list, pod.attachment)
        }
    }

    @Test func withoutTheKeysPodAndBridgeAreAsTheKernelMakesThem() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try network(node)
        _ = try node.runtime().add(list, pod.attachment)
        #expect(try pod.link("eth0")?["gso_max_size"] == 65536)
        #expect(try node.link("cbr0")?["gso_max_size"] == 65536)
        let hostEnd = try #require(try node.veths().first)
        #expect(try node.link(hostEnd)?["gso_max_size"] == .integer(largest))
        // What another plugin has attached has no such end.
        try node.set("link", "set", hostEnd, "gso_max_size", "65536")
        try node.runtime().check(list, pod.attachment)
    }

    @Test(arguments: ["gsoIPv4MaxSize", "gsoIPv6MaxSize"]) func otherSizesAreRefused(_ key: String) throws {
        let node = try Node()
        let pod = try node.pod()
        for size in [65535, largest + 1] {
            try expectRefused(
                network(node, [key: .integer(size)]), pod, code: 7, "0, or from 65536 to \(largest)")
        }
        try expectRefused(network(node, [key: "131072"]), pod, code: 6, key)
    }

    @Test(.enabled(if: !kernelHasBigTCP, "this kernel has BIG TCP; that of make test-vm has not"))
    func aKernelWithoutItIsToldOf() throws {
        let node = try Node()
        let pod = try node.pod()
        let list = try bigNetwork(node)
        try expectRefused(list, pod, code: 50, "this kernel has no BIG TCP")
        #expect(try failure { try node.runtime().status(list) }.code == 50)
    }
}
