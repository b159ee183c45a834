import ContainerRuntime
import Foundation

/// Faults of the node's uplinks, routes, file systems, firewalls and kernel parameters.
extension SickNode {
    private static func restoreUplink(_ scene: DoctorScene) throws {
        try scene.node.set("link", "set", "uplink", "up")
        for (address, route) in [("192.0.2.1/24", "192.0.2.2"), ("2001:db8::1/64", "2001:db8::2")] {
            let nodad = address.contains(":") ? ["nodad"] : []
            _ = try? run(["ip", "-n", scene.node.netns, "addr", "add", address, "dev", "uplink"] + nodad)
            try scene.node.set("route", "replace", "default", "via", route)
        }
    }

    static let uplinks: [SickNode] = [
        SickNode("the uplink is down", "uplink", "it is down") {
            try $0.node.set("link", "set", "uplink", "down")
        } mend: {
            try restoreUplink($0)
        },
        SickNode("the uplink has no carrier", "uplink", "no carrier") {
            try $0.outside.set("link", "set", "eth0", "down")
        } mend: { scene in
            try scene.outside.set("link", "set", "eth0", "up")
            try eventually("the carrier is there") {
                try scene.node.link("uplink")?["operstate"]?.string == "UP"
            }
            try restoreUplink(scene)
        },
        SickNode("the uplink has no IPv4 address", "uplink", "no IPv4 address") {
            try $0.node.set("-4", "addr", "flush", "dev", "uplink")
        } mend: {
            try restoreUplink($0)
        },
        SickNode("there is no IPv4 default route", "uplink", "no default route") {
            try $0.node.set("route", "del", "default")
        } mend: {
            try restoreUplink($0)
        },
        SickNode("there is no IPv6 default route", "uplink", "no default route") {
            try $0.node.set("-6", "route", "del", "default")
        } mend: {
            try restoreUplink($0)
        },
    ]

    static let routing: [SickNode] = [
        SickNode("a rule takes what pods send", "policy-routing", "what its pods send leaves by other") {
            try $0.addOther()
            try $0.node.set("route", "add", "default", "dev", "other", "table", "99")
            try $0.node.set("rule", "add", "from", "10.44.0.0/24", "lookup", "99", "priority", "100")
        },
        SickNode("a rule rejects what pods send", "policy-routing", "is rejected") {
            try $0.node.set("rule", "add", "from", "10.44.0.0/24", "priority", "100", "prohibit")
        },
        SickNode("a rule takes what is for pods", "policy-routing", "what is for its pods") {
            try $0.addOther()
            try $0.node.set("route", "add", "10.44.0.0/24", "dev", "other", "table", "99")
            try $0.node.set("rule", "add", "to", "10.44.0.0/24", "lookup", "99", "priority", "100")
        },
        SickNode(
            "the way back leads elsewhere", "rp-filter", "rp_filter of cbr0 is strict", besides: ["subnet-overlap"]
        ) {
            try $0.node.setSysctl("ipv4/conf/cbr0/rp_filter", "1")
            try $0.node.set("route", "add", "10.44.0.2/32", "dev", "uplink")
        },
        SickNode("a stray route takes a pod's packets", "subnet-overlap", "10.44.0.2/32") {
            try $0.node.set("route", "add", "10.44.0.2/32", "dev", "uplink")
        },
        SickNode("a stray IPv6 route takes a pod's packets", "subnet-overlap", "fd00:44::2/128") {
            try $0.node.set("-6", "route", "add", "fd00:44::2/128", "dev", "uplink")
        },
        SickNode("a blackhole swallows a pod's packets", "subnet-overlap", "rejects") {
            try $0.node.set("route", "add", "blackhole", "10.44.0.2/32")
        },
        SickNode("the gateway has lost its address", "gateway-missing", "10.44.0.1", besides: ["pod-route"]) {
            try $0.node.set("addr", "del", "10.44.0.1/24", "dev", "cbr0")
        },
        SickNode(
            "the gateway's address is on another link", "gateway-missing", "other has it", besides: ["pod-route"]
        ) {
            try $0.addOther()
            try $0.node.set("addr", "del", "10.44.0.1/24", "dev", "cbr0")
            try $0.node.set("addr", "add", "10.44.0.1/32", "dev", "other")
        },
        SickNode("the node has a pod's address", "duplicate-address", "uplink of this node") {
            try $0.node.set("addr", "add", "10.44.0.2/32", "dev", "uplink")
        },
        SickNode("the node's own network overlaps", "subnet-overlap", "10.44.0.128/25 on other") {
            try $0.addOther()
            try $0.node.set("addr", "add", "10.44.0.200/25", "dev", "other")
        } mend: {
            try $0.node.set("link", "del", "other")
        },
    ]

