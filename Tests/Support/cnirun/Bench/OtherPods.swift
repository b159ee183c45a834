import ContainerRuntime
import Foundation

/// What many other pods and programs have left on a node. Attaching thousands would take too long, so this creates their traces
/// directly, modelled on a pod that was attached.
struct OtherPods {
    /// Pods in addition to the measured one.
    let pods: Int
    /// Veth pairs on the bridge. A bridge has at most 1024 ports (BR_MAX_PORTS), and with some 1000 of them a pod's broadcast
    /// overflows the queue between interfaces (net.core.netdev_max_backlog): its first ARP request fails.
    let veths: Int
    /// Rules in another program's table, in a chain that forwarded packets traverse.
    let foreignRules: Int

    private static let firstPort = 10000

    /// Fills the node; the reservations exist already.
    ///
    /// - Parameter model: a pod that the system has attached, and its address.
    func settle(on node: Node, _ machine: Machine, _ system: any System, model: Pod, _ address: String) throws {
        guard pods > 0 || foreignRules > 0 else { return }
        try plugIn(node, machine)
        if system.name == Contenders.reference {
            try OtherPodsInIptables(pods: pods, model: model, address: address).settle(on: node, machine)
        } else if system.features.publishesPorts {
            try publishPorts(node, machine)
            try writeRecords(node, machine, system, model, address)
        }
        guard foreignRules > 0 else { return }
        try machine.run("nft", "-f", reading: foreignTable, in: node.netns)
    }

    /// A map leads to chains of a hundred rules, as in programs with so many. In a single chain, every packet that the bridge
    /// floods would traverse all rules, once per port (br_netfilter): some 50 ms.
    private var foreignTable: String {
        let size = 100
        let chains = stride(from: 0, to: foreignRules, by: size).map { first in
            let rules = (first..<min(first + size, foreignRules)).map { "tcp dport \($0 % 65535 + 1) counter drop" }
            return "chain c\(first / size) {\n\(rules.joined(separator: "\n"))\n}"
        }
        let jumps = chains.indices.map { "198.18.\($0 >> 8).\($0 & 255) : jump c\($0)" }.joined(separator: ", ")
        return """
            table inet somebody {
            \(chains.joined(separator: "\n"))
            chain forward {
                type filter hook forward priority 10;
                ip daddr vmap { \(jumps) }
            }
            }

            """
    }

    /// Veth pairs on the bridge; their peers are all in one namespace. IPv6 is off, because the kernel would look up the route
    /// of each multicast packet on all interfaces of a namespace, with quadratic cost.
    private func plugIn(_ node: Node, _ machine: Machine) throws {
        guard veths > 0 else { return }
        try machine.inside(node.otherPods) {
            try "1".write(
                toFile: "/proc/sys/net/ipv6/conf/default/disable_ipv6", atomically: false, encoding: .utf8)
        }
        try machine.configure(
            node.netns,
            (0..<veths).flatMap {
                [
                    "link add name other\($0) type veth peer name other\($0) netns \(node.otherPods)",
                    "link set other\($0) addrgenmode none", "link set other\($0) master cni0 up",
                ]
            })
        try machine.configure(
            node.otherPods, (0..<veths).map { "link set other\($0) up" })
    }

    private func publishPorts(_ node: Node, _ machine: Machine) throws {
        let elements = (0..<pods).flatMap { n in
            Pod.containerPorts.enumerated().map { index, port in
                "tcp . \(OtherPods.hostPort(n, index)) comment \"bench/filler-\(n)/eth0\" "
                    + ": \(Reservations.address(n)) . \(port)"
            }
        }
        try machine.run(
            "nft", "-f",
            reading: "add element inet swiftlet hostports_v4 { \(elements.joined(separator: ",\n")) }\n",
            in: node.netns)
    }

    /// Copies of the model's records with other names, addresses and ports.
    private func writeRecords(
        _ node: Node, _ machine: Machine, _ system: any System, _ model: Pod, _ address: String
    ) throws {
        let network = try node.recordDirectory() + "/bench"
        for plugin in try FileManager.default.contentsOfDirectory(atPath: network) {
            let directory = "\(network)/\(plugin)"
            let text = try String(contentsOfFile: "\(directory)/\(model.id):\(model.ifname)", encoding: .utf8)
            for n in 0..<pods {
                var record = text.replacingOccurrences(of: "\"\(address)/", with: "\"\(Reservations.address(n))/")
                for (index, port) in model.hostPorts.enumerated() {
                    record = record.replacingOccurrences(
                        of: "\"hostPort\":\(port),", with: "\"hostPort\":\(OtherPods.hostPort(n, index)),")
                }
                try Reservations.write(record, to: "\(directory)/filler-\(n):\(model.ifname)")
            }
        }
    }

    static func hostPort(_ pod: Int, _ index: Int) -> Int {
        firstPort + pod * Pod.containerPorts.count + index
    }
}
