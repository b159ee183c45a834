internal import Addresses
internal import Inventory

extension Check {
    static let addresses = [
        Check("subnet-overlap", .problem, "pods' subnets are used by nothing else") { $0.overlaps },
        Check("duplicate-address", .problem, "no address is used twice") { $0.duplicates },
        Check("pool-full", .warning, "each pool has addresses left") { $0.fullPools },
    ]
}

extension Examination {
    fileprivate var overlaps: [Symptom] { betweenNetworks + withRoutes + withInterfaces }

    private var betweenNetworks: [Symptom] {
        var found: [Symptom] = []
        for (position, network) in routed.enumerated() {
            for other in routed[..<position] {
                guard
                    let (inner, outer) = pairs(network.subnets, other.subnets).first(where: { $0.0.overlaps($0.1) })
                else { continue }
                found.append(
                    Symptom(
                        network.name,
                        "its subnet \(inner) overlaps with \(outer) of network \(other.name): each hands out addresses "
                            + "without knowing of the other's",
                        advice: "give one of them another subnet"))
            }
        }
        return found
    }

    /// Wider routes do no harm, because the longest prefix wins.
    private var withRoutes: [Symptom] {
        var found: [Symptom] = []
        for network in routed {
            let own = Set(network.interfaces + network.pods.compactMap { $0.hostInterface } + carriers(network))
            for route in snapshot.routes where !route.isDefault {
                // A route that rejects has no interface.
                guard route.interface.map({ !own.contains($0) }) ?? route.isRejecting,
                    let subnet = network.subnets.first(where: {
                        $0.overlaps(route.destination) && route.destination.prefixLength >= $0.prefixLength
                    }), route.interface.map({ !isOwnAddress(route, of: $0) }) ?? true
                else { continue }
                let way = route.interface.map { "by \($0)" } ?? "rejects"
                // A whole network in the place of the pods' own is somebody's plan; a part of it is astray.
                let isStray =
                    route.isRejecting || !route.isOfAddress && route.destination.prefixLength > subnet.prefixLength
                found.append(
                    Symptom(
                        network.name,
                        route.isRejecting
                            ? "the node's route \(route.destination) rejects packets that are for pods of \(subnet)"
                            : "the node's route \(route.destination) \(way) takes packets that are for pods of \(subnet)",
                        run: isStray ? [deletion(of: route)] : [],
                        advice: isStray
                            ? "see which program has made it"
                            : "ip route show \(route.destination) says whose it is; one of the two needs another "
                                + "subnet"
                    ))
            }
        }
        return found
    }

    private func deletion(of route: NodeRoute) -> String {
        let family = route.destination.family == .v4 ? "ip" : "ip -6"
        guard let interface = route.interface else { return "\(family) route del \(route.destination)" }
        let gateway = route.gateway.map { " via \($0)" } ?? ""
        return "\(family) route del \(route.destination)\(gateway) dev \(interface)"
    }

    /// A route to an interface's own address is reported together with the address.
    private func isOwnAddress(_ route: NodeRoute, of interface: String) -> Bool {
        let addresses = snapshot.interface(interface)?.addresses ?? []
        return addresses.contains { $0.network == route.destination || CIDR.host($0.address) == route.destination }
    }

    private var withInterfaces: [Symptom] {
        var found: [Symptom] = []
        for network in routed {
            let own = Set(network.interfaces + network.pods.compactMap { $0.hostInterface } + carriers(network))
            for interface in snapshot.interfaces where !own.contains(interface.name) && !isLoopback(interface) {
                for address in interface.addresses {
                    // Overlay networks give their device an address without a network, often the subnet's first.
                    guard address.hostBits > 0, let subnet = network.subnets.first(where: { $0.overlaps(address) })
                    else { continue }
                    if let bridge = network.network.bridge,
                        network.network.gateways.contains(where: { $0.address == address.address })
                    {
                        found.append(
                            Symptom(
                                network.name,
                                "its gateway's address \(address) is on \(interface.name) as well as on \(bridge): what "
                                    + "pods of one get may be sent to the other",
                                run: ["ip addr del \(address) dev \(interface.name)"]))
                        continue
                    }
                    found.append(
                        Symptom(
                            network.name,
                            "its subnet \(subnet) overlaps with \(address.network) on \(interface.name): hosts there "
                                + "that have pods' addresses cannot be reached",
                            advice: "give the network another subnet",
                            severity: address.prefixLength < subnet.prefixLength ? .warning : nil))
                }
            }
        }
        return found
    }

