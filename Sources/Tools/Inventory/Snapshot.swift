public import Addresses
public import Attachments
public import NetlinkCodec

/// The state of container networking on this node: networks, the pods attached to them, and leftovers without an owner.
///
/// It is built from what the kernel and the files of reservations and records say at one moment, without remembering earlier
/// actions. So it is right after a crash, and for pods that another plugin has attached.
public struct Snapshot: Sendable, Encodable {
    /// The host's name.
    public var node = ""
    /// Seconds since 1970-01-01T00:00:00Z.
    public var time = 0
    /// Sorted by name.
    public var networks: [Network] = []
    /// The attachments to these networks, sorted by network and address.
    public var attachments: [Attachment] = []
    /// What is left of attachments that are gone, or cut off.
    public var orphans: [Orphan] = []
    /// All of the node's own interfaces, by index.
    public var interfaces: [Interface] = []
    /// The main table's routes, of both families.
    public var routes: [NodeRoute] = []
    /// Names of the interfaces of the default routes.
    public var uplinks: [String] = []
    /// The node's neighbours whose MACs it knows.
    public var neighbours: [KnownNeighbour] = []
    /// What the bridges of pods know about where MACs are, except those of their own ports.
    public var bridgeEntries: [BridgeEntry] = []
    /// Named network namespaces with no process in them and nothing but `lo`, which no network knows.
    public var emptyNamespaces: [EmptyNamespace] = []
    /// What could not be read and is therefore missing here, one line each.
    public var remarks: [String] = []

    public init() {}

    /// The interface of that name on the node.
    public func interface(_ name: String) -> Interface? { interfaces.first { $0.name == name } }

    /// The attachments to a network.
    public func attachments(of network: String) -> [Attachment] { attachments.filter { $0.id.network == network } }
}

/// A network that is configured here, or that something on the node belongs to.
public struct Network: Sendable, Hashable, Encodable {
    public var name: String
    /// The file that configures it; nil if none was found.
    public var configuration: String?
    /// The types of its plugins, in order; empty without a configuration.
    public var plugins: [String] = []
    /// The bridge that its pods are ports of; nil if there is none.
    public var bridge: String?
    /// The bridge's addresses, except link-local ones.
    public var gateways: [CIDR] = []
    /// Default routes that its configuration gives to pods.
    public var defaultRoutes: [CIDR] = []
    /// The directory of its reservations; nil if there is none.
    public var store: String?
    /// How many addresses and blocks are reserved.
    public var reservations = 0
    public var pools: [Pool] = []
    /// What its configuration wants of its pods' links.
    public var wishes = Wishes()

    public init(name: String) { self.name = name }

    /// What a configuration wants of the pods' links; pods that were attached earlier may have something else.
    public struct Wishes: Sendable, Hashable, Encodable {
        /// Whether the node has the gateway's address.
        public var isGateway = false
        /// The gateways of its ranges.
        public var gateways: [IPAddress] = []
        public var hairpin = false
        public var isolatesPorts = false
        /// Whether the bridge is promiscuous, which goes without hairpin mode.
        public var isPromiscuous = false
        /// Bits per second towards the pod; nil for no limit.
        public var ingressRate: UInt64?
        /// Bits per second from the pod; nil for no limit.
        public var egressRate: UInt64?

        public init() {}
    }

    /// Ranges that one address or block is taken from.
    public struct Pool: Sendable, Hashable, Encodable {
        /// The subnets of the ranges.
        public var subnets: [CIDR]
        public var ranges: [AddressRange]
        /// How many addresses or blocks are reserved.
        public var used: UInt64
        /// How many can be assigned; `UInt64.max` also stands for larger numbers.
        public var size: UInt64
        /// Whether the pool is only assumed from the bridge's address, because there is no configuration.
        public var isAssumed: Bool

        public init(subnets: [CIDR], ranges: [AddressRange], used: UInt64, size: UInt64, isAssumed: Bool = false) {
            self.subnets = subnets
            self.ranges = ranges
            self.used = used
            self.size = size
            self.isAssumed = isAssumed
        }

        public var free: UInt64 { size > used ? size - used : 0 }
    }
}

