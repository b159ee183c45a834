public import Addresses
public import Inventory
public import NetlinkCodec
public import PacketRules
public import Posix

/// Everything that a walk asks: the kernel's answers, or a test's.
///
/// Namespaces go by number, of which 0 is the node.
public protocol World {
    /// How many namespaces are known.
    var count: Int { get }
    /// What people call a namespace.
    func name(of place: Int) -> String
    func interfaces(in place: Int) -> [Interface]
    /// The namespace that one knows by a number (IFLA_LINK_NETNSID); nil is itself.
    mutating func place(numbered id: Int32?, from place: Int) throws(Failure) -> Int?
    /// - Throws: with the number by which the kernel refuses the packet.
    mutating func route(_ question: RouteQuestion, in place: Int) throws(Failure) -> RouteAnswer
    mutating func neighbour(
        _ address: IPAddress, on interface: UInt32, in place: Int
    ) throws(Failure) -> Neighbour?
    mutating func forwardingEntry(
        _ mac: MACAddress, ofBridge index: UInt32, in place: Int
    ) throws(Failure) -> ForwardingEntry?
    /// - Returns: nil where the kernel has no such parameter.
    mutating func sysctl(_ name: String, in place: Int) throws(Failure) -> String?
    mutating func ruleset(in place: Int) throws(Failure) -> Ruleset
    /// Whether a socket waits for what the packet brings; nil where that is not known.
    mutating func isHeard(_ packet: Packet, by input: Interface?, in place: Int) throws(Failure) -> Bool?
    /// What a link is set to.
    mutating func settings(of interface: Interface, in place: Int) throws(Failure) -> LinkSettings
    /// What a token bucket on the way out of an interface lets through.
    mutating func limit(of interface: UInt32, in place: Int) throws(Failure) -> Limit?
    /// What one lets through of what comes in by an interface.
    func limitComingIn(by interface: Interface, in place: Int) -> Limit?
    /// Interfaces by which the node reaches the world.
    var uplinks: [String] { get }
}

/// What is asked of a link beside what ``Interface`` has.
public struct LinkSettings: Sendable, Hashable {
    /// Nil for other links, and for mode source.
    public var macvlanMode: MacvlanMode?
    /// BR_STATE_* of a bridge's port, linux/if_bridge.h: 3 for one that forwards.
    public var portState: UInt8?
    /// Whether it answers neither ARP nor neighbour discovery (IFF_NOARP, linux/if.h).
    public var isSilent = false

    public init(macvlanMode: MacvlanMode? = nil, portState: UInt8? = nil, isSilent: Bool = false) {
        self.macvlanMode = macvlanMode
        self.portState = portState
        self.isSilent = isSilent
    }
}

/// One step of a packet's way.
public struct Hop: Sendable, Hashable, Encodable {
    public let namespace: String
    public let interface: String
    /// What happens there.
    public var text: String
    /// Whether the packet goes on.
    public var isPassed = true
    /// Address and port as they are after it.
    public let source: String
    public let destination: String
    /// What cannot be told for certain, or is worth knowing.
    public var remarks: [String] = []
}

/// How a way ends.
public struct Ending: Sendable, Hashable, Encodable {
    public let arrives: Bool
    public let namespace: String
    /// Where it arrives, or why it stops.
    public let text: String
    /// What a person can do about it; empty where nothing need be done.
    public let advice: String
    let place: Int

    enum CodingKeys: String, CodingKey { case arrives, namespace, text, advice }
}

/// Where a packet sets out, or is to go.
public struct Endpoint: Sendable, Hashable, Encodable {
    public enum Kind: String, Sendable, Hashable, Encodable {
        case pod, node, address, internet
    }

    public let kind: Kind
    /// What people call it.
    public let name: String
    /// The namespace; nil for what is outside of this machine.
    public let place: Int?
    public let addresses: [IPAddress]
    /// 0 for none.
    public let port: UInt16

    enum CodingKeys: String, CodingKey { case kind, name, addresses, port }

    public init(_ kind: Kind, name: String, place: Int?, addresses: [IPAddress], port: UInt16 = 0) {
        self.kind = kind
        self.name = name
        self.place = place
        self.addresses = addresses
        self.port = port
    }
}
