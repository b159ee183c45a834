import Foundation

/// The rules that kube-proxy makes for one Service, of TCP port 80 and a node port, as 1.36 writes them.
struct KubeProxy: Sendable {
    enum Mode: String, Sendable, CaseIterable {
        case nftables, iptables
        /// As others do it with one rule: addresses are values of a map.
        case map
    }

    let family: Family
    /// With their ports.
    let endpoints: [String]
    /// The node's addresses for node ports.
    let node: String
    var nodePort: UInt16 = 30080

    var clusterIP: String { KubeProxy.clusterIP(family) }
    static func clusterIP(_ family: Family) -> String { family == .v4 ? "10.96.0.10" : "fd00:96::10" }
    /// One that no Service has.
    static func unused(_ family: Family) -> String { family == .v4 ? "10.96.0.99" : "fd00:96::99" }

    private var ip: String { family == .v4 ? "ip" : "ip6" }
    private var type: String { family == .v4 ? "ipv4_addr" : "ipv6_addr" }
    private var pods: String { family == .v4 ? "10.44.0.0/15" : "fd00:40::/26" }
    private var services: String { family == .v4 ? "10.96.0.0/16" : "fd00:96::/112" }

    func install(_ mode: Mode, on node: Node) throws {
        switch mode {
        case .nftables: try node.nft(nftables)
        case .map: try node.nft(map)
        case .iptables:
            try run(
                ["nsenter", "--net=\(node.path)", family == .v4 ? "iptables-restore" : "ip6tables-restore", "-w"],
                stdin: iptables)
        }
    }

    private func target(_ endpoint: String) -> String { family == .v4 ? "\(endpoint):80" : "[\(endpoint)]:80" }

    private var nftables: String {
        let service = "ULMVA6XW-default/web/\(ip == "ip" ? "tcp" : "tcp6")/http"
        func chain(_ endpoint: String) -> String {
            "endpoint-5OJB2KTY-default/web/tcp/http__\(endpoint.replacingOccurrences(of: ":", with: "."))/80"
        }
        let choices = endpoints.enumerated().map { "\($0) : goto \(chain($1))" }.joined(separator: " , ")
        let chains = endpoints.map { endpoint in
            """
            chain \(chain(endpoint)) {
                \(ip) saddr \(endpoint) jump mark-for-masquerade
                meta l4proto tcp dnat to \(target(endpoint))
            }
            """
        }.joined(separator: "\n")
        return """
            table \(ip) kube-proxy {
                comment "rules for kube-proxy"
                set cluster-ips { type \(type); comment "Active ClusterIPs"; elements = { \(clusterIP) } }
                set nodeport-ips { type \(type); comment "IPs that accept NodePort traffic"; elements = { \(node) } }
                map firewall-ips { type \(type) . inet_proto . inet_service : verdict; }
                map no-endpoint-nodeports { type inet_proto . inet_service : verdict; }
                map no-endpoint-services { type \(type) . inet_proto . inet_service : verdict; }
                chain mark-for-masquerade { meta mark set meta mark or 0x4000; }
                \(chains)
                chain service-\(service) {
                    \(ip) daddr \(clusterIP) tcp dport 80 \(ip) saddr != \(pods) jump mark-for-masquerade
                    numgen random mod \(endpoints.count) vmap { \(choices) }
                }
                chain external-\(service) {
                    jump mark-for-masquerade
                    goto service-\(service)
                }
                map service-ips {
                    type \(type) . inet_proto . inet_service : verdict
                    elements = { \(clusterIP) . tcp . 80 : goto service-\(service) }
                }
                map service-nodeports {
                    type inet_proto . inet_service : verdict
                    elements = { tcp . \(nodePort) : goto external-\(service) }
                }
                chain nodeport-endpoints-check {
                    \(ip) daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports
                }
                chain service-endpoints-check { \(ip) daddr . meta l4proto . th dport vmap @no-endpoint-services; }
                chain firewall-check { \(ip) daddr . meta l4proto . th dport vmap @firewall-ips; }
                chain cluster-ips-check {
                    \(ip) daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"
                    \(ip) daddr { \(services) } drop comment "Drop traffic to unallocated ClusterIPs"
                }
                chain services {
                    \(ip) daddr . meta l4proto . th dport vmap @service-ips
                    \(ip) daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
                }
                chain masquerading {
                    meta mark and 0x4000 == 0 return
                    meta mark set meta mark xor 0x4000
                    masquerade fully-random
                }
                chain filter-prerouting {
                    type filter hook prerouting priority dstnat - 10; policy accept;
                    ct state new jump firewall-check
                }
                chain filter-input {
                    type filter hook input priority -110; policy accept;
                    ct state new jump nodeport-endpoints-check
                    ct state new jump service-endpoints-check
                }
                chain filter-forward {
                    type filter hook forward priority -110; policy accept;
                    ct state new jump service-endpoints-check
                    ct state new jump cluster-ips-check
                }
                chain filter-output {
                    type filter hook output priority -110; policy accept;
                    ct state new jump service-endpoints-check
                    ct state new jump firewall-check
                }
                chain filter-output-post-dnat {
                    type filter hook output priority -90; policy accept;
                    ct state new jump cluster-ips-check
                }
                chain nat-prerouting { type nat hook prerouting priority dstnat; policy accept; jump services; }
                chain nat-output { type nat hook output priority -100; policy accept; jump services; }
                chain nat-postrouting { type nat hook postrouting priority srcnat; policy accept; jump masquerading; }
            }
            """
    }

