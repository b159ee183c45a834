public import Addresses

/// A network interface as RTM_NEWLINK describes it (ifinfomsg and its attributes, linux/rtnetlink.h).
public struct Link: Sendable, Hashable {
    public let index: UInt32
    public let flags: UInt32
    public let name: String
    /// Such as `bridge` or `veth`; empty for a physical device.
    public let kind: String
    public let mac: MACAddress?
    public let mtu: UInt32
    /// Index of the bridge or other device of which it is a port; 0 for none.
    public let master: UInt32
    /// Index of the lower device or the peer, in that device's namespace; 0 for none.
    public let peer: UInt32
    /// RFC 2863: 6 is up.
    public let operationalState: UInt8
    public let alias: String
    public let promiscuity: UInt32
    public let isHairpin: Bool
    public let isIsolated: Bool
    /// BR_STATE_*, linux/if_bridge.h; 3 is forwarding. Nil if it is not a bridge port.
    public let portState: UInt8?
    public let hasVLANFiltering: Bool
    /// In packets.
    public let txQueueLength: UInt32
    /// Nil if the kernel has no such limit for IPv4: before 6.3.
    public let gso: GSOLimits?
    /// The maximum for ``gso``, octets (IFLA_TSO_MAX_SIZE); nil if it cannot exceed 64 KiB: before 5.19.
    public let tsoMaxSize: UInt32?
    /// The kind with its details, for the kinds in ``LinkKind``.
    public let details: LinkKind?

    public var isUp: Bool { flags & InterfaceFlag.up != 0 }

    /// Whether it is a bridge port that the bridge has not disabled; a bridge disables ports without carrier.
    public var isActivePort: Bool { portState.map { $0 != 0 } ?? false }

    /// Reads an RTM_NEWLINK or RTM_DELLINK message.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newLink || message.type == RouteMessageType.deleteLink,
            message.payload.count >= 16
        else { return nil }
        index = message.payload.load(UInt32.self, at: 4)
        flags = message.payload.load(UInt32.self, at: 8)
        let attributes = Attributes(message.payload.dropFirst(16))
        name = attributes[IFLA.ifname]?.text ?? ""
        mac = attributes[IFLA.address].flatMap { MACAddress(bytes: $0.bytes) }
        mtu = attributes[IFLA.mtu]?.uint32 ?? 0
        master = attributes[IFLA.master]?.uint32 ?? 0
        peer = attributes[IFLA.link]?.uint32 ?? 0
        operationalState = attributes[IFLA.operstate]?.uint8 ?? 0
        alias = attributes[IFLA.ifalias]?.text ?? ""
        promiscuity = attributes[IFLA.promiscuity]?.uint32 ?? 0
        txQueueLength = attributes[IFLA.txQueueLength]?.uint32 ?? 0
        gso = attributes[IFLA.gsoMaxSize]?.uint32.flatMap { v6 in
            attributes[IFLA.gsoIPv4MaxSize]?.uint32.map { GSOLimits(v4: $0, v6: v6) }
        }
        tsoMaxSize = attributes[IFLA.tsoMaxSize]?.uint32
        let info = attributes.nested(IFLA.linkinfo)
        details = LinkKind(info[IFLA.infoKind]?.text ?? "", info.nested(IFLA.infoData))
        kind = info[IFLA.infoKind]?.text ?? ""
        hasVLANFiltering = info.nested(IFLA.infoData)[IFLA.bridgeVlanFiltering]?.uint8 == 1 && kind == "bridge"
        let isPort = info[IFLA.infoSlaveKind]?.text == "bridge"
        let port = info.nested(IFLA.infoSlaveData)
        portState = isPort ? port[IFLA.bridgePortState]?.uint8 : nil
        isHairpin = isPort && port[IFLA.bridgePortMode]?.uint8 == 1
        isIsolated = isPort && port[IFLA.bridgePortIsolated]?.uint8 == 1
    }
}

/// How a request refers to a link.
public enum LinkReference: Sendable, Hashable {
    case index(UInt32)
    case name(String)
}

