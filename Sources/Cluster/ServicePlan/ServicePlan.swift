internal import Addresses
public import ClusterState

/// From Services and EndpointSlices to what this node's kernel should do with their packets. The same objects give the same table,
/// whatever happened before. A change costs what the Services that it concerns cost, however many others there are.
public struct ServicePlan: Sendable {
    public private(set) var node: ServiceNode
    public private(set) var table = ServiceTable()
    /// What is wrong with objects at present, by Service.
    public private(set) var faults: [ObjectName: Set<Objection.Fault>] = [:]
    private var services: [ObjectName: Service] = [:]
    /// By Service, then by their own names.
    private var slices: [ObjectName: [ObjectName: EndpointSlice]] = [:]
    /// The Service of each slice.
    private var owners: [ObjectName: ObjectName] = [:]
    /// Services that claim a frontend which another one has.
    private var losers: [Frontend: Set<ObjectName>] = [:]
    private var conflicts: [ObjectName: [Frontend: ServicePortName]] = [:]
    private var hairpins = Uses()
    private var clusterIPs = Uses()
    /// Those of endpoints on this node, by Service.
    private var ownAddresses: [ObjectName: Set<IPAddress>] = [:]
    private var hasServices = false
    private var hasSlices = false

    public init(_ node: ServiceNode) {
        self.node = node
        table.setRanges(of: node)
    }

    /// Whether both lists have been complete once. Before, the table must not be used: it would refuse what the rest of the lists
    /// will serve.
    public var isComplete: Bool { hasServices && hasSlices }

    public var serviceCount: Int { services.count }

    /// A Service was added or changed.
    public mutating func set(_ service: Service) -> ServiceChange {
        let old = services.updateValue(service, forKey: service.name)
        guard old != service else { return ServiceChange() }
        var change = ServiceChange()
        plan(service.name, before: old, &change)
        return change
    }

    public mutating func removeService(_ name: ObjectName) -> ServiceChange {
        var change = ServiceChange()
        guard let old = services.removeValue(forKey: name) else { return change }
        plan(name, before: old, &change)
        return change
    }

    /// A slice was added or changed.
    public mutating func set(_ slice: EndpointSlice) -> ServiceChange {
        var change = ServiceChange()
        for name in put(slice) { plan(name, before: services[name], &change) }
        return change
    }

    public mutating func removeSlice(_ name: ObjectName) -> ServiceChange {
        var change = ServiceChange()
        if let owner = take(name) { plan(owner, before: services[owner], &change) }
        return change
    }

    /// The API has sent a complete list of Services.
    public mutating func replaceServices(_ list: [Service]) -> ServiceChange {
        var change = ServiceChange()
        let listed = Set(list.map(\.name))
        for name in services.keys where !listed.contains(name) { change.merge(removeService(name)) }
        for service in list { change.merge(set(service)) }
        hasServices = true
        return change
    }

    /// The API has sent a complete list of EndpointSlices.
    public mutating func replaceSlices(_ list: [EndpointSlice]) -> ServiceChange {
        var change = ServiceChange()
        let listed = Set(list.map(\.name))
        var concerned: Set<ObjectName> = []
        for name in owners.keys where !listed.contains(name) {
            if let owner = take(name) { concerned.insert(owner) }
        }
        for slice in list { concerned.formUnion(put(slice)) }
        for name in concerned { plan(name, before: services[name], &change) }
        hasSlices = true
        return change
    }

    /// Something of this node has changed. Costs as much as all Services together.
    public mutating func set(_ node: ServiceNode) -> ServiceChange {
        guard node != self.node else { return ServiceChange() }
        var anew = ServicePlan(node)
        for (name, slices) in slices {
            anew.slices[name] = slices
            for slice in slices.keys { anew.owners[slice] = name }
        }
        for service in services.values { _ = anew.set(service) }
        (anew.hasServices, anew.hasSlices) = (hasServices, hasSlices)
        var change = ServiceChange()
        change.frontends = Set(table.frontends.keys).union(anew.table.frontends.keys)
            .filter { table.frontends[$0] != anew.table.frontends[$0] }
        change.hairpins = table.hairpins.symmetricDifference(anew.table.hairpins)
        change.clusterIPs = table.clusterIPs.symmetricDifference(anew.table.clusterIPs)
        change.concernsRanges =
            table.podRanges != anew.table.podRanges || table.serviceRanges != anew.table.serviceRanges
        for (name, faults) in anew.faults {
            change.objections += faults.subtracting(self.faults[name] ?? []).map { Objection(name, $0) }
        }
        self = anew
        return change
    }

