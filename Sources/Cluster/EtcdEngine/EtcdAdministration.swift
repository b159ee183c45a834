public import Addresses
public import ClusterEngine
public import EngineHTTP
internal import Foundation

/// What people do with a network's keys in etcd: look, begin, and take out nodes that are gone.
public struct EtcdAdministration: Sendable {
    /// A name under which there is anything in etcd.
    public struct Node: Sendable, Hashable {
        public let name: String
        /// Its own addresses; empty if its entry is missing or cannot be used.
        public var addresses: [IPAddress] = []
        /// What it holds, in the order of the addresses.
        public var subnets: [CIDR] = []
        /// Whether its agent has been heard of within the last half minute (``EtcdSettings/presenceSeconds``).
        public var isPresent = false
        /// Why its entry is missing or cannot be used.
        public var problem: String?
    }

    private let network: String
    private let keys: EtcdKeys
    private let client: EtcdClient

    /// - Parameters:
    ///   - user: for etcd with authentication, with the password.
    /// - Throws: `.configuration` if the network's name cannot be.
    public init(
        _ access: EngineAccess, network: String, user: String? = nil, password: EngineAccess.Secret? = nil
    ) throws(EngineFailure) {
        try EtcdKeys.check(network, "network name")
        self.network = network
        keys = EtcdKeys(network: network)
        client = EtcdClient(access, user: user, password: password)
    }

    /// Ends connections. Nothing can be asked afterwards.
    public func close() async { await client.close() }

    /// Writes the ranges that all nodes must be configured with. Nodes do this themselves where nobody has.
    ///
    /// - Throws: `.conflict` if the network has other ranges and nodes that have claimed subnets of them.
    public func initialize(_ ranges: [SubnetRange]) async throws(EngineFailure) {
        let new = NetworkConfiguration(ranges)
        try new.check()
        let stored = try await client.get(keys.configuration)
        guard stored?.octets != new.encoded else { return }
        if stored != nil {
            let holders = try await nodes().filter { !$0.subnets.isEmpty }
            guard holders.isEmpty else {
                throw EngineFailure(
                    .conflict,
                    "change the ranges of network \(network): \(holders.count) nodes have subnets, "
                        + "\(holders[0].name) for example",
                    advice: "stop their agents and take them out (swiftletctl cluster forget), or begin a new network")
            }
        }
        let condition =
            stored.map { Compare.modified(keys.configuration, at: $0.modified) } ?? .absent(keys.configuration)
        let answer = try await client.commit(
            Transaction(compare: [condition], success: [.put(keys.configuration, new.encoded)]))
        // The first attempt of a request that was sent twice makes the second one fail.
        if answer.succeeded != true, try await client.get(keys.configuration)?.octets != new.encoded {
            throw EngineFailure(.conflict, "write the ranges of network \(network): somebody else does it right now")
        }
    }

    /// The ranges of the network; nil if it has not begun.
    public func ranges() async throws(EngineFailure) -> [SubnetRange]? {
        guard let stored = try await client.get(keys.configuration) else { return nil }
        do { return try NetworkConfiguration(stored.octets).check() } catch {
            throw EngineFailure(
                .malformed, "the configuration of network \(network) in etcd cannot be used: \(error)",
                advice: "write it anew with swiftletctl cluster init")
        }
    }

    /// All nodes, by name.
    public func nodes() async throws(EngineFailure) -> [Node] {
        var nodes: [String: Node] = [:]
        func change(_ name: String, _ work: (inout Node) -> Void) {
            work(&nodes[name, default: Node(name: name, problem: "it has no entry under \(keys.nodes)")])
        }
        try await client.list(keys.nodes) { page in
            for found in page {
                let name = String(found.name.dropFirst(keys.nodes.count))
                change(name) { node in
                    do throws(BadRecord) {
                        node.addresses = try NodeRecord(found.octets).node(named: name, age: found.created).addresses
                        node.problem = nil
                    } catch { node.problem = "\(error)" }
                }
            }
        }
        try await client.list(keys.subnets) { page in
            for found in page {
                guard let subnet = keys.subnet(ofKey: found.name), let holder = try? SubnetRecord(found.octets) else {
                    continue
                }
                change(holder.node) { $0.subnets.append(subnet) }
            }
        }
        try await client.list(keys.presences) { page in
            for found in page { if let name = keys.presentName(found.name) { change(name) { $0.isPresent = true } } }
        }
        return nodes.values.sorted { $0.name < $1.name }
            .map { node in
                var node = node
                node.subnets.sort { ($0.first, $0.prefixLength) < ($1.first, $1.prefixLength) }
                return node
            }
    }

    /// Takes a node out: others may get its subnets.
    ///
    /// - Parameters:
    ///   - evenIfPresent: a node whose agent runs joins again at once, with the same subnets if nobody is faster.
    /// - Returns: the subnets that are free now.
    /// - Throws: `.conflict` if its agent runs; `.gone` if there is no such node.
    @discardableResult
    public func forget(_ name: String, evenIfPresent: Bool = false) async throws(EngineFailure) -> [CIDR] {
        guard let node = try await nodes().first(where: { $0.name == name }) else {
            throw EngineFailure(.gone, "forget node \(name): network \(network) has none of that name")
        }
        guard !node.isPresent || evenIfPresent else {
            throw EngineFailure(
                .conflict, "forget node \(name): its agent runs, or did half a minute ago",
                advice: "stop it first; pods that run there would lose their addresses to others")
        }
        let condition = evenIfPresent ? [] : [Compare.absent(keys.presence(name))]
        let mark = SubnetRecord(name).encoded
        var freed: [CIDR] = []
        for subnet in node.subnets {
            let key = keys.subnet(subnet)
            let answer = try await client.commit(
                Transaction(compare: condition + [.value(key, is: mark)], success: [.delete(key)]))
            if answer.succeeded == true { freed.append(subnet) }
        }
        _ = try await client.commit(Transaction(compare: condition, success: [.delete(keys.node(name))]))
        return freed
    }
}
