internal import CNI
public import JSON
public import Posix

/// What a plugin does to a pod's network, as far as others must know it: plugins that work together with it, and
/// programs that interpret its configuration.
public struct PluginTraits: Sendable {
    /// The name used by configurations and runtimes.
    public let type: String
    public let role: Role
    public let addresses: AddressSource
    public let nodeEnd: NodeEnd
    /// What else it does, or can be configured to do.
    public let services: Services
    /// Whether the reference set has a plugin of this name, whose configurations this one accepts. A plugin that only
    /// we have refuses unknown keys.
    public let isReference: Bool

    /// The plugin's position in a list.
    public enum Role: Sendable {
        /// First: it makes the pod's interface.
        case interface
        /// First, or after another plugin that makes an interface; it makes an interface too.
        case furtherInterface
        /// After such a plugin: it works on the interface that plugin made.
        case chained
        /// In another plugin's `ipam.type`.
        case addresses
        /// Anywhere: it sets up `lo`, which every pod has.
        case loopback

        public var makesInterface: Bool { self == .interface || self == .furtherInterface }
    }

    /// The source of the pods' addresses.
    public enum AddressSource: Sendable {
        /// It does not deal with addresses.
        case none
        /// From the plugin that `ipam.type` names.
        case delegated
        /// The same; without `ipam.type` from the store, configured by keys in the plugin's own block.
        case delegatedOrStore
        /// It hands them out, from the store on this node.
        case store
        /// It hands out the addresses in its configuration.
        case configuration
        /// It hands out leases of a server, which it asks through the pod's interface.
        case leases
    }

    /// What the pods' links are connected to on the node.
    public enum NodeEnd: Sendable {
        /// Nothing made by the plugin.
        case none
        /// A port of a bridge.
        case bridgePort(BridgeDefaults)
        /// The host side of a veth, which is the pod's gateway.
        case routedVeth
    }

    public struct Services: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// Publishes ports of the pod on the node (the capability `portMappings`).
        public static let ports = Services(rawValue: 1)
        /// Limits the pod's bandwidth (the capability `bandwidth`).
        public static let limits = Services(rawValue: 2)
        /// Isolates pods from each other (`ingressPolicy`).
        public static let isolation = Services(rawValue: 4)
        /// Moves the pod's routes to routing tables other than the main one.
        public static let routingTables = Services(rawValue: 8)
    }

    init(
        _ type: String, _ role: Role, addresses: AddressSource = .none, nodeEnd: NodeEnd = .none,
        services: Services = [], isReference: Bool = true
    ) {
        self.type = type
        self.role = role
        self.addresses = addresses
        self.nodeEnd = nodeEnd
        self.services = services
        self.isReference = isReference
    }

    /// Nil for a plugin that is not ours.
    public static func of(_ type: String) -> PluginTraits? { Registry.traits.first { $0.type == type } }
}

extension PluginTraits {
    /// Whether the IPAM plugin of that type needs the pod's interface, so that it must exist first.
    ///
    /// For other programs' plugins the answer is yes: all of them work if the interface exists.
    static func needsInterface(_ type: String) -> Bool {
        switch of(type)?.addresses {
        case .store, .configuration: false
        default: true
        }
    }

    /// The source of a block's addresses, and the object with its keys.
    ///
    /// - Parameter type: the plugin's type, ours or not.
    /// - Returns: nil if there are no addresses, or if another program decides.
    public static func addresses(
        of type: String, _ block: JSONReader
    ) throws(Failure) -> (source: AddressSource, keys: JSONReader)? {
        if let ipam = try block.member("ipam"), let delegate = try ipam.nonEmpty("type") {
            return of(delegate).map { ($0.addresses, ipam) }
        }
        return of(type)?.addresses == .delegatedOrStore ? (.store, block) : nil
    }

    /// The bridge of the plugin's block; nil if its pods are not bridge ports.
    func bridge(_ block: JSONReader) throws(Failure) -> String? {
        guard case .bridgePort(let defaults) = nodeEnd else { return nil }
        return try BridgeSettings.Keys.bridge(default: defaults.bridge).read(block)
    }

    /// The bridge if the block names none; nil if its pods are not bridge ports.
    var defaultBridge: String? {
        guard case .bridgePort(let defaults) = nodeEnd else { return nil }
        return defaults.bridge
    }

    /// The node's interface with the gateway addresses: the bridge, or its interface in a VLAN; nil if there is none.
    func gatewayInterface(_ block: JSONReader) throws(Failure) -> String? {
        guard let bridge = try bridge(block), try isGateway(block) else { return nil }
        let vlan = try BridgeSettings.Keys.vlan.read(block)
        return vlan == 0 ? bridge : "\(bridge).\(vlan)"
    }

    /// Whether the node has the pods' gateway address, according to the block.
    public func isGateway(_ block: JSONReader) throws(Failure) -> Bool {
        switch nodeEnd {
        case .none: return false
        case .routedVeth: return true
        case .bridgePort(let defaults):
            let isGateway = try BridgeSettings.Keys.isGateway(default: defaults.isGateway).read(block)
            return try isDefaultGateway(block) || isGateway
        }
    }

    /// Whether the node is their default gateway even if no route says so.
    public func isDefaultGateway(_ block: JSONReader) throws(Failure) -> Bool {
        guard case .bridgePort(let defaults) = nodeEnd else { return false }
        return try BridgeSettings.Keys.isDefaultGateway(default: defaults.isGateway).read(block)
    }

    /// Whether its pods are bridge ports.
    public var usesBridge: Bool {
        if case .bridgePort = nodeEnd { true } else { false }
    }
}

/// The differences between the plugins that attach pods to a bridge.
public struct BridgeDefaults: Sendable {
    /// The bridge's name if none is configured.
    let bridge: String
    /// Whether it is by default the pods' gateway and default route.
    let isGateway: Bool
    /// Whether a pod reaches itself by a Service by default, unless the bridge is promiscuous.
    let hairpin: Bool
    /// Whether keys are accepted that the reference's `bridge` does not have.
    let takesOwnKeys: Bool
}
