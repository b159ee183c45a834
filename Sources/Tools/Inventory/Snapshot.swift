public import Addresses
public import Attachments
public import NetlinkCodec

/// What there is of container networking on this node: networks, the pods attached to them, and what nobody owns any more.
///
/// It is put together from what the kernel and the files of reservations and records say at one moment, and from no memory
/// of what was done before. So it is right after a crash and for pods that another plugin has attached.
public struct Snapshot: Sendable, Encodable {
    /// The host's name.
    public var node = ""
    /// Seconds since 1970-01-01T00:00:00Z.
    public var time = 0
    /// By name.
    public var networks: [Network] = []
    /// What is attached to them, by network and address.
    public var attachments: [Attachment] = []
    /// What is left of attachments that are gone, or cut off.
    public var orphans: [Orphan] = []
    /// All of the node's own interfaces, by index.
    public var interfaces: [Interface] = []
    /// The main table's routes, of both families.
    public var routes: [NodeRoute] = []
    /// Names of the interfaces by which default routes leave.
    public var uplinks: [String] = []
    /// What could not be read, and so is missing here: a line each.
    public var remarks: [String] = []

    public init() {}

    /// The interface of that name on the node.
    public func interface(_ name: String) -> Interface? { interfaces.first { $0.name == name } }

    /// What is attached to a network.
    public func attachments(of network: String) -> [Attachment] { attachments.filter { $0.id.network == network } }
}

/// A network that is configured here, or that something on the node belongs to.
public struct Network: Sendable, Hashable, Encodable {
    public var name: String
    /// The file that configures it; nil where none has been found.
    public var configuration: String?
    /// The types of its plugins, in order; empty without a configuration.
    public var plugins: [String] = []
    /// The bridge that its pods are ports of; nil where there is none.
    public var bridge: String?
    /// Addresses of the bridge, but for link-local ones.
    public var gateways: [CIDR] = []
    /// Default routes that its configuration gives to pods.
    public var defaultRoutes: [CIDR] = []
    /// The directory of its reservations; nil where there is none.
    public var store: String?
    /// How many addresses and blocks are reserved.
    public var reservations = 0
    public var pools: [Pool] = []

    public init(name: String) { self.name = name }

    /// Ranges that one address or block is taken from.
    public struct Pool: Sendable, Hashable, Encodable {
        /// The subnets of the ranges.
        public var subnets: [CIDR]
        public var ranges: [AddressRange]
        /// Addresses, or blocks, that are reserved.
        public var used: UInt64
        /// Those that can be handed out; `UInt64.max` stands for more as well.
        public var size: UInt64
        /// Whether it is what the bridge's address suggests, for want of a configuration.
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
    /// Of the pod's interface: `veth`, `macvlan` and so on; `device` for one without a kind, nil where it was not found.
    public var kind: String?
    public var namespace: Namespace?
    /// Those on the interface, but for link-local ones.
    public var addresses: [CIDR] = []
    /// Those in the store.
    public var reserved: [CIDR] = []
    /// Where its routes by the interface lead, but for link-local ones.
    public var gateways: [IPAddress] = []
    /// The node's end of the veth; nil for other kinds.
    public var hostInterface: String?
    /// What the node's end is a port of.
    public var bridge: String?
    /// The node's interface that the pod's sits on, for kinds such as macvlan.
    public var parent: String?
    /// Octets.
    public var mtu: UInt32?
    public var mac: MACAddress?
    /// Whether both ends are up and have a carrier.
    public var isUp = false
    public var ports: [Port] = []
    /// Towards the pod.
    public var ingressLimit: Limit?
    /// From the pod.
    public var egressLimit: Limit?
    /// Whether the pod is held to its addresses.
    public var antiSpoof = false
    /// Whether it is kept from pods of other networks.
    public var isolation = false
    /// Whether it leaves under the node's address.
    public var masquerade = false
    /// When it was attached, in seconds since 1970: the time of its reservation or of its first record.
    public var since: Int?
    /// As the pod sees them: received is what came in to it.
    public var counters: LinkCounters?
    /// Plugins that have rules for it on record.
    public var recordedBy: [String] = []

    public init(id: AttachmentName) { self.id = id }

    /// What is wrong with its state, in words; empty for nothing.
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
        /// The kernel says that the pod's namespace lives, but neither a name nor a process leads to it.
        case unnamed
        /// A reservation says that it was attached; whether it still is cannot be seen from here.
        case unknown
    }
}

