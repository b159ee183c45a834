import ContainerRuntime
import Foundation
import Testing

/// `macspoofchk` and `antiSpoof`: what pods send under another's name gets nowhere. Frames are made by hand in the pod.
@Suite(.realKernel) struct SpoofTests {
    /// A pod that lies, one that listens, and what the node hears.
    struct Scene {
        let node: Node
        let list: NetworkList
        let liar: Pod
        let neighbour: Pod
        let own: Sender
        let others: Sender
        let sender: FrameTap
        let taps: [FrameTap]

        /// - Parameter guards: the keys that hold pods to what they are.
        init(_ type: String, _ guards: [String: JSONValue], liar attachment: (Pod) -> PodAttachment = { $0.attachment })
            throws
        {
            node = try Node()
            list = try Scene.network(node, type, guards)
            (liar, neighbour) = (try node.pod(), try node.pod())
            let (runtime, list) = (node.runtime(), list)
            let results = try [attachment(liar), neighbour.attachment].map { try runtime.add(list, $0).result }
            let senders = try results.map {
                Sender(
                    mac: try #require($0.interface("eth0")?["mac"]?.string), v4: $0.hosts[0],
                    v6: $0.hosts.count > 1 ? $0.hosts[1] : "fd00:44::2")
            }
            (own, others) = (senders[0], senders[1])
            sender = try FrameTap(liar)
            taps = [try FrameTap(neighbour), try FrameTap(node, "cbr0")]
        }

        static func network(
            _ node: Node, _ type: String, _ guards: [String: JSONValue], name: String = "net"
        ) throws -> NetworkList {
            let bridge: [String: JSONValue] = ["bridge": "cbr0", "isDefaultGateway": true]
            return try node.network(
                type == "swiftlet"
                    ? node.swiftlet(Node.dualStack.merging(guards) { $1 })
                    : node.bridge(bridge.merging(guards) { $1 }, ipam: Node.dualStack), name: name)
        }

        /// The names of the frames that neither the neighbour nor the node sees, and of those that both do.
        func judge(_ frames: [Frame]) throws -> (dropped: Set<String>, delivered: Set<String>) {
            let seen = try arrivals(frames, from: sender, then: own.ipv4("the last"), at: taps)
            let all = Set(frames.map(\.name))
            return (all.subtracting(seen[0].union(seen[1])), seen[0].intersection(seen[1]))
        }

        func expectDropped(_ frames: [Frame], sourceLocation: SourceLocation = #_sourceLocation) throws {
            let missing = Set(frames.map(\.name)).subtracting(try judge(frames).dropped)
            #expect(missing == [], "these arrived", sourceLocation: sourceLocation)
        }

        func expectDelivered(_ frames: [Frame], sourceLocation: SourceLocation = #_sourceLocation) throws {
            let missing = Set(frames.map(\.name)).subtracting(try judge(frames).delivered)
            #expect(missing == [], "these did not arrive everywhere", sourceLocation: sourceLocation)
        }

        /// A MAC that nobody has, and the neighbour's.
        var foreignMACs: [[UInt8]] { [[0x02, 0, 0, 0, 0xbe, 0xef], others.mac] }
    }

    /// Every kind of frame.
    static func everyKind(_ sender: Sender, _ prefix: String = "") -> [Frame] {
        let vlan: [UInt8] = [0x81, 0, 0, 7]
        return [
            sender.ipv4(prefix + "IPv4"), sender.ipv6(prefix + "IPv6"), sender.arp(prefix + "ARP request", 1),
            sender.arp(prefix + "ARP reply", 2), sender.nd(prefix + "solicitation", 135, about: sender.v6),
            sender.nd(prefix + "advertisement", 136, about: sender.v6),
            sender.ethernet(prefix + "another protocol", type: 0x88b5),
            sender.ipv4(prefix + "IPv4 in VLAN 7", tag: vlan), sender.arp(prefix + "ARP in VLAN 7", 2, tag: vlan),
        ]
    }

