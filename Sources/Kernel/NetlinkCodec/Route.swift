public import Addresses

/// A route (rtmsg and its attributes, linux/rtnetlink.h).
public struct Route: Sendable, Hashable {
    public var destination: CIDR
    /// It may be of the other family for IPv4 destinations only (RTA_VIA, since Linux 5.2).
    public var gateway: IPAddress?
    /// Output interface; 0 derives it from the gateway.
    public var interface: UInt32
    /// 254 is the main table.
    public var table: UInt32
    /// RT_SCOPE_*: 0 universe, 253 link, 254 host.
    public var scope: UInt8
    public var priority: UInt32?
    /// Octets.
    public var mtu: UInt32?
    /// Octets.
    public var advmss: UInt32?
    /// The source address for packets that have none yet (RTA_PREFSRC).
    public var source: IPAddress?
    /// RTPROT_*: the program that added it. 2 is the kernel, 3 an administrator's program (RTPROT_BOOT), not a routing daemon.
    public var origin: UInt8 = 3
    /// Whether to treat the gateway as on-link although no address covers it (RTNH_F_ONLINK).
    public var isOnLink = false

    public static let mainTable: UInt32 = 254
    public static let linkScope: UInt8 = 253

    public init(
        to destination: CIDR, via gateway: IPAddress? = nil, interface: UInt32 = 0, table: UInt32 = mainTable,
        scope: UInt8? = nil, priority: UInt32? = nil, mtu: UInt32? = nil, advmss: UInt32? = nil
    ) {
        self.destination = destination
        self.gateway = gateway
        self.interface = interface
        self.table = table
        self.scope = scope ?? (gateway == nil && destination.family == .v4 ? Route.linkScope : 0)
        self.priority = priority
        self.mtu = mtu
        self.advmss = advmss
    }

    /// Reads an RTM_NEWROUTE message; nil for multipath routes and for unknown families.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newRoute, message.payload.count >= 12,
            let family = IPFamily(code: message.payload.load(UInt8.self, at: 0))
        else { return nil }
        let prefixLength = Int(message.payload.load(UInt8.self, at: 1))
        let attributes = Attributes(message.payload.dropFirst(12))
        guard prefixLength <= family.bitWidth else { return nil }
        let target = attributes[RTA.destination].flatMap { IPAddress(bytes: $0.bytes) } ?? IPAddress(family, 0)
        guard target.family == family else { return nil }
        destination = CIDR(target, prefixLength)
        // RTA_VIA has the family in two octets (struct rtvia), followed by the address.
        gateway = (attributes[RTA.gateway]?.bytes ?? attributes[RTA.via]?.bytes.dropFirst(2))
            .flatMap { IPAddress(bytes: $0) }
        interface = attributes[RTA.outputInterface]?.uint32 ?? 0
        table = attributes[RTA.table]?.uint32 ?? UInt32(message.payload.load(UInt8.self, at: 4))
        scope = message.payload.load(UInt8.self, at: 6)
        priority = attributes[RTA.priority]?.uint32
        let metrics = attributes.nested(RTA.metrics)
        mtu = metrics[RTA.metricMTU]?.uint32
        advmss = metrics[RTA.metricAdvertisedMSS]?.uint32
        let source = attributes[RTA.preferredSource].flatMap { IPAddress(bytes: $0.bytes) }
        guard source.map({ $0.family == family }) ?? true else { return nil }
        self.source = source
        origin = message.payload.load(UInt8.self, at: 5)
        isOnLink = message.payload.load(UInt32.self, at: 8) & Route.onLinkFlag != 0
    }

    /// RTNH_F_ONLINK.
    fileprivate static let onLinkFlag: UInt32 = 4
}

extension Route: CustomStringConvertible {
    public var description: String { "\(destination)" + (gateway.map { " via \($0)" } ?? "") }
}

extension MessageBuilder {
    /// The kernel reads as many octets as it needs, so that the attribute must say whose they are.
    private mutating func gateway(_ gateway: IPAddress, to family: IPFamily) {
        guard gateway.family != family else { return attribute(RTA.gateway, gateway) }
        var via = MessageBuilder()
        via.append(UInt16(gateway.family.code))
        attribute(RTA.via, via.bytes + gateway.bytes)
    }

    /// - Parameter type: RTN_*, 1 unicast.
    mutating func route(_ route: Route, type: UInt8 = 1) {
        let family = route.destination.family
        precondition(route.source.map { $0.family == family } ?? true, "the source is of the destination's family")
        append(family.code)
        append(UInt8(route.destination.prefixLength))
        append(UInt8(0))  // source prefix
        append(UInt8(0))  // type of service
        append(UInt8(route.table < 256 ? route.table : 0))
        append(route.origin)
        append(route.scope)
        append(type)
        append(route.isOnLink ? Route.onLinkFlag : 0)
        if route.destination.prefixLength > 0 { attribute(RTA.destination, route.destination.first) }
        if let gateway = route.gateway { self.gateway(gateway, to: family) }
        if route.interface != 0 { attribute(RTA.outputInterface, uint32: route.interface) }
        if let source = route.source { attribute(RTA.preferredSource, source) }
        if route.table >= 256 { attribute(RTA.table, uint32: route.table) }
        if let priority = route.priority { attribute(RTA.priority, uint32: priority) }
        if route.mtu != nil || route.advmss != nil {
            nested(RTA.metrics) {
                if let mtu = route.mtu { $0.attribute(RTA.metricMTU, uint32: mtu) }
                if let advmss = route.advmss { $0.attribute(RTA.metricAdvertisedMSS, uint32: advmss) }
            }
        }
    }

    /// Adds a route; `EEXIST` if one has the same destination, table and priority.
    ///
    /// - Parameter ahead: adds it even so, before those; `EEXIST` only if there is this very one. For IPv4 only.
    public mutating func addRoute(_ route: Route, ahead: Bool = false) {
        message(
            RouteMessageType.newRoute,
            flags: MessageFlag.request | MessageFlag.create | (ahead ? 0 : MessageFlag.exclusive)
        ) { $0.route(route) }
    }

    public mutating func deleteRoute(_ route: Route) {
        message(RouteMessageType.deleteRoute, flags: MessageFlag.request) { $0.route(route) }
    }

    /// Asks for all routes of a family.
    public mutating func dumpRoutes(_ family: IPFamily) {
        dumpOfFamily(RouteMessageType.getRoute, family)
    }

    /// Asks for all routes, or all rules, of a family: rtmsg and fib_rule_hdr (linux/fib_rules.h) have the same layout.
    mutating func dumpOfFamily(_ type: UInt16, _ family: IPFamily) {
        message(type, flags: MessageFlag.request | MessageFlag.dump) {
            $0.append(family.code)
            for _ in 0..<7 { $0.append(UInt8(0)) }
            $0.append(UInt32(0))
        }
    }

    /// Asks which route leads to an address.
    public mutating func getRoute(to address: IPAddress) {
        message(RouteMessageType.getRoute, flags: MessageFlag.request) {
            $0.append(address.family.code)
            $0.append(UInt8(address.family.bitWidth))
            for _ in 0..<6 { $0.append(UInt8(0)) }
            $0.append(UInt32(0))
            $0.attribute(RTA.destination, address)
        }
    }
}
