public import Addresses
public import EngineHTTP
public import NodeNetwork
internal import NodeRoutes
public import PluginConfiguration
public import Posix
public import ServicePlan

/// What swiftlet-agent is told: one YAML file, a key for each thing.
public struct AgentConfiguration: Sendable {
    public var engine: Engine
    /// The name of the plugin's network, and of the cluster's data in etcd.
    public var network: String
    public var ranges: [Range]
    public var ways: NetworkSettings
    /// Nil if another program, such as kube-proxy, serves Services.
    public var services: Services?
    public var file: ConfigurationFile
    /// Path of a template of the plugin's configuration; nil for the usual one.
    public var template: String?
    /// Address and port of metrics and health; nil for none.
    public var listen: (host: String, port: Int)?
    /// `error`, `warning`, `info` or `debug`.
    public var logLevel: String

    /// A range of all pods' addresses.
    public struct Range: Sendable, Hashable {
        public var cidr: CIDR
        /// The prefix length of each node's subnet; for the engine etcd, which hands subnets out.
        public var nodePrefix: Int
    }

    public struct Services: Sendable {
        /// On which of the node's addresses node ports are open.
        public var nodePorts: ServiceNode.NodePortAddresses
        /// Cluster IPs come from these: what no Service has of them is refused.
        public var ranges: [CIDR]
        /// Address and port of the health check that load balancers ask; nil for none.
        public var health: (host: String, port: Int)?
    }

    public enum Engine: Sendable {
        case kubernetes(Kubernetes)
        case etcd(Etcd)
    }

    public struct Kubernetes: Sendable {
        /// Path; nil in a pod, which has a service account.
        public var kubeconfig: String?
        /// Nil for the file's current one.
        public var context: String?
        /// The API's servers, instead of those that kubeconfig or environment name.
        public var servers: [String]
        /// Whether nodes reach each other by their external addresses.
        public var prefersExternalAddresses: Bool
    }

    public struct Etcd: Sendable {
        public var access: EngineAccess
        /// Seconds after which the subnets of a node that is gone are free.
        public var leaseSeconds: Int?
        public var user: String?
        public var passwordFile: String?
    }
}

extension AgentConfiguration {
    private enum EngineName: String, CaseIterable { case kubernetes, etcd }
    private enum AddressKind: String, CaseIterable { case `internal`, external }
    private enum Flag: String, CaseIterable { case `true`, `false` }
    private enum Level: String, CaseIterable { case error, warning, info, debug }

