public import Addresses

/// A query for the route of one packet (RTM_GETROUTE, linux/rtnetlink.h).
public struct RouteQuestion: Sendable, Hashable {
    public var destination: IPAddress
    /// Nil for a packet that has none yet.
    public var source: IPAddress?
    /// Index of the interface by which it came in; 0 for a packet sent by this node.
    public var inputInterface: UInt32 = 0
    /// Index of the interface by which it must leave; 0 for any.
    public var outputInterface: UInt32 = 0
    public var mark: UInt32 = 0
    /// IPPROTO_TCP, IPPROTO_UDP or an ICMP's; 0 for any. Rules that match ports need it.
    public var protocolNumber: UInt8 = 0
    public var sourcePort: UInt16 = 0
    public var destinationPort: UInt16 = 0

    public init(to destination: IPAddress, from source: IPAddress? = nil) {
        self.destination = destination
        self.source = source
    }
}

/// What happens to such a packet.
public struct RouteAnswer: Sendable, Hashable {
    /// RTN_*, linux/rtnetlink.h: 1 unicast, 2 local, 3 broadcast, 5 multicast, 6 and up are rejections.
    public let type: UInt8
    /// Index of the interface by which it leaves.
    public let interface: UInt32
    /// Of either family; nil if the destination itself is on the link.
    public let gateway: IPAddress?
    /// The source address it gets if it has none (RTA_PREFSRC).
    public let source: IPAddress?
    public let table: UInt32
    /// Octets; nil for the interface's MTU.
    public let mtu: UInt32?

    public init(
        type: UInt8 = unicast, interface: UInt32, gateway: IPAddress? = nil, source: IPAddress? = nil,
        table: UInt32 = Route.mainTable, mtu: UInt32? = nil
    ) {
        self.type = type
        self.interface = interface
        self.gateway = gateway
        self.source = source
        self.table = table
        self.mtu = mtu
    }

    public static let unicast: UInt8 = 1
    public static let local: UInt8 = 2

    /// Reads an RTM_NEWROUTE message.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newRoute, message.payload.count >= 12 else { return nil }
        let attributes = Attributes(message.payload.dropFirst(12))
        type = message.payload.load(UInt8.self, at: 7)
        interface = attributes[RTA.outputInterface]?.uint32 ?? 0
        // RTA_VIA is a family, two octets, followed by an address.
        gateway = (attributes[RTA.gateway]?.bytes ?? attributes[RTA.via]?.bytes.dropFirst(2))
            .flatMap { IPAddress(bytes: $0) }
        source = attributes[RTA.preferredSource].flatMap { IPAddress(bytes: $0.bytes) }
        table = attributes[RTA.table]?.uint32 ?? UInt32(message.payload.load(UInt8.self, at: 4))
        mtu = attributes.nested(RTA.metrics)[RTA.metricMTU]?.uint32
    }
}

extension MessageBuilder {
    /// Asks how a packet is routed.
    public mutating func getRoute(_ question: RouteQuestion) {
        let width = UInt8(question.destination.family.bitWidth)
        message(RouteMessageType.getRoute, flags: MessageFlag.request) {
            $0.append(question.destination.family.code)
            $0.append(width)
            $0.append(question.source == nil ? 0 : width)
            for _ in 0..<5 { $0.append(UInt8(0)) }
            // RTM_F_LOOKUP_TABLE: return the table that has the route instead of the main one. IPv6 does so anyway and accepts no
            // flag.
            $0.append(UInt32(question.destination.family == .v4 ? 0x1000 : 0))
            $0.attribute(RTA.destination, question.destination)
            if let source = question.source { $0.attribute(RTA.source, source) }
            if question.inputInterface != 0 { $0.attribute(RTA.inputInterface, uint32: question.inputInterface) }
            if question.outputInterface != 0 { $0.attribute(RTA.outputInterface, uint32: question.outputInterface) }
            if question.mark != 0 { $0.attribute(RTA.mark, uint32: question.mark) }
            guard question.protocolNumber != 0 else { return }
            $0.attribute(RTA.protocolNumber, uint8: question.protocolNumber)
            guard question.destinationPort != 0 else { return }
            $0.attribute(RTA.sourcePort, bigEndian: question.sourcePort)
            $0.attribute(RTA.destinationPort, bigEndian: question.destinationPort)
        }
    }
}