    /// What `antiSpoof` is there for, all of it under the pod's own MAC.
    static func lies(_ own: Sender, _ others: Sender) -> [Frame] {
        let byAddress = own.with {
            $0.v4 = others.v4
            $0.v6 = others.v6
        }
        let byLinkLocal = own.with { $0.v6 = own.linkLocal }
        let unspecified = own.with {
            $0.v4 = [0, 0, 0, 0]
            $0.v6 = [UInt8](repeating: 0, count: 16)
        }
        let tags: [(String, [UInt8])] = [
            ("VLAN 7", [0x81, 0, 0, 7]), ("VLAN 0", [0x81, 0, 0, 0]), ("802.1ad", [0x88, 0xa8, 0, 7]),
            ("two VLANs", [0x81, 0, 0, 7, 0x81, 0, 0, 8]),
        ]
        let tagged = tags.flatMap { name, tag in
            [
                own.ipv4("own IPv4 in \(name)", tag: tag), byAddress.ipv4("foreign IPv4 in \(name)", tag: tag),
                own.ipv6("own IPv6 in \(name)", tag: tag), byAddress.arp("foreign ARP in \(name)", 2, tag: tag),
            ]
        }
        return tagged + [
            byAddress.ipv4("foreign IPv4"), unspecified.ipv4("IPv4 from nowhere"),
            own.with { $0.v4 = [10, 44, 0, 1] }.ipv4("the gateway's IPv4"),
            byAddress.arp("foreign ARP request", 1), byAddress.arp("foreign ARP reply", 2),
            own.with { $0.v4 = [10, 44, 0, 1] }.arp("the gateway's ARP reply", 2),
            own.arp("own ARP for another MAC", 2, claimed: others.mac),
            byAddress.arp("foreign ARP for its MAC", 2, claimed: others.mac),
            unspecified.arp("ARP probe for another MAC", 1, claimed: others.mac),
            byAddress.ipv6("foreign IPv6"), unspecified.ipv6("IPv6 from nowhere"),
            own.with { $0.v6 = others.linkLocal }.ipv6("foreign link-local IPv6"),
            own.nd("advertisement for a foreign address", 136, about: others.v6),
            byLinkLocal.nd("link-local advertisement for a foreign address", 136, about: others.v6),
            own.nd("advertisement for a foreign link-local address", 136, about: others.linkLocal),
            own.nd("extended advertisement for a foreign address", 136, about: others.v6, extended: true),
            byAddress.nd("foreign advertisement", 136, about: others.v6),
            byAddress.nd("foreign solicitation", 135, about: own.v6),
            unspecified.nd("probe for a foreign address", 135, about: others.v6),
            byLinkLocal.nd("router advertisement", 134, about: []),
            byLinkLocal.nd("extended router advertisement", 134, about: [], extended: true),
            own.nd("router advertisement from another address", 134, about: []),
            byLinkLocal.nd("redirect", 137, about: others.v6),
            byLinkLocal.nd("extended redirect", 137, about: others.v6, extended: true),
            own.ethernet("another protocol", type: 0x88b5), own.ethernet("RARP", type: 0x8035),
            own.ethernet("PPPoE", type: 0x8864), own.ethernet("802.3", type: 46),
        ]
    }

    /// What a pod may say under `antiSpoof`.
    static func truths(_ own: Sender) -> [Frame] {
        let byLinkLocal = own.with { $0.v6 = own.linkLocal }
        let unspecified = own.with {
            $0.v4 = [0, 0, 0, 0]
            $0.v6 = [UInt8](repeating: 0, count: 16)
        }
        return [
            own.ipv4("IPv4"), own.arp("ARP request", 1), own.arp("ARP reply", 2), unspecified.arp("ARP probe", 1),
            own.ipv6("IPv6"), byLinkLocal.ipv6("link-local IPv6"),
            own.nd("solicitation", 135, about: Sender.octets("fd00:44::99")),
            byLinkLocal.nd("link-local solicitation", 135, about: Sender.octets("fd00:44::99")),
            own.nd("advertisement", 136, about: own.v6),
            own.nd("extended advertisement", 136, about: own.v6, extended: true),
            byLinkLocal.nd("link-local advertisement", 136, about: own.v6),
            byLinkLocal.nd("advertisement of the link-local address", 136, about: own.linkLocal),
            byLinkLocal.nd("router solicitation", 133, about: []),
            unspecified.nd("probe for the address", 135, about: own.v6),
            unspecified.nd("probe for the link-local address", 135, about: own.linkLocal),
        ]
    }

    static let types = ["swiftlet", "bridge"]

    /// No answer within many times what one takes.
    static func isCutOff(_ pod: Pod, _ address: String) -> Bool {
        (try? pod.exec("ping", "-n", "-q", "-c", "1", "-W", "0.4", address)) == nil
    }

    /// Without it there would be nothing to tell the tests below from a cable that is cut.
    @Test(arguments: types) func withoutTheKeysEverythingArrives(_ type: String) throws {
        let scene = try Scene(type, [:])
        try scene.expectDelivered(Self.lies(scene.own, scene.others) + Self.truths(scene.own))
        for mac in scene.foreignMACs { try scene.expectDelivered(Self.everyKind(scene.own.with { $0.mac = mac })) }
        #expect(try scene.node.ruleset().objects == [])
    }