    /// Reads the configuration.
    ///
    /// - Parameter hostName: this node's name where the configuration has none.
    /// - Throws: ``Failure/Kind/invalidConfiguration`` with the line of what is wrong.
    public init(yaml text: String, hostName: String) throws(Failure) {
        var reader = try YAMLReader(document: text)
        let engine = try reader.choice("engine", EngineName.self) ?? .kubernetes
        let node = try reader.parsed("node", AgentConfiguration.nameRule, AgentConfiguration.name) ?? hostName
        network = try reader.parsed("network", AgentConfiguration.nameRule, AgentConfiguration.name) ?? "pods"
        ranges = try reader.mappings("ranges") { (reader) throws(Failure) in try AgentConfiguration.range(&reader) }
        var routes = RouteSettings(try reader.choice("ways", RouteSettings.Mode.self) ?? .auto)
        routes.clusterRanges = ranges.map { $0.cidr }
        let origin = try reader.number("routeProtocol", in: 5...255) ?? Int(RouteSettings.usualOrigin)
        // linux/rtnetlink.h: all routes with this number are the agent's, to change and to delete.
        guard !(8...18).contains(origin), origin != 42, !(186...192).contains(origin) else {
            throw Failure(.invalidConfiguration, "routeProtocol: \(origin) is another program's", details: "such as 83")
        }
        routes.origin = UInt8(origin)
        var ways = NetworkSettings(node: node, routes: routes)
        ways.interfaces = try reader.texts("interfaces")
        let vxlan = try reader.mapping("vxlan") { (reader) throws(Failure) in
            (try reader.number("id", in: 1...0xff_ffff), try reader.number("port", in: 1...65535))
        }
        if let id = vxlan?.0 { ways.tunnelID = UInt32(id) }
        if let port = vxlan?.1 { ways.tunnelPort = UInt16(port) }
        self.ways = ways
        let kubernetes = try reader.mapping("kubernetes") { (reader) throws(Failure) in
            try AgentConfiguration.kubernetes(&reader)
        }
        let etcd = try reader.mapping("etcd") { (reader) throws(Failure) in try AgentConfiguration.etcd(&reader) }
        services =
            try reader.mapping("services") { (reader) throws(Failure) in try AgentConfiguration.services(&reader) }
            ?? nil
        let plugin = try reader.mapping("plugin") { (reader) throws(Failure) in
            (try reader.text("directory"), try reader.text("file"), try reader.text("template"))
        }
        file = ConfigurationFile(
            directory: plugin?.0 ?? "/etc/cni/net.d", name: plugin?.1 ?? "05-swiftlet.conflist")
        guard !file.name.contains("/"), [".conflist", ".conf", ".json"].contains(where: file.name.hasSuffix) else {
            throw Failure(
                .invalidConfiguration, "plugin.file: \(file.name) is not the name of a configuration list",
                details: "such as 05-swiftlet.conflist")
        }
        template = plugin?.2
        listen =
            try reader.parsed("listen", "ADDRESS:PORT, or none", AgentConfiguration.endpoint) ?? ("127.0.0.1", 9483)
        if listen?.port == 0 { listen = nil }
        logLevel = (try reader.choice("logLevel", Level.self) ?? .info).rawValue
        try reader.finish()
        switch engine {
        case .kubernetes:
            guard !ranges.isEmpty else { throw AgentConfiguration.noRanges("they are the cluster's --cluster-cidr") }
            guard etcd == nil else { throw AgentConfiguration.unused("etcd", "kubernetes") }
            self.engine = .kubernetes(
                kubernetes ?? Kubernetes(kubeconfig: nil, context: nil, servers: [], prefersExternalAddresses: false))
        case .etcd:
            guard kubernetes == nil else { throw AgentConfiguration.unused("kubernetes", "etcd") }
            guard let etcd else {
                throw Failure(.invalidConfiguration, "etcd is missing", details: "etcd.servers says where it is")
            }
            guard !ranges.isEmpty else { throw AgentConfiguration.noRanges("nodes take their subnets from them") }
            self.ways.followsOwnNode = false
            guard services == nil else {
                throw Failure(
                    .invalidConfiguration, "services: etcd knows only nodes",
                    details: "Services need engine: kubernetes")
            }
            self.engine = .etcd(etcd)
        }
        try requireDisjointRanges()
    }

    private static func noRanges(_ why: String) -> Failure {
        Failure(
            .invalidConfiguration, "ranges is missing: \(why)",
            details: "such as ranges: [{cidr: 10.244.0.0/16, nodePrefix: 24}]")
    }

    private static func unused(_ key: String, _ engine: String) -> Failure {
        Failure(
            .invalidConfiguration, "\(key) is of no use with engine: \(engine)", details: "remove it or change engine")
    }

    private func requireDisjointRanges() throws(Failure) {
        for (index, range) in ranges.enumerated() {
            for other in ranges.dropFirst(index + 1) where range.cidr.overlaps(other.cidr) {
                throw Failure(.invalidConfiguration, "ranges \(range.cidr) and \(other.cidr) overlap")
            }
        }
    }

    private static func range(_ reader: inout YAMLReader) throws(Failure) -> Range {
        guard let cidr = try reader.parsed("cidr", "a network such as 10.244.0.0/16", { CIDR($0) }) else {
            throw Failure(.invalidConfiguration, "\(reader.path).cidr is missing")
        }
        guard cidr.isNetwork else {
            throw Failure(
                .invalidConfiguration, "\(reader.path).cidr: \(cidr) has host bits", details: "\(cidr.network) has none"
            )
        }
        let longest = cidr.family.bitWidth - 2
        guard cidr.prefixLength < longest else {
            throw Failure(
                .invalidConfiguration, "\(reader.path).cidr: \(cidr) is too small for the subnets of several nodes")
        }
        let prefix = try reader.number("nodePrefix", in: cidr.prefixLength...longest)
        let usual = cidr.family == .v4 ? 24 : 64
        return Range(cidr: cidr, nodePrefix: prefix ?? min(max(usual, cidr.prefixLength + 1), longest))
    }

