public import Addresses

/// The parts of a packet's headers that say where it comes from and where it goes.
public struct Packet: Sendable, Hashable, Encodable {
    public var transport: Transport
    public var source: IPAddress
    /// 0 for ICMP.
    public var sourcePort: UInt16
    public var destination: IPAddress
    /// 0 for ICMP.
    public var destinationPort: UInt16
    /// In its current namespace; other namespaces do not see it.
    public var mark: UInt32 = 0
    /// How many more routers it may pass; nil if unknown.
    public var hopLimit: UInt8? = 64

    enum CodingKeys: String, CodingKey { case transport, source, sourcePort, destination, destinationPort, mark }

    public init(
        _ transport: Transport, from source: IPAddress, _ sourcePort: UInt16 = 0, to destination: IPAddress,
        _ destinationPort: UInt16 = 0
    ) {
        self.transport = transport
        self.source = source
        self.sourcePort = sourcePort
        self.destination = destination
        self.destinationPort = destinationPort
    }

    public enum Transport: String, Sendable, Hashable, Encodable, CaseIterable {
        case tcp, udp, icmp

        /// IPPROTO_*, linux/in.h; ICMP's differs with the family.
        public func number(_ family: IPFamily) -> UInt8 {
            switch self {
            case .tcp: 6
            case .udp: 17
            case .icmp: family == .v4 ? 1 : 58
            }
        }
    }

    public var family: IPFamily { destination.family }

    /// The answer to it.
    public var reversed: Packet {
        Packet(transport, from: destination, destinationPort, to: source, sourcePort)
    }

    /// Whether both belong to the same direction of the same connection.
    public func hasSameEnds(as other: Packet) -> Bool {
        transport == other.transport && source == other.source && sourcePort == other.sourcePort
            && destination == other.destination && destinationPort == other.destinationPort
    }

    public var sourceText: String { Packet.text(source, sourcePort) }
    public var destinationText: String { Packet.text(destination, destinationPort) }

    /// `10.44.0.5:80`, `[fd00::5]:80`, or the address alone.
    static func text(_ address: IPAddress, _ port: UInt16) -> String {
        guard port != 0 else { return "\(address)" }
        return address.family == .v4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }
}

extension Packet: CustomStringConvertible {
    public var description: String { "\(transport.rawValue) \(sourceText) → \(destinationText)" }
}

/// The headers of a packet as octets, which rules compare.
struct PacketHeaders {
    var link: [UInt8]
    let network: [UInt8]
    let transport: [UInt8]
    /// Octets that the sender's kernel chooses, or that depend on them: lengths, identifiers, sequence numbers, checksums.
    private let unknown: (network: Set<Int>, transport: Set<Int>)
    private let hasMACs: (source: Bool, destination: Bool)

    /// - Parameter isAnswer: TCP and ICMP answers have different headers.
    init(_ packet: Packet, source: MACAddress?, destination: MACAddress?, isAnswer: Bool) {
        let family = packet.family
        hasMACs = (source != nil, destination != nil)
        let none = [UInt8](repeating: 0, count: 6)
        link =
            (destination?.bytes ?? none) + (source?.bytes ?? none) + (family == .v4 ? [0x08, 0x00] : [0x86, 0xdd])
        let number = packet.transport.number(family)
        let ports = [packet.sourcePort, packet.destinationPort].flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
        switch packet.transport {
        case .tcp:
            // Data offset 5; SYN, or SYN and ACK; a window.
            transport =
                ports + [0, 0, 0, 1, 0, 0, 0, isAnswer ? 2 : 0, 0x50, isAnswer ? 0x12 : 0x02, 0xff, 0xff, 0, 0, 0, 0]
        case .udp: transport = ports + [0, 8, 0, 0]
        case .icmp:
            // Echo request and reply, RFC 792 and RFC 4443.
            let type: UInt8 = family == .v4 ? (isAnswer ? 0 : 8) : (isAnswer ? 129 : 128)
            transport = [type, 0, 0, 0, 0, 1, 0, 1]
        }
        let length = UInt16(transport.count)
        if family == .v4 {
            let total = length + 20
            network =
                [0x45, 0, UInt8(total >> 8), UInt8(total & 0xff), 0, 0, 0x40, 0, packet.hopLimit ?? 64, number, 0, 0]
                + packet.source.bytes + packet.destination.bytes
        } else {
            network =
                [0x60, 0, 0, 0, UInt8(length >> 8), UInt8(length & 0xff), number, packet.hopLimit ?? 64]
                + packet.source.bytes + packet.destination.bytes
        }
        var unknownInNetwork: Set = family == .v4 ? [2, 3, 4, 5, 10, 11] : [2, 3, 4, 5]
        if packet.hopLimit == nil { unknownInNetwork.insert(family == .v4 ? 8 : 7) }
        let unknownInTransport: Set<Int> =
            switch packet.transport {
            // The first packet of a connection has acknowledgement number 0. Options affect the data offset.
            case .tcp: Set(isAnswer ? Array(4...12) : Array(4...7) + [12]).union(14...17)
            case .udp: Set(4...7)
            case .icmp: Set(2...7)
            }
        unknown = (unknownInNetwork, unknownInTransport)
    }

    func isKnown(link offset: Int) -> Bool {
        offset < 6 ? hasMACs.destination : offset >= 12 || hasMACs.source
    }
    func isKnown(network offset: Int) -> Bool { !unknown.network.contains(offset) }
    func isKnown(transport offset: Int) -> Bool { !unknown.transport.contains(offset) }
}
