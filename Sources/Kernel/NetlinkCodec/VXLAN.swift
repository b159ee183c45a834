public import Addresses

/// The settings of a VXLAN device (RFC 7348; IFLA_VXLAN_*, linux/if_link.h).
public struct VXLAN: Sendable, Hashable {
    /// The network identifier, 0...16777215; 0 for a device that takes it from each packet's metadata.
    public var id: UInt32
    /// The source address of outer packets; the remote ends are of its family. Nil lets the routing table choose.
    public var local: IPAddress?
    /// Index of the device by which outer packets leave; nil for any.
    public var underlay: UInt32?
    /// UDP port to which outer packets are sent and on which they are received: 4789 by IANA, 8472 is Linux's own.
    public var port: UInt16
    /// Whether it learns from received packets which MAC is behind which node.
    public var isLearning = false
    /// TTL of outer packets; 0 for the routing table's value.
    public var ttl: UInt8 = 0
    /// Whether outer IPv4 packets have a UDP checksum.
    public var hasChecksum = true
    /// Whether outer IPv6 packets are sent without a UDP checksum (RFC 6935).
    public var sendsZeroChecksum6 = false
    /// Whether outer IPv6 packets without a UDP checksum are accepted.
    public var acceptsZeroChecksum6 = false
    /// Whether identifier and addresses come with each packet, from a route or a filter (`external`).
    public var collectsMetadata = false
    /// Whether packets carry the sender's group policy (`gbp`); can be read but not set.
    public private(set) var hasGroupPolicy = false

    public init(id: UInt32, local: IPAddress? = nil, underlay: UInt32? = nil, port: UInt16 = 4789) {
        self.id = id
        self.local = local
        self.underlay = underlay
        self.port = port
    }

    /// One device for all networks, controlled by routes and filters (`external`).
    public static func external(port: UInt16 = 4789) -> VXLAN {
        var device = VXLAN(id: 0, port: port)
        device.collectsMetadata = true
        return device
    }

    /// Reads the kind's data (IFLA_INFO_DATA).
    init?(_ data: Attributes) {
        guard let port = data[IFLAVXLAN.port]?.bigEndian16 else { return nil }
        self.init(id: data[IFLAVXLAN.id]?.uint32 ?? 0, port: port)
        local = (data[IFLAVXLAN.local] ?? data[IFLAVXLAN.local6]).flatMap { IPAddress(bytes: $0.bytes) }
        underlay = data[IFLAVXLAN.link]?.uint32.flatMap { $0 == 0 ? nil : $0 }
        isLearning = data[IFLAVXLAN.learning]?.uint8 == 1
        ttl = data[IFLAVXLAN.ttl]?.uint8 ?? 0
        hasChecksum = data[IFLAVXLAN.checksum]?.uint8 == 1
        sendsZeroChecksum6 = data[IFLAVXLAN.zeroChecksum6Sent]?.uint8 == 1
        acceptsZeroChecksum6 = data[IFLAVXLAN.zeroChecksum6Received]?.uint8 == 1
        collectsMetadata = data[IFLAVXLAN.collectMetadata]?.uint8 == 1
        hasGroupPolicy = data[IFLAVXLAN.groupPolicy] != nil
    }

    fileprivate func encode(_ builder: inout MessageBuilder) {
        // The kernel refuses an identifier together with metadata.
        if !collectsMetadata { builder.attribute(IFLAVXLAN.id, uint32: id) }
        if let underlay { builder.attribute(IFLAVXLAN.link, uint32: underlay) }
        if let local { builder.attribute(local.family == .v4 ? IFLAVXLAN.local : IFLAVXLAN.local6, local) }
        builder.attribute(IFLAVXLAN.ttl, uint8: ttl)
        builder.attribute(IFLAVXLAN.learning, uint8: isLearning ? 1 : 0)
        builder.attribute(IFLAVXLAN.port, bigEndian: port)
        builder.attribute(IFLAVXLAN.checksum, uint8: hasChecksum ? 1 : 0)
        builder.attribute(IFLAVXLAN.zeroChecksum6Sent, uint8: sendsZeroChecksum6 ? 1 : 0)
        builder.attribute(IFLAVXLAN.zeroChecksum6Received, uint8: acceptsZeroChecksum6 ? 1 : 0)
        if collectsMetadata { builder.attribute(IFLAVXLAN.collectMetadata, uint8: 1) }
    }
}

/// A VXLAN device as the kernel lists it.
public struct VXLANLink: Sendable, Hashable {
    public let link: Link
    public let vxlan: VXLAN

    /// Reads an RTM_NEWLINK or RTM_DELLINK message; nil for a device of another kind.
    public init?(_ message: Message) {
        guard let link = Link(message), link.kind == VXLANLink.kind,
            let vxlan = VXLAN(
                Attributes(message.payload.dropFirst(16)).nested(IFLA.linkinfo).nested(IFLA.infoData))
        else { return nil }
        self.link = link
        self.vxlan = vxlan
    }

    /// IFLA_INFO_KIND, for ``MessageBuilder/dumpLinks(kind:master:)``.
    public static let kind = "vxlan"
}

extension MessageBuilder {
    /// Makes a VXLAN device, still down. The request sets the MAC, so that none is generated.
    ///
    /// The kernel answers `EEXIST` for a taken name, and also for a taken identifier and port. Set an alias with a
    /// ``changeLink(_:_:)`` in the same batch: the kernel ignores one in the message that makes a link.
    /// - Parameter mtu: octets; nil for the underlay's less 50 or 70, or 1500 without an underlay.
    public mutating func createVXLAN(_ name: String, _ vxlan: VXLAN, mac: MACAddress, mtu: UInt32? = nil) {
        newLink {
            $0.attribute(IFLA.ifname, text: name)
            $0.attribute(IFLA.address, mac.bytes)
            if let mtu { $0.attribute(IFLA.mtu, uint32: mtu) }
            $0.nested(IFLA.linkinfo) {
                $0.attribute(IFLA.infoKind, text: VXLANLink.kind)
                $0.nested(IFLA.infoData) { vxlan.encode(&$0) }
            }
        }
    }
}

/// Attributes of VXLAN devices, linux/if_link.h.
enum IFLAVXLAN {
    static let id: UInt16 = 1
    static let link: UInt16 = 3
    static let local: UInt16 = 4
    static let ttl: UInt16 = 5
    static let learning: UInt16 = 7
    static let port: UInt16 = 15
    static let local6: UInt16 = 17
    static let checksum: UInt16 = 18
    static let zeroChecksum6Sent: UInt16 = 19
    static let zeroChecksum6Received: UInt16 = 20
    static let groupPolicy: UInt16 = 23
    static let collectMetadata: UInt16 = 25
}
