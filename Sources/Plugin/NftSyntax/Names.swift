internal import NetlinkCodec

/// The values of a subject that has few of them, by nft's names.
enum Names: Hashable {
    case states, statuses, directions, packetTypes, addressTypes

    var type: NftType.Field {
        switch self {
        case .states: .connectionState
        case .statuses: .connectionStatus
        case .directions: .connectionDirection
        case .packetTypes: .packetType
        case .addressTypes: .addressType
        }
    }

    /// What one of them is called in error messages.
    var title: String {
        switch self {
        case .states: "a state"
        case .statuses: "a status"
        case .directions: "a direction"
        case .packetTypes: "a type of packets"
        case .addressTypes: "a type of addresses"
        }
    }

    /// In nft's order.
    var all: [(String, UInt128)] {
        switch self {
        // enum ip_conntrack_info: 1 << its number, invalid first.
        case .states: [("new", 8), ("established", 2), ("related", 4), ("invalid", 1), ("untracked", 64)]
        // IPS_*, linux/netfilter/nf_conntrack_common.h.
        case .statuses:
            [
                ("expected", 1), ("seen-reply", 2), ("assured", 4), ("confirmed", 8), ("snat", 16), ("dnat", 32),
                ("dying", 512),
            ]
        // enum ip_conntrack_dir.
        case .directions: [("original", 0), ("reply", 1)]
        // PACKET_*, linux/if_packet.h.
        case .packetTypes: [("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)]
        // RTN_*, linux/rtnetlink.h.
        case .addressTypes:
            [
                ("unspec", 0), ("unicast", 1), ("local", 2), ("broadcast", 3), ("anycast", 4), ("multicast", 5),
                ("blackhole", 6), ("unreachable", 7), ("prohibit", 8),
            ]
        }
    }
}