/// A pod's interface on a network.
public struct Attachment: Sendable, Hashable, Encodable {
    public var id: AttachmentName
    public var state = State.attached
    /// The kind of the pod's interface: `veth`, `macvlan` and so on; `device` if it has no kind, nil if it was not found.
    public var kind: String?
    public var namespace: Namespace?
    /// The addresses on the interface, except link-local ones.
    public var addresses: [CIDR] = []
    /// The addresses in the store.
    public var reserved: [CIDR] = []
    /// The gateways of its routes through the interface, except link-local ones.
    public var gateways: [IPAddress] = []
    /// The main table of the pod's namespace; empty if the namespace was not found.
    public var routes: [NodeRoute] = []
    /// The pod's neighbours on the interface whose MACs it knows.
    public var neighbours: [KnownNeighbour] = []
    /// Those that it has asked for in vain.
    public var silentNeighbours: [IPAddress] = []
    /// Whether the pod's interface asks for no MACs and answers nobody who asks (`arp off`).
    public var isSilent = false
    /// The host side of the veth; nil for other kinds.
    public var hostInterface: String?
    /// The bridge that the host side is a port of.
    public var bridge: String?
    /// The node's interface below the pod's, for kinds such as macvlan.
    public var parent: String?
    /// Octets.
    public var mtu: UInt32?
    public var mac: MACAddress?
    /// Whether both ends are up and have a carrier.
    public var isUp = false
    public var ports: [Port] = []
    /// For traffic to the pod.
    public var ingressLimit: Limit?
    /// For traffic from the pod.
    public var egressLimit: Limit?
    /// Whether the pod may send only from its own addresses.
    public var antiSpoof = false
    /// Whether it is isolated from pods of other networks.
    public var isolation = false
    /// Whether pods on the same bridge may reach it in spite of that.
    public var allowsSameBridge = false
    /// Whether what was recorded for it wants its bridge port isolated.
    public var wantsIsolatedPort = false
    /// Whether what was recorded for it wants hairpin mode of its bridge port.
    public var wantsHairpin = false
    /// What of ``ports``, ``masquerade``, ``antiSpoof`` and ``isolation`` is recorded but not in the kernel, by these names.
    public var missingRules: [String] = []
    /// Whether what the pod sends is led to its ifb, if it has one.
    public var leadsToLimit = true
    /// Whether its packets leave with the node's address.
    public var masquerade = false
    /// Its ifb, which limits what it sends; nil if it has none.
    public var limiter: String?
    /// When it was attached, in seconds since 1970: the time of its reservation or of its first record.
    public var since: Int?
    /// From the pod's point of view: received means received by the pod.
    public var counters: LinkCounters?
    /// Plugins that have recorded rules for it.
    public var recordedBy: [String] = []

    public init(id: AttachmentName) { self.id = id }

    /// What is wrong with its state, in words; empty if nothing is.
    package var stateText: String {
        switch state {
        case .attached: isUp ? "" : "down"
        case .unnamed: "namespace without a name"
        case .unknown: "not seen"
        }
    }

    public enum State: String, Sendable, Hashable, Encodable {
        /// The pod's namespace and interface have been found.
        case attached
        /// The kernel says that the pod's namespace exists, but neither a name nor a process leads to it.
        case unnamed
        /// A reservation says that it was attached; whether it still is cannot be determined.
        case unknown
    }
}

/// A pod's network namespace.
public struct Namespace: Sendable, Hashable, Encodable {
    public var path: String
    public var inode: UInt64
    /// The number that the node's namespace has for it; nil if it has none.
    public var id: Int32?

    public init(path: String, inode: UInt64, id: Int32? = nil) {
        self.path = path
        self.inode = inode
        self.id = id
    }

    /// The last component of a named namespace's path; for a process's namespace, the whole path.
    public var name: String {
        path.hasPrefix("/proc/") ? path : path.split(separator: "/").last.map(String.init) ?? path
    }
}

/// A port of the node, or several consecutive ones, mapped to a pod.
public struct Port: Sendable, Hashable, Encodable {
    /// `tcp`, `udp` or `sctp`.
    public var transport: String
    public var hostPort: UInt16
    public var containerPort: UInt16
    public var count: UInt16
    /// Nil for any of the node's addresses.
    public var hostIP: IPAddress?

    public init(
        transport: String, hostPort: UInt16, containerPort: UInt16, count: UInt16 = 1, hostIP: IPAddress? = nil
    ) {
        self.transport = transport
        self.hostPort = hostPort
        self.containerPort = containerPort
        self.count = count
        self.hostIP = hostIP
    }
}

extension Port: CustomStringConvertible {
    /// Such as `8080→80/tcp`, `10.0.0.1:53→53/udp`, `[::1]:80→80/tcp`, `1000-1009→2000-2009/tcp`.
    public var description: String {
        let host = hostIP.map { $0.family == .v4 ? "\($0):" : "[\($0)]:" } ?? ""
        return "\(host)\(Port.range(hostPort, count))→\(Port.range(containerPort, count))/\(transport)"
    }

    private static func range(_ first: UInt16, _ count: UInt16) -> String {
        count > 1 ? "\(first)-\(Int(first) + Int(count) - 1)" : "\(first)"
    }
}

/// A token bucket that limits a pod's traffic.
public struct Limit: Sendable, Hashable, Encodable {
    /// Bits per second.
    public var rate: UInt64
    /// Bits.
    public var burst: UInt64

