import ContainerRuntime
import Foundation

/// The world beyond a node: another host, on a cable to the node's `uplink`. The node's default routes lead there, and
/// it knows of no pod, so that whoever wants an answer from it needs an address that is the node's.
final class Outside: Namespace {
    let netns: String

    init(_ node: Node) throws {
        netns = Machine.newName()
        try run("ip", "netns", "add", netns)
        try set("link", "set", "lo", "up")
        try forgetInheritedSysctls()
        try node.set("link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", netns)
        try node.configure("uplink", Family.allCases.flatMap(Outside.nodes))
        try configure("eth0", Family.allCases.flatMap(Outside.hosts))
        for family in Family.allCases {
            try node.set("route", "add", "default", "via", Outside.host(family))
        }
    }

    deinit { _ = try? run("ip", "netns", "del", netns) }

    /// The node's addresses on the uplink.
    static func nodes(_ family: Family) -> [String] {
        family == .v4 ? ["192.0.2.1", "192.0.2.11"] : ["2001:db8::1", "2001:db8::11"]
    }
    /// The other host's addresses.
    static func hosts(_ family: Family) -> [String] {
        family == .v4 ? ["192.0.2.2", "192.0.2.3"] : ["2001:db8::2", "2001:db8::3"]
    }
    /// The first, which is the one that is spoken from.
    static func node(_ family: Family) -> String { nodes(family)[0] }
    /// The first, which is the one that is spoken from.
    static func host(_ family: Family) -> String { hosts(family)[0] }

    /// For host-local: addresses for pods on the cable itself, IPv4 from 192.0.2.100, IPv6 from 2001:db8::100.
    static var neighbours: [String: JSONValue] {
        let ranges = Family.allCases.map { family -> JSONValue in
            let subnet = family == .v4 ? "192.0.2.0/24" : "2001:db8::/64"
            let start = family == .v4 ? "192.0.2.100" : "2001:db8::100"
            return [["subnet": .string(subnet), "rangeStart": .string(start), "gateway": .string(host(family))]]
        }
        return ["ranges": .array(ranges), "routes": [["dst": "0.0.0.0/0"], ["dst": "::/0"]]]
    }

    /// From now on this host can answer the addresses of pods too.
    func learnRoutes(to subnets: String...) throws {
        for subnet in subnets { try set("route", "add", subnet, "via", Outside.node(Family(of: subnet))) }
    }
}

extension Node {
    /// An `uplink` like that to an ``Outside``, with nobody at its other end.
    func addUplink() throws {
        try set("link", "add", "uplink", "type", "veth", "peer", "name", "unplugged")
        try configure("uplink", Family.allCases.flatMap(Outside.nodes))
        try set("link", "set", "unplugged", "up")
        for family in Family.allCases { try set("route", "add", "default", "via", Outside.host(family)) }
    }
}

extension Namespace {
    /// Gives a link addresses that are usable at once, two of each family, of which the first is preferred; sets it up.
    fileprivate func configure(_ link: String, _ addresses: [String]) throws {
        // Without a link-local address nothing is forwarded to IPv6 neighbours, and its duplicates are sought for seconds.
        try setSysctl("ipv6/conf/\(link)/accept_dad", "0")
        for (number, address) in addresses.enumerated() {
            let (length, flags) = address.contains(":") ? ("/64", ["nodad"]) : ("/24", [])
            // Of IPv6 addresses the kernel would take any.
            let lifetime = number == 3 ? ["preferred_lft", "0"] : []
            try run(["ip", "-n", netns, "addr", "add", address + length, "dev", link] + flags + lifetime)
        }
        try set("link", "set", link, "up")
    }
}
