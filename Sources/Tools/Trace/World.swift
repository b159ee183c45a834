public import Addresses
public import Inventory
public import NetlinkCodec
public import PacketRules
public import Posix

/// Everything that a walk asks; the kernel or a test answers.
///
/// Namespaces are numbered; 0 is the node.
public protocol World {
    /// The number of known namespaces.
    var count: Int { get }
    /// The name of a namespace for people.
    func name(of place: Int) -> String
    func interfaces(in place: Int) -> [Interface]
    /// The namespace with a given number in another (IFLA_LINK_NETNSID); nil means the other one itself.
    mutating func place(numbered id: Int32?, from place: Int) throws(Failure) -> Int?
    /// - Throws: with the error number with which the kernel refuses the packet.
    mutating func route(_ question: RouteQuestion, in place: Int) throws(Failure) -> RouteAnswer
    mutating func neighbour(
        _ address: IPAddress, on interface: UInt32, in place: Int
    ) throws(Failure) -> Neighbour?
    mutating func forwardingEntry(
        _ mac: MACAddress, ofBridge index: UInt32, in place: Int
    ) throws(Failure) -> ForwardingEntry?
    /// - Returns: nil if the kernel has no such parameter.
    mutating func sysctl(_ name: String, in place: Int) throws(Failure) -> String?
    mutating func ruleset(in place: Int) throws(Failure) -> Ruleset
    /// Whether a socket accepts the packet; nil if unknown.
    mutating func isHeard(_ packet: Packet, by input: Interface?, in place: Int) throws(Failure) -> Bool?
    /// The settings of a link.
    mutating func settings(of interface: Interface, in place: Int) throws(Failure) -> LinkSettings
    /// The token bucket on an interface's egress.
    mutating func limit(of interface: UInt32, in place: Int) throws(Failure) -> Limit?
    /// The token bucket on an interface's ingress.
    func limitComingIn(by interface: Interface, in place: Int) -> Limit?
    /// All routes of the namespace, of all tables.
    mutating func routes(_ family: IPFamily, in place: Int) throws(Failure) -> [RouteEntry]
    /// Programs that see the packets of an interface and are not looked at: XDP, filters of traffic control.
    mutating func programs(on interface: Interface, in place: Int) throws(Failure) -> [String]
    /// What the node's pods are meant to have.
    var wishes: Wishes { get }
    /// The interfaces through which the node reaches the outside.
    var uplinks: [String] { get }
}

/// What a walk asks about a link in addition to ``Interface``.
public struct LinkSettings: Sendable, Hashable {
    /// Nil for other kinds of link, and for mode source.
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
    /// Whether the packet continues.
    public var isPassed = true
    /// Address and port after this step.
    public let source: String
    public let destination: String
    /// What is uncertain or worth knowing.
    public var remarks: [String] = []
}

/// How a packet's way ends.
public struct Ending: Sendable, Hashable, Encodable {
    public let arrives: Bool
    public let namespace: String
    /// Where it arrives, or why it stops.
    public let text: String
    /// What a person can do about it; empty if nothing is needed.
    public let advice: String
    let place: Int

    enum CodingKeys: String, CodingKey { case arrives, namespace, text, advice }
}

/// One end of the way.
public struct Endpoint: Sendable, Hashable, Encodable {
    public enum Kind: String, Sendable, Hashable, Encodable {
        case pod, node, address, internet
    }

    public let kind: Kind
    /// The name for people.
    public let name: String
    /// The namespace; nil if it is not on this machine.
    public let place: Int?
    public let addresses: [IPAddress]
    /// 0 if there is none.
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
