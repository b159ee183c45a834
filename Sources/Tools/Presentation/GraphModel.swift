internal import Addresses
internal import Attachments
internal import Inventory

/// What all pictures of a node show: pods in groups, each group at what joins its pods to the node.
struct GraphModel {
    var groups: [Group]

    struct Group {
        var network: Network
        /// What the pods hang on.
        var hub: Hub
        var pods: [Inventory.Attachment]
        var orphans: [Orphan]
    }

    enum Hub: Hashable {
        case bridge(String)
        /// One of the node's interfaces, of which pods have links of the kind.
        case parent(String, kind: String)
        /// Each pod has a cable of its own to the node.
        case routed
        /// It is not known, or there is nothing.
        case nothing

        var text: String {
            switch self {
            case .bridge(let name): "bridge \(name)"
            case .parent(let name, let kind): "\(kind) on \(name)"
            case .routed: "routed by the node"
            case .nothing: "no way to the node"
            }
        }
    }

    init(_ snapshot: Snapshot) {
        groups = []
        for network in snapshot.networks {
            var hubs: [Hub] = []
            var pods: [Hub: [Inventory.Attachment]] = [:]
            for pod in snapshot.attachments(of: network.name) {
                let hub = Hub(of: pod)
                if pods[hub] == nil { hubs.append(hub) }
                pods[hub, default: []].append(pod)
            }
            if hubs.isEmpty { hubs = [network.bridge.map(Hub.bridge) ?? .nothing] }
            for (position, hub) in hubs.enumerated() {
                let orphans = position == 0 ? snapshot.orphansOnTheirOwn(in: network.name) : []
                groups.append(Group(network: network, hub: hub, pods: pods[hub] ?? [], orphans: orphans))
            }
        }
    }
}

extension GraphModel.Hub {
    fileprivate init(of pod: Inventory.Attachment) {
        if let bridge = pod.bridge {
            self = .bridge(bridge)
        } else if let parent = pod.parent {
            self = .parent(parent, kind: pod.kind ?? "link")
        } else {
            self = pod.hostInterface == nil ? .nothing : .routed
        }
    }
}

extension Snapshot {
    /// Those that are not shown as a pod already.
    fileprivate func orphansOnTheirOwn(in network: String) -> [Orphan] {
        let pods = Set(attachments.map(\.id))
        return orphans.filter { orphan in orphan.id.map { $0.network == network && !pods.contains($0) } ?? false }
    }

    /// What is wrong with a pod that is there; nil for nothing.
    func trouble(_ id: AttachmentName) -> String? { orphans.first { $0.id == id }?.reason.text }

    /// One line about everything.
    var summary: String {
        var parts = [Words.count(networks.count, "network"), Words.count(attachments.count, "pod")]
        let ports = attachments.reduce(0) { $0 + $1.ports.reduce(0) { $0 + Int($1.count) } }
        if ports > 0 { parts.append(Words.count(ports, "port")) }
        if !orphans.isEmpty { parts.append(Words.count(orphans.count, "orphan")) }
        return parts.joined(separator: ", ")
    }

    /// By which address the default route leaves by an interface; nil for none.
    func nextHop(by interface: String) -> IPAddress? {
        routes.first { $0.isDefault && $0.interface == interface }?.gateway
    }
}

extension Inventory.Attachment {
    var shownAddresses: [String] { (addresses.isEmpty ? reserved : addresses).map { $0.address.description } }
}
