public import Addresses

/// The kinds of link that are made by one message, each with its specific settings.
public enum LinkKind: Sendable, Hashable {
    case dummy
    /// Queues received traffic as if it were sent (drivers/net/ifb.c).
    case ifb
    /// - Parameter broadcastQueueLength: of the parent, in frames; nil leaves it as it is (1000).
    case macvlan(MacvlanMode, broadcastQueueLength: UInt32?)
    case ipvlan(IPvlanMode)
    /// 0...4094, with 802.1Q tags.
    case vlan(UInt16)
    /// The routing table of its members, from 1 on.
    case vrf(table: UInt32)

    /// IFLA_INFO_KIND.
    public var name: String {
        switch self {
        case .dummy: "dummy"
        case .ifb: "ifb"
        case .macvlan: "macvlan"
        case .ipvlan: "ipvlan"
        case .vlan: "vlan"
        case .vrf: "vrf"
        }
    }

    /// Whether a link with these settings meets the wanted ones.
    public func serves(_ wanted: LinkKind) -> Bool {
        guard case .macvlan(let mode, let length) = self, case .macvlan(mode, let asked) = wanted else {
            return self == wanted
        }
        return asked == nil || asked == length
    }
}

/// MACVLAN_MODE_*, linux/if_link.h.
public enum MacvlanMode: UInt32, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case `private` = 1
    case vepa = 2
    case bridge = 4
    case passthru = 8

    public var description: String {
        switch self {
        case .private: "private"
        case .vepa: "vepa"
        case .bridge: "bridge"
        case .passthru: "passthru"
        }
    }
}

/// IPVLAN_MODE_*, linux/if_link.h.
public enum IPvlanMode: UInt16, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case l2 = 0
    case l3 = 1
    case l3s = 2

    public var description: String {
        switch self {
        case .l2: "l2"
        case .l3: "l3"
        case .l3s: "l3s"
        }
    }
}

/// A link to be made; it is down at first.
public struct NewLink: Sendable {
    public var name: String
    public var kind: LinkKind
    /// Index of its parent link, in the socket's namespace.
    public var parent: UInt32?
    public var mac: MACAddress?
    /// Octets; nil for the kernel's default.
    public var mtu: UInt32?
    /// Descriptor of the namespace to make it in; nil for the socket's.
    public var namespace: Int32?

    public init(
        name: String, kind: LinkKind, parent: UInt32? = nil, mac: MACAddress? = nil, mtu: UInt32? = nil,
        namespace: Int32? = nil
    ) {
        self.name = name
        self.kind = kind
        self.parent = parent
        self.mac = mac
        self.mtu = mtu
        self.namespace = namespace
    }
}

extension MessageBuilder {
    /// Makes a link.
    public mutating func createLink(_ link: NewLink) {
        newLink {
            $0.attribute(IFLA.ifname, text: link.name)
            if let mac = link.mac { $0.attribute(IFLA.address, mac.bytes) }
            if let mtu = link.mtu { $0.attribute(IFLA.mtu, uint32: mtu) }
            if let parent = link.parent { $0.attribute(IFLA.link, uint32: parent) }
            if let namespace = link.namespace { $0.attribute(IFLA.netNsFD, uint32: UInt32(bitPattern: namespace)) }
            $0.nested(IFLA.linkinfo) {
                $0.attribute(IFLA.infoKind, text: link.kind.name)
                $0.nested(IFLA.infoData) { $0.details(of: link.kind) }
            }
        }
    }

    private mutating func details(of kind: LinkKind) {
        switch kind {
        case .dummy, .ifb: break
        case .macvlan(let mode, let length):
            attribute(IFLA.macvlanMode, uint32: mode.rawValue)
            if let length { attribute(IFLA.macvlanBroadcastQueueLength, uint32: length) }
        case .ipvlan(let mode): attribute(IFLA.ipvlanMode, uint16: mode.rawValue)
        case .vlan(let id): attribute(IFLA.vlanID, uint16: id)
        case .vrf(let table): attribute(IFLA.vrfTable, uint32: table)
        }
    }
}

extension LinkKind: CustomStringConvertible {
    public var description: String {
        switch self {
        case .dummy, .ifb: name
        case .macvlan(let mode, _): "\(name) of mode \(mode)"
        case .ipvlan(let mode): "\(name) of mode \(mode)"
        case .vlan(let id): "\(name) \(id)"
        case .vrf(let table): "\(name) of table \(table)"
        }
    }

    /// - Parameters:
    ///   - name: IFLA_INFO_KIND.
    ///   - data: IFLA_INFO_DATA.
    /// - Returns: nil for a kind that is not among these, or without its required data.
    init?(_ name: String, _ data: Attributes) {
        switch name {
        case "dummy": self = .dummy
        case "ifb": self = .ifb
        case "macvlan":
            guard let mode = data[IFLA.macvlanMode]?.uint32.flatMap(MacvlanMode.init) else { return nil }
            self = .macvlan(mode, broadcastQueueLength: data[IFLA.macvlanBroadcastQueueLength]?.uint32)
        case "ipvlan":
            guard let mode = data[IFLA.ipvlanMode]?.uint16.flatMap(IPvlanMode.init) else { return nil }
            self = .ipvlan(mode)
        case "vlan":
            guard let id = data[IFLA.vlanID]?.uint16 else { return nil }
            self = .vlan(id)
        case "vrf":
            guard let table = data[IFLA.vrfTable]?.uint32 else { return nil }
            self = .vrf(table: table)
        default: return nil
        }
    }
}
