import ContainerRuntime
import Foundation
import Testing

/// Something that happens to a node, and what has to be found then.
struct NodeFault: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Names of checks.
    let found: Set<String>
    let pods: Int
    /// What its configuration says besides.
    let keys: [String: JSONValue]
    let harm: @Sendable (DoctorScene) throws -> Void
    /// Nil where `--fix` does it.
    let mend: (@Sendable (DoctorScene) throws -> Void)?

    init(
        _ what: String, _ found: Set<String>, pods: Int = 1, _ keys: [String: JSONValue] = [:],
        _ harm: @escaping @Sendable (DoctorScene) throws -> Void,
        mend: (@Sendable (DoctorScene) throws -> Void)? = nil
    ) {
        testDescription = what
        self.found = found
        self.pods = pods
        self.keys = keys
        self.harm = harm
        self.mend = mend
    }
}

/// Each of them is found by its checks, and by no other.
extension NodeFault {
    static var all: [NodeFault] { kernel + links + firewalls + configurations + addresses }

    private static let kernel: [NodeFault] = [
        NodeFault("IPv4 is not forwarded", ["forwarding"]) { try $0.node.setSysctl("ipv4/ip_forward", "0") },
        NodeFault("IPv6 is not forwarded", ["forwarding"]) { try $0.node.setSysctl("ipv6/conf/all/forwarding", "0") },
        NodeFault("the bridge does not forward", ["forwarding"]) {
            try $0.node.setSysctl("ipv4/conf/cbr0/forwarding", "0")
        },
        NodeFault("the default route is a router's", ["router-advertisements"]) {
            try $0.node.setSysctl("ipv6/conf/uplink/accept_ra", "1")
            try $0.node.set(
                "-6", "route", "add", "default", "via", Outside.host(.v6), "proto", "ra", "metric", "2000")
        },
        NodeFault("the way back leads elsewhere", ["rp-filter", "subnet-overlap"]) {
            try $0.node.setSysctl("ipv4/conf/cbr0/rp_filter", "1")
            try $0.node.set("route", "add", "10.44.0.2/32", "dev", "uplink")
        } mend: {
            try $0.node.set("route", "del", "10.44.0.2/32")
        },
        NodeFault("there are two ways out", ["rp-filter"]) {
            try $0.node.set("link", "add", "second", "type", "veth", "peer", "name", "nobody")
            for link in ["second", "nobody"] { try $0.node.set("link", "set", link, "up") }
            try $0.node.set("route", "add", "default", "dev", "second", "metric", "900")
            try $0.node.setSysctl("ipv4/conf/second/rp_filter", "1")
        } mend: {
            try $0.node.setSysctl("ipv4/conf/second/rp_filter", "2")
        },
        NodeFault("Services are not seen on bridges", ["bridge-nf-call"]) {
            try $0.node.nft("table ip kube-proxy { }\ntable ip nat { chain KUBE-SERVICES { }\n}")
            try $0.node.setBridgeNetfilter("ip", "0")
            try $0.node.setBridgeNetfilter("ip6", "1")
        } mend: {
            try $0.node.setBridgeNetfilter("ip", "1")
        },
        NodeFault("pods cannot reach their own Services", ["hairpin-off"], pods: 2, ["hairpinMode": false]) {
            try $0.node.nft("table ip kube-proxy { }\ntable ip nat { chain KUBE-SERVICES { }\n}")
            for family in ["ip", "ip6"] { try $0.node.setBridgeNetfilter(family, "1") }
            for port in try $0.node.ports(of: "cbr0") {
                try $0.node.set("link", "set", port, "type", "bridge_slave", "hairpin", "off")
            }
        } mend: { scene in
            let finding = try #require(try scene.examine().findings.first { $0["name"]?.string == "hairpin-off" })
            try scene.node.shell(try #require(finding["advice"]?.string))
        },
        NodeFault("IPv6 is off on the bridge", ["ipv6-disabled", "gateway-missing"]) {
            try $0.node.setSysctl("ipv6/conf/cbr0/disable_ipv6", "1")
        },
    ]

    private static let links: [NodeFault] = [
        NodeFault("the bridge is down", ["bridge-down", "gateway-missing"]) {
            try $0.node.set("link", "set", "cbr0", "down")
        },
        NodeFault("the gateway has lost its address", ["gateway-missing"]) {
            try $0.node.set("addr", "del", "10.44.0.1/24", "dev", "cbr0")
        },
        NodeFault("the gateway is another address of the subnet", ["gateway-missing"]) {
            try $0.node.set("addr", "del", "10.44.0.1/24", "dev", "cbr0")
            try $0.node.set("addr", "add", "10.44.0.50/24", "dev", "cbr0")
        },
        NodeFault("a pod is on a strange bridge", ["port-down"], pods: 2) {
            let veth = try $0.veth
            try $0.node.set("link", "add", "br9", "type", "bridge")
            try $0.node.set("link", "set", "br9", "up")
            try $0.node.set("link", "set", veth, "master", "br9")
        } mend: {
            try $0.typeAdvice(of: "port-down")
        },
        NodeFault("the node's end is down", ["port-down"]) { try $0.node.set("link", "set", $0.veth, "down") },
        NodeFault("the node's end is no port", ["port-down"]) {
            try $0.node.set("link", "set", $0.veth, "nomaster")
        } mend: {
            try $0.typeAdvice(of: "port-down")
        },
        // With the link its default route goes, and does not come back with it.
        NodeFault("the pod's end is down", ["port-down", "pod-route"]) {
            try $0.pods[0].set("link", "set", "eth0", "down")
        } mend: {
            try $0.pods[0].set("link", "set", "eth0", "up")
            try $0.restoreRoutes(of: $0.pods[0])
        },
        NodeFault("the ends have different MTUs", ["mtu"]) {
            try $0.node.set("link", "set", $0.veth, "mtu", "1400")
        } mend: {
            try $0.node.set("link", "set", $0.veth, "mtu", "1500")
        },
        NodeFault("the uplink is narrower than pods", ["mtu"]) {
            try $0.node.set("link", "set", "uplink", "mtu", "1400")
        } mend: {
            try $0.node.set("link", "set", "uplink", "mtu", "1500")
        },
    ]

    private static let firewalls: [NodeFault] = [
        NodeFault("a stranger's policy drops", ["foreign-firewall"]) {
            try $0.node.nft(ForeignFirewallTests.strangers)
        } mend: {
            try $0.node.nft(
                "add rule inet filter forward iifname cbr0 accept\nadd rule inet filter forward ip6 saddr fd00:44::/64 accept"
            )
        },
        NodeFault("a stranger's rule drops", ["foreign-firewall"]) {
            try $0.node.nft(
                """
                table ip wall {
                    set bad { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }
                    chain more { oifname "uplink" ip saddr @bad counter drop; }
                    chain forward { type filter hook forward priority 5; policy accept;
                        ip daddr 203.0.113.7 drop
                        jump more
                    }
                }
                """)
        } mend: {
            try $0.node.exec("nft", "insert", "rule", "ip", "wall", "more", "iifname", "cbr*", "accept")
        },
        NodeFault("iptables' FORWARD drops", ["foreign-firewall"]) {
            try $0.node.exec("iptables-nft", "-P", "FORWARD", "DROP")
        } mend: {
            for way in ["-i", "-o"] {
                try $0.node.exec("iptables-nft", "-I", "FORWARD", way, "cbr0", "-j", "ACCEPT")
            }
        },
        NodeFault("a stateful FORWARD lets only answers through", ["foreign-firewall"]) {
            try $0.node.exec("iptables-nft", "-P", "FORWARD", "DROP")
            try $0.node.exec(
                "iptables-nft", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT")
        } mend: {
            try $0.node.exec(
                "iptables-nft", "-A", "FORWARD", "-s", "10.44.0.0/24", "-m", "conntrack", "--ctstate", "NEW", "-j",
                "ACCEPT")
        },
        NodeFault("the legacy iptables' FORWARD drops", ["foreign-firewall"]) {
            try $0.node.exec("iptables-legacy", "-P", "FORWARD", "DROP")
        } mend: {
            for way in ["-i", "-o"] {
                try $0.node.exec("iptables-legacy", "-I", "FORWARD", way, "cbr0", "-j", "ACCEPT")
            }
        },
        NodeFault("somebody has flushed the ruleset", ["rules-damaged"]) {
            try $0.node.exec("nft", "flush", "ruleset")
        },
    ]

    private static let configurations: [NodeFault] = [
        NodeFault("a file is no JSON", ["configuration-invalid"]) {
            try $0.node.write("conf/20-half.conflist", #"{ "name": "half", "#)
        } mend: {
            try $0.unconfigure("20-half.conflist")
        },
        NodeFault("a list has no plugins", ["configuration-invalid"]) {
            try $0.configure("20-none.conflist", name: "none")
        } mend: {
            try $0.unconfigure("20-none.conflist")
        },
        NodeFault("a network is configured twice", ["configuration-shadowed"]) {
            try $0.configure("20-again.conflist", $0.list.plugins[0])
        } mend: {
            try $0.unconfigure("20-again.conflist")
        },
        NodeFault("a plugin is not installed", ["plugin-missing"]) {
            try $0.configure("20-more.conflist", name: "more", ["type": "macvlan", "ipam": ["type": "dhcp"]])
        } mend: {
            for name in ["macvlan", "dhcp"] { try $0.node.link(plugin: name, from: Requirements.bin) }
            try $0.unconfigure("20-more.conflist")
        },
        NodeFault("a plugin cannot be executed", ["plugin-missing"]) {
            try $0.node.write("plugins/half", "")
            try $0.configure("20-more.conflist", name: "more", ["type": "half"])
        } mend: {
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o755], ofItemAtPath: "\($0.binaries)/half")
        },
        NodeFault("a plugin is not ready", ["plugin-not-ready"]) {
            try $0.node.set("link", "add", "cable", "type", "veth", "peer", "name", "end")
            try $0.configure(
                "20-more.conflist", name: "more", $0.node.swiftlet(["subnet": "10.45.0.0/24", "bridge": "cable"]))
        } mend: {
            try $0.node.set("link", "del", "cable")
        },
    ]

    private static let addresses: [NodeFault] = [
        NodeFault("two networks overlap", ["subnet-overlap"]) {
            try $0.configure(
                "20-more.conflist", name: "more", $0.node.swiftlet(["subnet": "10.44.0.0/25", "bridge": "cbr1"]))
        } mend: {
            try $0.unconfigure("20-more.conflist")
        },
        NodeFault("a route takes some of the pods' packets", ["subnet-overlap"]) {
            try $0.node.set("route", "add", "10.44.0.128/25", "dev", "uplink")
        } mend: {
            // A wider one takes nothing: the longest prefix wins.
            try $0.node.set("route", "del", "10.44.0.128/25")
            try $0.node.set("route", "add", "10.44.0.0/16", "dev", "uplink")
        },
        NodeFault("the node's own network overlaps", ["subnet-overlap"]) {
            try $0.node.set("addr", "add", "10.44.0.200/25", "dev", "uplink")
        } mend: {
            try $0.node.set("addr", "del", "10.44.0.200/25", "dev", "uplink")
        },
        NodeFault("the node has a pod's address", ["duplicate-address"]) {
            try $0.node.set("addr", "add", "10.44.0.2/32", "dev", "uplink")
        } mend: {
            try $0.node.set("addr", "del", "10.44.0.2/32", "dev", "uplink")
        },
        NodeFault("two pods have one address", ["duplicate-address"], pods: 2) {
            try $0.pods[1].set("addr", "add", "10.44.0.2/24", "dev", "eth0")
        } mend: {
            try $0.pods[1].set("addr", "del", "10.44.0.2/24", "dev", "eth0")
        },
        NodeFault("a pod has ended without DEL", ["leftovers"]) { try $0.end($0.pods[0]) },
        NodeFault("a reservation is gone", ["cut-off"]) {
            try FileManager.default.removeItem(atPath: "\($0.node.data)/net/10.44.0.2")
            try FileManager.default.removeItem(atPath: "\($0.node.data)/net/fd00:44::2")
        },
    ]
}
