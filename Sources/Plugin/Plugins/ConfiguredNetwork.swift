internal import Addresses
internal import CNI
public import IPAM
internal import JSON
public import Posix

/// What a configuration file says of a network, as far as it helps to make sense of what there is on a node. Nothing is
/// decided by it: a file may have changed since pods were attached.
public struct ConfiguredNetwork: Sendable, Hashable {
    public var name: String
    /// The types of its plugins, in order.
    public var plugins: [String]
    /// Nil where its pods are ports of none.
    public var bridge: String?
    /// The interface of the node that has its gateway addresses: the bridge, or the bridge's in a VLAN; nil where it has none, or
    /// leaves them to others.
    public var gatewayInterface: String?
    /// Where its reservations are kept, in a directory of its name; nil where addresses come from elsewhere.
    public var dataDirectory: String?
    /// Where its addresses come from; none where the runtime says so, or another program.
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
    /// - Throws: code 6 for what is no JSON or has a key of the wrong type, 7 for one that makes no sense.
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

    /// The bridge that a plugin of that type makes where its configuration names none; nil for those without one.
    public static func defaultBridge(ofType type: String) -> String? {
        PluginTraits.of(type)?.defaultBridge
    }

    /// Larger documents are refused, in octets.
    public static let maximumSize = Configuration.maximumSize

    /// Where reservations are kept unless a configuration says otherwise.
    public static let usualDataDirectory = HostLocalSettings.Keys.dataDirectory.fallback
}
