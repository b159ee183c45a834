public import Addresses
public import NetlinkCodec

/// What the kernel must have so that packets reach the pods of one peer.
public struct PeerWay: Sendable, Hashable {
    public var routes: [RouteEntry] = []
    /// Where the gateways of tunnelled routes are: behind the peer's MAC.
    public var neighbours: [Neighbour] = []
    /// At which address that MAC is.
    public var tunnels: [TunnelEntry] = []
    /// Why some of the peer's pods are not reached.
    public var obstacles: [Obstacle] = []

    public enum Obstacle: Sendable, Hashable {
        /// The peer has no address of a family of this node's underlay.
        case noCommonFamily
        /// The peer is behind a router, and only routes are allowed.
        case notOnLink(IPAddress)
        /// The peer has only addresses that are this node's own.
        case ownAddress(IPAddress)
        /// The subnet is not within the cluster's ranges.
        case outsideRanges(CIDR)
    }

    public init() {}
}

extension PeerWay {
    /// The way to a peer.
    ///
    /// - Parameters:
    ///   - subnets: those of the peer that are in force.
    ///   - tunnel: nil if the device is not there (yet).
    public init(
        to peer: String, at addresses: [IPAddress], subnets: [CIDR], over underlay: Underlay, _ settings: RouteSettings,
        tunnel: TunnelDevice?
    ) {
        self.init()
        guard !subnets.isEmpty else { return }
        // An address may be on its way from one node to another.
        let theirs = addresses.filter { !underlay.has($0) }
        if theirs.isEmpty, let own = addresses.first {
            obstacles = [.ownAddress(own)]
            return
        }
        var isReached = false
        for subnet in subnets {
            guard settings.allows(subnet) else {
                obstacles.append(.outsideRanges(subnet))
                continue
            }
            // A gateway of the subnet's own family, unless the peer has none there.
            let candidates = theirs.filter { $0.family == subnet.family } + theirs.filter { $0.family != subnet.family }
            if settings.mode != .vxlan, let (gateway, interface) = onLink(candidates, underlay, subnet.family) {
                routes.append(route(subnet, via: gateway, interface.index, settings))
                isReached = true
            } else if settings.mode != .routes, let tunnel,
                let end = candidates.first(where: { $0.family == tunnel.family })
            {
                let mac = TunnelDevice.mac(of: peer)
                let gateway = TunnelDevice.gateway(to: subnet, mac)
                routes.append(route(subnet, via: gateway, tunnel.index, settings, isOnLink: true))
                neighbours.append(Neighbour(gateway, mac: mac, interface: tunnel.index))
                tunnels = [TunnelEntry(mac, at: end, interface: tunnel.index)]
                isReached = true
            } else if settings.mode == .routes, let beyond = candidates.first {
                obstacles.append(.notOnLink(beyond))
            }
        }
        if !isReached, obstacles.isEmpty, tunnel != nil || addresses.isEmpty { obstacles = [.noCommonFamily] }
    }

    private func onLink(
        _ candidates: [IPAddress], _ underlay: Underlay, _ family: IPFamily
    ) -> (gateway: IPAddress, interface: Underlay.Interface)? {
        // RTA_VIA is for IPv4 destinations only.
        let usable = candidates.filter { $0.family == family || family == .v4 }
        let ways = usable.compactMap { gateway in
            underlay.link(with: gateway).map { (gateway, $0.interface, $0.network) }
        }
        // Where two nodes share several links, both must choose the same one, or strict rp_filter drops what comes.
        let family = ways.first?.0.family
        return ways.filter { $0.0.family == family }.min { $0.2.first.value < $1.2.first.value }.map { ($0.0, $0.1) }
    }

    private func route(
        _ subnet: CIDR, via gateway: IPAddress, _ interface: UInt32, _ settings: RouteSettings, isOnLink: Bool = false
    ) -> RouteEntry {
        var route = Route(
            to: subnet, via: gateway, interface: interface, priority: RouteTable.priority)
        route.origin = settings.origin
        route.isOnLink = isOnLink
        return RouteEntry(route)
    }
}
