internal import Addresses
internal import NetlinkCodec

/// What a match examines: how to load it, and the form of its values.
struct Subject {
    /// Loads it, or its first `length` octets.
    let load: (_ length: UInt32) -> NftExpression
    let kind: Kind
    /// Whether it is in an IP header, so that a table for all families must check the IP version first.
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
        /// A user or group.
        case identity(NftType.Field)
        case mac
        case named(Names)
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
        case .mark, .identity: 4
        case .mac: 6
        case .named(let names): names.type.length
        }
    }

    /// The highest number that fits.
    var maximum: UInt128 { UInt128.max >> UInt128(128 - length * 8) }

    /// Whether it is a number in host byte order. (For an octet or a name it does not matter.)
    var isHostNumber: Bool {
        switch kind {
        case .mark, .identity: true
        case .named: length == 4
        default: false
        }
    }

    /// Whether each of its names is a bit, and several can be true at once.
    var isBitmask: Bool { kind == .named(.states) || kind == .named(.statuses) }

    /// The type of a set of such values, and the byte order that nft records with it; nil if sets make no sense.
    var setKey: (NftType.Field, isHostOrder: Bool)? {
        switch kind {
        case .address(.v4): (.ipv4, false)
        case .address(.v6): (.ipv6, false)
        case .port: (.port, false)
        case .protocolNumber(let isHostOrder): (.protocolNumber, isHostOrder)
        case .interfaceName: (.interfaceName, true)
        case .mark: (.mark, true)
        case .identity(let type): (type, true)
        case .mac: (.mac, false)
        case .named(let names): (names.type, true)
        case .networkProtocol: nil
        }
    }

    /// Whether its values have a meaningful order.
    var isOrdered: Bool {
        switch kind {
        case .address, .port, .mark, .identity: true
        case .protocolNumber, .networkProtocol, .interfaceName, .mac, .named: false
        }
    }

    /// Loaded from the Ethernet header, which not every packet has.
    static func link(_ offset: UInt32) -> Subject {
        Subject(load: { .payload(.link, offset: offset, length: $0) }, kind: .mac)
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

    /// The source or destination port; it is at the same offset in all protocols that have ports.
    static func port(_ offset: UInt32, _ transport: Transport?) -> Subject {
        Subject(load: { .payload(.transport, offset: offset, length: $0) }, kind: .port, transport: transport)
    }
}
