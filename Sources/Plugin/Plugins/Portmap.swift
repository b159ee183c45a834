internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import Netfilter
internal import NetlinkCodec
internal import Posix

/// Forwards ports of the node to the pod. Drop-in for the reference's `portmap`: chained, for the capability `portMappings`.
struct Portmap: BuiltInPlugin {
    static let traits = PluginTraits("portmap", .chained, services: .ports)
    static var description: PluginDescription {
        PluginDescription(
            traits, "Serves the capability `portMappings`; `swiftlet` takes these keys too.",
            PortMappingSettings.Keys.everything, capabilities: ["portMappings"]
        ) { request throws(Failure) in _ = try PortMappingSettings(request) }
    }

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let settings = try PortMappingSettings(request)
        let result = try request.chainedResult()
        let rules = try rules(settings, result, request)
        settings.warnOfListeners(request)
        try request.apply(rules, as: Portmap.type)
        return result
    }

    func del(_ request: Request) throws(Failure) { try request.removeRules(as: Portmap.type, orTheirs: .hostPorts) }

    func check(_ request: Request) throws(Failure) {
        let settings = try PortMappingSettings(request)
        let result = try request.chainedResult()
        try request.check(try rules(settings, result, request), as: Portmap.type)
    }

    func gc(_ request: Request) throws(Failure) { try request.collectRules() }

    /// Pods without ports need no rules, so a kernel that has none is only told of.
    func status(_ request: Request) throws(Failure) {
        _ = try PortMappingSettings(request)
        request.tellingOnly("no pod with ports can be attached") { () throws(Failure) in try request.requireNftables() }
    }

    private func rules(
        _ settings: PortMappingSettings, _ result: CNIResult, _ request: Request
    ) throws(Failure) -> PodRules {
        guard !settings.mappings.isEmpty else { return PodRules() }
        let addresses = result.addresses(of: request.attachment.ifname)
        guard let first = addresses.first else {
            throw Failure(
                .invalidConfiguration, "prevResult has no address for \(request.attachment.ifname)",
                details: "host ports lead to the pod's first address of each family")
        }
        var host = try NetlinkSocket()
        let target = addresses.first { $0.family == .v4 } ?? first
        let ports = result.interfaces.filter { $0.sandbox == nil }.map { $0.name }
        var hairpinPort: String?
        for name in ports where hairpinPort == nil {
            guard let link = try host.link(.name(name)), link.kind == "veth", link.master != 0,
                (try host.link(.index(link.master))?.flags ?? 0) & InterfaceFlag.promiscuous == 0
            else { continue }
            hairpinPort = name
        }
        return PodRules(
            ports: try settings.ports(
                addresses: addresses, localRoute: try host.interface(towards: target.address), hairpinPort: hairpinPort)
        )
    }
}
