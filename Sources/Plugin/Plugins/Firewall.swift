internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import Netfilter
internal import NetlinkCodec
internal import Posix

/// Isolates pods from each other and lets their traffic through other programs' firewalls. Drop-in for the reference's
/// `firewall`.
struct Firewall: BuiltInPlugin {
    static let traits = PluginTraits("firewall", .chained, services: .isolation)
    static var description: PluginDescription {
        PluginDescription(
            traits,
            "`swiftlet` takes `ingressPolicy` and `firewalldZone` too, and does this only with `ingressPolicy`.",
            FirewallSettings.Keys.everything
        ) { request throws(Failure) in _ = try FirewallSettings(request) }
    }

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let settings = try FirewallSettings(request)
        let result = try request.chainedResult("missing prevResult from earlier plugin")
        try request.apply(try rules(settings, result, request), as: Firewall.type)
        return result
    }

    func del(_ request: Request) throws(Failure) {
        let addresses = try? request.configuration.previousResult()?.addresses(of: request.attachment.ifname)
        try request.removeRules(as: Firewall.type, orTheirs: .passage(addresses?.map { $0.address } ?? []))
    }

    func check(_ request: Request) throws(Failure) {
        let settings = try FirewallSettings(request)
        let result = try request.chainedResult("missing prevResult from earlier plugin")
        try request.check(try rules(settings, result, request), as: Firewall.type)
    }

    func gc(_ request: Request) throws(Failure) { try request.collectRules() }

    func status(_ request: Request) throws(Failure) {
        try request.requireNftables()
        try request.requireNothingBlocks()
    }

    private func rules(
        _ settings: FirewallSettings, _ result: CNIResult, _ request: Request
    ) throws(Failure) -> PodRules {
        var rules = PodRules(
            passage: settings.passage(result.addresses(of: request.attachment.ifname), overridden: true))
        guard settings.policy != .open else { return rules }
        var host = try NetlinkSocket()
        let links = try result.interfaces.filter { $0.sandbox == nil }
            .map { interface throws(Failure) in try host.link(.name(interface.name)) }.compactMap { $0 }
        guard let bridge = links.first(where: { $0.kind == "bridge" }) else {
            throw Failure(
                .invalidConfiguration, "ingressPolicy: \(settings.policy) needs a bridge, but prevResult has none",
                details: "put firewall after bridge in \"plugins\"")
        }
        let port = links.first { $0.kind == "veth" && $0.master == bridge.index }
        // With a VLAN, traffic for other bridges uses another interface: BRIDGE.VLAN.
        let address = result.addresses(of: request.attachment.ifname).first?.address
        let way = try address.flatMap { (address) throws(Failure) in try host.interface(towards: address) }
        let carrier = way.flatMap { $0.hasPrefix("\(bridge.name).") ? $0 : nil } ?? bridge.name
        rules.isolation = settings.isolation(carrier, port: port?.name)
        return rules
    }
}

extension Request {
    /// - Throws: code 51 if another program's firewall drops what pods send through the node.
    func requireNothingBlocks() throws(Failure) {
        let blocking = try NodeRules.blockingChains()
        guard let first = blocking.first else { return }
        throw Failure(
            .limitedConnectivity, first,
            details:
                "accept the pods' subnets there, with a comment that begins with swiftlet; all: \(blocking.joined(separator: "; "))"
        )
    }
}
