/// How connection tracking has marked a packet (enum ip_conntrack_info, linux/netfilter/nf_conntrack_common.h).
public enum Tracking: Sendable, Hashable {
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
    public var isTracked: Bool { self == .new || self == .established }
}

/// A namespace's view of a connection.
public struct TrackedConnection: Sendable {
    /// IPS_SRC_NAT and IPS_DST_NAT, linux/netfilter/nf_conntrack_common.h.
    static let sourceRewritten: UInt32 = 0x10
    static let destinationRewritten: UInt32 = 0x20
    /// IPS_SEEN_REPLY and IPS_CONFIRMED.
    static let answered: UInt32 = 0x02 | 0x08

    /// As its first packet came.
    public let original: Packet
    /// As it left.
    public var final: Packet
    /// What has been rewritten: ``sourceRewritten``, ``destinationRewritten``.
    var rewritten: UInt32 = 0
    /// Whether that is known, and how it left.
    public var isRewritingKnown = true
    /// What has been decided, if only that nothing is to be rewritten, in the same bits.
    var settled: UInt32 = 0
    /// What rules have written on it.
    var mark: UInt32 = 0
    public var isMarkKnown = true
    /// Sets to which rules have added something because of it.
    var updated: Set<Ruleset.Place> = []
    /// Of the packet that is passing.
    public var tracking = Tracking.invalid
    /// What connection tracking will find when it looks at that packet.
    public var finding = Tracking.new

    public init(_ original: Packet) {
        self.original = original
        final = original
    }
}