    /// A file system of its own in the place of the store, which is full.
    private static func filled(_ options: String, _ fill: String) -> @Sendable (DoctorScene) throws -> [String] {
        { scene in
            let script = """
                set -e
                cp -a "$0" "$0.copy"; mount -t tmpfs -o \(options) none "$0"; cp -a "$0.copy/." "$0"; rm -r "$0.copy"
                \(fill)
                exec "$@"
                """
            return ["unshare", "--mount", "sh", "-c", script, scene.node.data]
        }
    }

    static let storage: [SickNode] = [
        SickNode(
            "the disk is full", "storage", "of space", cutsOff: false,
            wrapper: filled("size=2m", #"dd if=/dev/zero of="$0/fill" bs=64k 2>/dev/null || true"#)
        ) { _ in },
        SickNode(
            "there are no inodes", "storage", "inode", cutsOff: false,
            wrapper: filled("size=8m,nr_inodes=64", #"i=0; while touch "$0/fill$i" 2>/dev/null; do i=$((i+1)); done"#)
        ) { _ in },
    ]

    static let firewalls: [SickNode] = [
        SickNode("iptables' FORWARD drops", "foreign-firewall", "the policy of chain FORWARD") {
            try $0.node.exec("iptables-nft", "-P", "FORWARD", "DROP")
        },
        SickNode("a rule of iptables drops", "foreign-firewall", "rule 2 of chain FORWARD") {
            try $0.node.exec("iptables-nft", "-A", "FORWARD", "-i", "nowhere", "-j", "ACCEPT")
            try $0.node.exec("iptables-nft", "-A", "FORWARD", "-s", "10.0.0.0/8", "-j", "DROP")
        },
        SickNode("the legacy iptables drop", "foreign-firewall", "iptables-legacy") {
            try $0.node.exec("iptables-legacy", "-P", "FORWARD", "DROP")
        },
        SickNode("a stranger's table drops", "foreign-firewall", "chain forward in table inet wall") {
            try $0.node.nft(
                "table inet wall { chain forward { type filter hook forward priority 5; ip saddr 10.44.0.0/24 drop\n}\n}"
            )
        },
        SickNode("packets are dropped after they are routed", "foreign-firewall", "chain late in table inet wall") {
            try $0.node.nft(
                "table inet wall { chain late { type filter hook postrouting priority 0; ip saddr 10.44.0.0/24 drop\n}\n}"
            )
        },
        SickNode("packets are dropped before they are routed", "foreign-firewall", "chain early in table inet wall") {
            try $0.node.nft(
                "table inet wall { chain early { type filter hook prerouting priority 0; ip saddr 10.44.0.0/24 drop\n}\n}"
            )
        },
        SickNode("the bridge drops", "foreign-firewall", "table bridge wall") {
            try $0.node.nft(
                "table bridge wall { chain forward { type filter hook forward priority 0; ip saddr 10.44.0.0/24 drop\n}\n}"
            )
        },
        SickNode("a table drops packets as they come in", "foreign-firewall", "not evaluated", cutsOff: false) {
            try $0.node.nft(
                "table netdev wall { chain in { type filter hook ingress device \"uplink\" priority 0; drop\n}\n}")
        } mend: {
            try $0.node.exec("nft", "delete", "table", "netdev", "wall")
        },
        SickNode("connections are not tracked", "untracked", "notrack") {
            try $0.node.nft(
                "table inet raw { chain early { type filter hook prerouting priority -300; ip saddr 10.44.0.0/24 notrack\n}\n}"
            )
        } mend: {
            try $0.node.exec("nft", "delete", "table", "inet", "raw")
        },
    ]

    static let kernel: [SickNode] = [
        SickNode("IPv4 is not forwarded", "forwarding", "not forwarded") {
            try $0.node.setSysctl("ipv4/ip_forward", "0")
        },
        SickNode("IPv6 is not forwarded", "forwarding", "not forwarded") {
            try $0.node.setSysctl("ipv6/conf/all/forwarding", "0")
        },
        SickNode("the bridge does not forward", "forwarding", "come in by cbr0") {
            try $0.node.setSysctl("ipv4/conf/cbr0/forwarding", "0")
        },
        SickNode("the uplink does not forward", "forwarding", "come in by uplink") {
            try $0.node.setSysctl("ipv4/conf/uplink/forwarding", "0")
        },
        SickNode(
            "IPv6 is off on the bridge", "ipv6-disabled", "switched off", besides: ["gateway-missing", "pod-route"]
        ) {
            try $0.node.setSysctl("ipv6/conf/cbr0/disable_ipv6", "1")
        },
    ]

    static let rules: [SickNode] = [
        SickNode("somebody has flushed the ruleset", "rules-damaged", "missing", everything, hostPorts: true) {
            try $0.node.exec("nft", "flush", "ruleset")
        },
        SickNode("a host port is deleted", "rules-damaged", "host port 8080", everything, hostPorts: true) {
            try $0.node.exec("nft", "flush", "map", "inet", "swiftlet", "hostports_v4")
        },
        SickNode("masquerade is deleted", "rules-damaged", "masqueraded_v4") {
            try $0.node.exec("nft", "flush", "set", "inet", "swiftlet", "masqueraded_v4")
        },
        SickNode("the rules of our table are flushed", "rules-damaged", "inet swiftlet", everything, hostPorts: true) {
            try $0.node.exec("nft", "flush", "table", "inet", "swiftlet")
        },
        SickNode(
            "a program of the node listens on a host port", "host-port-taken", "port 8080", everything, hostPorts: true,
            cutsOff: false
        ) {
            $0.kept.append(try Responder("sshd", in: $0.node, 8080, [.tcp]))
        } mend: {
            $0.kept = []
        },
    ]

    static let others: [SickNode] = [
        SickNode(
            "a pool is full", "pool-full", "in use", ["subnet": "10.44.0.0/29", "rangeEnd": "10.44.0.3"], cutsOff: false
        ) { _ in
        } mend: {
            try $0.runtime.del($0.list, $0.pods[1].attachment)
        },
        SickNode("a file is no JSON", "configuration-invalid", "network configuration", cutsOff: false) {
            try $0.node.write("conf/20-half.conflist", #"{ "name": "half", "#)
        } mend: {
            try $0.unconfigure("20-half.conflist")
        },
        SickNode("a plugin is not installed", "plugin-missing", "macvlan", cutsOff: false) {
            try $0.configure("20-more.conflist", name: "more", ["type": "macvlan", "ipam": ["type": "dhcp"]])
        } mend: {
            try $0.unconfigure("20-more.conflist")
        },
    ]
}

extension DoctorScene {
    /// A link of the node that leads nowhere.
    func addOther() throws {
        try node.set("link", "add", "other", "type", "veth", "peer", "name", "nobody")
        for link in ["other", "nobody"] { try node.set("link", "set", link, "up") }
    }
}
