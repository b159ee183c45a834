public import Addresses

/// How packets get to other nodes.
public struct RouteSettings: Sendable, Hashable {
    /// Which way leads to a peer.
    public enum Mode: String, Sendable, CaseIterable {
        /// Routes where the peer is on a link of this node, VXLAN otherwise.
        case auto
        /// Only routes; peers beyond a router are not reached.
        case routes
        /// Only VXLAN.
        case vxlan
    }

    public var mode: Mode
    /// What pods of all nodes have addresses from: packets to those that nobody has are rejected, instead of leaving by the
    /// default route.
    public var clusterRanges: [CIDR]
    /// RTPROT_* of all routes of ours, which marks them (`ip route show proto`; linux/rtnetlink.h leaves 5 to 255 to programs).
    public var origin: UInt8 = RouteSettings.usualOrigin

    /// Not in /etc/iproute2/rt_protos, where others' numbers are.
    public static let usualOrigin: UInt8 = 83

    /// Whether pods may have addresses of this subnet: no route leads to others, whatever a peer claims.
    func allows(_ subnet: CIDR) -> Bool {
        clusterRanges.isEmpty || clusterRanges.contains { $0.contains(subnet.first) && $0.contains(subnet.last) }
    }

    public init(_ mode: Mode = .auto, clusterRanges: [CIDR] = []) {
        self.mode = mode
        self.clusterRanges = clusterRanges
    }
}

/// This node's VXLAN device, as far as routes depend on it.
public struct TunnelDevice: Sendable, Hashable {
    public var index: UInt32
    /// The family of outer packets.
    public var family: IPFamily

    public init(index: UInt32, family: IPFamily) {
        self.index = index
        self.family = family
    }

    /// The MAC of a node's VXLAN device: made from its name, so that every node knows it without asking.
    ///
    /// Two of 5,000 nodes get the same with a probability of 2 in 10 million.
    public static func mac(of node: String) -> MACAddress {
        // FNV-1a: it must be the same in every version, which Hasher is not.
        let hash = node.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return MACAddress(locallyAdministered: hash ^ hash >> 48)
    }

    /// What stands for a node within the tunnel, as gateway of its subnet: for IPv4 the subnet's first address, which no pod has.
    ///
    /// For IPv6 a link-local address made from the MAC: the kernel refuses another one while a route to it leads out of another
    /// device, as that of the same subnet does before the way changes.
    static func gateway(to subnet: CIDR, _ mac: MACAddress) -> IPAddress {
        guard subnet.family == .v6 else { return subnet.first }
        return IPAddress(.v6, mac.bytes.reduce(0) { $0 << 8 | UInt128($1) } | UInt128(0xfe80) << 112)
    }
}
