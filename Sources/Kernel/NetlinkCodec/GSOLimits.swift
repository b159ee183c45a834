/// The largest TCP packets that leave a link in one piece, in octets; larger ones are first segmented to the MTU's size. Sizes
/// above 64 KiB are known as BIG TCP.
public struct GSOLimits: Sendable, Hashable {
    /// IFLA_GSO_IPV4_MAX_SIZE, linux/if_link.h.
    public var v4: UInt32
    /// IFLA_GSO_MAX_SIZE.
    public var v6: UInt32

    public init(v4: UInt32, v6: UInt32) {
        self.v4 = v4
        self.v6 = v6
    }

    /// GSO_LEGACY_MAX_SIZE, linux/netdevice.h: the default of every link.
    public static let usual: UInt32 = 65536
    /// GSO_MAX_SIZE, linux/netdevice.h.
    public static let most: UInt32 = 8 * 65535
    /// A link with these limits never segments what another link has passed on.
    public static let all = GSOLimits(v4: most, v6: most)

    /// Whether every packet that fits the other limits fits these.
    public func cover(_ other: GSOLimits) -> Bool { v4 >= other.v4 && v6 >= other.v6 }

    /// Raised to the other limits where those are higher.
    public func raised(to other: GSOLimits) -> GSOLimits { GSOLimits(v4: max(v4, other.v4), v6: max(v6, other.v6)) }

    /// Lowered to a link's maximum.
    public func lowered(to limit: UInt32) -> GSOLimits { GSOLimits(v4: min(v4, limit), v6: min(v6, limit)) }
}
