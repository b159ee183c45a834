import Foundation

/// What many pods of the reference leave in iptables: chains for masquerade and for host ports, with a rule that leads to each.
/// Copies of the model's rules with other names, addresses and ports.
struct OtherPodsInIptables {
    let pods: Int
    let model: Pod
    let address: String

    /// In pods; iptables-restore makes one transaction of its input, and this many pods are some 3 MB.
    private static let batch = 500

    func settle(on node: Node, _ machine: Machine) throws {
        let table = try machine.output(of: "iptables-save", ["-t", "nat"], in: node.netns).split(separator: "\n")
        // All of the model's chains have the same hash in their names, truncated to fit.
        let name = /CNI-(?:DN-)?([0-9a-f]{21,24})\b/
        guard let hash = table.lazy.compactMap({ $0.firstMatch(of: name)?.1 }).first?.prefix(21) else { return }
        let mine = table.filter { $0.contains(hash) }
        for first in stride(from: 0, to: pods, by: Self.batch) {
            let copies = (first..<min(first + Self.batch, pods)).map { copy(mine, of: String(hash), as: $0) }
            // Chains come before the rules that refer to them.
            let lines =
                copies.flatMap { $0.filter { $0.hasPrefix(":") } } + copies.flatMap { $0.filter { $0.hasPrefix("-") } }
            let text = (["*nat"] + lines + ["COMMIT", ""]).joined(separator: "\n")
            try machine.run("iptables-restore", "--noflush", reading: text, in: node.netns)
        }
    }

    private func copy(_ lines: [Substring], of hash: String, as n: Int) -> [String] {
        let number = String(n, radix: 16)
        let other = String(repeating: "0", count: hash.count - number.count) + number
        return lines.map { line in
            var line = line.replacingOccurrences(of: hash, with: other)
                .replacingOccurrences(of: model.id, with: "filler-\(n)")
                .replacingOccurrences(of: address + "/", with: Reservations.address(n) + "/")
                .replacingOccurrences(of: address + ":", with: Reservations.address(n) + ":")
            for (index, port) in model.hostPorts.enumerated() {
                line = line.replacingOccurrences(of: "\(port)", with: "\(OtherPods.hostPort(n, index))")
            }
            return line
        }
    }
}
