internal import Addresses
internal import NetlinkCodec

/// What a match looks at: where it is loaded from, and what values of it look like.
struct Subject {
    /// Loads it, or as many of its first octets.
    let load: (_ length: UInt32) -> NftExpression
    let kind: Kind
    /// Whether it is in an IP header, which a table of all families must see first.
    var isInNetworkHeader = false
    /// The protocol that it belongs to.
    var transport: Transport?

    enum Kind: Hashable {
        case address(IPFamily)
        case port
        case protocolNumber(isHostOrder: Bool)
        case networkProtocol
        case interfaceName
        case mark
        case connectionState
    }

    struct Transport {
        let name: String
        let number: UInt8
    }

    /// In octets.
    var length: UInt32 {
        switch kind {
        case .address(let family): UInt32(family.byteWidth)
        case .port: 2
        case .protocolNumber, .networkProtocol: 1
        case .interfaceName: 16
        case .mark, .connectionState: 4
        }
    }

    /// The highest number that fits.
    var maximum: UInt128 { UInt128.max >> UInt128(128 - length * 8) }

    /// Whether it is a number in host byte order. (Whether an octet or a name is one does not matter.)
    var isHostNumber: Bool { kind == .mark || kind == .connectionState }

    /// The type of a set of such things, and the byte order that nft notes with it; nil where sets have no sense.
    var setKey: (NftType.Field, isHostOrder: Bool)? {
        switch kind {
        case .address(.v4): (.ipv4, false)
        case .address(.v6): (.ipv6, false)
        case .port: (.port, false)
        case .protocolNumber(let isHostOrder): (.protocolNumber, isHostOrder)
        case .interfaceName: (.interfaceName, true)
        case .mark: (.mark, true)
        case .connectionState: (.connectionState, true)
        case .networkProtocol: nil
        }
    }

    /// Whether values of it have an order that means something.
    var isOrdered: Bool {
        switch kind {
        case .address, .port, .mark: true
        case .protocolNumber, .networkProtocol, .interfaceName, .connectionState: false
        }
    }

    static let transports = [
        "tcp": Transport(name: "tcp", number: 6), "udp": Transport(name: "udp", number: 17),
        "sctp": Transport(name: "sctp", number: 132),
    ]

    static func meta(_ key: NftExpression.Meta, _ kind: Kind) -> Subject {
        Subject(load: { _ in .meta(key) }, kind: kind)
    }

    static func connection(_ key: NftExpression.Connection, _ kind: Kind) -> Subject {
        Subject(load: { _ in .connection(key) }, kind: kind)
    }

    /// A field of the IP header.
    static func network(_ offset: UInt32, _ kind: Kind) -> Subject {
        Subject(
            load: { .payload(.network, offset: offset, length: $0) }, kind: kind, isInNetworkHeader: true)
    }

    /// The source or destination port, which are at the same place in all protocols that have them.
    static func port(_ offset: UInt32, _ transport: Transport?) -> Subject {
        Subject(load: { .payload(.transport, offset: offset, length: $0) }, kind: .port, transport: transport)
    }
}
