public import Addresses
public import ClusterEngine
public import EngineHTTP

/// What a node needs to take part in a cluster whose nodes are kept in etcd.
public struct EtcdSettings: Sendable {
    /// etcd's client URLs. Its certificates; a token has no meaning here.
    public var access: EngineAccess
    /// Clusters that share one etcd differ in this: all keys begin with `/swiftlet/NETWORK/`.
    public var network: String
    /// This node's name, unique in the network.
    public var node: String
    /// The node claims one subnet of each. The same on all nodes.
    public var ranges: [SubnetRange]
    /// How long the claim of a node that has gone is kept, in seconds: 600 to 2,592,000.
    ///
    /// A day: a node that is repaired or cut off from etcd for some hours keeps its subnets, so its pods keep their
    /// addresses; and yet a range does not fill up for good with nodes that nobody has taken out. Where nodes come and
    /// go within hours and the range has little room, choose less.
    public var claimSeconds = 86400
    /// How long a node counts as present that is no longer heard of, in seconds: 10 to 300. Nodes give six signs in
    /// this time.
    ///
    /// It only tells whether another machine runs under the same name, and which nodes are up; no claim ends with it.
    public var presenceSeconds = 30
    /// For etcd with authentication; both or none.
    public var user: String?
    public var password: EngineAccess.Secret?
    /// Differs between machines, and stays the same when the agent starts again.
    public var identity = NodeIdentity.ofThisMachine()
    /// Asked for where etcd knows of no claim of this node: what it had before.
    public var preferredSubnets: [CIDR] = []

    public init(_ access: EngineAccess, network: String, node: String, ranges: [SubnetRange]) {
        self.access = access
        self.network = network
        self.node = node
        self.ranges = ranges
    }

    /// - Throws: `.configuration`, naming the first value that cannot be.
    public func validate() throws(EngineFailure) {
        try EtcdKeys.check(network, "network name")
        try EtcdKeys.check(node, "node name")
        guard !access.servers.isEmpty else { throw EngineFailure(.configuration, "no etcd server is configured") }
        for server in access.servers {
            let host = server.hasPrefix("https://") ? server.dropFirst(8) : server.dropFirst(7)
            guard server.hasPrefix("https://") || server.hasPrefix("http://"), !host.isEmpty, !host.contains("/") else {
                throw EngineFailure(
                    .configuration, "etcd server \"\(server)\" is not a client URL",
                    advice: "write https://HOST:2379, without anything after the port")
            }
        }
        try NetworkConfiguration(ranges).check()
        try check(claimSeconds, 600...2_592_000, "claims are kept")
        try check(presenceSeconds, 10...300, "presence is kept")
        guard (user == nil) == (password == nil) else {
            throw EngineFailure(.configuration, "etcd's user and password are given together or not at all")
        }
    }

    private func check(_ seconds: Int, _ allowed: ClosedRange<Int>, _ what: String) throws(EngineFailure) {
        guard allowed.contains(seconds) else {
            throw EngineFailure(
                .configuration, "\(what) for \(seconds) s",
                advice: "choose \(allowed.lowerBound) to \(allowed.upperBound) s")
        }
    }
}