    // Slices.

    /// - Returns: the Services that it concerns.
    private mutating func put(_ slice: EndpointSlice) -> Set<ObjectName> {
        let owner = ObjectName(slice.name.namespace, slice.service)
        var concerned: Set<ObjectName> = [owner]
        if let before = owners[slice.name], before != owner, let left = take(slice.name) { concerned.insert(left) }
        guard slices[owner]?[slice.name] != slice else { return [] }
        owners[slice.name] = owner
        slices[owner, default: [:]][slice.name] = slice
        return concerned
    }

    /// - Returns: the Service that it was of.
    private mutating func take(_ name: ObjectName) -> ObjectName? {
        guard let owner = owners.removeValue(forKey: name) else { return nil }
        slices[owner]?[name] = nil
        if slices[owner]?.isEmpty == true { slices[owner] = nil }
        return owner
    }

    // Services.

    private func entries(_ service: Service) -> [Frontend: FrontendEntry] {
        ServiceEntries(service, (slices[service.name] ?? [:]).values, on: node).entries
    }

    /// Follows a change of a Service or its slices.
    private mutating func plan(_ name: ObjectName, before old: Service?, _ change: inout ServiceChange) {
        let service = services[name]
        let entries = service.map(entries) ?? [:]
        for claim in old?.claims(on: node) ?? [] where entries[claim.frontend] == nil {
            withdraw(name, from: claim.frontend, &change)
        }
        for (frontend, entry) in entries { assign(frontend, name, entry, &change) }
        countAddresses(name, before: old, &change)
        tellFaults(name, &change)
    }

    private mutating func put(_ entry: FrontendEntry?, at frontend: Frontend, _ change: inout ServiceChange) {
        guard table.frontends[frontend] != entry else { return }
        table.frontends[frontend] = entry
        change.frontends.insert(frontend)
    }

    private mutating func withdraw(_ name: ObjectName, from frontend: Frontend, _ change: inout ServiceChange) {
        conflicts[name]?[frontend] = nil
        guard table.frontends[frontend]?.service.service == name else {
            losers[frontend]?.remove(name)
            if losers[frontend]?.isEmpty == true { losers[frontend] = nil }
            return
        }
        guard let heir = best(of: losers[frontend] ?? [], at: frontend), let service = services[heir] else {
            return put(nil, at: frontend, &change)
        }
        put(entries(service)[frontend], at: frontend, &change)
        settle(frontend, among: losers[frontend]!, &change)
    }

    private mutating func assign(
        _ frontend: Frontend, _ name: ObjectName, _ entry: FrontendEntry, _ change: inout ServiceChange
    ) {
        let holder = table.frontends[frontend]?.service.service
        if losers[frontend] == nil, holder == nil || holder == name { return put(entry, at: frontend, &change) }
        var claimants = losers[frontend] ?? []
        claimants.insert(name)
        if let holder { claimants.insert(holder) }
        if let winner = best(of: claimants, at: frontend) {
            if winner == name {
                put(entry, at: frontend, &change)
            } else if winner != holder, let service = services[winner] {
                put(entries(service)[frontend], at: frontend, &change)
            }
        }
        settle(frontend, among: claimants, &change)
    }

    /// Notes who has lost.
    private mutating func settle(_ frontend: Frontend, among claimants: Set<ObjectName>, _ change: inout ServiceChange)
    {
        let holder = table.frontends[frontend]?.service
        var rest = claimants
        if let holder { rest.remove(holder.service) }
        losers[frontend] = rest.isEmpty ? nil : rest
        for name in claimants {
            conflicts[name, default: [:]][frontend] = name == holder?.service ? nil : holder
            tellFaults(name, &change)
        }
    }

