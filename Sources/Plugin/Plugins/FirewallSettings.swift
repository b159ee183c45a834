internal import Addresses
internal import CNI
internal import JSON
internal import Netfilter
internal import Posix

/// The settings of `firewall`.
struct FirewallSettings {
    let policy: Policy
    let zone: String
    private let backend: String
    private let administrators: String

    /// Which new connections pods accept.
    enum Policy: String, CustomStringConvertible {
        /// From everywhere.
        case open
        /// Not from pods of other bridges that have a policy too.
        case sameBridge = "same-bridge"
        /// Not from any pod of such bridges, including their own.
        case isolated

        var description: String { rawValue }
    }

    enum Keys {
        static let ingressPolicy = ConfigurationKey<FirewallSettings.Policy>(
            "ingressPolicy", default: .open,
            "Who may connect to the pods: `open` everybody, `same-bridge` no pod of another bridge that has a policy, `isolated` no pod."
        ) { reader throws(Failure) in
            let text = try reader.string()
            guard let policy = text.isEmpty ? .open : FirewallSettings.Policy(rawValue: text) else {
                throw reader.wrong("open, same-bridge or isolated (unknown ingress policy: \"\(text)\")")
            }
            return policy
        }

        @KeyList static var everything: [KeyDescription] {
            ingressPolicy
            backend
            iptablesAdminChainName
            firewalldZone
        }
        static let backend = ConfigurationKey<String>.text(
            "backend", default: "",
            "`iptables`, `firewalld`, or what runs on the node: whether there is an administrators' chain. Zones are used where firewalld runs."
        )
        static let iptablesAdminChainName = ConfigurationKey<String>(
            "iptablesAdminChainName", default: "CNI-ADMIN",
            "The administrators' chain in iptables' table `filter`, judged before pods are let through; made if it is missing. 28 octets at most."
        ) { reader throws(Failure) in
            let name = try reader.string()
            let taken = ["INPUT", "FORWARD", "OUTPUT", "ACCEPT", "DROP", "RETURN", "QUEUE"]
            guard name.utf8.count <= 28, !taken.contains(name), !name.hasPrefix("-"), !name.hasPrefix("!"),
                name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
            else {
                throw reader.wrong("a name for a chain of iptables: at most 28 printable octets, none of iptables' own")
            }
            return name.isEmpty ? "CNI-ADMIN" : name
        }
        static let firewalldZone = ConfigurationKey<String>.text(
            "firewalldZone", default: "trusted",
            "Zone of firewalld, if it runs, to which pods' addresses are added.")
    }

    init(_ request: Request) throws(Failure) {
        policy = try request.configuration[Keys.ingressPolicy]
        zone = try request.configuration[Keys.firewalldZone]
        backend = try request.configuration[Keys.backend]
        administrators = try request.configuration[Keys.iptablesAdminChainName]
    }

    /// The rules of the policy on a bridge; nil for the open policy.
    ///
    /// - Parameter port: the pod's bridge port, if it is not isolated elsewhere.
    func isolation(_ bridge: String, port: String? = nil) -> Isolation? {
        policy == .open
            ? nil
            : Isolation(
                bridge: bridge, allowsSameBridge: policy == .sameBridge, port: policy == .isolated ? port : nil)
    }

    /// The passage through other programs' firewalls for a pod with these addresses; nil if it has none.
    ///
    /// - Parameter overridden: whether rules of the administrators' chain are judged first.
    func passage(_ addresses: [CIDR], overridden: Bool = false) -> Passage? {
        guard !addresses.isEmpty else { return nil }
        // Nomad has the plugin twice, for the two families; both must ask for the same.
        let override = Passage.Override(
            chain: administrators, besideFirewalld: ["iptables", "ip6tables"].contains(backend))
        return Passage(
            subnets: addresses.networks, addresses: addresses.map { $0.address }, zone: zone,
            override: overridden && backend != "firewalld" ? override : nil)
    }
}
