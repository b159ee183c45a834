internal import CNI
public import JSON
public import Posix

/// What a plugin does to a pod's network, as far as others have to know of it: the plugins that work together with it,
/// and the programs that make sense of its configuration.
public struct PluginTraits: Sendable {
    /// The name that configurations and runtimes call it by.
    public let type: String
    public let role: Role
    public let addresses: AddressSource
    public let nodeEnd: NodeEnd
    /// What else it does, or can be told to do.
    public let services: Services
    /// Whether the reference set has a plugin of this name, whose configurations this one takes. One that is ours alone
    /// refuses keys that it does not know.
    public let isReference: Bool

    /// Where in a list it stands.
    public enum Role: Sendable {
        /// In front: it makes the pod's interface.
        case interface
        /// The same, or behind another one.
        case furtherInterface
        /// Behind such a one: it works on what that has made.
        case chained
        /// In `ipam.type` of another one.
        case addresses
        /// Anywhere: it sets up `lo`, which every pod has.
        case loopback

        public var makesInterface: Bool { self == .interface || self == .furtherInterface }
    }

    /// Where the addresses of pods come from.
    public enum AddressSource: Sendable {
        /// It has nothing to do with them.
        case none
        /// From the plugin that `ipam.type` names.
        case delegated
        /// The same; without `ipam.type` from the store, whose keys stand in the plugin's own block then.
        case delegatedOrStore
        /// It hands them out, from the store on this node.
        case store
        /// It hands out those that its configuration names.
        case configuration
        /// It hands out leases of a server, which is asked on the pod's interface.
        case leases
    }

    /// What the pods' links lead to on the node.
    public enum NodeEnd: Sendable {
        /// Nothing that the plugin makes.
        case none
        /// A port of a bridge.
        case bridgePort(BridgeDefaults)
        /// The other end of a veth, which is the pod's gateway.
        case routedVeth
    }

    public struct Services: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// Publishes ports of the pod on the node (the capability `portMappings`).
        public static let ports = Services(rawValue: 1)
        /// Limits how fast the pod may be (the capability `bandwidth`).
        public static let limits = Services(rawValue: 2)
        /// Keeps pods apart (`ingressPolicy`).
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
    /// Whether the IPAM plugin of that type needs the pod's interface, so that it must be there first.
    ///
    /// Of plugins that are not ours nobody knows: with the interface there they all work.
    static func needsInterface(_ type: String) -> Bool {
        switch of(type)?.addresses {
        case .store, .configuration: false
        default: true
        }
    }

    /// Where a plugin's block takes addresses from, and the object that has the keys for it.
    ///
    /// - Parameter type: of the plugin, which may be anybody's.
    /// - Returns: nil where there are none, or where that is for a program of others to say.
    public static func addresses(
        of type: String, _ block: JSONReader
    ) throws(Failure) -> (source: AddressSource, keys: JSONReader)? {
        if let ipam = try block.member("ipam"), let delegate = try ipam.nonEmpty("type") {
            return of(delegate).map { ($0.addresses, ipam) }
        }
        return of(type)?.addresses == .delegatedOrStore ? (.store, block) : nil
    }

    /// The bridge of the plugin's block; nil where its pods are ports of none.
    func bridge(_ block: JSONReader) throws(Failure) -> String? {
        guard case .bridgePort(let defaults) = nodeEnd else { return nil }
        return try BridgeSettings.Keys.bridge(default: defaults.bridge).read(block)
    }

    /// The bridge where the block names none; nil where its pods are ports of none.
    var defaultBridge: String? {
        guard case .bridgePort(let defaults) = nodeEnd else { return nil }
        return defaults.bridge
    }

    /// The interface of the node that has its gateway addresses: the bridge, or the bridge's in a VLAN; nil where it has none.
    func gatewayInterface(_ block: JSONReader) throws(Failure) -> String? {
        guard let bridge = try bridge(block), try isGateway(block) else { return nil }
        let vlan = try BridgeSettings.Keys.vlan.read(block)
        return vlan == 0 ? bridge : "\(bridge).\(vlan)"
    }

    /// Whether the node has the pods' gateway address, by the plugin's block.
    public func isGateway(_ block: JSONReader) throws(Failure) -> Bool {
        switch nodeEnd {
        case .none: return false
        case .routedVeth: return true
        case .bridgePort(let defaults):
            let isGateway = try BridgeSettings.Keys.isGateway(default: defaults.isGateway).read(block)
            return try isDefaultGateway(block) || isGateway
        }
    }

    /// Whether it is their default gateway even where no route says so.
    public func isDefaultGateway(_ block: JSONReader) throws(Failure) -> Bool {
        guard case .bridgePort(let defaults) = nodeEnd else { return false }
        return try BridgeSettings.Keys.isDefaultGateway(default: defaults.isGateway).read(block)
    }

    /// Whether its pods are ports of a bridge.
    public var usesBridge: Bool {
        if case .bridgePort = nodeEnd { true } else { false }
    }
}

/// In what the plugins differ that attach pods to a bridge.
public struct BridgeDefaults: Sendable {
    /// Its name where none is configured.
    let bridge: String
    /// Whether it is the pods' gateway and default route where nothing is said of it.
    let isGateway: Bool
    /// Whether keys are taken that the reference's `bridge` does not have.
    let takesOwnKeys: Bool
}
