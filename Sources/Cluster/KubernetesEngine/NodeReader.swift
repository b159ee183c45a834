internal import ClusterEngine
internal import ClusterState

/// Makes an engine's events from what is told of Nodes.
struct NodeReader {
    private let own: String
    private let prefersExternal: Bool
    private var troubles = Troubles()

    init(_ own: String, prefersExternal: Bool) {
        self.own = own
        self.prefersExternal = prefersExternal
    }

    mutating func read(_ event: ObjectEvent<NodeObject>) -> [EngineEvent] {
        switch event {
        case .list(let objects, let unreadable):
            let nodes = objects.values.sorted { $0.name < $1.name }
            var events: [EngineEvent] = [.nodes(nodes.map { $0.node(prefersExternal: prefersExternal) })]
            events += troubles.end { cause in
                guard let name = Self.name(cause) else { return false }
                return unreadable[name] == nil && objects[name]?.faults.isEmpty ?? true
            }
            for (key, fault) in unreadable.sorted(by: { $0.key < $1.key }) { events += begin(key, fault) }
            for node in nodes { events += look(at: node) }
            if objects[ObjectKey(name: own)] == nil { events += missing() }
            return events
        case .changed(_, let node):
            return [.node(node.node(prefersExternal: prefersExternal))] + look(at: node)
        case .removed(let key):
            var events: [EngineEvent] = [.removed(key.name)]
            events += troubles.end { $0 == Self.cause(key) }
            if key.name == own { events += missing() }
            return events
        case .unreadable(let key, let fault): return begin(key, fault)
        case .trouble(let failure): return troubles.begin("\(Self.api) \(failure.kind)", failure)
        case .recovered: return troubles.end { $0.hasPrefix(Self.api) }
        }
    }

    private static let api = "api"
    private static let subnets = "subnets"
    private static let object = "object "

    private static func cause(_ key: ObjectKey) -> String { object + key.name }

    private static func name(_ cause: String) -> ObjectKey? {
        cause.hasPrefix(object) ? ObjectKey(name: String(cause.dropFirst(object.count))) : nil
    }

    /// So many are enough to see what is wrong; a cluster may have thousands.
    private static let most = 16

    private mutating func begin(_ key: ObjectKey, _ fault: String) -> [EngineEvent] {
        guard troubles.count < Self.most else { return [] }
        return troubles.begin(Self.cause(key), EngineFailure(.malformed, "read the Node \(key): \(fault)"))
    }

    private mutating func look(at node: NodeObject) -> [EngineEvent] {
        let key = ObjectKey(name: node.name)
        var events: [EngineEvent] =
            node.faults.isEmpty
            ? troubles.end { $0 == Self.cause(key) } : begin(key, node.faults.joined(separator: "; "))
        guard node.name == own else { return events }
        if node.subnets.isEmpty {
            let failure = EngineFailure(
                .configuration, "node \(own) has no podCIDR",
                advice:
                    "start kube-controller-manager with --allocate-node-cidrs and --cluster-cidr; with kubeadm, set "
                    + "networking.podSubnet")
            events += troubles.begin(Self.subnets, failure)
        } else {
            events += troubles.end { $0 == Self.subnets }
        }
        return events
    }

    private mutating func missing() -> [EngineEvent] {
        let failure = EngineFailure(
            .configuration, "the cluster has no node \(own)",
            advice: "the kubelet adds it; compare its --hostname-override with the node's name given to the agent")
        return troubles.begin(Self.subnets, failure)
    }
}
