public import Addresses

/// Namespace and name of an object of the Kubernetes API.
public struct ObjectName: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let namespace: String
    public let name: String

    public init(_ namespace: String, _ name: String) {
        self.namespace = namespace
        self.name = name
    }

    public var description: String { "\(namespace)/\(name)" }

    public static func < (a: ObjectName, b: ObjectName) -> Bool { (a.namespace, a.name) < (b.namespace, b.name) }
}

/// Protocols that Services have; the raw value is IANA's number.
public enum TransportProtocol: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    case tcp = 6
    case udp = 17
    case sctp = 132

    /// As the API writes it.
    public var description: String {
        switch self {
        case .tcp: "TCP"
        case .udp: "UDP"
        case .sctp: "SCTP"
        }
    }
}

/// A Service of the Kubernetes API, reduced to what its packets depend on.
public struct Service: Sendable, Hashable {
    public let name: ObjectName
    public var ports: [Port]
    /// spec.clusterIPs; empty if the field is `None` or empty.
    public var clusterIPs: [IPAddress]
    public var externalIPs: [IPAddress] = []
    /// status.loadBalancer.ingress[].ip
    public var ingress: [Ingress] = []
    /// spec.internalTrafficPolicy, for cluster IPs.
    public var internalPolicy = Policy.cluster
    /// spec.externalTrafficPolicy, for node ports, external IPs and load balancers.
    public var externalPolicy = Policy.cluster
    /// spec.sessionAffinityConfig.clientIP.timeoutSeconds with sessionAffinity ClientIP: seconds, from 1 to 86400; nil without.
    public var affinity: UInt32?
    /// spec.loadBalancerSourceRanges; nil if the field is absent or empty. None of an empty list may come in.
    public var sourceRanges: [CIDR]?
    /// spec.healthCheckNodePort
    public var healthCheckPort: UInt16?
    /// Why this node's packets do not concern it; nil if they do.
    public var exemption: Exemption?
    /// Seconds since 1970 of its creation: the older of two Services has what both claim.
    public var age: Int64 = 0

    public enum Policy: Sendable, Hashable {
        case cluster, local
    }

    public enum Exemption: Sendable, Hashable {
        /// Type ExternalName: a name, not addresses.
        case externalName
        /// Label `service.kubernetes.io/service-proxy-name`: another program serves it.
        case otherProxy
    }

    public struct Port: Sendable, Hashable {
        /// Empty if the Service has only one.
        public var name: String
        public var transport: TransportProtocol
        public var number: UInt16
        public var nodePort: UInt16?

        public init(
            _ name: String = "", _ transport: TransportProtocol = .tcp, _ number: UInt16, nodePort: UInt16? = nil
        ) {
            self.name = name
            self.transport = transport
            self.number = number
            self.nodePort = nodePort
        }
    }

    public struct Ingress: Sendable, Hashable {
        public var address: IPAddress
        /// ipMode `Proxy`: packets reach the node by another address, and those to this one are the load balancer's.
        public var isProxy: Bool

        public init(_ address: IPAddress, isProxy: Bool = false) {
            self.address = address
            self.isProxy = isProxy
        }
    }

    /// What the API uses if sessionAffinityConfig is absent, seconds.
    public static let usualAffinity: UInt32 = 10800

    public init(_ name: ObjectName, ports: [Port], clusterIPs: [IPAddress]) {
        self.name = name
        self.ports = ports
        self.clusterIPs = clusterIPs
    }
}