    private func isLoopback(_ interface: Interface) -> Bool { interface.name == "lo" }

    /// The network's own interfaces that carry its gateway: for a VLAN, an interface beside the bridge.
    private func carriers(_ network: RoutedNetwork) -> [String] {
        guard let bridge = network.network.bridge else { return [] }
        return snapshot.interfaces.map { $0.name }.filter { $0.hasPrefix("\(bridge).") }
    }

    private func pairs(_ some: [CIDR], _ others: [CIDR]) -> [(CIDR, CIDR)] {
        some.flatMap { one in others.map { (one, $0) } }
    }

    fileprivate var duplicates: [Symptom] {
        var holders: [IPAddress: [Attachment]] = [:]
        for pod in snapshot.attachments {
            for address in Set((pod.addresses + pod.reserved.filter { $0.hostBits == 0 }).map { $0.address }) {
                holders[address, default: []].append(pod)
            }
        }
        var found: [Symptom] = []
        for (address, pods) in holders.sorted(by: { $0.key < $1.key }) {
            // The same address in separate networks, such as VLANs, is not a mistake.
            let rivals = pods.dropFirst().filter { pod in
                pod.id.network == pods[0].id.network || (pod.hostInterface != nil && pods[0].hostInterface != nil)
            }
            if !rivals.isEmpty {
                found.append(
                    Symptom(
                        "\(address)", "several pods use it: \(list(([pods[0]] + rivals).map { "\($0.id)" }))",
                        run: intruders([pods[0]] + rivals, address),
                        advice:
                            "or delete one of these pods, so that it gets another address; two stores, or a store that "
                            + "was emptied by hand, are the usual cause"))
            }
            let holder = snapshot.interfaces.first { $0.addresses.contains { $0.address == address } }
            if let holder, pods.contains(where: { $0.hostInterface != nil }) {
                found.append(
                    Symptom(
                        "\(address)", "pod \(pods[0].id) has it, and so does \(holder.name) of this node",
                        run: holder.addresses.filter { $0.address == address }
                            .map { "ip addr del \($0) dev \(holder.name)" },
                        advice: "or give the network a range without it"))
            }
        }
        return found
    }

    /// Takes the address from pods for which something else is reserved, if there is one for which it is reserved.
    private func intruders(_ pods: [Attachment], _ address: IPAddress) -> [String] {
        let unit = CIDR.host(address)
        guard pods.filter({ $0.reserved.contains(unit) }).count == 1 else { return [] }
        return pods.filter { !$0.reserved.contains(unit) }.flatMap { pod -> [String] in
            guard let namespace = pod.namespace else { return [] }
            return pod.addresses.filter { $0.address == address }.map {
                "nsenter --net=\(namespace.path) ip addr del \($0) dev \(pod.id.ifname)"
            }
        }
    }

    fileprivate var fullPools: [Symptom] {
        snapshot.networks.flatMap { network in
            network.pools.compactMap { pool -> Symptom? in
                guard pool.size > 0, pool.used > 0, Double(pool.used) > 0.9 * Double(pool.size) else { return nil }
                let ranges = list(pool.ranges.map { "\($0)" })
                let isFull = pool.used >= pool.size
                return Symptom(
                    network.name,
                    "\(pool.used) of \(pool.size) addresses of \(ranges) are in use"
                        + (isFull ? ": the next pod gets none" : ""),
                    advice: "free what belongs to nobody (swiftletctl doctor --only leftovers), or add a range",
                    severity: isFull ? .problem : nil)
            }
        }
    }
}
