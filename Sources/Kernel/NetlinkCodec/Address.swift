public import Addresses

extension IPFamily {
    /// AF_INET or AF_INET6.
    var code: UInt8 { self == .v4 ? AddressFamily.inet : AddressFamily.inet6 }

    init?(code: UInt8) {
        switch code {
        case AddressFamily.inet: self = .v4
        case AddressFamily.inet6: self = .v6
        default: return nil
        }
    }
}

/// An address of an interface (ifaddrmsg and its attributes, linux/if_addr.h).
public struct InterfaceAddress: Sendable, Hashable {
    public let index: UInt32
    public let address: CIDR
    /// IFA_F_*.
    public let flags: UInt32

    /// Not tentative and not failed: neither IFA_F_TENTATIVE nor IFA_F_DADFAILED is set.
    public var isUsable: Bool { flags & (0x40 | 0x08) == 0 }

    /// Not the first of its subnet on the interface (IFA_F_SECONDARY of IPv4), or a temporary one of IPv6 (the same bit).
    public var isSecondary: Bool { flags & 0x01 != 0 }

    /// Reads an RTM_NEWADDR message.
    public init?(_ message: Message) {
        guard message.type == RouteMessageType.newAddress, message.payload.count >= 8,
            let family = IPFamily(code: message.payload.load(UInt8.self, at: 0))
        else { return nil }
        let prefixLength = Int(message.payload.load(UInt8.self, at: 1))
        index = message.payload.load(UInt32.self, at: 4)
        let attributes = Attributes(message.payload.dropFirst(8))
        guard let bytes = (attributes[IFA.local] ?? attributes[IFA.address])?.bytes,
            let address = IPAddress(bytes: bytes), address.family == family, prefixLength <= family.bitWidth
        else { return nil }
        self.address = CIDR(address, prefixLength)
        flags = attributes[IFA.flags]?.uint32 ?? UInt32(message.payload.load(UInt8.self, at: 2))
    }
}

extension MessageBuilder {
    private mutating func addressHeader(_ family: UInt8, prefixLength: Int = 0, index: UInt32 = 0) {
        append(family)
        append(UInt8(prefixLength))
        append(UInt8(0))
        append(UInt8(0))
        append(index)
    }

    /// Adds an address that is usable at once: IPv6 skips duplicate address detection unless it is requested.
    ///
    /// - Parameter connectedRoute: whether the kernel adds a route to the address's prefix on the link.
    public mutating func addAddress(
        _ address: CIDR, to index: UInt32, detectDuplicates: Bool = false, connectedRoute: Bool = true
    ) {
        message(
            RouteMessageType.newAddress, flags: MessageFlag.request | MessageFlag.create | MessageFlag.exclusive
        ) {
            $0.addressHeader(address.family.code, prefixLength: address.prefixLength, index: index)
            $0.attribute(IFA.local, address.address)
            $0.attribute(IFA.address, address.address)
            if address.family == .v4, address.hostBits >= 2 { $0.attribute(IFA.broadcast, address.last) }
            let flags =
                (address.family == .v6 && !detectDuplicates ? IFA.noDAD : 0)
                | (connectedRoute ? 0 : IFA.noPrefixRoute)
            if flags != 0 { $0.attribute(IFA.flags, uint32: flags) }
        }
    }

    public mutating func deleteAddress(_ address: CIDR, from index: UInt32) {
        message(RouteMessageType.deleteAddress, flags: MessageFlag.request) {
            $0.addressHeader(address.family.code, prefixLength: address.prefixLength, index: index)
            $0.attribute(IFA.local, address.address)
            $0.attribute(IFA.address, address.address)
        }
    }

    /// Asks for the addresses of one interface, or of all with index 0, of both families.
    ///
    /// The kernel honours the index only on a socket with strict checking, so the caller filters as well.
    public mutating func dumpAddresses(of index: UInt32 = 0) {
        message(RouteMessageType.getAddress, flags: MessageFlag.request | MessageFlag.dump) {
            $0.addressHeader(AddressFamily.unspecified, index: index)
        }
    }
}