    @Test(arguments: types, ["0", "1"]) func aForeignMacGetsNowhere(_ type: String, _ callsIPTables: String) throws {
        let scene = try Scene(type, ["macspoofchk": true])
        for family in ["ip", "ip6"] { try scene.node.setBridgeNetfilter(family, callsIPTables) }
        for (number, mac) in scene.foreignMACs.enumerated() {
            for target in [Sender.broadcast, scene.others.mac] {
                let frames = Self.everyKind(
                    scene.own.with {
                        $0.mac = mac
                        $0.target = target
                    }, "\(number) to \(target[0]): ")
                try scene.expectDropped(frames)
            }
        }
        // Nothing but the MAC counts: the pod may be a router.
        try scene.expectDelivered(Self.everyKind(scene.own))
        try scene.expectDelivered(Self.lies(scene.own, scene.others))
        try scene.expectConnected()
    }

    @Test(arguments: ["0", "1"]) func liesGetNowhereAndTheTruthDoes(_ callsIPTables: String) throws {
        let scene = try Scene("swiftlet", ["antiSpoof": true])
        for family in ["ip", "ip6"] { try scene.node.setBridgeNetfilter(family, callsIPTables) }
        try scene.expectDropped(Self.lies(scene.own, scene.others))
        for mac in scene.foreignMACs {
            try scene.expectDropped(Self.everyKind(scene.own.with { $0.mac = mac }))
            try scene.expectDropped(Self.truths(scene.own.with { $0.mac = mac }))
        }
        // Straight at the neighbour too.
        try scene.expectDelivered(Self.truths(scene.own))
        let aimed = Self.lies(scene.own.with { $0.target = scene.others.mac }, scene.others)
        #expect(try scene.judge(aimed).dropped == Set(aimed.map(\.name)))
        try scene.expectConnected()
    }

    @Test func bothKeysAtOnceAreTheStricterOne() throws {
        let scene = try Scene("swiftlet", ["antiSpoof": true, "macspoofchk": true])
        try scene.expectDropped(Self.lies(scene.own, scene.others))
        try scene.expectDelivered(Self.truths(scene.own))
    }

    @Test(arguments: [["subnet": "10.44.0.0/24"], ["subnet": "fd00:44::/64"]] as [[String: JSONValue]])
    func oneFamilyIsEnough(_ ipam: [String: JSONValue]) throws {
        let node = try Node()
        let pods = try node.pods(2)
        let list = try node.network(node.swiftlet(ipam.merging(["antiSpoof": true]) { $1 }))
        let addresses = try pods.map { try node.runtime().add(list, $0.attachment).result.hosts[0] }
        try expectConnected(pods[0], addresses[0], pods[1], addresses[1])
        // The other family is not its own, whatever it calls itself there.
        let other = addresses[0].contains(":") ? ["10.44.0.2/24", "10.44.0.3/24"] : ["fd00:44::2/64", "fd00:44::3/64"]
        for (pod, address) in zip(pods, other) { try pod.exec("ip", "addr", "add", address, "dev", "eth0") }
        #expect(Self.isCutOff(pods[0], String(other[1].prefix { $0 != "/" })))
        for pod in pods { try node.runtime().check(list, pod.attachment) }
    }

    @Test func aPodMayHaveAMacOfItsOwn() throws {
        let guards: [String: JSONValue] = ["antiSpoof": true, "capabilities": ["mac": true]]
        let scene = try Scene("swiftlet", guards) { $0.with(capabilities: ["mac": "02:11:22:33:44:55"]) }
        #expect(scene.own.mac == [0x02, 0x11, 0x22, 0x33, 0x44, 0x55])
        try scene.expectDelivered(Self.truths(scene.own))
        try scene.expectDropped(Self.lies(scene.own, scene.others))
        // The MAC that its address would have given it is another's now.
        try scene.expectDropped(Self.truths(scene.own.with { $0.mac = [0x0a, 0x58, 10, 44, 0, 2] }))
        try scene.expectConnected()
        try scene.node.runtime().check(
            scene.list, scene.liar.with(capabilities: ["mac": "02:11:22:33:44:55"]))
    }

    @Test(arguments: ["macspoofchk", "antiSpoof"]) func whoChangesItsMacIsCutOffUntilItChangesBack(_ key: String) throws
    {
        let scene = try Scene("swiftlet", [key: true])
        let mac = scene.own.mac.map { String(format: "%02x", $0) }.joined(separator: ":")
        try scene.expectConnected()
        try scene.liar.set("link", "set", "eth0", "address", "02:00:00:00:00:99")
        #expect(Self.isCutOff(scene.liar, "10.44.0.3") && Self.isCutOff(scene.liar, "10.44.0.1"))
        #expect(try failure { try scene.node.runtime().check(scene.list, scene.liar.attachment) }.code == 104)
        // Nobody else suffers.
        try scene.neighbour.ping("10.44.0.1")
        try scene.liar.set("link", "set", "eth0", "address", mac)
        try scene.expectConnected()
        try scene.node.runtime().check(scene.list, scene.liar.attachment)
    }

