public import Addresses
public import JSON
public import PacketRules

/// What is looked at beside the snapshot of the node: plain values, so that tests can make them up.
public struct Facts: Sendable {
    /// Where plugins are.
    public var binaries = ""
    /// Configuration files in the order in which runtimes take them.
    public var files: [ConfigurationFile] = []
    /// What there is of the plugins that they name.
    public var programs: [String: Program] = [:]
    /// What plugins say when they are asked by STATUS, of those that are not ready.
    public var notReady: [NotReady] = []
    /// Kernel parameters below /proc/sys/net, such as `ipv4/ip_forward`; those that the kernel does not have are missing.
    public var parameters: [String: String] = [:]
    /// Entries in the kernel's neighbour tables, of all namespaces; nil where it does not tell.
    public var neighbours: [IPFamily: Int] = [:]
    /// Interfaces with a default route that a router's advertisement has brought.
    public var advertisedUplinks: [String] = []
    /// Tables of nf_tables, not ours, with a chain that forwarded packets pass.
    public var firewall = Ruleset()
    /// The policy and rules of iptables-legacy's FORWARD, by family, as iptables-save prints them.
    public var legacyForward: [IPFamily: [String]] = [:]
    /// Whether kube-proxy's rules are there.
    public var hasServices = false
    /// Pods whose rules are not whole: their names, and what is the matter.
    public var damagedRules: [(owner: String, text: String)] = []
    /// Living pods with a record of rules that cannot be read, so that nothing can put them back.
    public var unreadableRecords: [String] = []
    /// Interfaces that a program of the node configures, and which program.
    public var managedLinks: [String: String] = [:]
    /// What could not be looked at: a line each.
    public var remarks: [String] = []

    public init() {}
}

/// A file of the configuration directory.
public struct ConfigurationFile: Sendable, Hashable {
    public var path: String
    /// Why it is none; nil for one that can be read.
    public var problem: String?
    /// What the plugins that it names would refuse.
    public var mistakes: [String] = []
    /// The network's name.
    public var network: String?
    /// The types of its plugins, and of those that give them addresses.
    public var types: [String] = []
    /// Whether the node routes for its pods.
    public var isRouted = false
    /// Addresses that its bridge has to have; none where they are another interface's.
    public var gateways: [CIDR] = []
    /// What each of its plugins would be asked with.
    public var plugins: [Plugin] = []

    /// A plugin of a list, with its part of the configuration as STATUS gets it.
    public struct Plugin: Sendable, Hashable {
        public var type: String
        /// The type of the plugin that its addresses come from; nil for none.
        public var ipam: String?
        public var configuration: JSON
    }

    public init(path: String) { self.path = path }

    public var name: String { path.split(separator: "/").last.map(String.init) ?? path }
}

/// A plugin's file.
public enum Program: Sendable, Hashable {
    /// One of swiftlet's names.
    case own
    /// Another program's.
    case foreign
    case missing, notExecutable
}

/// What a plugin says that cannot serve.
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
