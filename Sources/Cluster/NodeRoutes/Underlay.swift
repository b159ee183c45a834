public import Addresses

/// What lies below the ways to other nodes: this node's interfaces to the network that joins the nodes.
public struct Underlay: Sendable, Hashable {
    public struct Interface: Sendable, Hashable {
        public var index: UInt32
        public var name: String
        /// Octets.
        public var mtu: UInt32
        /// Addresses with the prefix lengths of the subnets on the link.
        public var addresses: [CIDR]

        public init(index: UInt32, name: String, mtu: UInt32, addresses: [CIDR]) {
            self.index = index
            self.name = name
            self.mtu = mtu
            self.addresses = addresses
        }
    }

    public var interfaces: [Interface]

    public init(_ interfaces: [Interface]) { self.interfaces = interfaces }

    /// Octets; nil without an interface.
    public var leastMTU: UInt32? { interfaces.map { $0.mtu }.min() }

    /// The interface on whose link an address is, and that link's network, by the longest prefix.
    func link(with address: IPAddress) -> (interface: Interface, network: CIDR)? {
        var best: (interface: Interface, network: CIDR)?
        for interface in interfaces {
            for own in interface.addresses where own.hostBits > 0 && own.network.contains(address) {
                if own.prefixLength > best?.network.prefixLength ?? -1 { best = (interface, own.network) }
            }
        }
        return best
    }

    func has(_ address: IPAddress) -> Bool {
        interfaces.contains { $0.addresses.contains { $0.address == address } }
    }
}
