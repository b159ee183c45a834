internal import Addresses
internal import ClusterState

/// A Service with its endpoints, turned into what happens at each of its frontends.
struct ServiceEntries {
    private(set) var entries: [Frontend: FrontendEntry] = [:]

    init(_ service: Service, _ slices: some Collection<EndpointSlice>, on node: ServiceNode) {
        var choices: [ChoiceKey: EndpointChoice] = [:]
        for claim in service.claims(on: node) {
            let port = service.ports[claim.port]
            let key = ChoiceKey(port: claim.port, family: claim.frontend.address.family)
            let choice = choices[key] ?? EndpointChoice(port, key.family, slices, on: node)
            choices[key] = choice
            let isInternal = claim.kind == .clusterIP
            let policy = isInternal ? service.internalPolicy : service.externalPolicy
            let answer = ServiceEntries.answer(choice, policy, isInternal: isInternal)
            entries[claim.frontend] = FrontendEntry(
                service: ServicePortName(service.name, port.name), answer: answer,
                affinity: answer.all.isEmpty
                    ? nil
                    : service.affinity.map {
                        min(max($0, Service.affinities.lowerBound), Service.affinities.upperBound)
                    },
                masquerade: isInternal ? .foreign : policy == .cluster ? .everybody : .node,
                sources: claim.kind == .loadBalancer ? service.sources(at: claim.frontend.address, node) : nil)
        }
    }

    private struct ChoiceKey: Hashable {
        let port: Int
        let family: IPFamily
    }

    private static func answer(
        _ choice: EndpointChoice, _ policy: Service.Policy, isInternal: Bool
    ) -> FrontendEntry.Answer {
        if choice.all.isEmpty { return .reject }
        guard policy == .local else { return .targets(choice.all) }
        guard isInternal else { return .split(all: choice.all, own: choice.own) }
        return choice.own.isEmpty ? .drop : .targets(choice.own)
    }
}

extension Service {
    /// Who may connect to a load balancer's address; nil for everybody.
    fileprivate func sources(at address: IPAddress, _ node: ServiceNode) -> [CIDR]? {
        guard let sourceRanges else { return nil }
        let family = sourceRanges.filter { $0.family == address.family }
        // Ranges of the other family alone say nothing about this one.
        guard sourceRanges.isEmpty || !family.isEmpty else { return nil }
        guard !family.contains(where: { $0.prefixLength == 0 }) else { return nil }
        // A node that is allowed may have the load balancer's address itself, and then asks from it.
        let isNodeAllowed = node.addresses.contains { own in family.contains { $0.contains(own) } }
        return (family + (isNodeAllowed ? [.host(address)] : [])).disjoint
    }
}
