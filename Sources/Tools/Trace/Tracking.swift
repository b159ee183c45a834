/// How connection tracking has marked a packet (enum ip_conntrack_info, linux/netfilter/nf_conntrack_common.h).
enum Tracking: Sendable, Hashable {
    /// It has not looked at the packet yet, or it belongs to nothing that it knows.
    case invalid
    /// By `notrack`: it does not look.
    case untracked
    case new
    case established

    /// NF_CT_STATE_BIT.
    var stateBit: UInt32 {
        switch self {
        case .invalid: 1
        case .established: 2
        case .new: 8
        case .untracked: 64
        }
    }

    /// Whether there is a connection that rules can ask about.
    var isTracked: Bool { self == .new || self == .established }
}

/// A namespace's view of a connection.
struct Connection: Sendable {
    let place: Int
    /// As its first packet came.
    let original: Packet
    /// As it left.
    var final: Packet
    /// IPS_SRC_NAT 0x10, IPS_DST_NAT 0x20 (linux/netfilter/nf_conntrack_common.h).
    var rewritten: UInt32 = 0
    /// What has been decided, if only that nothing is to be rewritten, in the same bits.
    var settled: UInt32 = 0
    /// What rules have written on it.
    var mark: UInt32 = 0
    /// Sets to which rules have added something because of it.
    var updated: Set<Ruleset.Place> = []
    /// Of the packet that is passing.
    var tracking = Tracking.invalid
    /// What connection tracking will find when it looks at that packet.
    var finding = Tracking.new
}