/// One end of a veth pair to be created.
public struct VethEnd: Sendable {
    public var name: String
    public var mac: MACAddress?
    /// Descriptor of the namespace to make it in; nil for the socket's.
    public var namespace: Int32?
    /// Nil for the kernel's defaults.
    public var gso: GSOLimits?

    public init(name: String, mac: MACAddress? = nil, namespace: Int32? = nil, gso: GSOLimits? = nil) {
        self.gso = gso
        self.name = name
        self.mac = mac
        self.namespace = namespace
    }
}

/// Changes to a link; nil leaves a value as it is.
public struct LinkChange: Sendable {
    public var isUp: Bool?
    public var isPromiscuous: Bool?
    public var isAllMulticast: Bool?
    /// In packets.
    public var txQueueLength: UInt32?
    /// The new name of a link referred to by index; before 6.2 only a link that is down can be renamed.
    public var name: String?
    /// Descriptor of the namespace to move it to; it loses its addresses and the flag ``isUp``.
    public var namespace: Int32?
    public var mtu: UInt32?
    public var mac: MACAddress?
    public var alias: String?
    public var gso: GSOLimits?
    /// 0 releases a port.
    public var master: UInt32?
    /// Only for a link that is a bridge port already.
    public var hairpin: Bool?
    public var isolated: Bool?
    /// False: the kernel generates no IPv6 link-local address (IFLA_INET6_ADDR_GEN_MODE none).
    public var makesLinkLocalAddress: Bool?
    /// Announce addresses when the link comes up (IPV4_DEVCONF_ARP_NOTIFY).
    public var announcesAddresses: Bool?

    public init() {}
}

/// A VLAN of a bridge port (bridge_vlan_info, linux/if_bridge.h).
public struct PortVLAN: Sendable, Hashable, CustomStringConvertible {
    /// 1...4094.
    public var first: UInt16
    /// The last of a range; `first` for a single one.
    public var last: UInt16
    /// Untagged frames received on the port belong to it.
    public var isPVID: Bool
    /// Frames leave untagged.
    public var isUntagged: Bool

    public var description: String { first == last ? "\(first)" : "\(first)-\(last)" }

    public init(_ first: UInt16, through last: UInt16? = nil, isPVID: Bool = false, isUntagged: Bool = false) {
        self.first = first
        self.last = last ?? first
        self.isPVID = isPVID
        self.isUntagged = isUntagged
    }
}

extension MessageBuilder {
    private mutating func linkHeader(
        family: UInt8 = AddressFamily.unspecified, index: UInt32 = 0, flags: UInt32 = 0, change: UInt32 = 0
    ) {
        append(family)
        append(UInt8(0))
        append(UInt16(0))
        append(index)
        append(flags)
        append(change)
    }

    private mutating func linkHeader(_ link: LinkReference, flags: UInt32 = 0, change: UInt32 = 0) {
        switch link {
        case .index(let index): linkHeader(index: index, flags: flags, change: change)
        case .name(let name):
            linkHeader(flags: flags, change: change)
            attribute(IFLA.ifname, text: name)
        }
    }

    /// A request to make a link; fails if the name exists.
    mutating func newLink(_ attributes: (inout MessageBuilder) -> Void) {
        message(
            RouteMessageType.newLink, flags: MessageFlag.request | MessageFlag.create | MessageFlag.exclusive
        ) {
            $0.linkHeader()
            attributes(&$0)
        }
    }

    /// Asks for one link.
    public mutating func getLink(_ link: LinkReference) {
        message(RouteMessageType.getLink, flags: MessageFlag.request) {
            $0.linkHeader(link)
            $0.attribute(IFLA.extMask, uint32: IFLA.skipStatistics)
        }
    }

    /// Asks for all links, or only those of one kind or with one master.
    public mutating func dumpLinks(kind: String? = nil, master: UInt32? = nil) {
        message(RouteMessageType.getLink, flags: MessageFlag.request | MessageFlag.dump) {
            $0.linkHeader()
            $0.attribute(IFLA.extMask, uint32: IFLA.skipStatistics)
            if let master { $0.attribute(IFLA.master, uint32: master) }
            if let kind { $0.nested(IFLA.linkinfo) { $0.attribute(IFLA.infoKind, text: kind) } }
        }
    }

