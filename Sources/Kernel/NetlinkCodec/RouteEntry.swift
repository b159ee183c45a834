public import Addresses

/// A route with everything that an agent writes and compares; ``Route`` has only what a pod needs. It can also reject or
/// encapsulate packets.
public struct RouteEntry: Sendable, Hashable {
    public var route: Route
    public var type: Kind
    /// The outer packet in which each packet is encapsulated.
    public var encapsulation: TunnelEncapsulation?
    /// Whether there are next hops that are not represented here: several (RTA_MULTIPATH), or a nexthop object (RTA_NH_ID).
    public private(set) var hasOtherNextHops = false

    /// RTN_*, linux/rtnetlink.h.
    public struct Kind: RawRepresentable, Sendable, Hashable {
        public let rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let unicast = Kind(rawValue: 1)
        public static let local = Kind(rawValue: 2)
        public static let broadcast = Kind(rawValue: 3)
        /// Drops packets silently.
        public static let blackhole = Kind(rawValue: 6)
        /// Drops packets and notifies their senders.
        public static let unreachable = Kind(rawValue: 7)
        public static let prohibit = Kind(rawValue: 8)
    }

    public init(_ route: Route, encapsulation: TunnelEncapsulation? = nil) {
        self.route = route
        type = .unicast
        self.encapsulation = encapsulation
    }

    /// A route that stops packets from using a less specific route.
    ///
    /// - Parameters:
    ///   - type: ``Kind/blackhole``, ``Kind/unreachable`` or ``Kind/prohibit``.
    ///   - origin: RTPROT_*.
    public init(_ type: Kind, _ destination: CIDR, priority: UInt32? = nil, origin: UInt8) {
        route = Route(to: destination, scope: 0, priority: priority)
        route.origin = origin
        self.type = type
    }

    /// Reads an RTM_NEWROUTE or RTM_DELROUTE message.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newRoute || message.type == RouteMessageType.deleteRoute,
            var route = Route(
                Message(
                    type: RouteMessageType.newRoute, flags: message.flags, sequence: message.sequence,
                    payload: message.payload))
        else { return nil }
        let attributes = Attributes(message.payload.dropFirst(12))
        type = Kind(rawValue: message.payload.load(UInt8.self, at: 7))
        // IPv6 lists rejecting routes with the loopback interface.
        if type.rawValue >= Kind.blackhole.rawValue { route.interface = 0 }
        self.route = route
        encapsulation = TunnelEncapsulation(
            type: attributes[RTAEncapsulation.type]?.uint16, attributes.nested(RTAEncapsulation.content))
        hasOtherNextHops =
            attributes[RTAEncapsulation.multipath] != nil || attributes[RTAEncapsulation.nextHopID] != nil
    }
}

/// The outer header that a route passes to a device which reads it from each packet's metadata (LWTUNNEL_ENCAP_IP and _IP6,
/// linux/lwtunnel.h).
public struct TunnelEncapsulation: Sendable, Hashable {
    /// The remote end; its family is that of the outer header.
    public var destination: IPAddress
    /// Nil lets the routing table choose.
    public var source: IPAddress?
    /// Such as a VXLAN's network identifier, 0...16777215; used only with ``Flags/key``.
    public var id: UInt64
    /// TTL or hop limit; 0 for the device's default.
    public var ttl: UInt8 = 0
    public var flags: Flags

