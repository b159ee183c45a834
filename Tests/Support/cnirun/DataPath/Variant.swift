import ContainerRuntime
import Foundation

/// A change to the data path that the kernel offers, but that is not its default.
struct Variant: Sendable {
    let name: String
    let summary: String
    /// Keys of the configuration's first plugin, if swiftlet itself makes the change.
    var keys: [String: JSONValue] = [:]
    /// Makes the change by hand, after the pods are attached.
    var change: @Sendable (Tools, Site.Path, Machine) throws -> Void = { _, _, _ in }

    /// Our own program for link properties: `make -C Benchmarks`.
    struct Tools {
        var linkset: String

        func set(_ link: String, _ properties: [String], in netns: String, _ machine: Machine) throws {
            _ = try machine.output([linkset, link] + properties, in: netns)
        }

        /// Both ends of both pods.
        func setVeths(_ properties: [String], _ path: Site.Path, _ machine: Machine) throws {
            for pod in path.pods { try set(path.podInterface, properties, in: pod, machine) }
            for end in path.hostEnds { try set(end, properties, in: path.node, machine) }
        }
    }

    private static func bigTCP(_ size: Int64) -> [String: JSONValue] {
        ["gsoIPv4MaxSize": .integer(size), "gsoIPv6MaxSize": .integer(size)]
    }
    /// GSO_MAX_SIZE, linux/netdevice.h.
    private static let most: Int64 = 524280

    static let all: [Variant] = [
        Variant(
            name: "big-tcp", summary: "`gsoIPv4MaxSize` and `gsoIPv6MaxSize` of \(most) octets", keys: bigTCP(most)),
        Variant(name: "big-tcp-192k", summary: "the same with 196608 octets", keys: bigTCP(196608)),
        Variant(
            name: "big-tcp-uplink", summary: "`big-tcp`, and the node's uplink takes as much", keys: bigTCP(most)
        ) { try $0.set($1.uplink, ["gso", "\(most)", "gso4", "\(most)"], in: $1.node, $2) },
        Variant(
            name: "big-tcp-beside-old",
            summary: "`big-tcp`, and the other pod's host end as other plugins, or earlier versions, leave it",
            keys: bigTCP(most)
        ) { try $0.set($1.hostEnds[1], ["gso", "65536"], in: $1.node, $2) },
        Variant(name: "napi", summary: "GRO on the veths, so that they receive by NAPI") {
            try $0.setVeths(["offload", "1"], $1, $2)
        },
        Variant(name: "napi-queues", summary: "the same with two queues") {
            try $0.setVeths(["queues", "2", "offload", "1"], $1, $2)
        },
        Variant(name: "queues", summary: "two queues in each direction") { try $0.setVeths(["queues", "2"], $1, $2) },
        Variant(name: "rps", summary: "receive packet steering over all processors") { _, path, machine in
            let places = path.pods.map { ($0, path.podInterface) } + path.hostEnds.map { (path.node, $0) }
            let mask = String(1 << min(ProcessInfo.processInfo.activeProcessorCount, 32) - 1, radix: 16)
            for (netns, link) in places {
                // sysfs shows the links of the namespace that it was mounted in.
                let script = "mount -t sysfs sysfs /sys && echo \(mask) > /sys/class/net/\(link)/queues/rx-0/rps_cpus"
                _ = try machine.output(["unshare", "--mount", "sh", "-c", script], in: netns)
            }
        },
        Variant(name: "no-bridge-netfilter", summary: "bridged packets not shown to the IP hooks (bridge-nf-call-*)") {
            _, path, machine in
            let settings = ["arptables", "iptables", "ip6tables"].map { "net.bridge.bridge-nf-call-\($0)=0" }
            _ = try machine.output(["sysctl", "-q", "-w"] + settings, in: path.node)
        },
        Variant(
            name: "isolation", summary: "`ingressPolicy`, with a table that sees every forwarded packet",
            keys: ["ingressPolicy": "same-bridge"]),
        Variant(name: "host-ports", summary: "table `ip swiftlet`, which the first host port makes") {
            _, path, machine in
            let rules = "\(FileManager.default.currentDirectoryPath)/docs/ruleset.nft"
            let script = #"sed -n '/^table ip swiftlet/,/^}/p' "$1" | nft -f - && nft list table ip swiftlet"#
            _ = try machine.output(["sh", "-c", script, "sh", rules], in: path.node)
        },
        Variant(name: "flowtable", summary: "an nf_tables flowtable over bridge and uplink") { _, path, machine in
            try machine.run(
                "nft", "-f",
                reading: """
                    table inet shortcut {
                        flowtable fast { hook ingress priority 0; devices = { \(path.bridge), \(path.uplink) }; }
                        chain forward {
                            type filter hook forward priority 0;
                            meta l4proto { tcp, udp } flow add @fast
                        }
                    }

                    """, in: path.node)
        },
    ]
}
