internal import Addresses
internal import NetlinkCodec

/// Priorities order the chains of a hook: enum nf_ip_hook_priorities, linux/netfilter_ipv4.h.
enum Priority {
    static let raw: Int32 = -300
    static let destinationNAT: Int32 = -100
    static let filter: Int32 = 0
    static let sourceNAT: Int32 = 100
}

/// Offsets and width of the addresses in a header, in octets.
struct Header {
    let source: UInt32
    let destination: UInt32
    let width: UInt32
    let nft: NftFamily

    init(_ family: IPFamily) {
        width = UInt32(family.byteWidth)
        source = family == .v4 ? 12 : 8
        destination = source + width
        nft = family == .v4 ? .ip : .ip6
    }
}

/// A number in host byte order, as nf_tables compares values that it loads from the kernel itself.
func inHostOrder<Integer: FixedWidthInteger>(_ number: Integer) -> [UInt8] {
    let ordered = number.littleEndian
    return (0..<Integer.bitWidth / 8).map { UInt8(truncatingIfNeeded: ordered >> Integer($0 * 8)) }
}

/// An interface name as nf_tables compares it: IFNAMSIZ octets.
func interfaceName(_ name: String) -> [UInt8] {
    let octets = Array(name.utf8.prefix(15))
    return octets + [UInt8](repeating: 0, count: 16 - octets.count)
}
