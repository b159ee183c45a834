import ContainerRuntime
import Foundation

enum Verb: String, CaseIterable {
    case firstAdd = "ADD, first on the node"
    case add = "ADD"
    case check = "CHECK"
    case status = "STATUS"
    case version = "VERSION"
    case del = "DEL"
}

/// A pod to attach.
struct Pod {
    var id: String
    var netns: String
    var ifname = "eth0"
    /// The node's ports that are mapped to `containerPorts`, if the configuration has host ports.
    var hostPorts: [UInt16] = [31080, 31443]

    static let containerPorts: [UInt16] = [8080, 8443]
    /// The protocol of each.
    var protocols = ["tcp", "tcp"]

    /// Creates a new namespace for the pod.
    init(on machine: Machine) throws {
        id = UUID().uuidString.lowercased()
        netns = try machine.create("cni-\(id)")
    }

    var attachment: Attachment {
        let mappings = hostPorts.indices.map { index -> JSONValue in
            [
                "hostPort": .integer(Int64(hostPorts[index])),
                "containerPort": .integer(Int64(Pod.containerPorts[index])), "protocol": .string(protocols[index]),
            ]
        }
        return Attachment(
            containerID: id, netns: netns, ifname: ifname, capabilityArgs: ["portMappings": .array(mappings)])
    }

    /// The TCP ports of the node, with those in the pod.
    var connections: [(hostPort: UInt16, containerPort: UInt16)] {
        hostPorts.indices.filter { protocols[$0] == "tcp" }.map { (hostPorts[$0], Pod.containerPorts[$0]) }
    }
}

/// What a configuration asks for, and so what is verified.
struct Features: Sendable {
    /// An interface with an address and a default route, on a bridge; otherwise only lo.
    var attaches = true
    /// The number of a pod's addresses, each of a different family.
    var families = 1
    var masquerades = false
    var publishesPorts = false
    /// Whether the second port is a UDP one.
    var hasUDP = false
    /// Token buckets for traffic to and from the pod.
    var limits = false
}

extension Features {
    init(_ plugins: [JSONValue]) {
        attaches = plugins.contains { $0["type"]?.string != "loopback" }
        families = plugins.map { ($0["ranges"] ?? $0["ipam"]?["ranges"])?.array?.count ?? 1 }.max() ?? 1
        masquerades = plugins.contains { $0["ipMasq"]?.bool == true }
        publishesPorts = plugins.contains { $0["capabilities"]?["portMappings"]?.bool == true }
        limits = plugins.contains { $0["ingressRate"] != nil }
    }
}

/// Something that attaches pods to a node's network.
protocol System {
    var name: String { get }
    /// The verbs that can be measured besides ADD and DEL.
    var verbs: [Verb] { get }
    /// The directory with one file for each reserved address.
    var store: String { get }
    /// When peak memory is measured, the program is started through this.
    var prefix: [String] { get set }
    var features: Features { get }

    /// Attaches the pod; returns the result and the processes that ran.
    func add(_ pod: Pod) throws -> (JSONValue, [ProcessOutcome])
    func run(_ verb: Verb, _ pod: Pod) throws -> [ProcessOutcome]
}

/// A chain of CNI plugins, run like a runtime does.
struct PluginSystem: System, Sendable {
    let name: String
    let store: String
    let features: Features
    private var runtime: CNIRuntime
    private let list: NetworkList

    /// `data` stands for @DATA@ in the configuration.
    init(name: String, bin: String, conf: String, data: String) throws {
        self.name = name
        let text = try String(contentsOfFile: conf, encoding: .utf8).replacingOccurrences(of: "@DATA@", with: data)
        runtime = CNIRuntime(path: [bin], cacheDirectory: data + "/cache")
        list = try runtime.negotiate(NetworkList(parsing: Array(text.utf8), file: conf))
        store = data + "/" + list.name
        var features = Features(list.plugins)
        // Which ports there are is not for the configuration to say.
        features.hasUDP = URL(fileURLWithPath: conf).deletingLastPathComponent().lastPathComponent == Contenders.udp
        self.features = features
    }

    var verbs: [Verb] { list.version == "1.1.0" ? [.check, .status, .version] : [.check, .version] }

    var prefix: [String] {
        get { runtime.launcher.prefix }
        set { runtime.launcher.prefix = newValue }
    }

    func add(_ pod: Pod) throws -> (JSONValue, [ProcessOutcome]) {
        let added = try runtime.addOrUndo(list, pod.attachment)
        return (added.result, added.runs.map(\.outcome))
    }

    func run(_ verb: Verb, _ pod: Pod) throws -> [ProcessOutcome] {
        switch verb {
        case .check: try runtime.check(list, pod.attachment).map(\.outcome)
        case .status: try runtime.status(list).map(\.outcome)
        case .version: try runtime.version(list).map(\.run.outcome)
        case .del: try runtime.del(list, pod.attachment).map(\.outcome)
        case .add, .firstAdd: try add(pod).1
        }
    }
}

/// The C program that does only what is necessary. It is given the address that a plugin has to find.
final class FloorSystem: System {
    let name = "floor (C, raw netlink)"
    let store: String
    let verbs: [Verb] = []
    let features = Features()
    private var launcher = Launcher()
    private let program: String
    private var addresses: [String: String] = [:]
    private var next: Int

    init(program: String, data: String, reservations: Int) throws {
        self.program = program
        store = data + "/bench"
        next = reservations
        try FileManager.default.createDirectory(atPath: store, withIntermediateDirectories: true)
    }

    var prefix: [String] {
        get { launcher.prefix }
        set { launcher.prefix = newValue }
    }

    func add(_ pod: Pod) throws -> (JSONValue, [ProcessOutcome]) {
        let address = Reservations.address(next)
        next += 1
        addresses[pod.id] = address
        let outcome = try execute([
            "add", "cni0", pod.netns, pod.ifname, address + "/16", Reservations.gateway, store + "/" + address,
        ])
        return (try JSONValue(parsing: outcome.stdout), [outcome])
    }

    func run(_ verb: Verb, _ pod: Pod) throws -> [ProcessOutcome] {
        if verb == .add { return try add(pod).1 }
        precondition(verb == .del, "the floor has no \(verb)")
        return [try execute(["del", pod.netns, pod.ifname, store + "/" + (addresses[pod.id] ?? "unknown")])]
    }

    private func execute(_ arguments: [String]) throws -> ProcessOutcome {
        let outcome = try launcher.run(program, arguments: arguments, environment: [:])
        guard outcome.exit.isSuccess else {
            throw VerificationError("floor: \(outcome.exit): \(String(decoding: outcome.stderr, as: UTF8.self))")
        }
        return outcome
    }
}
