public import Addresses
public import Attachments

// What is known of who is where, besides pods and networks.

/// An address on a living pod's interface that is not reserved for it.
public struct UnreservedAddress: Sendable, Hashable, Encodable {
    public var address: IPAddress
    /// Whom the reservation names instead; nil if there is none, or if it names nobody.
    public var namedOwner: AttachmentName?

    public init(address: IPAddress, namedOwner: AttachmentName? = nil) {
        self.address = address
        self.namedOwner = namedOwner
    }
}

/// Somebody on a link whose MAC is known.
public struct KnownNeighbour: Sendable, Hashable, Encodable {
    /// The name of the interface.
    public var interface: String
    public var address: IPAddress
    public var mac: MACAddress
    /// Whether somebody has set it, so that the kernel never asks again.
    public var isPermanent: Bool

    public init(_ address: IPAddress, _ mac: MACAddress, on interface: String, isPermanent: Bool) {
        self.interface = interface
        self.address = address
        self.mac = mac
        self.isPermanent = isPermanent
    }
}

/// Where a bridge believes a MAC to be.
public struct BridgeEntry: Sendable, Hashable, Encodable {
    public var bridge: String
    public var mac: MACAddress
    /// The name of the port.
    public var port: String

    public init(_ mac: MACAddress, at port: String, of bridge: String) {
        self.bridge = bridge
        self.mac = mac
        self.port = port
    }
}

/// A named network namespace that nobody uses.
public struct EmptyNamespace: Sendable, Hashable, Encodable {
    public var path: String
    public var inode: UInt64
    /// When it was made, in seconds since 1970; nil if unknown.
    public var since: Int?
    /// The runtime that makes such names.
    public var runtime: String

    public init(path: String, inode: UInt64, since: Int?, runtime: String) {
        self.path = path
        self.inode = inode
        self.since = since
        self.runtime = runtime
    }
}
