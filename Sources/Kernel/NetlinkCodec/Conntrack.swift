public import Addresses

/// One direction of a connection: addresses and ports of its packets (enum ctattr_tuple, linux/netfilter/nfnetlink_conntrack.h).
///
/// Protocols without ports (ICMP, GRE) have other fields and are not represented.
public struct ConnectionTuple: Sendable, Hashable, CustomStringConvertible {
    public let source: IPAddress
    public let destination: IPAddress
    /// IANA's number: 6 is TCP, 17 UDP, 132 SCTP.
    public let protocolNumber: UInt8
    public let sourcePort: UInt16
    public let destinationPort: UInt16
    /// The zone if it applies to this direction only; 0 is the default one.
    public let zone: UInt16

    /// - Precondition: both addresses are of one family.
    public init(
        _ protocolNumber: UInt8, from source: IPAddress, _ sourcePort: UInt16, to destination: IPAddress,
        _ destinationPort: UInt16, zone: UInt16 = 0
    ) {
        precondition(source.family == destination.family, "a tuple is of one family")
        self.protocolNumber = protocolNumber
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.destinationPort = destinationPort
        self.zone = zone
    }

    public var family: IPFamily { source.family }

    public var description: String {
        "protocol \(protocolNumber) from \(source) port \(sourcePort) to \(destination) port \(destinationPort)"
    }

    init?(_ attributes: Attributes) {
        let addresses = attributes.nested(CTA.tupleAddresses)
        let transport = attributes.nested(CTA.tupleTransport)
        let address = { (v4: UInt16, v6: UInt16) -> IPAddress? in
            // One attribute type per family; an address of the other family's length is invalid.
            if let bytes = addresses[v4]?.bytes { return bytes.count == 4 ? IPAddress(bytes: bytes) : nil }
            if let bytes = addresses[v6]?.bytes { return bytes.count == 16 ? IPAddress(bytes: bytes) : nil }
            return nil
        }
        guard let source = address(CTA.sourceV4, CTA.sourceV6),
            let destination = address(CTA.destinationV4, CTA.destinationV6), source.family == destination.family,
            let protocolNumber = transport[CTA.protocolNumber]?.uint8,
            let sourcePort = transport[CTA.sourcePort]?.bigEndian16,
            let destinationPort = transport[CTA.destinationPort]?.bigEndian16
        else { return nil }
        self.init(
            protocolNumber, from: source, sourcePort, to: destination, destinationPort,
            zone: attributes[CTA.tupleZone]?.bigEndian16 ?? 0)
    }

    func encode(_ builder: inout MessageBuilder) {
        builder.nested(CTA.tupleAddresses) { addresses in
            addresses.attribute(family == .v4 ? CTA.sourceV4 : CTA.sourceV6, source)
            addresses.attribute(family == .v4 ? CTA.destinationV4 : CTA.destinationV6, destination)
        }
        builder.nested(CTA.tupleTransport) { transport in
            transport.attribute(CTA.protocolNumber, uint8: protocolNumber)
            transport.attribute(CTA.sourcePort, bigEndian: sourcePort)
            transport.attribute(CTA.destinationPort, bigEndian: destinationPort)
        }
        if zone != 0 { builder.attribute(CTA.tupleZone, bigEndian: zone) }
    }
}

/// An entry of connection tracking.
public struct Connection: Sendable, Hashable {
    /// Packets from the initiator, before any rewriting.
    public let original: ConnectionTuple
    /// Packets of the answers: shows where the connection really leads.
    public let reply: ConnectionTuple
    /// Distinguishes this entry from others. The kernel derives it from the tuples and the entry's memory address, so a later
    /// entry with the same tuples at the same address can get the same number.
    public let id: UInt32
    /// The zone if it applies to both directions; 0 is the default one.
    public let zone: UInt16

    /// Reads an IPCTNL_MSG_CT_NEW message; nil for protocols without ports.
    public init?(_ message: Message) {
        guard message.type == ConntrackMessageType.new, message.payload.count >= 4 else { return nil }
        let attributes = Attributes(message.payload.dropFirst(4))
        guard let original = ConnectionTuple(attributes.nested(CTA.tupleOriginal)),
            let reply = ConnectionTuple(attributes.nested(CTA.tupleReply)),
            let id = attributes[CTA.id]?.bigEndian32
        else { return nil }
        self.original = original
        self.reply = reply
        self.id = id
        zone = attributes[CTA.zone]?.bigEndian16 ?? 0
    }
}

/// Selects connections by their first packet.
public struct ConnectionFilter: Sendable, Hashable {
    public let family: IPFamily
    public let protocolNumber: UInt8
    /// Any of these; nil for all.
    public let destinationPorts: Set<UInt16>?
    /// Only this address, of the same family; nil for all.
    public let destination: IPAddress?

    public init(
        _ family: IPFamily, protocolNumber: UInt8, destinationPorts: Set<UInt16>?, destination: IPAddress? = nil
    ) {
        self.family = family
        self.protocolNumber = protocolNumber
        self.destinationPorts = destinationPorts
        self.destination = destination
    }

