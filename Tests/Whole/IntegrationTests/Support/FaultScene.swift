import ContainerRuntime
import Foundation
import Testing

/// A fresh node with a pod.
struct FaultScene {
    /// What the pod is attached to.
    enum Setting: Sendable {
        /// A bridge, with as much as there is: two families, masquerade, host ports, isolation, guards, limits.
        case bridge(IsolationTests.Way)
        /// An interface without a bridge.
        case link(LinkPlugin)
    }

    let node: Node
    let pod: Pod
    let list: NetworkList
    private let attachment: PodAttachment
    private let setting: Setting
    private let plain: CNIRuntime

    init(_ setting: Setting, plugins: [String]? = nil) throws {
        self.setting = setting
        node = try Node()
        pod = try node.pod("pod")
        switch setting {
        case .bridge(let way):
            list = try DamageTests.Scene.network(node, way, ranges: FaultScene.ranges, isLimited: true)
            attachment = FaultScene.attachment(of: pod, port: 8080)
        case .link(let plugin):
            try plugin.prepare(node)
            // The same on every node.
            let links = try node.ip("link", "show").compactMap { $0["ifname"]?.string }.filter { $0 != "lo" }
            for (number, link) in links.enumerated() {
                try node.set("link", "set", link, "address", "02:00:00:00:00:0\(number + 1)")
            }
            list = try plugin.network(node, plugin == .tap ? ["owner": 1, "group": 2] : [:])
            attachment = pod.attachment
        }
        plain = node.runtime(path: plugins ?? [Requirements.bin])
    }

    /// The plugins of the two ways to have all that there is on a bridge, with their numbers.
    static let everyPlugin: [(Setting, Int, String)] =
        [(.bridge(.alone), 0, "swiftlet")]
        + ["bridge", "portmap", "firewall", "bandwidth"].enumerated().map {
            (.bridge(.chained), $0.offset, $0.element)
        }

    private static let ranges: [JSONValue] = [[["subnet": "10.44.0.0/24"]], [["subnet": "fd00:44::/64"]]]

    /// One plugin of the list, run with a wrapper before it.
    func run(
        _ operation: Operation, _ plugin: Int, wrapper: [String] = [], prevResult: JSONValue? = nil,
        valid: [ValidAttachment] = []
    ) throws -> PluginRun {
        var runtime = plain
        runtime.launcher.prefix += wrapper
        let valid: JSONValue = .array(
            valid.map { ["containerID": .string($0.containerID), "ifname": .string($0.ifname)] })
        return try runtime.run(
            operation.command, list.plugins[plugin], in: list,
            operation == .gc ? nil : operation == .blindDel ? blind : attachment,
            prevResult: operation == .blindDel ? nil : prevResult,
            inserting: operation == .gc ? ["cni.dev/valid-attachments": valid, "cni.dev/attachments": valid] : [:])
    }

    private static func attachment(of pod: Pod, port: Int64) -> PodAttachment {
        let limits: JSONValue = [
            "ingressRate": 80_000_000, "ingressBurst": 8_000_000, "egressRate": 80_000_000, "egressBurst": 8_000_000,
        ]
        return pod.with(capabilities: ["portMappings": .array(hostPorts(port)), "bandwidth": limits])
    }

    private var blind: PodAttachment { pod.with(netns: .some("")) }

    /// What a runtime asks for.
    enum Operation: String, Sendable {
        case add = "ADD"
        case del = "DEL"
        /// CNI_NETNS is empty, the namespace is gone, and there is no prevResult.
        case blindDel = "DEL without namespace"
        case gc = "GC"

        var command: Command {
            switch self {
            case .add: .add
            case .del, .blindDel: .del
            case .gc: .gc
            }
        }
    }

    /// ADD of some of the plugins.
    func add(_ plugins: Range<Int>, after result: JSONValue? = nil) throws -> JSONValue? {
        try plugins.reduce(result) { try run(.add, $1, prevResult: $0).outcome.json }
    }

    /// DEL or GC of some of the plugins, in the order that it is done.
    func clean(_ operation: Operation, _ plugins: Range<Int>, _ result: JSONValue? = nil, valid: [ValidAttachment] = [])
        throws
    {
        for plugin in operation == .gc ? Array(plugins) : plugins.reversed() {
            _ = try run(operation, plugin, prevResult: result, valid: valid)
        }
    }

    /// Another pod of the network, that stays.
    func neighbour() throws -> Pod {
        let pod = try node.pod("neighbour")
        _ = try plain.add(list, FaultScene.attachment(of: pod, port: 8090))
        return pod
    }

    func check(_ pod: Pod) throws { try plain.check(list, FaultScene.attachment(of: pod, port: 8090)) }

    private var addressCount: Int { if case .bridge = setting { 2 } else { 1 } }

    /// What a successful ADD promises.
    func problem(with result: JSONValue?) throws -> String? {
        guard let result, result.addresses.count == addressCount else {
            return "a result without \(addressCount) addresses"
        }
        let present = try pod.addresses(pod.ifname)
        guard Set(present) == Set(result.addresses) else {
            return "addresses \(present) instead of \(result.addresses)"
        }
        do { for plugin in list.plugins.indices { try check(plugin, result) } } catch let error as PluginError {
            return "CHECK says \(error)"
        }
        return nil
    }

    private func check(_ plugin: Int, _ result: JSONValue) throws {
        _ = try plain.run(.check, list.plugins[plugin], in: list, attachment, prevResult: result)
    }

    /// Lets a datagram go to the host port, if there is one, so that connection tracking has notes of it.
    func useHostPort() throws {
        guard case .bridge = setting else { return }
        let socket = try Socket(in: node, .v4, .udp)
        try socket.connect("10.44.0.1", 8080)
        try socket.send("?")
    }

    func remains() throws -> Set<String> { try Remains(node, pod).lines }
}
