extension NftType {
    /// `typeof ip daddr . meta l4proto . th dport . numgen random mod 65535`, for a map to `ip daddr . th dport`: an address with a
    /// port, and the number of a choice in host byte order. nft has no name for such a number's type; the octets are those that
    /// nft writes for that text, in which the modulus stands for any.
    public static let ipv4AndChoice = NftType(
        [.ipv4, .protocolNumber, .port, .integer],
        userData: [
            0, 4, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 3, 0x60, 0, 4, 0x0d, 0, 0, 0, 1, 0x58, 0, 0x14, 0, 4, 7, 0, 0, 0, 1,
            0x0c, 0, 4, 0x0c, 0, 0, 0, 1, 4, 0x0c, 0, 0, 0, 1, 0x0e, 0, 4, 9, 0, 0, 0, 1, 6, 0, 4, 0x10, 0, 0, 0, 2,
            0x14, 0, 4, 7, 0, 0, 0, 1, 0x0c, 0, 4, 0x0b, 0, 0, 0, 1, 4, 2, 0, 0, 0, 3, 0x1a, 0, 4, 0x17, 0, 0, 0, 1,
            0x12, 0, 4, 1, 0, 0, 0, 1, 4, 0xff, 0xff, 0, 0, 2, 4, 0, 0, 0, 0, 4, 0x34, 0, 4, 0x0d, 0, 0, 0, 1, 0x2c,
            0, 0x14, 0, 4, 7, 0, 0, 0, 1, 0x0c, 0, 4, 0x0c, 0, 0, 0, 1, 4, 0x0c, 0, 0, 0, 1, 0x14, 0, 4, 7, 0, 0, 0,
            1, 0x0c, 0, 4, 0x0b, 0, 0, 0, 1, 4, 2, 0, 0, 0, 6, 4, 0, 0, 0, 0,
        ], length: 16)

    /// The same with `ip6 daddr`.
    public static let ipv6AndChoice = NftType(
        [.ipv6, .protocolNumber, .port, .integer],
        userData: [
            0, 4, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 3, 0x60, 0, 4, 0x0d, 0, 0, 0, 1, 0x58, 0, 0x14, 0, 4, 7, 0, 0, 0, 1,
            0x0c, 0, 4, 0x0d, 0, 0, 0, 1, 4, 9, 0, 0, 0, 1, 0x0e, 0, 4, 9, 0, 0, 0, 1, 6, 0, 4, 0x10, 0, 0, 0, 2,
            0x14, 0, 4, 7, 0, 0, 0, 1, 0x0c, 0, 4, 0x0b, 0, 0, 0, 1, 4, 2, 0, 0, 0, 3, 0x1a, 0, 4, 0x17, 0, 0, 0, 1,
            0x12, 0, 4, 1, 0, 0, 0, 1, 4, 0xff, 0xff, 0, 0, 2, 4, 0, 0, 0, 0, 4, 0x34, 0, 4, 0x0d, 0, 0, 0, 1, 0x2c,
            0, 0x14, 0, 4, 7, 0, 0, 0, 1, 0x0c, 0, 4, 0x0d, 0, 0, 0, 1, 4, 9, 0, 0, 0, 1, 0x14, 0, 4, 7, 0, 0, 0, 1,
            0x0c, 0, 4, 0x0b, 0, 0, 0, 1, 4, 2, 0, 0, 0, 6, 4, 0, 0, 0, 0,
        ], length: 28)
}
