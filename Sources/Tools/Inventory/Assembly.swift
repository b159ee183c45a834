internal import Addresses
internal import Attachments
internal import IPAM
internal import Netfilter
internal import NetlinkCodec
internal import Plugins

extension Snapshot {
    /// Builds a snapshot from what was read; reads nothing itself.
    public init(_ seen: Observations) {
        self.init()
        node = seen.node
        time = seen.time
        interfaces = seen.interfaces.sorted { $0.index < $1.index }
        routes = seen.routes
        remarks = seen.remarks
        neighbours = seen.neighbours
        bridgeEntries = seen.bridgeEntries
        for route in seen.routes where route.isDefault {
            if let name = route.interface, !uplinks.contains(name) { uplinks.append(name) }
        }
        let collected = CollectedEvidence(seen)
        let names = Dictionary(seen.interfaces.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
        for (id, evidence) in collected.byAttachment { classify(id, evidence, seen, names) }
        for (network, store, reservation) in collected.withoutOwner {
            let id = AttachmentName(network: network, containerID: "", ifname: "")
            let isFile = !seen.stores.contains {
                $0.directory == store && $0.notFiles.contains(reservation.reservation.unit)
            }
            var orphan = Orphan(id: id, reason: isFile ? .namesNobody : .isNoFile, isGone: isFile)
            orphan.reserved = [reservation.reservation.unit]
            orphan.store = store
            orphan.since = reservation.time.seconds
            orphans.append(orphan)
        }
        emptyNamespaces = collected.emptyNamespaces
        attachments.sort { ($0.id.network, $0.firstAddress, $0.id) < ($1.id.network, $1.firstAddress, $1.id) }
        orphans.sort { ($0.sortingKey, $0.reason.rawValue) < ($1.sortingKey, $1.reason.rawValue) }
        networks = Set(
            attachments.map { $0.id.network } + orphans.compactMap { $0.id?.network }
                + seen.configured.filter { $0.network.isForPods }.map { $0.network.name }
        ).sorted().map { network($0, seen, names) }
    }

    private mutating func classify(
        _ id: AttachmentName, _ evidence: Evidence, _ seen: Observations, _ names: [UInt32: String]
    ) {
        var attachment = Attachment(id, evidence, seen, names)
        func orphan(_ reason: Orphan.Reason, isGone: Bool) -> Orphan {
            Orphan(id, evidence, reason, isGone: isGone)
        }
        if evidence.pod != nil {
            attachments.append(attachment)
            if !evidence.unreserved.isEmpty {
                var lost = orphan(.notReserved, isGone: false)
                lost.unreserved = evidence.unreserved
                lost.store = seen.store(of: id.network)
                orphans.append(lost)
            }
        } else if let veth = evidence.veth {
            guard veth.peerNamespaceID != nil else { return orphans.append(orphan(.peerIsOnNode, isGone: false)) }
            attachment.state = .unnamed
            attachments.append(attachment)
            if seen.seesAllNamespaces { orphans.append(orphan(.namespaceHasNoName, isGone: false)) }
        } else if evidence.records.contains(where: { $0.isNamespaceAlive == true }) {
            orphans.append(orphan(.interfaceIsGone, isGone: false))
        } else if !evidence.reservations.isEmpty, evidence.reservations.allSatisfy({ $0.isOfEarlierBoot }) {
            orphans.append(orphan(.earlierBoot, isGone: true))
        } else if seen.seesAllNamespaces && !evidence.mayBeUnrecognized || !evidence.records.isEmpty {
            let onlyLimits = evidence.ifb != nil && evidence.reservations.isEmpty && evidence.records.isEmpty
            orphans.append(orphan(onlyLimits ? .limitsNothing : .podIsGone, isGone: true))
        } else {
            attachment.state = .unknown
            attachments.append(attachment)
        }
    }

    private func network(_ name: String, _ seen: Observations, _ names: [UInt32: String]) -> Network {
        var network = Network(name: name)
        let configured = seen.configured.first { $0.network.name == name }
        network.configuration = configured?.path
        network.plugins = configured?.network.plugins ?? []
        network.defaultRoutes = configured?.defaultRoutes ?? []
        network.wishes = configured?.wishes ?? Network.Wishes()
        let stores = seen.stores.filter { $0.network == name }
        network.store = stores.first?.directory
        let units = stores.flatMap { $0.reservations.map { $0.reservation.unit } }
        network.reservations = units.count
        // The current configuration applies to future pods; existing ones may be on another bridge.
        network.bridge = configured?.network.bridge ?? mostUsedBridge(of: name)
        let bridge = network.bridge.flatMap { interface($0) }
        var ranges = configured?.network.ranges ?? []
        let subnets = ranges.flatMap { $0.pools.map { $0.subnet } }
        network.gateways = (bridge?.addresses ?? []).filter { address in
            subnets.isEmpty
                ? units.isEmpty || units.contains { address.overlaps($0) } : subnets.contains { address.overlaps($0) }
        }
        let isAssumed = ranges.isEmpty
        if isAssumed, !units.isEmpty {
            ranges = network.gateways.compactMap { gateway in
                (try? Pool(subnet: gateway.network)).flatMap { try? RangeSet([$0]) }
            }
        }
        network.pools = ranges.map { set in
            let usage = set.usage(units)
            return Network.Pool(
                subnets: set.pools.map { $0.subnet }, ranges: set.pools.map { $0.range },
                used: UInt64(clamping: usage.used), size: UInt64(clamping: usage.total), isAssumed: isAssumed)
        }
        return network
    }
}

extension ConfiguredNetwork {
    /// A list with only `lo` is not a network.
    fileprivate var isForPods: Bool { plugins.contains { PluginTraits.of($0)?.role != .loopback } }
}

extension Attachment {
    fileprivate init(_ id: AttachmentName, _ evidence: Evidence, _ seen: Observations, _ names: [UInt32: String]) {
        self.init(id: id)
        if let (namespace, interface) = evidence.pod {
            self.namespace = namespace.namespace
            kind = interface.kind.isEmpty ? "device" : interface.kind
            addresses = interface.addresses
            gateways = namespace.gateways[interface.index] ?? []
            mtu = interface.mtu
            mac = interface.mac
            isSilent = interface.isSilent
            routes = namespace.routes
            neighbours = namespace.neighbours.filter { $0.interface == interface.name }
            silentNeighbours = namespace.silentNeighbours[interface.index] ?? []
            isUp = interface.isUp && interface.hasCarrier && evidence.veth?.isUp ?? true
            counters = interface.counters
            if interface.kind != "veth", interface.peer != 0, namespace.nodeID != nil,
                interface.peerNamespaceID == namespace.nodeID
            {
                parent = names[interface.peer]
            }
        }
        if let veth = evidence.veth {
            kind = kind ?? veth.kind
            hostInterface = veth.name
            bridge = names[veth.master]
            mtu = mtu ?? veth.mtu
            counters = counters ?? veth.counters?.fromOtherEnd
            ingressLimit = seen.buckets[veth.index].map(Limit.init)
            egressLimit = evidence.ifb.flatMap { seen.buckets[$0.index] }.map(Limit.init)
            limiter = evidence.ifb?.name
            leadsToLimit = evidence.ifb == nil || seen.ingressQdiscs.contains(veth.index)
        }
        reserved = evidence.reserved
        since = evidence.times.min()
        recordedBy = evidence.records.map { $0.owner.plugin }
        for rules in evidence.records.compactMap({ $0.rules }) {
            for mapping in rules.ports?.mappings ?? [] {
                let port = Port(mapping)
                if !ports.contains(port) { ports.append(port) }
            }
            if rules.spoofGuard?.addresses != nil { antiSpoof = true }
            if let wanted = rules.isolation {
                isolation = true
                allowsSameBridge = wanted.allowsSameBridge
                if wanted.port != nil { wantsIsolatedPort = true }
            }
            if rules.ports?.reachesNeighbours == true, !ports.isEmpty { wantsHairpin = true }
            if rules.masquerade != nil { masquerade = true }
        }
        missingRules = (seen.missingRules["\(id)"] ?? []).sorted()
        ports.sort { ($0.hostPort, $0.transport) < ($1.hostPort, $1.transport) }
    }