/// A pod's network namespace.
public struct Namespace: Sendable, Hashable, Encodable {
    public var path: String
    public var inode: UInt64
    /// The number that the node's namespace has for it; nil for none.
    public var id: Int32?

    public init(path: String, inode: UInt64, id: Int32? = nil) {
        self.path = path
        self.inode = inode
        self.id = id
    }

    /// The last component of the path, where names are given; the whole path of a process's.
    public var name: String {
        path.hasPrefix("/proc/") ? path : path.split(separator: "/").last.map(String.init) ?? path
    }
}

/// A port of the node, or several in a row, that lead to a pod.
public struct Port: Sendable, Hashable, Encodable {
    /// `tcp`, `udp` or `sctp`.
    public var transport: String
    public var hostPort: UInt16
    public var containerPort: UInt16
    public var count: UInt16
    /// Nil for any of the node's.
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

/// A token bucket that a pod's traffic passes.
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

/// Something whose owner is gone, or that has lost what belongs to it.
public struct Orphan: Sendable, Hashable, Encodable {
    /// Whose it was; nil where nothing says so.
    public var id: AttachmentName?
    public var reason: Reason
    /// Whether the pod is gone for certain, so that it can be freed.
    public var isGone: Bool
    /// Reserved addresses and blocks.
    public var reserved: [CIDR] = []
    /// Links of the node.
    public var interfaces: [String] = []
    /// Plugins that have rules for it on record.
    public var recordedBy: [String] = []
    /// Elements in the nf_tables sets.
    public var elements = 0
    /// The directory of the network's reservations; nil where nothing is reserved.
    public var store: String?
    /// Seconds since 1970: the latest time that one of these was made; nil where it is not known.
    public var since: Int?

    public init(id: AttachmentName?, reason: Reason, isGone: Bool) {
        self.id = id
        self.reason = reason
        self.isGone = isGone
    }

    public enum Reason: String, Sendable, Hashable, Encodable {
        /// Neither a namespace nor an interface is left of the pod.
        case podIsGone
        /// Reserved before the machine was last started.
        case earlierBoot
        /// The pod's namespace lives, but its interface is gone.
        case interfaceIsGone
        /// Its veth is there, but its address is not reserved, so that another pod may get it.
        case notReserved
        /// Its veth is there, but neither a name nor a process leads to the pod's namespace.
        case namespaceHasNoName
        /// The other end of its veth is on the node, not in a pod.
        case peerIsOnNode
        /// For the limit of a veth that is gone.
        case limitsNothing
        /// A reservation whose file names nobody: its writer was killed. The container's ID is empty.
        case namesNobody
        /// What has a reservation's name is no file: a link, a directory, a pipe. No plugin makes one, or takes it away.
        case isNoFile

        /// For people.
        public var text: String {
            switch self {
            case .podIsGone: "the pod's network namespace is gone"
            case .earlierBoot: "reserved before the last reboot; the next ADD frees it"
            case .interfaceIsGone: "the pod's namespace is there, its interface is gone"
            case .notReserved: "its address is not reserved: another pod may get it"
            case .namespaceHasNoName: "no name and no process leads to the pod's network namespace"
            case .peerIsOnNode: "the other end is on the node, in no pod"
            case .limitsNothing: "for the limit of a veth that is gone"
            case .namesNobody: "the reservation names no owner; the next ADD frees it"
            case .isNoFile:
                "it has a reservation's name, but is no file; no ADD can have the address, and no GC frees it"
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
    /// Index of what it is a port of; 0 for nothing.
    public var master: UInt32 = 0
    /// Index of the peer or the lower device; 0 for none.
    public var peer: UInt32 = 0
    /// The namespace that ``peer`` counts in; nil for its own.
    public var peerNamespaceID: Int32?
    public var alias = ""
    public var isUp = true
    public var hasCarrier = true
    public var isHairpin = false
    public var isIsolated = false
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
    /// The name of the interface by which packets leave; nil where the kernel names none.
    public var interface: String?
    public var priority: UInt32?

    public init(to destination: CIDR, via gateway: IPAddress? = nil, interface: String?, priority: UInt32? = nil) {
        self.destination = destination
        self.gateway = gateway
        self.interface = interface
        self.priority = priority
    }

    public var isDefault: Bool { destination.prefixLength == 0 }
}