    public init(rate: UInt64, burst: UInt64) {
        self.rate = rate
        self.burst = burst
    }
}

/// Something whose owner is gone, or that has lost something that belongs to it.
public struct Orphan: Sendable, Hashable, Encodable {
    /// The attachment that it belonged to; nil if unknown.
    public var id: AttachmentName?
    public var reason: Reason
    /// Whether the pod is certainly gone, so that the orphan can be freed.
    public var isGone: Bool
    /// Reserved addresses and blocks.
    public var reserved: [CIDR] = []
    /// Links of the node.
    public var interfaces: [String] = []
    /// Plugins that have recorded rules for it.
    public var recordedBy: [String] = []
    /// Elements in the nf_tables sets.
    public var elements = 0
    /// The directory of the network's reservations; nil if nothing is reserved.
    public var store: String?
    /// The latest time at which any of these was made, in seconds since 1970; nil if unknown.
    public var since: Int?
    /// For ``Reason-swift.enum/notReserved``: what has to be reserved for it again.
    public var unreserved: [UnreservedAddress] = []

    public init(id: AttachmentName?, reason: Reason, isGone: Bool) {
        self.id = id
        self.reason = reason
        self.isGone = isGone
    }

    public enum Reason: String, Sendable, Hashable, Encodable {
        /// Neither a namespace nor an interface of the pod is left.
        case podIsGone
        /// Reserved before the last boot.
        case earlierBoot
        /// The pod's namespace exists, but its interface is gone.
        case interfaceIsGone
        /// The pod lives, but an address of it is not reserved for it, so another pod may get it.
        case notReserved
        /// Its veth exists, but neither a name nor a process leads to the pod's namespace.
        case namespaceHasNoName
        /// The other end of its veth is on the node, not in a pod.
        case peerIsOnNode
        /// It limits a veth that is gone.
        case limitsNothing
        /// A reservation without an owner, because its writer was killed. The container's ID is empty.
        case namesNobody
        /// A non-file has a reservation's name: a link, a directory, a pipe. No plugin makes or removes those.
        case isNoFile

        /// For people.
        public var text: String {
            switch self {
            case .podIsGone: "the pod's network namespace is gone"
            case .earlierBoot: "reserved before the last reboot; the next ADD frees it"
            case .interfaceIsGone: "the pod's namespace is there, its interface is gone"
            case .notReserved: "an address that the pod has is not reserved for it: another pod may get it"
            case .namespaceHasNoName: "no name and no process leads to the pod's network namespace"
            case .peerIsOnNode: "the other end is on the node, in no pod"
            case .limitsNothing: "for the limit of a veth that is gone"
            case .namesNobody: "the reservation names no owner; the next ADD frees it"
            case .isNoFile:
                "it has the name of a reservation, but is not a file: no ADD gets the address, and no GC frees it"
            }
        }
    }
}

/// A network interface, of the node or in a pod.
public struct Interface: Sendable, Hashable, Encodable {
    public var index: UInt32
    public var name: String
    /// IFLA_INFO_KIND; empty for a physical device.
    public var kind = ""
    public var mac: MACAddress?
    /// Octets.
    public var mtu: UInt32 = 0
    /// Index of the bridge or other master; 0 if there is none.
    public var master: UInt32 = 0
    /// Index of the peer or the lower device; 0 if there is none.
    public var peer: UInt32 = 0
    /// The namespace of the index ``peer``; nil for the interface's own.
    public var peerNamespaceID: Int32?
    public var alias = ""
    public var isUp = true
    public var hasCarrier = true
    public var isHairpin = false
    public var isIsolated = false
    /// Whether it asks for no MACs and answers nobody who asks (IFF_NOARP).
    public var isSilent = false
    /// Whether its bridge passes its packets; nil if it is not a bridge port.
    public var isForwardingPort: Bool?
    public var addresses: [CIDR] = []
    public var counters: LinkCounters?

    public init(index: UInt32, name: String, kind: String = "") {
        self.index = index
        self.name = name
        self.kind = kind
    }
}

/// A route of the node.
public struct NodeRoute: Sendable, Hashable, Encodable {
    public var destination: CIDR
    public var gateway: IPAddress?
    /// The name of the outgoing interface; nil if the kernel names none.
    public var interface: String?
    public var priority: UInt32?
    /// Whether it rejects packets: blackhole, unreachable, prohibit.
    public var isRejecting = false
    /// Whether the kernel has made it for an address (RTPROT_KERNEL).
    public var isOfAddress = false

    public init(to destination: CIDR, via gateway: IPAddress? = nil, interface: String?, priority: UInt32? = nil) {
        self.destination = destination
        self.gateway = gateway
        self.interface = interface
        self.priority = priority
    }

    public var isDefault: Bool { destination.prefixLength == 0 }
}