    fileprivate var firstAddress: IPAddress {
        (addresses.first ?? reserved.first)?.address ?? IPAddress(.v6, .max)
    }
}

extension Orphan {
    fileprivate init(_ id: AttachmentName, _ evidence: Evidence, _ reason: Reason, isGone: Bool) {
        self.init(id: id, reason: reason, isGone: isGone)
        reserved = evidence.reserved
        interfaces = [evidence.veth, evidence.ifb].compactMap { $0?.name }
        recordedBy = evidence.records.map { $0.owner.plugin }
        elements = evidence.elements
        store = evidence.store
        since = evidence.times.max()
    }

    fileprivate var sortingKey: AttachmentName { id ?? AttachmentName(network: "", containerID: "", ifname: "") }
}

extension Limit {
    fileprivate init(_ bucket: TokenBucket) {
        self.init(rate: bucket.rate.multipliedClamped(by: 8), burst: UInt64(bucket.burst) * 8)
    }
}

extension UInt64 {
    fileprivate func multipliedClamped(by factor: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}

extension Port {
    fileprivate init(_ mapping: PortMapping) {
        self.init(
            transport: mapping.protocol.name, hostPort: mapping.hostPort, containerPort: mapping.containerPort,
            count: mapping.count, hostIP: mapping.hostIP)
    }
}