    private func best(of names: Set<ObjectName>, at frontend: Frontend) -> ObjectName? {
        names.compactMap { name -> (Service, Claim.Kind)? in
            guard let service = services[name],
                let claim = service.claims(on: node).first(where: { $0.frontend == frontend })
            else { return nil }
            return (service, claim.kind)
        }.min { $0.0.precedes($0.1, $1.0, $1.1) }?.0.name
    }

    // What Services share.

    private mutating func countAddresses(_ name: ObjectName, before old: Service?, _ change: inout ServiceChange) {
        let service = services[name]
        var own: Set<IPAddress> = []
        if let service, service.exemption == nil, service.clusterIPs.contains(where: \.canServe) {
            for slice in (slices[name] ?? [:]).values {
                guard let family = slice.family, slice.serves(family) else { continue }
                for endpoint in slice.endpoints
                where endpoint.node == nil || endpoint.node == node.name {
                    guard endpoint.address.canBeEndpoint(of: family) else { continue }
                    own.insert(endpoint.address)
                }
            }
        }
        let oldOwn = ownAddresses[name] ?? []
        ownAddresses[name] = own.isEmpty ? nil : own
        table.hairpins.follow(hairpins.replace(oldOwn, by: own), &change.hairpins)
        guard old?.clusterIPs != service?.clusterIPs || old?.exemption != service?.exemption else { return }
        table.clusterIPs.follow(
            clusterIPs.replace(uncovered(old), by: uncovered(service)), &change.clusterIPs)
    }

    /// Cluster IPs outside of the known ranges.
    private func uncovered(_ service: Service?) -> Set<IPAddress> {
        guard let service, service.exemption == nil else { return [] }
        return Set(
            service.clusterIPs.filter { address in
                address.canServe && !table.serviceRanges.contains { $0.contains(address) }
            })
    }

    private mutating func tellFaults(_ name: ObjectName, _ change: inout ServiceChange) {
        var found: Set<Objection.Fault> = []
        if let service = services[name] {
            found = service.faults((slices[name] ?? [:]).values)
            for (frontend, holder) in conflicts[name] ?? [:] { found.insert(.conflict(frontend, holder: holder)) }
        } else {
            conflicts[name] = nil
        }
        if conflicts[name]?.isEmpty == true { conflicts[name] = nil }
        change.objections += found.subtracting(faults[name] ?? []).map { Objection(name, $0) }
        faults[name] = found.isEmpty ? nil : found
    }
}

extension ServiceTable {
    fileprivate mutating func setRanges(of node: ServiceNode) {
        serviceRanges = node.serviceRanges.disjoint
        podRanges = node.podRanges.disjoint
        nodeAddresses = node.addresses
    }
}

/// How many Services need an address.
private struct Uses: Sendable {
    private var counts: [IPAddress: Int] = [:]

    /// - Returns: what is needed now and was not, and what is needed no more.
    mutating func replace(
        _ old: Set<IPAddress>, by new: Set<IPAddress>
    ) -> (added: [IPAddress], removed: [IPAddress]) {
        guard old != new else { return ([], []) }
        var (added, removed): ([IPAddress], [IPAddress]) = ([], [])
        for address in new.subtracting(old) {
            counts[address, default: 0] += 1
            if counts[address] == 1 { added.append(address) }
        }
        for address in old.subtracting(new) {
            let left = counts[address, default: 1] - 1
            counts[address] = left == 0 ? nil : left
            if left == 0 { removed.append(address) }
        }
        return (added, removed)
    }
}

extension Set<IPAddress> {
    fileprivate mutating func follow(
        _ difference: (added: [IPAddress], removed: [IPAddress]), _ changed: inout Set<IPAddress>
    ) {
        formUnion(difference.added)
        subtract(difference.removed)
        changed.formUnion(difference.added)
        changed.formUnion(difference.removed)
    }
}
