import ArgumentParser
import Inventory
import Plugins
import Posix

/// Where a command looks for networks besides the kernel.
struct SnapshotOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Directory of network configurations.", valueName: "directory"))
    var confDir = "/etc/cni/net.d"

    @Option(
        help: ArgumentHelp(
            "Directory of reservations, besides those that configurations name.", valueName: "directory"))
    var dataDir = [ConfiguredNetwork.usualDataDirectory]

    @Option(help: ArgumentHelp("Only this network.", valueName: "name"))
    var network: String?

    var places: Snapshot.Places { Snapshot.Places(configurations: confDir, dataDirectories: dataDir) }

    /// Takes a snapshot of the node.
    ///
    /// - Throws: when the network asked for does not exist.
    func snapshot() throws -> Snapshot {
        guard ProcessEnvironment.effectiveUser == 0 else {
            throw ValidationError("looking into pods needs root: run it with sudo")
        }
        var snapshot = try Snapshot.read(places)
        if !snapshot.orphans.isEmpty || !snapshot.remarks.isEmpty {
            Pause.microseconds(Snapshot.doubtMicroseconds)
            snapshot = snapshot.confirmed(by: try Snapshot.read(places))
        }
        guard let network else { return snapshot }
        guard snapshot.networks.contains(where: { $0.name == network }) else {
            let names = snapshot.networks.map(\.name).joined(separator: ", ")
            throw Failure(
                .invalidConfiguration, "find network \(network): it is neither configured in \(confDir) nor in use",
                details: names.isEmpty ? "there are no networks on this node" : "there are \(names)")
        }
        return snapshot.limited(to: network)
    }
}
