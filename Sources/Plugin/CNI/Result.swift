public import Addresses

/// The result of ADD (CNI spec 1.1.0, section 5), in the newest version's terms.
public struct CNIResult: Sendable, Hashable {
    public var interfaces: [Interface]
    public var ips: [IP]
    public var routes: [Route]
    public var dns: DNS

    public init(interfaces: [Interface] = [], ips: [IP] = [], routes: [Route] = [], dns: DNS = DNS()) {
        self.interfaces = interfaces
        self.ips = ips
        self.routes = routes
        self.dns = dns
    }

    public struct Interface: Sendable, Hashable {
        public var name: String
        /// Usually six pairs of hexadecimal digits with colons.
        public var mac: String?
        /// Octets. Since 1.1.0, and written from 1.0.0 on.
        public var mtu: UInt32?
        /// The pod's namespace path; nil for an interface on the host.
        public var sandbox: String?
        /// For a vhost-user socket or the like.
        public var socketPath: String?
        /// Such as `0000:00:1f.6`.
        public var pciID: String?

        public init(
            name: String, mac: String? = nil, mtu: UInt32? = nil, sandbox: String? = nil, socketPath: String? = nil,
            pciID: String? = nil
        ) {
            self.name = name
            self.mac = mac
            self.mtu = mtu
            self.sandbox = sandbox
            self.socketPath = socketPath
            self.pciID = pciID
        }
    }

    public struct IP: Sendable, Hashable {
        /// The interface's address, with the length of its network's prefix.
        public var address: CIDR
        public var gateway: IPAddress?
        /// Index into `interfaces`; nil in the result of an IPAM plugin.
        public var interface: Int?

        public init(address: CIDR, gateway: IPAddress? = nil, interface: Int? = nil) {
            self.address = address
            self.gateway = gateway
            self.interface = interface
        }
    }

    public struct Route: Sendable, Hashable {
        public var destination: CIDR
        public var gateway: IPAddress?
        /// Octets; RTAX_MTU.
        public var mtu: UInt32?
        /// Octets; RTAX_ADVMSS.
        public var advmss: UInt32?
        /// The metric: lower is preferred.
        public var priority: UInt32?
        /// Routing table; the main one (254) if nil.
        public var table: UInt32?
        /// RT_SCOPE_*: 0 universe, 253 link, 254 host.
        public var scope: UInt32?

        public init(
            destination: CIDR, gateway: IPAddress? = nil, mtu: UInt32? = nil, advmss: UInt32? = nil,
            priority: UInt32? = nil, table: UInt32? = nil, scope: UInt32? = nil
        ) {
            self.destination = destination
            self.gateway = gateway
            self.mtu = mtu
            self.advmss = advmss
            self.priority = priority
            self.table = table
            self.scope = scope
        }
    }

    public struct DNS: Sendable, Hashable {
        public var nameservers: [String]
        public var domain: String?
        public var search: [String]
        public var options: [String]

        public init(
            nameservers: [String] = [], domain: String? = nil, search: [String] = [], options: [String] = []
        ) {
            self.nameservers = nameservers
            self.domain = domain
            self.search = search
            self.options = options
        }

        public var isEmpty: Bool { nameservers.isEmpty && domain == nil && search.isEmpty && options.isEmpty }
    }
}