    private var map: String {
        let values = endpoints.enumerated().map { "\($0) : \($1)" }.joined(separator: ", ")
        func rule(_ match: String) -> String {
            "\(match) dnat \(ip) to numgen random mod \(endpoints.count) map { \(values) }"
        }
        return """
            table \(ip) services {
                chain pick {
                    \(rule("\(ip) daddr \(clusterIP) tcp dport 80"))
                    \(rule("\(ip) daddr \(node) tcp dport 80"))
                }
                chain prerouting { type nat hook prerouting priority dstnat; policy accept; jump pick; }
                chain output { type nat hook output priority -100; policy accept; jump pick; }
                chain postrouting {
                    type nat hook postrouting priority srcnat; policy accept;
                    ct status dnat \(ip) daddr { \(endpoints.joined(separator: ", ")) } masquerade fully-random
                }
            }
            """
    }

    private var iptables: String {
        let local = "-m addrtype --dst-type LOCAL"
        let length = family == .v4 ? 32 : 128
        var lines = ["*nat"]
        lines += [
            "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-SVC-UKSFD7AGPMPPLUHC",
            "KUBE-EXT-UKSFD7AGPMPPLUHC",
        ].map { ":\($0) - [0:0]" }
        lines += endpoints.indices.map { ":KUBE-SEP-AAAAAAAAAAAAAAA\($0) - [0:0]" }
        lines += [
            "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
            "-A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
            "-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING",
            "-A KUBE-SERVICES -d \(clusterIP)/\(length) -p tcp -m comment --comment \"default/web:http cluster IP\" -m tcp --dport 80 -j KUBE-SVC-UKSFD7AGPMPPLUHC",
            "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" \(local) -j KUBE-NODEPORTS",
            "-A KUBE-NODEPORTS -p tcp -m comment --comment \"default/web:http\" -m tcp --dport \(nodePort) -j KUBE-EXT-UKSFD7AGPMPPLUHC",
            "-A KUBE-EXT-UKSFD7AGPMPPLUHC -m comment --comment \"masquerade traffic for default/web:http external destinations\" -j KUBE-MARK-MASQ",
            "-A KUBE-EXT-UKSFD7AGPMPPLUHC -j KUBE-SVC-UKSFD7AGPMPPLUHC",
            "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
            "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
            "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
            "-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully",
            "-A KUBE-SVC-UKSFD7AGPMPPLUHC ! -s \(pods) -d \(clusterIP)/\(length) -p tcp -m comment --comment \"default/web:http cluster IP\" -m tcp --dport 80 -j KUBE-MARK-MASQ",
        ]
        for (number, endpoint) in endpoints.enumerated() {
            let left = endpoints.count - number
            let chance =
                left == 1
                ? "" : "-m statistic --mode random --probability \(String(format: "%.11f", 1 / Double(left))) "
            lines += [
                "-A KUBE-SVC-UKSFD7AGPMPPLUHC -m comment --comment \"default/web:http -> \(target(endpoint))\" \(chance)-j KUBE-SEP-AAAAAAAAAAAAAAA\(number)",
                "-A KUBE-SEP-AAAAAAAAAAAAAAA\(number) -s \(endpoint)/\(length) -m comment --comment \"default/web:http\" -j KUBE-MARK-MASQ",
                "-A KUBE-SEP-AAAAAAAAAAAAAAA\(number) -p tcp -m comment --comment \"default/web:http\" -m tcp -j DNAT --to-destination \(target(endpoint))",
            ]
        }
        lines += [
            "COMMIT", "*filter", ":KUBE-FORWARD - [0:0]", ":KUBE-PROXY-FIREWALL - [0:0]", ":KUBE-SERVICES - [0:0]",
            "-A INPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL",
            "-A FORWARD -m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD",
            "-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
            "-A OUTPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES",
            "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
            "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 -j ACCEPT",
            "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
            "COMMIT", "",
        ]
        return lines.joined(separator: "\n")
    }
}
