public import Addresses
public import IPAM
public import Netfilter
public import NetlinkCodec
public import Plugins

/// The raw data for a ``Snapshot``: all of its input, so that tests can make it up.
public struct Observations: Sendable {
    /// The host's name.
    public var node = ""
    /// Seconds since 1970.
    public var time = 0
    /// The node's interfaces.
    public var interfaces: [Interface] = []
    /// The main table's routes.
    public var routes: [NodeRoute] = []
    /// Token buckets on the node's links, by index.
    public var buckets: [UInt32: TokenBucket] = [:]
    /// Links with a queueing discipline for what they receive, by index.
    public var ingressQdiscs: Set<UInt32> = []
    public var neighbours: [KnownNeighbour] = []
    public var bridgeEntries: [BridgeEntry] = []
    /// The machine's other namespaces.
    public var namespaces: [SeenNamespace] = []
    /// Whether those are all of them: then whatever is in none of them does not exist.
    public var seesAllNamespaces = true
    public var stores: [SeenStore] = []
    public var records: [RecordedRules] = []
    /// The number of elements in the nf_tables sets, by the owner's name.
    public var elements: [String: Int] = [:]
    /// What of the recorded rules is not in the kernel, by the owner's name: see ``Attachment/missingRules``.
    public var missingRules: [String: Set<String>] = [:]
    public var configured: [SeenConfiguration] = []
    public var remarks: [String] = []

    public init() {}
}

/// A namespace and its contents.
public struct SeenNamespace: Sendable {
    public var namespace: Namespace
    public var interfaces: [Interface]
    /// Its number for the node's namespace; nil if it has none.
    public var nodeID: Int32?
    /// The gateways of the main table's routes, by interface index; without link-local ones.
    public var gateways: [UInt32: [IPAddress]] = [:]
    /// The main table's routes.
    public var routes: [NodeRoute] = []
    public var neighbours: [KnownNeighbour] = []
    /// Those that its kernel has asked for in vain, by the interface's index.
    public var silentNeighbours: [UInt32: [IPAddress]] = [:]
    /// Whether some process is in it.
    public var hasProcess = true
    /// When its name was made, in seconds since 1970; nil if unknown.
    public var since: Int?

    public init(_ namespace: Namespace, interfaces: [Interface], nodeID: Int32? = nil) {
        self.namespace = namespace
        self.interfaces = interfaces
        self.nodeID = nodeID
    }

    /// Whether the interface's peer is on the node, or it has no peer but some link connects the namespace to the node.
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
    /// Reservations whose name belongs to something other than a file.
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
    /// Default routes for pods that have an address of the family.
    public var defaultRoutes: [CIDR] = []
    public var wishes = Network.Wishes()

    public init(_ network: ConfiguredNetwork, path: String) {
        self.network = network
        self.path = path
    }
}
