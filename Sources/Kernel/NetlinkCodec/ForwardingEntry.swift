public import Addresses

/// Where a bridge has learned a MAC, or was configured to expect it (ndmsg of family AF_BRIDGE, linux/neighbour.h).
public struct ForwardingEntry: Sendable, Hashable {
    /// Index of the port, or of the bridge itself for the bridge's own addresses.
    public let interface: UInt32
    public let mac: MACAddress
    /// Index of the bridge; 0 if the kernel does not report it.
    public let bridge: UInt32
    /// Whether it is the MAC of the port or of the bridge, so that its frames go to this node (NUD_PERMANENT).
    public let isLocal: Bool

    /// Reads an RTM_NEWNEIGH message.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newNeighbour, message.payload.count >= 12,
            message.payload.first == AddressFamily.bridge
        else { return nil }
        let attributes = Attributes(message.payload.dropFirst(12))
        guard let mac = attributes[NDA.linkLayerAddress].flatMap({ MACAddress(bytes: $0.bytes) }) else { return nil }
        self.mac = mac
        interface = message.payload.load(UInt32.self, at: 4)
        isLocal = message.payload.load(UInt16.self, at: 8) & Neighbour.permanent != 0
        bridge = attributes[NDA.master]?.uint32 ?? 0
    }
}

extension MessageBuilder {
    /// Asks for a bridge's forwarding table (MACs).
    public mutating func dumpForwardingEntries(ofBridge index: UInt32) {
        message(RouteMessageType.getNeighbour, flags: MessageFlag.request | MessageFlag.dump) {
            $0.append(AddressFamily.bridge)
            for _ in 0..<11 { $0.append(UInt8(0)) }
            $0.attribute(NDA.master, uint32: index)
        }
    }
}