    @Test func whoTakesAnotherAddressHasNoUseOfIt() throws {
        let scene = try Scene("swiftlet", ["antiSpoof": true])
        try scene.liar.set("addr", "add", "10.44.0.77/24", "dev", "eth0")
        // The kernel would prefer it to the one that it has.
        try scene.liar.set("addr", "add", "fd00:44::77/64", "dev", "eth0", "nodad", "preferred_lft", "0")
        func ping(_ source: String, _ target: String) throws {
            try scene.liar.exec("ping", "-n", "-q", "-c", "1", "-W", "0.5", "-I", source, target)
        }
        for (source, target) in [("10.44.0.77", "10.44.0.3"), ("fd00:44::77", "fd00:44::3")] {
            #expect(throws: CommandError.self) { try ping(source, target) }
            #expect(Self.isCutOff(scene.neighbour, source))
        }
        // What it has tried in vain to find under the other name is to be looked for anew.
        try scene.liar.set("neigh", "flush", "all")
        for (source, target) in [("10.44.0.2", "10.44.0.3"), ("fd00:44::2", "fd00:44::3")] { try ping(source, target) }
        try scene.expectConnected()
    }

    /// Only its own bridge port is looked at.
    @Test(arguments: types) func otherPodsOfTheBridgeAreNotHeldToAnything(_ type: String) throws {
        let scene = try Scene(type, ["macspoofchk": true])
        let free = try scene.node.pod()
        let open = try Scene.network(scene.node, type, [:])
        let result = try scene.node.runtime().add(open, free.attachment).result
        let sender = Sender(mac: "02:00:00:00:00:42", v4: result.hosts[0], v6: result.hosts[1])
        let seen = try arrivals(
            Self.everyKind(sender), from: FrameTap(free), then: sender.ipv4("the last"), at: scene.taps)
        for names in seen { #expect(names.count == Self.everyKind(sender).count) }
        try free.ping("10.44.0.2")
        try scene.node.runtime().check(open, free.attachment)
    }

    @Test(arguments: types, ["DEL", "DEL without its namespace", "GC"])
    func nothingIsLeftOfIt(_ type: String, _ way: String) throws {
        let guards: [String: JSONValue] = type == "swiftlet" ? ["antiSpoof": true] : ["macspoofchk": true]
        let scene = try Scene(type, guards)
        let (runtime, name) = (scene.node.runtime(), "net/\(scene.liar.id)/eth0")
        try runtime.check(scene.list, scene.liar.attachment)
        #expect(try scene.node.ownElements(of: name).count >= 2)
        switch way {
        case "DEL": try runtime.del(scene.list, scene.liar.attachment)
        case "GC": try runtime.gc(scene.list, valid: [scene.neighbour.valid])
        default:
            try scene.liar.end()
            try runtime.del(scene.list, scene.liar.with(netns: .some("")))
        }
        #expect(try scene.node.ownElements(of: name) == [])
        try runtime.check(scene.list, scene.neighbour.attachment)
        try scene.neighbour.ping("10.44.0.1")
        try runtime.del(scene.list, scene.neighbour.attachment)
        try scene.node.expectNoRules()
    }
}

extension SpoofTests.Scene {
    /// What the kernels of both pods say to each other and to the node, finding each other first.
    func expectConnected(sourceLocation: SourceLocation = #_sourceLocation) throws {
        for space in [liar as any Namespace, neighbour, node] { try space.set("neigh", "flush", "all") }
        let gateways = Family.allCases.map(Gateway.address)
        for (family, (mine, its)) in zip(addresses(own), addresses(others)).enumerated() {
            try IntegrationTests.expectConnected(liar, mine, neighbour, its, sourceLocation: sourceLocation)
            try IntegrationTests.expectConnected(
                liar, mine, node, gateways[family], sourceLocation: sourceLocation)
        }
        let linkLocal = try #require(
            try neighbour.addressObjects("eth0").compactMap { $0["local"]?.string }.first { $0.hasPrefix("fe80:") })
        try eventually("link-local addresses work") { (try? liar.ping("\(linkLocal)%eth0")) != nil }
    }

    private func addresses(_ sender: Sender) -> [String] {
        [
            sender.v4.map { "\($0)" }.joined(separator: "."),
            "fd00:44::\(String(UInt16(sender.v6[14]) << 8 | UInt16(sender.v6[15]), radix: 16))",
        ]
    }
}
