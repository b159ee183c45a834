internal import Addresses
internal import CNI
public import IPAM
internal import JSON
public import Posix

/// What a configuration file says about a network, to help interpret the state of a node. It decides nothing: a file
/// may have changed since pods were attached.
public struct ConfiguredNetwork: Sendable, Hashable {
    public var name: String
    /// The types of its plugins, in order.
    public var plugins: [String]
    /// Nil if its pods are not bridge ports.
    public var bridge: String?
    /// The node's interface with the gateway addresses: the bridge, or its interface in a VLAN; nil if the network has
    /// none or leaves them to others.
    public var gatewayInterface: String?
    /// The directory that contains its reservations, in a directory of its name; nil if addresses come from elsewhere.
    public var dataDirectory: String?
    /// The ranges of its addresses; empty if the runtime or another program provides them.
    public var ranges: [RangeSet]

    public init(name: String, plugins: [String], bridge: String?, dataDirectory: String?, ranges: [RangeSet]) {
        self.name = name
        self.plugins = plugins
        self.bridge = bridge
        self.dataDirectory = dataDirectory
        self.ranges = ranges
    }

    /// Reads a list of plugins (`.conflist`) or the configuration of one (`.conf`, `.json`).
    ///
    /// - Throws: code 6 if it is not JSON or has a key of the wrong type, 7 if it makes no sense.
    public init(_ document: [UInt8]) throws(Failure) {
        let reader = JSONReader(try JSON(parsing: document))
        guard let name = try reader.nonEmpty("name") else { throw reader.missing("name") }
        self.init(name: name, plugins: [], bridge: nil, dataDirectory: nil, ranges: [])
        for plugin in try reader.member("plugins")?.elements() ?? [reader] {
            let type = try plugin.nonEmpty("type") ?? ""
            plugins.append(type)
            if let traits = PluginTraits.of(type) {
                if let name = try traits.bridge(plugin) { bridge = name }
                if let name = try traits.gatewayInterface(plugin) { gatewayInterface = name }
            }
            if let (source, keys) = try PluginTraits.addresses(of: type, plugin), source == .store {
                try addAddresses(of: keys)
            }
        }
    }

    private mutating func addAddresses(of reader: JSONReader) throws(Failure) {
        dataDirectory = try HostLocalSettings.Keys.dataDirectory.read(reader)
        ranges += try HostLocalSettings.sets(reader)
    }

    /// The bridge that a plugin of that type makes if its configuration names none; nil for plugins without a bridge.
    public static func defaultBridge(ofType type: String) -> String? {
        PluginTraits.of(type)?.defaultBridge
    }

    /// Larger documents are refused, in octets.
    public static let maximumSize = Configuration.maximumSize

    /// The directory of reservations unless a configuration names another.
    public static let usualDataDirectory = HostLocalSettings.Keys.dataDirectory.fallback
}
