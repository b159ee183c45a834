/// A link's traffic since it was made, and where its peer is. Separate from ``Link``, because ADD needs none of it.
public struct LinkStatus: Sendable, Hashable {
    public let link: Link
    public let counters: LinkCounters?
    /// The namespace in which ``Link/peer`` is an index, by its ID in the link's own namespace (IFLA_LINK_NETNSID); nil if it is
    /// the link's own.
    public let peerNamespaceID: Int32?
    /// Whether there is a signal (IFLA_CARRIER).
    public let hasCarrier: Bool
    /// Whether an XDP program sees its packets before everybody else (IFLA_XDP_ATTACHED).
    public let hasXDP: Bool

    public init(
        _ link: Link, counters: LinkCounters?, peerNamespaceID: Int32?, hasCarrier: Bool, hasXDP: Bool = false
    ) {
        self.link = link
        self.counters = counters
        self.peerNamespaceID = peerNamespaceID
        self.hasCarrier = hasCarrier
        self.hasXDP = hasXDP
    }

    /// Reads an RTM_NEWLINK message.
    public init?(_ message: Message) {
        guard let link = Link(message) else { return nil }
        let attributes = Attributes(message.payload.dropFirst(16))
        self.init(
            link, counters: attributes[IFLA.statistics].flatMap { LinkCounters($0.bytes) },
            peerNamespaceID: attributes[IFLA.linkNamespaceID]?.uint32.map { Int32(bitPattern: $0) },
            hasCarrier: attributes[IFLA.carrier]?.uint8 == 1,
            hasXDP: attributes.nested(IFLA.xdp)[IFLA.xdpAttached]?.uint8 ?? 0 != 0)
    }
}

/// Counters of a link (rtnl_link_stats64, linux/if_link.h), from its own point of view.
public struct LinkCounters: Sendable, Hashable {
    public var receivedPackets: UInt64
    public var sentPackets: UInt64
    public var receivedOctets: UInt64
    public var sentOctets: UInt64
    public var receiveErrors: UInt64
    public var sendErrors: UInt64
    public var receiveDrops: UInt64
    public var sendDrops: UInt64

    public init() {
        (receivedPackets, sentPackets, receivedOctets, sentOctets) = (0, 0, 0, 0)
        (receiveErrors, sendErrors, receiveDrops, sendDrops) = (0, 0, 0, 0)
    }

    init?(_ bytes: ArraySlice<UInt8>) {
        guard bytes.count >= 64 else { return nil }
        func counter(_ position: Int) -> UInt64 { bytes.load(UInt64.self, at: position * 8) }
        (receivedPackets, sentPackets, receivedOctets, sentOctets) = (counter(0), counter(1), counter(2), counter(3))
        (receiveErrors, sendErrors, receiveDrops, sendDrops) = (counter(4), counter(5), counter(6), counter(7))
    }

    /// The counters from the point of view of the other end of a veth.
    public var fromOtherEnd: LinkCounters {
        var other = self
        (other.receivedPackets, other.sentPackets) = (sentPackets, receivedPackets)
        (other.receivedOctets, other.sentOctets) = (sentOctets, receivedOctets)
        (other.receiveErrors, other.sendErrors) = (sendErrors, receiveErrors)
        (other.receiveDrops, other.sendDrops) = (sendDrops, receiveDrops)
        return other
    }
}

#if !hasFeature(Embedded)
    extension LinkCounters: Encodable {}
#endif
