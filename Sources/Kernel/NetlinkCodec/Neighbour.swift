public import Addresses

/// An ARP or ND entry (ndmsg and its attributes, linux/neighbour.h).
public struct Neighbour: Sendable, Hashable {
    public var interface: UInt32
    public var address: IPAddress
    public var mac: MACAddress?
    /// NUD_*: 0x80 is permanent.
    public var state: UInt16

    public static let permanent: UInt16 = 0x80

    /// Whether its MAC is known: NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_NOARP or NUD_PERMANENT.
    public var isResolved: Bool { state & (0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80) != 0 }

    /// Whether its resolution failed: NUD_FAILED.
    public var hasFailed: Bool { state & 0x20 != 0 }

    public init(_ address: IPAddress, mac: MACAddress?, interface: UInt32, state: UInt16 = permanent) {
        self.address = address
        self.mac = mac
        self.interface = interface
        self.state = state
    }

    /// Reads an RTM_NEWNEIGH message.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newNeighbour, message.payload.count >= 12 else { return nil }
        let attributes = Attributes(message.payload.dropFirst(12))
        guard let address = attributes[NDA.destination].flatMap({ IPAddress(bytes: $0.bytes) }) else { return nil }
        self.address = address
        interface = message.payload.load(UInt32.self, at: 4)
        state = message.payload.load(UInt16.self, at: 8)
        mac = attributes[NDA.linkLayerAddress].flatMap { MACAddress(bytes: $0.bytes) }
    }
}

extension MessageBuilder {
    private mutating func neighbourHeader(
        _ family: UInt8, _ interface: UInt32, _ state: UInt16, flags: UInt8 = 0
    ) {
        append(family)
        append(UInt8(0))
        append(UInt16(0))
        append(interface)
        append(state)
        append(flags)
        append(UInt8(0))
    }

    /// Adds an entry or replaces the one with that address.
    public mutating func setNeighbour(_ neighbour: Neighbour) {
        message(
            RouteMessageType.newNeighbour, flags: MessageFlag.request | MessageFlag.create | MessageFlag.replace
        ) {
            $0.neighbourHeader(neighbour.address.family.code, neighbour.interface, neighbour.state)
            $0.attribute(NDA.destination, neighbour.address)
            if let mac = neighbour.mac { $0.attribute(NDA.linkLayerAddress, mac.bytes) }
        }
    }

    /// Makes the kernel resolve a neighbour's MAC, unless it is known, as a packet to the neighbour would (NTF_USE).
    public mutating func useNeighbour(_ address: IPAddress, by interface: UInt32) {
        message(RouteMessageType.newNeighbour, flags: MessageFlag.request | MessageFlag.create) {
            $0.neighbourHeader(address.family.code, interface, 0, flags: 1)
            $0.attribute(NDA.destination, address)
        }
    }

    public mutating func deleteNeighbour(_ neighbour: Neighbour) {
        message(RouteMessageType.deleteNeighbour, flags: MessageFlag.request) {
            $0.neighbourHeader(neighbour.address.family.code, neighbour.interface, 0)
            $0.attribute(NDA.destination, neighbour.address)
        }
    }

    /// Asks for all entries of both families.
    ///
    /// - Parameter interface: 0 for those of all. The kernel honours it only on a socket with strict checking, so the caller
    ///   filters as well.
    public mutating func dumpNeighbours(of interface: UInt32 = 0) {
        message(RouteMessageType.getNeighbour, flags: MessageFlag.request | MessageFlag.dump) {
            $0.neighbourHeader(AddressFamily.unspecified, 0, 0)
            if interface != 0 { $0.attribute(NDA.interface, uint32: interface) }
        }
    }
}
