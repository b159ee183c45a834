internal import Addresses

/// Checks how the files of one directory affect each other.
struct Neighbours {
    private(set) var findings: [Finding] = []

    /// - Parameter report: on the files, in the order in which runtimes read them.
    init(_ report: Validator.Report) {
        // Runtimes skip files that they cannot read.
        let networks = report.networks.filter { network in
            !report.findings.contains { $0.file == network.file && $0.severity == .error }
        }
        for (position, network) in networks.enumerated() {
            if let first = networks[..<position].first(where: { $0.name == network.name }) {
                add(
                    .warning, network, "name",
                    "network \(network.name ?? "") is already in \(first.file), which sorts first",
                    "runtimes use one of the two: rename the network, or remove a file")
            } else if let first = networks.first, position > 0 {
                add(
                    .note, network, "",
                    "containerd and CRI-O attach pods to the first network of the directory, in \(first.file)",
                    "podman, nerdctl and Multus use the others by name")
            }
            for other in networks[..<position] where other.name != network.name {
                if let interface = network.gatewayInterface, interface == other.gatewayInterface,
                    network.wantsOtherGateways(than: other)
                {
                    add(
                        .warning, network, "",
                        "\(interface) is the gateway of network \(other.name ?? "") already (\(other.file))",
                        "no pod can be attached to the second of the two: give it a bridge of its own, by the key bridge"
                    )
                }
                for subnet in network.subnets {
                    guard let taken = other.subnets.first(where: { $0.overlaps(subnet) }) else { continue }
                    add(
                        .warning, network, "", "subnet \(subnet) overlaps \(taken) of network \(other.name ?? "")",
                        "the node could not tell their pods apart: choose another subnet")
                }
            }
        }
    }

    private mutating func add(
        _ severity: Finding.Severity, _ network: Validator.Network, _ path: String, _ message: String, _ hint: String
    ) {
        findings.append(
            Finding(severity: severity, file: network.file, line: nil, path: path, message: message, hint: hint))
    }
}

extension Validator.Network {
    /// Whether this network cannot use a bridge that has the other's IPv4 gateway. Several IPv6 gateways can coexist.
    fileprivate func wantsOtherGateways(than other: Validator.Network) -> Bool {
        let (own, others) = (subnets.filter { $0.family == .v4 }, other.subnets.filter { $0.family == .v4 })
        return !others.isEmpty && own.contains { !others.contains($0) }
    }
}