    /// Flags of tunnels, linux/if_tunnel.h.
    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt16

        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// TUNNEL_CSUM.
        public static let checksum = Flags(rawValue: 0x01)
        /// TUNNEL_KEY.
        public static let key = Flags(rawValue: 0x04)
        /// TUNNEL_DONT_FRAGMENT.
        public static let doNotFragment = Flags(rawValue: 0x0100)
    }

    public init(to destination: IPAddress, from source: IPAddress? = nil, id: UInt64, flags: Flags = .key) {
        self.destination = destination
        self.source = source
        self.id = id
        self.flags = flags
    }

    /// Reads RTA_ENCAP; nil for another type of encapsulation, or none.
    init?(type: UInt16?, _ attributes: Attributes) {
        guard type == RTAEncapsulation.ip || type == RTAEncapsulation.ip6,
            let destination = attributes[LWTUNNEL.destination].flatMap({ IPAddress(bytes: $0.bytes) }),
            destination.family == (type == RTAEncapsulation.ip ? .v4 : .v6)
        else { return nil }
        self.destination = destination
        // The kernel lists the unspecified address if none was given.
        source = attributes[LWTUNNEL.source].flatMap { IPAddress(bytes: $0.bytes) }
            .flatMap { $0.bytes.allSatisfy { $0 == 0 } ? nil : $0 }
        id = attributes[LWTUNNEL.id]?.bigEndian64 ?? 0
        ttl = attributes[LWTUNNEL.ttl]?.uint8 ?? 0
        flags = Flags(rawValue: attributes[LWTUNNEL.flags]?.bigEndian16 ?? 0)
    }

    fileprivate func encode(_ builder: inout MessageBuilder) {
        builder.attribute(
            RTAEncapsulation.type, uint16: destination.family == .v4 ? RTAEncapsulation.ip : RTAEncapsulation.ip6)
        builder.nested(RTAEncapsulation.content) {
            $0.attribute(LWTUNNEL.id, bigEndian: id)
            $0.attribute(LWTUNNEL.destination, destination)
            if let source { $0.attribute(LWTUNNEL.source, source) }
            if ttl != 0 { $0.attribute(LWTUNNEL.ttl, uint8: ttl) }
            $0.attribute(LWTUNNEL.flags, bigEndian: flags.rawValue)
        }
    }
}

extension MessageBuilder {
    private mutating func entry(_ entry: RouteEntry) {
        route(entry.route, type: entry.type.rawValue)
        entry.encapsulation?.encode(&self)
    }

    /// Adds a route; `EEXIST` if one has the same destination, table and priority.
    public mutating func addRoute(_ entry: RouteEntry) {
        message(
            RouteMessageType.newRoute, flags: MessageFlag.request | MessageFlag.create | MessageFlag.exclusive
        ) { $0.entry(entry) }
    }

    /// Adds a route, or replaces the one with the same destination, table and priority, even of another program.
    public mutating func replaceRoute(_ entry: RouteEntry) {
        message(
            RouteMessageType.newRoute, flags: MessageFlag.request | MessageFlag.create | MessageFlag.replace
        ) { $0.entry(entry) }
    }

    /// Deletes the route that matches this one in every respect; `ESRCH` if there is none.
    ///
    /// The kernel also compares origin, type, gateway, interface and encapsulation, so another program's route to the same
    /// destination stays. Without a priority, IPv4 matches any.
    public mutating func deleteRoute(_ entry: RouteEntry) {
        message(RouteMessageType.deleteRoute, flags: MessageFlag.request) { $0.entry(entry) }
    }

    /// Asks for the routes of one origin (RTPROT_*).
    ///
    /// - Parameter table: nil for all tables. `ENOENT` if the table does not exist.
    ///
    /// Kernels before 4.20, and sockets without strict checking, return all routes: the caller filters.
    public mutating func dumpRoutes(_ family: IPFamily, origin: UInt8, table: UInt32? = nil) {
        message(RouteMessageType.getRoute, flags: MessageFlag.request | MessageFlag.dump) {
            $0.append(family.code)
            for _ in 0..<4 { $0.append(UInt8(0)) }
            $0.append(origin)
            $0.append(UInt16(0))
            $0.append(UInt32(0))
            if let table { $0.attribute(RTA.table, uint32: table) }
        }
    }
}

/// Route attributes of next hops, linux/rtnetlink.h and linux/lwtunnel.h.
private enum RTAEncapsulation {
    static let multipath: UInt16 = 9
    static let type: UInt16 = 21
    static let content: UInt16 = 22
    static let nextHopID: UInt16 = 30

    /// LWTUNNEL_ENCAP_IP.
    static let ip: UInt16 = 2
    /// LWTUNNEL_ENCAP_IP6.
    static let ip6: UInt16 = 4
}

/// LWTUNNEL_IP_* and LWTUNNEL_IP6_*, linux/lwtunnel.h: the same numbers.
private enum LWTUNNEL {
    static let id: UInt16 = 1
    static let destination: UInt16 = 2
    static let source: UInt16 = 3
    static let ttl: UInt16 = 4
    static let flags: UInt16 = 6
}
