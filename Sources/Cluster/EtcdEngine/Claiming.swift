internal import Addresses
internal import ClusterEngine
internal import Foundation

/// Gets a node into the network: agreement on the ranges, its name, and its subnets.
///
/// Each step can be done again, whatever has been done before: by this run of the agent, by one before, or halfway.
struct Claiming: Sendable {
    let settings: EtcdSettings
    let claimant: Claimant
    let client: EtcdClient

    private var keys: EtcdKeys { claimant.keys }

    /// Writes the network's configuration if there is none, and compares it with this node's.
    func agree() async throws(EngineFailure) {
        let own = NetworkConfiguration(settings.ranges)
        let answer = try await client.commit(
            Transaction(
                compare: [.absent(keys.configuration)], success: [.put(keys.configuration, own.encoded)],
                failure: [.get(keys.configuration)]))
        guard answer.succeeded != true, let stored = answer.found[keys.configuration] else { return }
        let common: NetworkConfiguration
        do { common = try NetworkConfiguration(stored.octets) } catch {
            throw EngineFailure(
                .configuration, "network \(settings.network): its configuration in etcd cannot be used: \(error)",
                advice: "write it anew with swiftletctl cluster init")
        }
        guard common != own else { return }
        throw EngineFailure(
            .configuration,
            "network \(settings.network) has the ranges \(common) in etcd, but this node's configuration says \(own)",
            advice: "make them equal, or give this node another network name")
    }

    /// Makes the name this run's own.
    ///
    /// - Parameter isFirst: this run has not had the name before: it takes the place of an earlier run on this machine.
    func takeName(_ lease: Int64, isFirst: Bool) async throws(EngineFailure) {
        let key = keys.presence(claimant.name)
        let put = Operation.put(key, claimant.presence, lease: lease)
        let gets = [Operation.get(key), .get(keys.node(claimant.name))]
        let first = try await client.commit(Transaction(compare: [.absent(key)], success: [put], failure: gets))
        guard first.succeeded != true, let held = first.found[key] else { return }
        let holder = try? PresenceRecord(held.octets)
        let isOwn = holder.map { claimant.isOwn($0) } ?? false
        let isEarlierRun = isFirst && holder?.identity == claimant.identity
        guard isOwn || isEarlierRun || holder == nil else { throw nameIsTaken(first.found) }
        let second = try await client.commit(
            Transaction(compare: [.modified(key, at: held.modified)], success: [put], failure: gets))
        // A request that was carried out and then sent once more looks like one that lost.
        guard second.succeeded == true || isPresent(second.found) else { throw nameIsTaken(second.found) }
    }

    private func isPresent(_ found: [String: KeyValue]) -> Bool {
        found[keys.presence(claimant.name)].flatMap { try? PresenceRecord($0.octets) }.map { claimant.isOwn($0) }
            ?? false
    }

    /// - Parameter found: the keys of presence and node, as far as they are there.
    private func nameIsTaken(_ found: [String: KeyValue]) -> EngineFailure {
        let name = "\(claimant.name) of network \(settings.network)"
        let holder = found[keys.presence(claimant.name)].flatMap { try? PresenceRecord($0.octets) }
        guard let holder else {
            return EngineFailure(.conflict, "node \(name) is not present in etcd any more")
        }
        if holder.identity == claimant.identity {
            return EngineFailure(
                .conflict, "another agent on this machine has taken over node \(name)", advice: "run only one")
        }
        let record = found[keys.node(claimant.name)].flatMap { try? NodeRecord($0.octets) }
        let addresses = record?.instance == holder.instance ? record?.addresses ?? [] : []
        let place = addresses.isEmpty ? "" : " (\(addresses.prefix(8).joined(separator: ", ").prefix(200)))"
        return EngineFailure(
            .conflict, "another machine\(place) runs as node \(name)",
            advice: "give one of them another name; if it was this machine before a crash, that is over within "
                + "\(settings.presenceSeconds) s")
    }