    /// Makes a bridge, still down. The request sets the MAC, so that the bridge never takes over a port's.
    public mutating func createBridge(_ name: String, mac: MACAddress, mtu: UInt32?, vlanFiltering: Bool) {
        newLink {
            $0.attribute(IFLA.ifname, text: name)
            $0.attribute(IFLA.address, mac.bytes)
            if let mtu { $0.attribute(IFLA.mtu, uint32: mtu) }
            $0.nested(IFLA.linkinfo) {
                $0.attribute(IFLA.infoKind, text: "bridge")
                if vlanFiltering {
                    $0.nested(IFLA.infoData) { $0.attribute(IFLA.bridgeVlanFiltering, uint8: 1) }
                }
            }
        }
    }

    /// Makes a veth pair, both ends down; the host side is a port of `master` from the start.
    public mutating func createVeth(_ host: VethEnd, peer: VethEnd, mtu: UInt32?, master: UInt32?) {
        newLink {
            $0.vethEnd(host, mtu)
            if let master { $0.attribute(IFLA.master, uint32: master) }
            $0.nested(IFLA.linkinfo) {
                $0.attribute(IFLA.infoKind, text: "veth")
                $0.nested(IFLA.infoData) {
                    $0.nested(IFLA.vethPeer) {
                        $0.linkHeader()
                        $0.vethEnd(peer, mtu)
                    }
                }
            }
        }
    }

    /// A request to make a link that always fails because of its MTU, which the kernel reads as -1: the error tells whether the
    /// kernel knows the kind. Some kinds, such as ifb, have no minimum MTU.
    public mutating func probeLinkKind(_ kind: String) {
        newLink {
            $0.attribute(IFLA.mtu, uint32: .max)
            $0.nested(IFLA.linkinfo) { $0.attribute(IFLA.infoKind, text: kind) }
        }
    }

    private mutating func vethEnd(_ end: VethEnd, _ mtu: UInt32?) {
        attribute(IFLA.ifname, text: end.name)
        if let mac = end.mac { attribute(IFLA.address, mac.bytes) }
        if let mtu { attribute(IFLA.mtu, uint32: mtu) }
        limits(end.gso)
        if let namespace = end.namespace { attribute(IFLA.netNsFD, uint32: UInt32(bitPattern: namespace)) }
    }

    /// The kernel applies IPv4's limit last; setting the other one also changes it, up to 64 KiB.
    private mutating func limits(_ gso: GSOLimits?) {
        guard let gso else { return }
        attribute(IFLA.gsoMaxSize, uint32: gso.v6)
        attribute(IFLA.gsoIPv4MaxSize, uint32: gso.v4)
    }

    /// Changes a link. The kernel applies master and alias before flags, address generation after them.
    public mutating func changeLink(_ link: LinkReference, _ change: LinkChange) {
        var flags: UInt32 = 0
        var mask: UInt32 = 0
        for (value, flag) in [
            (change.isUp, InterfaceFlag.up), (change.isPromiscuous, InterfaceFlag.promiscuous),
            (change.isAllMulticast, InterfaceFlag.allMulticast),
        ] {
            guard let value else { continue }
            mask |= flag
            if value { flags |= flag }
        }
        message(RouteMessageType.newLink, flags: MessageFlag.request) {
            $0.linkHeader(link, flags: flags, change: mask)
            if let name = change.name { $0.attribute(IFLA.ifname, text: name) }
            if let namespace = change.namespace {
                $0.attribute(IFLA.netNsFD, uint32: UInt32(bitPattern: namespace))
            }
            if let length = change.txQueueLength { $0.attribute(IFLA.txQueueLength, uint32: length) }
            if let mac = change.mac { $0.attribute(IFLA.address, mac.bytes) }
            if let mtu = change.mtu { $0.attribute(IFLA.mtu, uint32: mtu) }
            $0.limits(change.gso)
            if let master = change.master { $0.attribute(IFLA.master, uint32: master) }
            if let alias = change.alias { $0.attribute(IFLA.ifalias, Array(alias.utf8)) }
            if change.hairpin != nil || change.isolated != nil {
                $0.nested(IFLA.linkinfo) {
                    $0.attribute(IFLA.infoSlaveKind, text: "bridge")
                    $0.nested(IFLA.infoSlaveData) {
                        if let hairpin = change.hairpin {
                            $0.attribute(IFLA.bridgePortMode, uint8: hairpin ? 1 : 0)
                        }
                        if let isolated = change.isolated {
                            $0.attribute(IFLA.bridgePortIsolated, uint8: isolated ? 1 : 0)
                        }
                    }
                }
            }
            if change.makesLinkLocalAddress != nil || change.announcesAddresses != nil {
                $0.nested(IFLA.afSpec) {
                    if let announces = change.announcesAddresses {
                        $0.nested(UInt16(AddressFamily.inet)) {
                            $0.nested(IFLA.inetConf) {
                                // IPV4_DEVCONF_ARP_NOTIFY, linux/ip.h.
                                $0.attribute(22, uint32: announces ? 1 : 0)
                            }
                        }
                    }
                    if let makes = change.makesLinkLocalAddress {
                        $0.nested(UInt16(AddressFamily.inet6)) {
                            // IN6_ADDR_GEN_MODE_EUI64 or _NONE, linux/if_link.h.
                            $0.attribute(IFLA.inet6AddrGenMode, uint8: makes ? 0 : 1)
                        }
                    }
                }
            }
        }
    }

