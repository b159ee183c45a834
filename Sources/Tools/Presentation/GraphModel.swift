internal import Addresses
internal import Attachments
internal import Inventory

/// What every picture of a node shows: pods in groups, each at whatever connects its pods to the node.
struct GraphModel {
    var groups: [Group]

    struct Group {
        var network: Network
        /// What connects the pods to the node.
        var hub: Hub
        /// Whether that is a link of the node that is down.
        var isDown: Bool
        var pods: [Inventory.Attachment]
        var orphans: [Orphan]
    }

    /// The hub in words, with what is wrong with it.
    static func text(_ group: Group) -> String { group.hub.text + (group.isDown ? ", down" : "") }

    enum Hub: Hashable {
        case bridge(String)
        /// An interface of the node; the pods' links of this kind are on top of it.
        case parent(String, kind: String)
        /// Each pod has its own veth to the node.
        case routed
        /// Unknown, or there is no connection.
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
                let link: String? =
                    switch hub {
                    case .bridge(let name), .parent(let name, _): name
                    case .routed, .nothing: nil
                    }
                let isDown = link.flatMap { snapshot.interface($0) }.map { !$0.isUp } ?? false
                groups.append(
                    Group(network: network, hub: hub, isDown: isDown, pods: pods[hub] ?? [], orphans: orphans))
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
    /// Orphans that are not already shown as a pod.
    fileprivate func orphansOnTheirOwn(in network: String) -> [Orphan] {
        let pods = Set(attachments.map(\.id))
        return orphans.filter { orphan in orphan.id.map { $0.network == network && !pods.contains($0) } ?? false }
    }

    /// What is wrong with a pod that exists; nil if nothing is.
    func trouble(_ id: AttachmentName) -> String? {
        if let orphan = orphans.first(where: { $0.id == id }) { return orphan.reason.text }
        let lost = attachments.first { $0.id == id }?.missingRules ?? []
        return lost.isEmpty ? nil : "packet rules are gone: swiftletctl repair"
    }

    /// The totals, on one line.
    var summary: String {
        var parts = [Words.count(networks.count, "network"), Words.count(attachments.count, "pod")]
        let ports = attachments.reduce(0) { $0 + $1.ports.reduce(0) { $0 + Int($1.count) } }
        if ports > 0 { parts.append(Words.count(ports, "port")) }
        if !orphans.isEmpty { parts.append(Words.count(orphans.count, "orphan")) }
        return parts.joined(separator: ", ")
    }

    /// The gateway of the default route through an interface; nil if there is none.
    func nextHop(by interface: String) -> IPAddress? {
        routes.first { $0.isDefault && $0.interface == interface }?.gateway
    }
}

extension Inventory.Attachment {
    var shownAddresses: [String] { (addresses.isEmpty ? reserved : addresses).map { $0.address.description } }
}
