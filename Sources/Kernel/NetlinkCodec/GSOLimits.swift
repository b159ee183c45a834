/// The largest TCP packets that leave by a link in one piece, in octets; what is larger is cut up into segments of the MTU's
/// size first. Above 64 KiB it is what the field calls BIG TCP.
public struct GSOLimits: Sendable, Hashable {
    /// IFLA_GSO_IPV4_MAX_SIZE, linux/if_link.h.
    public var v4: UInt32
    /// IFLA_GSO_MAX_SIZE.
    public var v6: UInt32

    public init(v4: UInt32, v6: UInt32) {
        self.v4 = v4
        self.v6 = v6
    }

    /// GSO_LEGACY_MAX_SIZE, linux/netdevice.h: every link's from the start.
    public static let usual: UInt32 = 65536
    /// GSO_MAX_SIZE, linux/netdevice.h.
    public static let most: UInt32 = 8 * 65535
    /// The link that has these cuts nothing up that another one has let through.
    public static let all = GSOLimits(v4: most, v6: most)

    /// Whether all that fits into the other ones fits into these.
    public func cover(_ other: GSOLimits) -> Bool { v4 >= other.v4 && v6 >= other.v6 }

    /// Raised to the other ones where those are higher.
    public func raised(to other: GSOLimits) -> GSOLimits { GSOLimits(v4: max(v4, other.v4), v6: max(v6, other.v6)) }

    /// Lowered to what a link can do at most.
    public func lowered(to limit: UInt32) -> GSOLimits { GSOLimits(v4: min(v4, limit), v6: min(v6, limit)) }
}
