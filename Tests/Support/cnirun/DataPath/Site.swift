import ContainerRuntime
import Foundation

/// A node with two pods and an outside host, each a network namespace, with servers at all destinations.
final class Site {
    /// What a variant needs to know to change something in the path.
    struct Path {
        var node: String
        var outside: String
        var pods: [String]
        var hostEnds: [String]
        let bridge = "cni0"
        let podInterface = "eth0"
        let uplink = "uplink0"
    }

    let name: String
    let path: Path
    private let machine: Machine
    private let loaders: Loaders
    private let runtime: CNIRuntime
    private let list: NetworkList
    private let attachments: [Attachment]
    private let addresses: [DataProbe.Destination: [DataProbe.Family: String]]
    private var servers: [Server] = []

    /// Attaches two pods with the plugins of a directory, and applies the variant.
    init(
        _ name: String, bin: String, _ list: NetworkList, variant: Variant?, tools: String, seconds: Int,
        _ machine: Machine
    ) throws {
        (self.name, self.machine) = (name, machine)
        loaders = Loaders(rr: "\(tools)/rr", seconds: seconds)
        let id = UUID().uuidString.lowercased()
        let (node, outside) = (try machine.create("node-\(id)"), try machine.create("outside-\(id)"))
        let pods = [try machine.create("cni-a-\(id)"), try machine.create("cni-b-\(id)")]
        try Site.join(node, outside, machine)

        let runtime = CNIRuntime(path: [bin], cacheDirectory: "\(machine.directory)/cache-\(id)")
        let list = try runtime.negotiate(list)
        attachments = pods.enumerated().map { number, pod in
            Attachment(containerID: "\(id)-\(number)", netns: pod, ifname: "eth0", args: [], capabilityArgs: [:])
        }
        let results = try attachments.map { attachment in
            try machine.inside(node) { try runtime.addOrUndo(list, attachment).result }
        }
        (self.runtime, self.list) = (runtime, list)
        // Bridge, host side, pod side: the order is the same for all plugins.
        let hostEnds = results.compactMap { $0["interfaces"]?[1]?["name"]?.string }
        guard hostEnds.count == 2 else { throw VerificationError("\(name): a result of ADD lacks the host's end") }
        path = Path(node: node, outside: outside, pods: pods, hostEnds: hostEnds)
        addresses = [
            .pod: try Site.addresses(results[1], "address"), .node: try Site.addresses(results[1], "gateway"),
            .outside: [.v4: "192.0.2.2", .v6: "2001:db8::2"],
        ]
        try variant?.change(Variant.Tools(linkset: "\(tools)/linkset"), path, machine)
        for place in [pods[1], node, outside] {
            for (words, port) in zip(loaders.servers, [Loaders.streamPort, Loaders.requestPort]) {
                servers.append(try Server(words, port: port, in: place, machine))
            }
        }
    }

    func dispose() {
        servers = []
        for attachment in attachments {
            _ = try? machine.inside(path.node) { try runtime.del(list, attachment) }
        }
        for namespace in path.pods + [path.outside, path.node] { machine.remove(namespace) }
    }

    func run(_ probe: DataProbe) throws -> [Quantity: Double] {
        guard let address = addresses[probe.destination]?[probe.family] else {
            throw VerificationError("\(name) has no \(probe.family.rawValue) address")
        }
        let output = try machine.output(loaders.command(probe.load, to: address), in: path.pods[0])
        return try loaders.read(probe.load, output)
    }

    /// Sets up the uplink, and the route back to the pods.
    private static func join(_ node: String, _ outside: String, _ machine: Machine) throws {
        func addresses(_ last: Int) -> [String] {
            [
                "address add 192.0.2.\(last)/24 dev uplink0", "address add 2001:db8::\(last)/64 dev uplink0 nodad",
                "link set lo up", "link set uplink0 up",
            ]
        }
        try machine.configure(node, ["link add uplink0 type veth peer name uplink0 netns \(outside)"] + addresses(1))
        try machine.configure(
            outside, addresses(2) + ["route add default via 192.0.2.1", "route add default via 2001:db8::1"])
    }

    private static func addresses(_ result: JSONValue, _ key: String) throws -> [DataProbe.Family: String] {
        var found: [DataProbe.Family: String] = [:]
        for ip in result["ips"]?.array ?? [] {
            guard let address = ip[key]?.string?.split(separator: "/").first.map(String.init) else { continue }
            found[address.contains(":") ? .v6 : .v4] = address
        }
        guard found.count == 2 else { throw VerificationError("the result of ADD lacks an address or gateway") }
        return found
    }
}

extension Machine {
    /// The output of a system program in a namespace.
    func output(_ words: [String], in netns: String) throws -> String {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"
        let outcome = try inside(netns) {
            try Launcher(prefix: ["env"], timeout: .seconds(60))
                .run(words[0], arguments: Array(words.dropFirst()), environment: ["PATH": path])
        }
        guard outcome.exit.isSuccess else {
            let said = String(decoding: outcome.stderr.prefix(300) + outcome.stdout.prefix(300), as: UTF8.self)
            throw VerificationError("\(words.joined(separator: " ")): \(outcome.exit): \(said)")
        }
        return String(decoding: outcome.stdout, as: UTF8.self)
    }
}