    public func matches(_ connection: Connection) -> Bool {
        let tuple = connection.original
        return tuple.family == family && tuple.protocolNumber == protocolNumber
            && destinationPorts?.contains(tuple.destinationPort) != false
            && (destination == nil || tuple.destination == destination)
    }
}

/// The number of entries in the socket's network namespace (enum ctattr_stats_global).
public struct ConnectionStatistics: Sendable, Hashable {
    public let entries: UInt32

    public init?(_ message: Message) {
        guard message.type == ConntrackMessageType.statistics, message.payload.count >= 4,
            let entries = Attributes(message.payload.dropFirst(4))[CTA.statisticsEntries]?.bigEndian32
        else { return nil }
        self.entries = entries
    }
}

extension MessageBuilder {
    /// Asks for the entries that the filter matches.
    ///
    /// The kernel filters only in part (since 5.8; ports only of TCP and UDP, and only a single one): check the answers with
    /// ``ConnectionFilter/matches(_:)``. IPv6 addresses are not passed to it: it would leave out those that are equal
    /// (ctnetlink_filter_match_tuple, net/netfilter/nf_conntrack_netlink.c, 6.18 too).
    public mutating func dumpConnections(_ filter: ConnectionFilter) {
        let port = filter.destinationPorts?.count == 1 ? filter.destinationPorts?.first : nil
        let destination = filter.destination.flatMap { $0.family == .v4 && filter.family == .v4 ? $0 : nil }
        message(ConntrackMessageType.get, flags: MessageFlag.request | MessageFlag.dump) { builder in
            builder.netfilterHeader(filter.family.code)
            builder.nested(CTA.tupleOriginal) { tuple in
                if let destination {
                    tuple.nested(CTA.tupleAddresses) { $0.attribute(CTA.destinationV4, destination) }
                }
                tuple.nested(CTA.tupleTransport) { transport in
                    transport.attribute(CTA.protocolNumber, uint8: filter.protocolNumber)
                    if let port { transport.attribute(CTA.destinationPort, bigEndian: port) }
                }
            }
            builder.nested(CTA.filter) {
                // In host byte order, unlike everything else here.
                $0.attribute(
                    CTA.filterOriginalFlags,
                    uint32: CTA.filterProtocolNumber | (port == nil ? 0 : CTA.filterDestinationPort)
                        | (destination == nil ? 0 : CTA.filterDestination))
            }
        }
    }

    /// Deletes this entry; `ENOENT` if it has ended, or if its tuple now belongs to an entry with another number.
    public mutating func deleteConnection(_ connection: Connection) {
        message(ConntrackMessageType.delete, flags: MessageFlag.request) { builder in
            builder.netfilterHeader(connection.original.family.code)
            // Never leave it out: a deletion without a tuple deletes all entries.
            builder.nested(CTA.tupleOriginal) { connection.original.encode(&$0) }
            builder.attribute(CTA.id, bigEndian: connection.id)
            if connection.zone != 0 { builder.attribute(CTA.zone, bigEndian: connection.zone) }
        }
    }

    public mutating func getConnectionStatistics() {
        message(ConntrackMessageType.statistics, flags: MessageFlag.request) {
            $0.netfilterHeader(AddressFamily.unspecified)
        }
    }
}

/// enum cntl_msg_types, with the subsystem, linux/netfilter/nfnetlink_conntrack.h.
enum ConntrackMessageType {
    static let new: UInt16 = NfnlSubsystem.conntrack << 8 | 0
    static let get: UInt16 = NfnlSubsystem.conntrack << 8 | 1
    static let delete: UInt16 = NfnlSubsystem.conntrack << 8 | 2
    static let statistics: UInt16 = NfnlSubsystem.conntrack << 8 | 5
}

/// Attributes, linux/netfilter/nfnetlink_conntrack.h.
enum CTA {
    static let tupleOriginal: UInt16 = 1
    static let tupleReply: UInt16 = 2
    static let id: UInt16 = 12
    static let zone: UInt16 = 18
    static let filter: UInt16 = 25

    static let tupleAddresses: UInt16 = 1
    static let tupleTransport: UInt16 = 2
    static let tupleZone: UInt16 = 3

    static let sourceV4: UInt16 = 1
    static let destinationV4: UInt16 = 2
    static let sourceV6: UInt16 = 3
    static let destinationV6: UInt16 = 4

    static let protocolNumber: UInt16 = 1
    static let sourcePort: UInt16 = 2
    static let destinationPort: UInt16 = 3

    static let filterOriginalFlags: UInt16 = 1
    // Its bits: CTA_FILTER_F_*, net/netfilter/nf_internals.h in the kernel.
    static let filterDestination: UInt32 = 1 << 1
    static let filterProtocolNumber: UInt32 = 1 << 3
    static let filterDestinationPort: UInt32 = 1 << 5

    static let statisticsEntries: UInt16 = 1
}
