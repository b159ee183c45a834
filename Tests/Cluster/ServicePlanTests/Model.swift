import Addresses
import ClusterState
import ServicePlan

/// What a client gets at an address, read off the list of obligations as plainly as possible: one packet, all objects.
struct Model {
    let node: ServiceNode
    let services: [Service]
    let slices: [EndpointSlice]

    enum Outcome: Equatable {
        /// Not a Service.
        case none
        case reject, drop
        case served(Set<Target>, masquerade: Bool, affinity: UInt32?)
    }

    enum Kind: Int { case cluster, nodePort, balancer, external }

    func outcome(_ client: IPAddress, _ frontend: Frontend) -> Outcome {
        guard client.family == frontend.address.family else { return .none }
        // Everybody who claims it, best first: kind, age, name, and within a Service the order of its ports.
        var best: (rank: (Int, Int64, String, Int), Service, Service.Port)?
        for service in services {
            for (position, port) in service.ports.enumerated() {
                for kind in kinds(service, port, frontend) {
                    let rank = (kind.rawValue, service.age, service.name.name, position)
                    if best == nil || rank < best!.rank { best = (rank, service, port) }
                }
            }
        }
        guard let (rank, service, port) = best, let kind = Kind(rawValue: rank.0) else { return .none }
        if kind == .balancer, !isAllowed(client, service, frontend.address) { return .drop }
        let isExternal = kind != .cluster
        let policy = isExternal ? service.externalPolicy : service.internalPolicy
        let isInside = isPod(client) || node.addresses.contains(client)
        let any = clusterWide(service, port, frontend.address.family)
        if any.isEmpty { return .reject }
        var chosen = any
        if policy == .local, !(isExternal && isInside) { chosen = ofThisNode(service, port, frontend.address.family) }
        if chosen.isEmpty { return .drop }
        let isMasqueraded =
            !isExternal
            ? !isPod(client) : policy == .cluster ? true : node.addresses.contains(client)
        return .served(
            chosen, masquerade: isMasqueraded, affinity: service.affinity.map { $0 < 1 ? 1 : $0 > 86400 ? 86400 : $0 })
    }

    /// The same question to the table.
    static func outcome(of table: ServiceTable, _ client: IPAddress, _ frontend: Frontend) -> Outcome {
        guard client.family == frontend.address.family, let entry = table.frontends[frontend] else { return .none }
        if let sources = entry.sources, !sources.contains(where: { $0.contains(client) }) { return .drop }
        let isPod = table.podRanges.contains { $0.contains(client) }
        let isNode = thisNode.addresses.contains(client)
        let chosen: [Target]
        switch entry.answer {
        case .reject: return .reject
        case .drop: return .drop
        case .targets(let targets): chosen = targets
        case .split(let all, let own): chosen = isPod || isNode ? all : own
        }
        if chosen.isEmpty { return .drop }
        let isMasqueraded =
            switch entry.masquerade {
            case .foreign: !isPod
            case .everybody: true
            case .node: isNode
            }
        precondition(Set(chosen).count == chosen.count, "an endpoint with more than its share")
        return .served(Set(chosen), masquerade: isMasqueraded, affinity: entry.affinity)
    }

    private func isPod(_ address: IPAddress) -> Bool { node.podRanges.contains { $0.contains(address) } }

    private func kinds(_ service: Service, _ port: Service.Port, _ frontend: Frontend) -> [Kind] {
        guard service.exemption == nil, port.transport == frontend.transport,
            service.clusterIPs.contains(where: { $0.family == frontend.address.family })
        else { return [] }
        var kinds: [Kind] = []
        if port.number == frontend.port {
            if service.clusterIPs.contains(frontend.address) { kinds.append(.cluster) }
            if service.ingress.contains(where: { $0.address == frontend.address && !$0.isProxy }) {
                kinds.append(.balancer)
            }
            if service.externalIPs.contains(frontend.address) { kinds.append(.external) }
        }
        let open = node.nodePorts == .primary ? node.addresses : node.addresses.filter { $0.family == .v4 }
        if port.nodePort == frontend.port, open.contains(frontend.address) { kinds.append(.nodePort) }
        return kinds
    }

    private func isAllowed(_ client: IPAddress, _ service: Service, _ address: IPAddress) -> Bool {
        guard let ranges = service.sourceRanges else { return true }
        if ranges.isEmpty { return false }
        let family = ranges.filter { $0.family == client.family }
        if family.isEmpty || family.contains(where: { $0.contains(client) }) { return true }
        return client == address && node.addresses.contains { own in family.contains { $0.contains(own) } }
    }

    private struct Facts {
        var isReady = false
        var isServing = false
        var isTerminating = true
        var isOwn = false
        var nodes: Set<String> = []
        var zones: Set<String> = []
    }

    private func known(_ service: Service, _ port: Service.Port, _ family: IPFamily) -> [Target: Facts] {
        var known: [Target: Facts] = [:]
        for slice in slices where slice.service == service.name.name && slice.family == family && !slice.isHeadless {
            for slicePort in slice.ports where slicePort.name == port.name && slicePort.transport == port.transport {
                for endpoint in slice.endpoints where endpoint.address.family == family && !endpoint.address.isLoopback
                {
                    guard let number = slicePort.number else { continue }
                    var facts = known[Target(endpoint.address, number)] ?? Facts()
                    facts.isReady = facts.isReady || endpoint.conditions.contains(.isReady)
                    facts.isServing = facts.isServing || endpoint.conditions.contains(.isServing)
                    facts.isTerminating = facts.isTerminating && endpoint.conditions.contains(.isTerminating)
                    facts.isOwn = facts.isOwn || endpoint.node == node.name
                    facts.nodes.formUnion(endpoint.hintedNodes)
                    facts.zones.formUnion(endpoint.hintedZones)
                    known[Target(endpoint.address, number)] = facts
                }
            }
        }
        return known
    }

    private func clusterWide(_ service: Service, _ port: Service.Port, _ family: IPFamily) -> Set<Target> {
        let known = known(service, port, family)
        let ready = known.filter { $0.value.isReady }
        if ready.isEmpty { return Set(known.filter { $0.value.isServing && $0.value.isTerminating }.keys) }
        let here = ready.filter { $0.value.nodes.contains(node.name) }
        if !here.isEmpty, ready.allSatisfy({ !$0.value.nodes.isEmpty }) { return Set(here.keys) }
        let near = ready.filter { facts in node.zone.map { facts.value.zones.contains($0) } ?? false }
        if !near.isEmpty, ready.allSatisfy({ !$0.value.zones.isEmpty }) { return Set(near.keys) }
        return Set(ready.keys)
    }

    private func ofThisNode(_ service: Service, _ port: Service.Port, _ family: IPFamily) -> Set<Target> {
        let own = known(service, port, family).filter { $0.value.isOwn }
        let ready = own.filter { $0.value.isReady }
        return Set((ready.isEmpty ? own.filter { $0.value.isServing && $0.value.isTerminating } : ready).keys)
    }
}
