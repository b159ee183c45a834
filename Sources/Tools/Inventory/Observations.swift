public import Addresses
public import IPAM
public import Netfilter
public import NetlinkCodec
public import Plugins

/// What was read for a ``Snapshot``, as it came: everything that goes into one, so that tests can make it up.
public struct Observations: Sendable {
    /// The host's name.
    public var node = ""
    /// Seconds since 1970.
    public var time = 0
    /// The node's interfaces.
    public var interfaces: [Interface] = []
    /// The main table's routes.
    public var routes: [NodeRoute] = []
    /// Token buckets on links of the node, by index.
    public var buckets: [UInt32: TokenBucket] = [:]
    /// Other namespaces of this machine.
    public var namespaces: [SeenNamespace] = []
    /// Whether those are all of them: what is in none of them is nowhere then.
    public var seesAllNamespaces = true
    public var stores: [SeenStore] = []
    public var records: [RecordedRules] = []
    /// Elements in the nf_tables sets, by the owner's name.
    public var elements: [String: Int] = [:]
    public var configured: [SeenConfiguration] = []
    public var remarks: [String] = []

    public init() {}
}

/// A namespace with what is in it.
public struct SeenNamespace: Sendable {
    public var namespace: Namespace
    public var interfaces: [Interface]
    /// The number by which it knows the node's namespace; nil where it does not.
    public var nodeID: Int32?
    /// Where the main table's routes lead, by the index of the interface; but for link-local ones.
    public var gateways: [UInt32: [IPAddress]] = [:]

    public init(_ namespace: Namespace, interfaces: [Interface], nodeID: Int32? = nil) {
        self.namespace = namespace
        self.interfaces = interfaces
        self.nodeID = nodeID
    }

    /// Whether the other end of the interface is on the node, or it has none and some link joins the namespace to the node.
    func isOfNode(_ interface: Interface) -> Bool {
        guard let peer = interface.peerNamespaceID else { return namespace.id != nil || nodeID != nil }
        return peer == nodeID
    }
}

/// The reservations of one network.
public struct SeenStore: Sendable {
    public var network: String
    public var directory: String
    public var reservations: [ListedReservation]
    /// Those of which something else than a file has the name.
    public var notFiles: Set<CIDR> = []

    public init(network: String, directory: String, reservations: [ListedReservation]) {
        self.network = network
        self.directory = directory
        self.reservations = reservations
    }
}

/// A configuration file.
public struct SeenConfiguration: Sendable {
    public var network: ConfiguredNetwork
    public var path: String
    /// Default routes that pods get, where they get addresses of the family.
    public var defaultRoutes: [CIDR] = []

    public init(_ network: ConfiguredNetwork, path: String) {
        self.network = network
        self.path = path
    }
}
