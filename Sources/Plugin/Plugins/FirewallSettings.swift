internal import Addresses
internal import CNI
internal import JSON
internal import Netfilter
internal import Posix

/// The settings of `firewall`.
struct FirewallSettings {
    let policy: Policy
    let zone: String

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
            ConfigurationKey<String>.text(
                "backend", default: "", "`iptables` or `firewalld`; accepted: what runs on the node is what counts.")
            ConfigurationKey<String>.text(
                "iptablesAdminChainName", default: "CNI-ADMIN",
                "Accepted; administrators' own tables come before or after ours.")
            firewalldZone
        }
        static let firewalldZone = ConfigurationKey<String>.text(
            "firewalldZone", default: "trusted",
            "Zone of firewalld, if it runs, to which pods' addresses are added.")
    }

    init(_ request: Request) throws(Failure) {
        policy = try request.configuration[Keys.ingressPolicy]
        zone = try request.configuration[Keys.firewalldZone]
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
    func passage(_ addresses: [CIDR]) -> Passage? {
        guard !addresses.isEmpty else { return nil }
        return Passage(subnets: addresses.networks, addresses: addresses.map { $0.address }, zone: zone)
    }
}