    private static func services(_ reader: inout YAMLReader) throws(Failure) -> Services? {
        let isEnabled = try reader.choice("enabled", Flag.self) != .false
        var nodePorts = ServiceNode.NodePortAddresses.primary
        let listed = try networks("nodePortAddresses", &reader)
        if !listed.isEmpty { nodePorts = .within(listed) }
        let ranges = try networks("ranges", &reader)
        let health = try reader.parsed("health", "ADDRESS:PORT, or none", endpoint) ?? ("0.0.0.0", 10256)
        return isEnabled ? Services(nodePorts: nodePorts, ranges: ranges, health: health.1 == 0 ? nil : health) : nil
    }

    private static func networks(_ key: String, _ reader: inout YAMLReader) throws(Failure) -> [CIDR] {
        try reader.texts(key).map { text throws(Failure) in
            guard let network = CIDR(text), network.isNetwork else {
                throw Failure(
                    .invalidConfiguration,
                    "\(reader.path).\(key): \"\(text.prefix(60))\" is not a network such as 10.96.0.0/12")
            }
            return network
        }
    }

    private static func kubernetes(_ reader: inout YAMLReader) throws(Failure) -> Kubernetes {
        Kubernetes(
            kubeconfig: try reader.text("kubeconfig"), context: try reader.text("context"),
            servers: try servers(&reader),
            prefersExternalAddresses: try reader.choice("addresses", AddressKind.self) == .external)
    }

    private static func etcd(_ reader: inout YAMLReader) throws(Failure) -> Etcd {
        let servers = try servers(&reader)
        guard !servers.isEmpty else {
            throw Failure(
                .invalidConfiguration, "\(reader.path).servers is missing", details: "such as [https://10.0.0.1:2379]")
        }
        var access = EngineAccess(servers)
        access.authorities = try reader.text("certificateAuthority").map { .file($0) }
        access.certificate = try reader.text("certificate").map { .file($0) }
        access.key = try reader.text("key").map { .file($0) }
        guard (access.certificate == nil) == (access.key == nil) else {
            throw Failure(.invalidConfiguration, "\(reader.path): certificate and key must both be given, or none")
        }
        return Etcd(
            access: access, leaseSeconds: try reader.number("leaseSeconds", in: 600...2_592_000),
            user: try reader.text("user"), passwordFile: try reader.text("passwordFile"))
    }

    private static func servers(_ reader: inout YAMLReader) throws(Failure) -> [String] {
        var servers: [String] = []
        for server in try reader.texts("servers") {
            guard let scheme = ["http://", "https://"].first(where: server.hasPrefix),
                !server.dropFirst(scheme.count).isEmpty, !server.dropFirst(scheme.count).contains("/")
            else {
                throw Failure(
                    .invalidConfiguration, "\(reader.path).servers: \(server.prefix(80)) is not https://HOST:PORT")
            }
            servers.append(server)
        }
        return servers
    }

    private static let nameRule = "a name of up to 253 letters, digits, \"-\", \"_\" and \".\""

    private static func name(_ text: String) -> String? {
        let isValid =
            text.utf8.count <= 253 && text.utf8.first != UInt8(ascii: ".")
            && text.utf8.allSatisfy { octet in
                let character = Character(Unicode.Scalar(octet))
                return character.isASCII && (character.isLetter || character.isNumber || "-_.".contains(character))
            }
        return isValid && !text.isEmpty ? text : nil
    }

    /// `none` is port 0.
    private static func endpoint(_ text: String) -> (host: String, port: Int)? {
        if text == "none" { return ("", 0) }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard IPAddress(String(host)) != nil else { return nil }
        return (String(host), Int(port))
    }
}
