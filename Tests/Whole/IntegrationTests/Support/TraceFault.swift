import ContainerRuntime
import Foundation
import Testing

/// Something that keeps packets from a pod, and what `swiftletctl trace` says then.
struct TraceFault: Sendable, CustomTestStringConvertible {
    enum Asker: Sendable {
        case pod(Int)
        case node, outside
    }

    enum Asked: Sendable {
        case pod(Int)
        case node, outside, published
    }

    /// What becomes clear of it.
    enum Verdict: Sendable {
        /// It stops at the cause, and the advice is a command that mends it.
        case stops
        /// It seems to arrive, but something was not looked at.
        case notSeen
    }

    let testDescription: String
    let from: Asker
    let to: Asked
    /// In the verdict, or in what was not seen.
    let text: String
    var verdict = Verdict.stops
    var families = Family.allCases
    /// Whether the first packet goes out as before, so that everybody has learnt where everybody is.
    var isWarm = true
    let harm: @Sendable (TraceScene, Family) throws -> Void

    init(
        _ what: String, _ from: Asker, _ to: Asked, says text: String, _ verdict: Verdict = .stops,
        families: [Family] = Family.allCases, isWarm: Bool = true,
        _ harm: @escaping @Sendable (TraceScene, Family) throws -> Void
    ) {
        testDescription = what
        (self.from, self.to, self.text, self.verdict) = (from, to, text, verdict)
        (self.families, self.isWarm, self.harm) = (families, isWarm, harm)
    }
}

extension TraceFault {
    static var all: [TraceFault] { rules + links + routes + neighbours + unseen }

    private static let rules: [TraceFault] = [
        TraceFault(
            "the ruleset is flushed, and nothing is masqueraded", .pod(1), .outside, says: "rules for that are gone"
        ) { scene, _ in try scene.node.exec("nft", "flush", "ruleset") },
        TraceFault(
            "the ruleset is flushed, and a host port leads nowhere", .outside, .published, says: "its rules are gone"
        ) { scene, _ in try scene.node.exec("nft", "flush", "ruleset") },
        TraceFault(
            "a program of the node listens where a host port led", .outside, .published, says: "its rules are gone"
        ) { scene, _ in
            try scene.node.exec("nft", "flush", "ruleset")
            scene.keep(try Responder("stranger", in: scene.node, 8080))
        },
        TraceFault(
            "hairpin is off where a pod asks its own host port", .pod(0), .published, says: "hairpin is off there"
        ) { scene, family in
            try scene.node.setBridgeNetfilter(family == .v4 ? "ip" : "ip6", "1")
            try scene.node.exec("bridge", "link", "set", "dev", scene.veth(0), "hairpin", "off")
        },
    ]

    private static let links: [TraceFault] = [
        TraceFault("the bridge is down, and the node asks", .node, .pod(0), says: "is on, is down") { scene, _ in
            try scene.node.set("link", "set", "cbr0", "down")
        },
        TraceFault("the bridge is down, and a pod of another asks", .pod(2), .pod(0), says: "is on, is down") {
            scene, _ in
            try scene.node.set("link", "set", "cbr0", "down")
        },
        TraceFault("the bridge is down, and somebody asks a host port", .outside, .published, says: "is on, is down") {
            scene, _ in try scene.node.set("link", "set", "cbr0", "down")
        },
        TraceFault(
            "a veth is out of its bridge, and the node asks", .node, .pod(0), says: "is not a port of the bridge cbr0"
        ) { scene, _ in try scene.node.set("link", "set", scene.veth(0), "nomaster") },
        TraceFault(
            "a veth is out of its bridge, and a neighbour asks", .pod(1), .pod(0),
            says: "is not a port of the bridge cbr0"
        ) { scene, _ in try scene.node.set("link", "set", scene.veth(0), "nomaster") },
        TraceFault(
            "a veth is out of its bridge, and its pod asks", .pod(0), .outside,
            says: "is not a port of the bridge cbr0",
            families: [.v4]
        ) { scene, _ in try scene.node.set("link", "set", scene.veth(0), "nomaster") },
        TraceFault(
            "a veth is on another bridge", .node, .pod(0), says: "is a port of br9 and not of cbr0"
        ) { scene, _ in
            try scene.node.set("link", "add", "br9", "type", "bridge")
            try scene.node.set("link", "set", "br9", "up")
            try scene.node.set("link", "set", scene.veth(0), "master", "br9")
        },
        TraceFault(
            "the bridge was told that a pod is at another's port", .node, .pod(0), says: "which does not lead there"
        ) { scene, _ in
            try scene.node.exec(
                "bridge", "fdb", "replace", scene.pods[0].mac(), "dev", scene.veth(1), "master", "static", "sticky")
        },
        TraceFault(
            "another pod has the same MAC", .node, .pod(0), says: "which has the same MAC as eth0 in", families: [.v4]
        ) { scene, _ in
            // Whoever spoke last has the MAC: the pod itself must not.
            try scene.pods[0].setSysctl("ipv6/conf/eth0/disable_ipv6", "1")
            try scene.pods[1].set("link", "set", "eth0", "address", scene.pods[0].mac())
            // Speaks to nobody in particular.
            _ = try? scene.pods[1].exec("ping", "-c", "1", "-W", "1", "-b", "10.44.0.255")
        },
    ]

