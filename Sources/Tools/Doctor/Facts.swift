public import Addresses
public import JSON
public import PacketRules
public import Posix

/// What the checks examine besides the snapshot of the node: plain values, so that tests can make them up.
public struct Facts: Sendable {
    /// Where plugins are.
    public var binaries = ""
    /// Configuration files in the order in which runtimes read them.
    public var files: [ConfigurationFile] = []
    /// The state of the plugins that those files name, by type.
    public var programs: [String: Program] = [:]
    /// The answers to STATUS of the plugins that are not ready.
    public var notReady: [NotReady] = []
    /// Kernel parameters below /proc/sys/net, such as `ipv4/ip_forward`. Parameters that the kernel lacks are missing.
    public var parameters: [String: String] = [:]
    /// Entries in the kernel's neighbour tables, over all namespaces; nil if they cannot be read.
    public var neighbours: [IPFamily: Int] = [:]
    /// Interfaces with a default route from a router advertisement.
    public var advertisedUplinks: [String] = []
    /// Tables of nf_tables other than ours, with a chain that forwarded packets traverse.
    public var firewall = Ruleset()
    /// The policy and rules of iptables-legacy's FORWARD chain, by family, as iptables-save prints them.
    public var legacyForward: [IPFamily: [String]] = [:]
    /// Whether kube-proxy's rules exist.
    public var hasServices = false
    /// Pods whose rules are incomplete or changed: the owner's name, and what is wrong.
    public var damagedRules: [(owner: String, text: String)] = []
    /// Live pods whose record of rules cannot be read, so that their rules cannot be restored.
    public var unreadableRecords: [String] = []
    /// Interfaces that another program on the node manages, and that program's name.
    public var managedLinks: [String: String] = [:]
    /// Packets of pods that policy routing takes out of their way.
    public var diversions: [Diversion] = []
    /// What is left in file systems that plugins write to, by directory.
    public var space: [String: DiskSpace] = [:]
    /// Sockets of the node on host ports of pods.
    public var listeners: [NodeListener] = []
    /// Tables whose chains see packets before all others (netdev), and are not evaluated.
    public var netdevTables: [String] = []
    /// What could not be examined, one line each.
    public var remarks: [String] = []

    public init() {}
}

/// A file of the configuration directory.
public struct ConfigurationFile: Sendable, Hashable {
    public var path: String
    /// Why it is not a valid configuration; nil if it can be read.
    public var problem: String?
    /// The values that its plugins would refuse.
    public var mistakes: [String] = []
    /// The network's name.
    public var network: String?
    /// The types of its plugins, including IPAM plugins.
    public var types: [String] = []
    /// Whether the node routes for its pods.
    public var isRouted = false
    /// Addresses that its bridge must have; empty if another interface has them.
    public var gateways: [CIDR] = []
    /// The requests that its plugins would get.
    public var plugins: [Plugin] = []

    /// A plugin of a list, with its part of the configuration as STATUS gets it.
    public struct Plugin: Sendable, Hashable {
        public var type: String
        /// The type of its IPAM plugin; nil if it has none.
        public var ipam: String?
        public var configuration: JSON
    }

    public init(path: String) { self.path = path }

    public var name: String { path.split(separator: "/").last.map(String.init) ?? path }
}

/// A plugin's executable.
public enum Program: Sendable, Hashable {
    /// One of swiftlet's names.
    case own
    /// Another program.
    case foreign
    case missing, notExecutable
}

/// The answer of a plugin that cannot serve.
public struct NotReady: Sendable, Hashable {
    public var file: String
    public var type: String
    /// The error's code (CNI spec 1.1.0, section 5).
    public var code: Int
    public var text: String

    public init(file: String, type: String, code: Int, text: String) {
        self.file = file
        self.type = type
        self.code = code
        self.text = text
    }
}
