public import Addresses
public import ClusterState

/// Where clients send to: an address and port of a Service.
public struct Frontend: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let address: IPAddress
    public let transport: TransportProtocol
    public let port: UInt16

    public init(_ address: IPAddress, _ transport: TransportProtocol, _ port: UInt16) {
        self.address = address
        self.transport = transport
        self.port = port
    }

    public var description: String { "\(address) \(transport) \(port)" }

    public static func < (a: Frontend, b: Frontend) -> Bool {
        (a.address, a.transport.rawValue, a.port) < (b.address, b.transport.rawValue, b.port)
    }
}

/// Where packets go: an endpoint's address and port.
public struct Target: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let address: IPAddress
    public let port: UInt16

    public init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    public var description: String { "\(address) port \(port)" }

    public static func < (a: Target, b: Target) -> Bool { (a.address, a.port) < (b.address, b.port) }
}

/// A port of a Service, as people write it: `namespace/name:port`.
public struct ServicePortName: Sendable, Hashable, CustomStringConvertible {
    public let service: ObjectName
    public let port: String

    public init(_ service: ObjectName, _ port: String) {
        self.service = service
        self.port = port
    }

    public var description: String { port.isEmpty ? service.description : "\(service):\(port)" }
}

/// What happens to the first packet of a connection to a frontend.
public struct FrontendEntry: Sendable, Hashable {
    public var service: ServicePortName
    public var answer: Answer
    /// For how long a client stays at its endpoint after its last new connection, seconds; nil if each connection may go elsewhere.
    public var affinity: UInt32?
    public var masquerade: Masquerade
    /// Who may connect, disjoint; nil for everybody.
    public var sources: [CIDR]?

    public enum Answer: Sendable, Hashable {
        /// There is no endpoint anywhere.
        case reject
        /// There are endpoints, but none on this node, where the policy demands one.
        case drop
        /// To one of these by chance; never empty, sorted.
        case targets([Target])
        /// Pods and this node itself to one of `all`, which is not empty, others to one of this node's own, or nowhere if there is
        /// none. Both are sorted.
        case split(all: [Target], own: [Target])
    }

    /// Whose address endpoints do not see, but this node's. In any case that of a client that is the endpoint itself.
    public enum Masquerade: Sendable, Hashable {
        /// Clients outside of the pods' ranges.
        case foreign
        case everybody
        /// This node itself.
        case node
    }
}

extension FrontendEntry.Answer {
    /// Those that clients of some kind may be led to.
    public var all: [Target] {
        switch self {
        case .reject, .drop: []
        case .targets(let targets): targets
        case .split(let all, let own): own.isEmpty || own == all ? all : Array(Set(all).union(own)).sorted()
        }
    }
}
