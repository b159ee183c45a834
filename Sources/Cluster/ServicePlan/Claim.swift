internal import Addresses
internal import ClusterState

/// That a port of a Service wants a frontend.
struct Claim {
    let frontend: Frontend
    let kind: Kind
    /// Among the Service's ports.
    let port: Int

    /// The lower one wins where two Services claim the same: nobody can take what the cluster itself has given.
    enum Kind: Int {
        case clusterIP
        case nodePort
        case loadBalancer
        case externalIP
    }
}

extension Service {
    /// What it wants on this node, each frontend once. A family in which it has no cluster IP is none of its.
    func claims(on node: ServiceNode) -> [Claim] {
        guard exemption == nil else { return [] }
        let clusterIPs = clusterIPs.filter(\.canServe)
        let families = Set(clusterIPs.map(\.family))
        let own = { (addresses: [IPAddress]) in addresses.filter { $0.canServe && families.contains($0.family) } }
        let nodeAddresses = own(node.nodePortAddresses)
        let ingress = own(ingress.filter { !$0.isProxy }.map(\.address))
        let externalIPs = own(externalIPs)
        var claims: [Claim] = []
        var claimed: Set<Frontend> = []
        func claim(_ address: IPAddress, _ number: UInt16, _ kind: Claim.Kind, _ position: Int) {
            let frontend = Frontend(address, ports[position].transport, number)
            if claimed.insert(frontend).inserted {
                claims.append(Claim(frontend: frontend, kind: kind, port: position))
            }
        }
        // In the order of precedence, for frontends that the Service wants twice.
        for (position, port) in ports.enumerated() where port.number > 0 {
            for address in clusterIPs { claim(address, port.number, .clusterIP, position) }
        }
        for (position, port) in ports.enumerated() {
            guard let number = port.nodePort, number > 0 else { continue }
            for address in nodeAddresses { claim(address, number, .nodePort, position) }
        }
        for (position, port) in ports.enumerated() where port.number > 0 {
            for address in ingress { claim(address, port.number, .loadBalancer, position) }
        }
        for (position, port) in ports.enumerated() where port.number > 0 {
            for address in externalIPs { claim(address, port.number, .externalIP, position) }
        }
        return claims
    }

    /// Whether its claim of that kind counts where another Service claims the same.
    func precedes(_ kind: Claim.Kind, _ other: Service, _ otherKind: Claim.Kind) -> Bool {
        (kind.rawValue, age, name) < (otherKind.rawValue, other.age, other.name)
    }

    /// What is wrong with it.
    func faults(_ slices: some Collection<EndpointSlice>) -> Set<Objection.Fault> {
        guard exemption == nil, !clusterIPs.isEmpty else { return [] }
        var faults: Set<Objection.Fault> = []
        for address in clusterIPs + externalIPs + ingress.filter({ !$0.isProxy }).map(\.address) where !address.canServe
        {
            faults.insert(.address(address))
        }
        for port in ports where port.number == 0 { faults.insert(.port(port.name)) }
        if let affinity, !Service.affinities.contains(affinity) { faults.insert(.affinity(affinity)) }
        for slice in slices {
            guard let family = slice.family, slice.serves(family) else { continue }
            for endpoint in slice.endpoints where !endpoint.address.canBeEndpoint(of: family) {
                faults.insert(.endpoint(endpoint.address))
            }
        }
        return faults
    }

    static let affinities: ClosedRange<UInt32> = 1...86400
}