    /// Claims a subnet of each range, all or none.
    ///
    /// - Parameters:
    ///   - held: what this run has had: its pods have these addresses, whatever etcd says by now.
    ///   - lease: of the claim.
    /// - Throws: `.conflict` if a range is full.
    func claim(_ held: [CIDR], lease: Int64, _ addresses: [IPAddress]) async throws(EngineFailure) -> Claim {
        let nodeKey = keys.node(claimant.name)
        var entry = try await client.get(nodeKey)
        var record = entry.flatMap { try? NodeRecord($0.octets) }
        let before = record?.subnets.compactMap { CIDR($0) } ?? []
        let wishes = held + before + settings.preferredSubnets
        var choice = SubnetChoice(settings.ranges, node: claimant.name, wishes: wishes)
        var own = Set(before)
        var lost: [(subnet: CIDR, holder: String)] = []
        // Each lost race is another node's success; the limit is for what is not understood.
        for _ in 0..<1000 {
            if let stale = entry, record.map({ Set($0.subnets) }) != Set(choice.chosen.map { "\($0)" }) {
                // With a new claim the node's key begins anew, so that its age is the claim's.
                try await withdraw(own.subtracting(choice.chosen), stale)
                (entry, record) = (nil, nil)
            }
            let value = claimant.record(addresses, choice.chosen).encoded
            let chosenKeys = choice.chosen.map { keys.subnet($0) }
            let answer = try await client.commit(
                Transaction(
                    compare: [
                        isPresent,
                        entry.map { .modified(nodeKey, at: $0.modified) } ?? .absent(nodeKey),
                    ]
                        + choice.chosen.map { subnet in
                            let key = keys.subnet(subnet)
                            return own.contains(subnet) ? .value(key, is: claimant.mark) : .absent(key)
                        },
                    success: [.put(nodeKey, value, lease: lease)]
                        + chosenKeys.map { .put($0, claimant.mark, lease: lease) },
                    failure: [.get(nodeKey), .get(keys.presence(claimant.name))] + chosenKeys.map { .get($0) }))
            if answer.succeeded == true {
                let revision = answer.header?.revision?.value ?? 0
                return Claim(subnets: choice.chosen, age: entry?.created ?? revision, modified: revision, lost: lost)
            }
            let found = answer.found
            guard isPresent(found) else { throw nameIsTaken(found) }
            entry = found[nodeKey]
            record = entry.flatMap { try? NodeRecord($0.octets) }
            var taken: [CIDR] = []
            for subnet in choice.chosen {
                guard let holder = found[keys.subnet(subnet)] else {
                    own.remove(subnet)
                    continue
                }
                if holder.octets == claimant.mark {
                    own.insert(subnet)
                } else {
                    own.remove(subnet)
                    taken.append(subnet)
                    if wishes.contains(subnet), !lost.contains(where: { $0.subnet == subnet }) {
                        let name = (try? SubnetRecord(holder.octets))?.node ?? "an unknown node"
                        lost.append((subnet, String(name.prefix(80))))
                    }
                }
            }
            try await replace(taken, &choice)
        }
        throw EngineFailure(.conflict, "claim subnets in network \(settings.network): every attempt was overtaken")
    }

    private func replace(_ taken: [CIDR], _ choice: inout SubnetChoice) async throws(EngineFailure) {
        guard !taken.isEmpty else { return }
        var all = Set(taken)
        try await client.list(keys.subnets, keysOnly: true) { page in
            all.formUnion(page.compactMap { keys.subnet(ofKey: $0.name) })
        }
        for subnet in taken {
            let range = choice.range(of: subnet)
            guard choice.replace(subnet, taken: all) else {
                let full = range.map { "all \($0.count) subnets of \($0) are taken" } ?? "\(subnet) is taken"
                throw EngineFailure(
                    .conflict, "claim a subnet in network \(settings.network): \(full)",
                    advice: "take out nodes that are gone (swiftletctl cluster forget NODE), or use a larger range or "
                        + "smaller subnets")
            }
        }
    }

    /// Gives up subnets, and the node's key with them.
    private func withdraw(_ subnets: Set<CIDR>, _ entry: KeyValue) async throws(EngineFailure) {
        for subnet in subnets {
            let key = keys.subnet(subnet)
            _ = try await client.commit(
                Transaction(compare: [.value(key, is: claimant.mark)], success: [.delete(key)]))
        }
        _ = try await client.commit(
            Transaction(
                compare: [.modified(entry.name, at: entry.modified)], success: [.delete(entry.name)]))
    }

    /// The condition of every change: another run that has taken the name has changed this.
    private var isPresent: Compare { .value(keys.presence(claimant.name), is: claimant.presence) }

    /// Whether everything is still this run's.
    func holds(_ claim: Claim) async throws(EngineFailure) -> Bool {
        try await client.commit(Transaction(compare: conditions(claim), success: [])).succeeded == true
    }

    /// Writes the node's key anew.
    ///
    /// - Returns: the revision; nil if the claim is no longer this run's.
    func publish(_ addresses: [IPAddress], _ claim: Claim, lease: Int64) async throws(EngineFailure) -> Int64? {
        let value = claimant.record(addresses, claim.subnets).encoded
        let answer = try await client.commit(
            Transaction(
                compare: conditions(claim), success: [.put(keys.node(claimant.name), value, lease: lease)]))
        return answer.succeeded == true ? answer.header?.revision?.value : nil
    }

    private func conditions(_ claim: Claim) -> [Compare] {
        [isPresent, .created(keys.node(claimant.name), at: claim.age)]
            + claim.subnets.map { .value(keys.subnet($0), is: claimant.mark) }
    }
}
