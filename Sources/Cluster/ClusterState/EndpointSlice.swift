public import Addresses

/// An EndpointSlice of the Kubernetes API (discovery.k8s.io/v1), reduced to what packets depend on.
public struct EndpointSlice: Sendable, Hashable {
    public let name: ObjectName
    /// Label `kubernetes.io/service-name`, in the slice's namespace.
    public var service: String
    /// Nil for addressType FQDN.
    public var family: IPFamily?
    /// Label `service.kubernetes.io/headless`.
    public var isHeadless = false
    public var ports: [Port]
    public var endpoints: [Endpoint]

    public struct Port: Sendable, Hashable {
        public var name: String
        public var transport: TransportProtocol
        /// Nil if the API leaves it open: such a port leads nowhere.
        public var number: UInt16?

        public init(_ name: String = "", _ transport: TransportProtocol = .tcp, _ number: UInt16?) {
            self.name = name
            self.transport = transport
            self.number = number
        }
    }

    public struct Endpoint: Sendable, Hashable {
        /// addresses[0]
        public var address: IPAddress
        public var conditions: Conditions
        public var node: String?
        /// hints.forNodes[].name
        public var hintedNodes: [String] = []
        /// hints.forZones[].name
        public var hintedZones: [String] = []

        public init(_ address: IPAddress, _ conditions: Conditions = .ready, node: String? = nil) {
            self.address = address
            self.conditions = conditions
            self.node = node
        }
    }

    public struct Conditions: OptionSet, Sendable, Hashable {
        public let rawValue: UInt8

        public init(rawValue: UInt8) { self.rawValue = rawValue }

        public static let isReady = Conditions(rawValue: 1)
        public static let isServing = Conditions(rawValue: 2)
        public static let isTerminating = Conditions(rawValue: 4)

        /// Of a running pod.
        public static let ready: Conditions = [.isReady, .isServing]

        /// As the API has them: absent values of `ready` are true, of `serving` the same as `ready`, of `terminating` false.
        public init(ready: Bool?, serving: Bool?, terminating: Bool?) {
            let isReady = ready ?? true
            self = isReady ? .isReady : []
            if serving ?? isReady { insert(.isServing) }
            if terminating ?? false { insert(.isTerminating) }
        }
    }

    public init(
        _ name: ObjectName, of service: String, _ family: IPFamily?, ports: [Port], endpoints: [Endpoint]
    ) {
        self.name = name
        self.service = service
        self.family = family
        self.ports = ports
        self.endpoints = endpoints
    }
}
