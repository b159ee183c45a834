public import Addresses

/// The node behind which a MAC is, as configured on a VXLAN device (ndmsg of family AF_BRIDGE with NTF_SELF, linux/neighbour.h;
/// `bridge fdb`).
public struct TunnelEntry: Sendable, Hashable {
    /// Index of the VXLAN device.
    public var interface: UInt32
    /// Zero means every MAC that has no entry; if it has several nodes, each gets a copy.
    public var mac: MACAddress
    /// The node's address, of the family of the device's own; nil if the kernel does not report it.
    public var destination: IPAddress?
    /// The network identifier for its frames, 0...16777215; nil for the device's own.
    public var id: UInt32?
    /// UDP port of the node; nil for the device's own.
    public var port: UInt16?
    /// Whether it stays until it is deleted (NUD_PERMANENT).
    public var isPermanent: Bool

    public init(
        _ mac: MACAddress, at destination: IPAddress, interface: UInt32, id: UInt32? = nil, port: UInt16? = nil
    ) {
        self.interface = interface
        self.mac = mac
        self.destination = destination
        self.id = id
        self.port = port
        isPermanent = true
    }

    /// Reads an RTM_NEWNEIGH or RTM_DELNEIGH message; nil for an entry of a bridge instead of the device itself.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newNeighbour || message.type == RouteMessageType.deleteNeighbour,
            message.payload.count >= 12, message.payload.first == AddressFamily.bridge,
            message.payload.load(UInt8.self, at: 10) & TunnelEntry.selfFlag != 0
        else { return nil }
        let attributes = Attributes(message.payload.dropFirst(12))
        guard let mac = attributes[NDA.linkLayerAddress].flatMap({ MACAddress(bytes: $0.bytes) }) else { return nil }
        self.mac = mac
        interface = message.payload.load(UInt32.self, at: 4)
        isPermanent = message.payload.load(UInt16.self, at: 8) & Neighbour.permanent != 0
        destination = attributes[NDA.destination].flatMap { IPAddress(bytes: $0.bytes) }
        id = attributes[NDATunnel.id]?.uint32
        port = attributes[NDATunnel.port]?.bigEndian16
    }

    /// NTF_SELF: the device's own table, not that of its bridge.
    fileprivate static let selfFlag: UInt8 = 0x02
}

extension MessageBuilder {
    private mutating func tunnelEntry(_ entry: TunnelEntry) {
        append(AddressFamily.bridge)
        append(UInt8(0))
        append(UInt16(0))
        append(entry.interface)
        // Other entries age like learned ones (NUD_REACHABLE).
        append(entry.isPermanent ? Neighbour.permanent : 0x02)
        append(TunnelEntry.selfFlag)
        append(UInt8(0))
        attribute(NDA.linkLayerAddress, entry.mac.bytes)
        if let destination = entry.destination { attribute(NDA.destination, destination) }
        if let port = entry.port { attribute(NDATunnel.port, bigEndian: port) }
        if let id = entry.id { attribute(NDATunnel.id, uint32: id) }
    }

    /// Adds an entry or replaces the one of its MAC. The zero MAC's entry cannot be replaced: `EOPNOTSUPP`.
    public mutating func setTunnelEntry(_ entry: TunnelEntry) {
        message(
            RouteMessageType.newNeighbour, flags: MessageFlag.request | MessageFlag.create | MessageFlag.replace
        ) { $0.tunnelEntry(entry) }
    }

    /// Adds another node for a MAC: for the zero MAC, whose frames go to all of them. Adding the same node twice is not an error
    /// (no `EEXIST`).
    public mutating func appendTunnelEntry(_ entry: TunnelEntry) {
        message(
            RouteMessageType.newNeighbour, flags: MessageFlag.request | MessageFlag.create | MessageFlag.append
        ) { $0.tunnelEntry(entry) }
    }

    /// Deletes the entry of that MAC and node. `ENOENT` if it does not exist.
    public mutating func deleteTunnelEntry(_ entry: TunnelEntry) {
        message(RouteMessageType.deleteNeighbour, flags: MessageFlag.request) { $0.tunnelEntry(entry) }
    }

    /// Asks for the configured and learned entries of a VXLAN device.
    ///
    /// Other kinds of devices answer as well, and kernels without strict checking return all entries: the caller filters.
    public mutating func dumpTunnelEntries(of interface: UInt32) {
        message(RouteMessageType.getNeighbour, flags: MessageFlag.request | MessageFlag.dump) {
            $0.append(AddressFamily.bridge)
            for _ in 0..<3 { $0.append(UInt8(0)) }
            $0.append(interface)
            $0.append(UInt32(0))
        }
    }
}

/// Neighbour attributes of tunnels, linux/neighbour.h.
enum NDATunnel {
    static let port: UInt16 = 6
    static let id: UInt16 = 7
}