    public mutating func deleteLink(_ link: LinkReference) {
        message(RouteMessageType.deleteLink, flags: MessageFlag.request) { $0.linkHeader(link) }
    }

    /// Adds or removes VLANs of a bridge port.
    public mutating func changePortVLANs(port index: UInt32, adding: Bool, _ vlans: [PortVLAN]) {
        message(adding ? RouteMessageType.setLink : RouteMessageType.deleteLink, flags: MessageFlag.request) {
            $0.linkHeader(family: AddressFamily.bridge, index: index)
            $0.nested(IFLA.afSpec) {
                for vlan in vlans {
                    // BRIDGE_VLAN_INFO_PVID, _UNTAGGED, _RANGE_BEGIN, _RANGE_END.
                    let flags: UInt16 = (vlan.isPVID ? 1 << 1 : 0) | (vlan.isUntagged ? 1 << 2 : 0)
                    let isRange = vlan.last > vlan.first
                    $0.vlan(vlan.first, flags | (isRange ? 1 << 3 : 0))
                    if isRange { $0.vlan(vlan.last, flags | 1 << 4) }
                }
            }
        }
    }

    private mutating func vlan(_ id: UInt16, _ flags: UInt16) {
        attribute(
            IFLA.bridgeVlanInfo,
            [flags, id].flatMap { value in
                let ordered = value.littleEndian
                return [UInt8(truncatingIfNeeded: ordered), UInt8(truncatingIfNeeded: ordered >> 8)]
            })
    }

    /// Asks for the VLANs of all bridge ports.
    public mutating func dumpPortVLANs() {
        message(RouteMessageType.getLink, flags: MessageFlag.request | MessageFlag.dump) {
            $0.linkHeader(family: AddressFamily.bridge)
            $0.attribute(IFLA.extMask, uint32: IFLA.withVLANs)
        }
    }
}

/// The VLANs of a bridge port, as a dump of family AF_BRIDGE lists them.
public struct PortVLANs: Sendable {
    public let index: UInt32
    public let vlans: [PortVLAN]

    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newLink, message.payload.count >= 16 else { return nil }
        index = message.payload.load(UInt32.self, at: 4)
        let specification = Attributes(message.payload.dropFirst(16)).nested(IFLA.afSpec)
        var vlans: [PortVLAN] = []
        for (type, value) in zip(specification.types, specification.all) {
            guard type == IFLA.bridgeVlanInfo, value.bytes.count >= 4 else { continue }
            let flags = value.bytes.load(UInt16.self, at: 0)
            let id = value.bytes.load(UInt16.self, at: 2)
            if flags & 1 << 4 != 0, let begun = vlans.last, begun.first <= id {
                vlans[vlans.count - 1].last = id
            } else {
                vlans.append(PortVLAN(id, isPVID: flags & 1 << 1 != 0, isUntagged: flags & 1 << 2 != 0))
            }
        }
        self.vlans = vlans
    }
}
