public import Addresses

/// A nexthop object, which routes refer to by its number (struct nhmsg and its attributes, linux/nexthop.h).
public struct Nexthop: Sendable, Hashable {
    /// 1 and up.
    public let id: UInt32
    /// 0 for a group, and for a nexthop that drops packets.
    public let interface: UInt32
    public let gateway: IPAddress?
    /// The numbers of a group's members; empty for a single nexthop.
    public let members: [UInt32]
    public let isBlackhole: Bool

    /// Reads an RTM_NEWNEXTHOP message.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newNexthop, message.payload.count >= 8 else { return nil }
        let attributes = Attributes(message.payload.dropFirst(8))
        guard let id = attributes[NHA.id]?.uint32 else { return nil }
        self.id = id
        interface = attributes[NHA.interface]?.uint32 ?? 0
        gateway = attributes[NHA.gateway].flatMap { IPAddress(bytes: $0.bytes) }
        isBlackhole = attributes[NHA.blackhole] != nil
        // struct nexthop_grp: number, weight, padding; 8 octets each.
        let group = attributes[NHA.group]?.bytes ?? []
        members = stride(from: 0, to: group.count & ~7, by: 8).map { group.load(UInt32.self, at: $0) }
    }
}

/// Nexthop attributes, linux/nexthop.h.
private enum NHA {
    static let id: UInt16 = 1
    static let group: UInt16 = 2
    static let blackhole: UInt16 = 4
    static let interface: UInt16 = 5
    static let gateway: UInt16 = 6
}

extension MessageBuilder {
    /// Makes a nexthop on an interface, for IPv4 routes or, with a gateway, for those of the gateway's family.
    public mutating func addNexthop(_ id: UInt32, interface: UInt32, gateway: IPAddress? = nil) {
        message(
            RouteMessageType.newNexthop, flags: MessageFlag.request | MessageFlag.create | MessageFlag.exclusive
        ) {
            $0.append((gateway?.family ?? .v4).code)
            for _ in 0..<7 { $0.append(UInt8(0)) }
            $0.attribute(NHA.id, uint32: id)
            $0.attribute(NHA.interface, uint32: interface)
            if let gateway { $0.attribute(NHA.gateway, gateway) }
        }
    }

    public mutating func deleteNexthop(_ id: UInt32) {
        message(RouteMessageType.deleteNexthop, flags: MessageFlag.request) {
            for _ in 0..<8 { $0.append(UInt8(0)) }
            $0.attribute(NHA.id, uint32: id)
        }
    }
}