    private static let routes: [TraceFault] = [
        TraceFault("a route leads elsewhere", .node, .pod(0), says: "takes what is for it") { scene, family in
            try scene.node.set("route", "add", scene.address(0, family), "dev", "uplink")
        },
        TraceFault("a route leads a host port elsewhere", .outside, .published, says: "takes what is for it") {
            scene, family in try scene.node.set("route", "add", scene.address(0, family), "via", Outside.host(family))
        },
        TraceFault("a route makes it unreachable", .pod(2), .pod(0), says: "takes what is for it") { scene, family in
            try scene.node.set("route", "add", "unreachable", scene.address(0, family))
        },
        TraceFault("a route swallows it", .node, .pod(0), says: "takes what is for it") { scene, family in
            try scene.node.set("route", "add", "blackhole", scene.address(0, family))
        },
        TraceFault("a route of the pod swallows it", .pod(1), .outside, says: "takes what is for") { scene, family in
            try scene.pods[1].set("route", "add", "blackhole", Outside.host(family))
        },
        TraceFault("a policy rule leads elsewhere", .node, .pod(0), says: "has table 100 send what is for it") {
            scene, family in
            let option = family == .v4 ? "-4" : "-6"
            try scene.node.set(option, "route", "add", "default", "via", Outside.host(family), "table", "100")
            let subnet = family == .v4 ? "10.44.0.0/24" : "fd00:44::/64"
            try scene.node.set(option, "rule", "add", "to", subnet, "lookup", "100")
        },
    ]

    private static let neighbours: [TraceFault] = [
        TraceFault("the pod asked has ARP off", .node, .pod(0), says: "is off on eth0 in") { scene, _ in
            try scene.pods[0].set("link", "set", "eth0", "arp", "off")
        },
        TraceFault("the pod that asks has ARP off", .pod(1), .pod(0), says: "is off on eth0 in") { scene, _ in
            try scene.pods[1].set("link", "set", "eth0", "arp", "off")
        },
        TraceFault("a neighbour is believed at a wrong MAC", .node, .pod(0), says: "a MAC that nobody there has") {
            scene, family in
            try scene.node.set(
                "neigh", "replace", scene.address(0, family), "lladdr", "02:00:00:00:00:99", "dev", "cbr0", "nud",
                "reachable")
        },
        TraceFault("a neighbour is believed at another's MAC", .node, .pod(0), says: "the MAC of eth0 in") {
            scene, family in
            try scene.node.set(
                "neigh", "replace", scene.address(0, family), "lladdr", scene.pods[1].mac(), "dev", "cbr0", "nud",
                "reachable")
        },
        TraceFault("a wrong neighbour is permanent", .pod(1), .outside, says: "a MAC that nobody there has") {
            scene, family in
            try scene.pods[1].set(
                "neigh", "replace", family == .v4 ? "10.44.0.1" : "fd00:44::1", "lladdr", "02:00:00:00:00:99", "dev",
                "eth0", "nud", "permanent")
        },
    ]

    private static let unseen: [TraceFault] = [
        TraceFault(
            "iptables-legacy drops on the node", .pod(1), .outside, says: "tables-legacy (table filter)", .notSeen
        ) {
            scene, family in
            let program = family == .v4 ? "iptables-legacy" : "ip6tables-legacy"
            try scene.node.exec(program, "-w", "-I", "FORWARD", "-i", "cbr0", "-j", "DROP")
        },
        TraceFault("iptables-legacy drops in a pod", .node, .pod(0), says: "tables-legacy (table filter)", .notSeen) {
            scene, family in
            let program = family == .v4 ? "iptables-legacy" : "ip6tables-legacy"
            try scene.pods[0].exec(program, "-w", "-I", "INPUT", "-i", "eth0", "-j", "DROP")
        },
        TraceFault(
            "a netdev chain drops", .pod(1), .pod(0), says: "table netdev theirs on veth", .notSeen
        ) { scene, _ in
            try scene.node.nft(
                """
                add table netdev theirs
                add chain netdev theirs in { type filter hook ingress device \(scene.veth(1)) priority 0; policy drop; }
                """)
        },
        TraceFault("a filter of traffic control drops", .pod(1), .pod(0), says: "filters of traffic control", .notSeen)
        {
            scene, _ in
            let veth = try scene.veth(1)
            try scene.node.set("link", "add", "drain", "type", "veth", "peer", "name", "sewer")
            for link in ["drain", "sewer"] { try scene.node.set("link", "set", link, "up") }
            try scene.node.exec("tc", "qdisc", "add", "dev", veth, "clsact")
            try scene.node.exec(
                "tc", "filter", "add", "dev", veth, "ingress", "protocol", "all", "u32", "match", "u32", "0", "0",
                "action", "mirred", "egress", "redirect", "dev", "drain")
        },
        TraceFault("a rule that is not understood drops", .pod(1), .outside, says: "are not understood", .notSeen) {
            scene, family in
            let program = family == .v4 ? "iptables" : "ip6tables"
            try scene.node.exec(
                program, "-w", "-I", "FORWARD", "-m", "length", "--length", "1:2000", "-j", "DROP")
        },
    ]
}

extension Namespace {
    /// The MAC of a link.
    func mac(_ link: String = "eth0") throws -> String {
        try #require(try links().first { $0["ifname"]?.string == link }?["address"]?.string)
    }
}
