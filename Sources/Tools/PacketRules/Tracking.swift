/// How connection tracking has classified a packet (enum ip_conntrack_info, linux/netfilter/nf_conntrack_common.h).
public enum Tracking: Sendable, Hashable {
    /// The packet has not been classified yet, or it belongs to no known connection.
    case invalid
    /// Because of `notrack`.
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

    /// Its first packet, as it arrived.
    public let original: Packet
    /// Its first packet, as it left.
    public var final: Packet
    /// What has been rewritten: ``sourceRewritten``, ``destinationRewritten``.
    var rewritten: UInt32 = 0
    /// Whether ``rewritten`` and ``final`` are known.
    public var isRewritingKnown = true
    /// For which of the same bits the decision is made, even if it is not to rewrite.
    var settled: UInt32 = 0
    /// The connection mark that rules have set.
    var mark: UInt32 = 0
    public var isMarkKnown = true
    /// Sets to which rules have added something because of it.
    var updated: Set<Ruleset.Place> = []
    /// The classification of the packet that is passing.
    public var tracking = Tracking.invalid
    /// The classification that connection tracking will give that packet.
    public var finding = Tracking.new

    public init(_ original: Packet) {
        self.original = original
        final = original
    }
}
