internal import CNI
internal import JSON
internal import Posix

/// A pod's whole networking in one process and one configuration block: `lo`, bridge `cbr0`, gateway, default route,
/// and the host-local store, configured by `subnet` or `ranges` in the block itself.
///
/// `{"type": "swiftlet", "subnet": "10.44.0.0/24"}` is a complete plugin object.
struct Swiftlet: BuiltInPlugin {
    static let defaults = BridgeDefaults(bridge: "cbr0", isGateway: true, hairpin: true, takesOwnKeys: true)
    static let traits = PluginTraits(
        "swiftlet", .interface, addresses: .delegatedOrStore, nodeEnd: .bridgePort(defaults),
        services: [.ports, .limits, .isolation], isReference: false)
    static var description: PluginDescription {
        PluginDescription(
            traits,
            "All of `bridge` with these defaults, the keys of `host-local`, `portmap` and `bandwidth`, `ingressPolicy`, and its own.",
            ownKeys, documentedKeys: documentedKeys, parts: [.trunk, .ranges, .routes], capabilities: capabilities
        ) { request throws(Failure) in
            let network = try Swiftlet().network(request)
            try network.addressing.refuseBlocks(request)
        }
    }

    func add(_ request: Request) throws(Failure) -> CNIResult {
        let network = try network(request)
        try requireNotSuspended(request, .tryAgainLater)
        network.ports?.warnOfListeners(request)
        return try network.add()
    }
    func del(_ request: Request) throws(Failure) { try detachment(request).del() }
    func check(_ request: Request) throws(Failure) { try network(request).check() }
    func gc(_ request: Request) throws(Failure) { try detachment(request).gc() }
    func status(_ request: Request) throws(Failure) {
        try requireNotSuspended(request, .notAvailable)
        try network(request).status()
    }

    private func requireNotSuspended(_ request: Request, _ code: Failure.Code) throws(Failure) {
        let reason = try request.configuration[BridgeSettings.Keys.suspended]
        guard reason.isEmpty else { throw Failure(code, "no pod may be attached: \(reason)") }
    }

    private func detachment(_ request: Request) -> VethDetachment {
        let bridge = BridgeSettings.bridgeName(request, Swiftlet.defaults)
        return VethDetachment(request: request, bridge: bridge, plugin: Swiftlet.traits) { () throws(Failure) in
            try addressing(request)
        }
    }

    private func addressing(_ request: Request) throws(Failure) -> Addressing {
        let delegated = try Addressing(ipamOf: request)
        guard case .none = delegated else { return delegated }
        return .store(try AddressStore(request.configuration.reader, request))
    }

    func network(_ request: Request) throws(Failure) -> BridgeNetwork {
        try Swiftlet.refuseUnknownKeys(request.configuration)
        var settings = try BridgeSettings(request, Swiftlet.defaults)
        let ports = try PortMappingSettings(request)
        if ports.needsHairpin, !settings.promiscuous { settings.hairpin = true }
        let addressing = try addressing(request)
        if case .store = addressing {} else { try Swiftlet.refuseOwnRanges(request.configuration) }
        let asksForIsolation = try request.configuration.hasKey(FirewallSettings.Keys.ingressPolicy.name)
        let isolation = asksForIsolation ? try FirewallSettings(request) : nil
        if isolation?.policy == .isolated { settings.isolatesPort = true }
        return BridgeNetwork(
            settings: settings, addressing: addressing, setsLoopbackUp: true, request: request, type: Swiftlet.type,
            ports: ports, isolation: isolation, limits: try BandwidthSettings(request))
    }

    /// Addresses come from only one source.
    private static func refuseOwnRanges(_ configuration: Configuration) throws(Failure) {
        try configuration.decoding { (reader) throws(Failure) in
            for key in HostLocalSettings.Keys.everything where try reader.member(key.name) != nil {
                throw Failure(
                    .value, path: key.name, expected: "inside ipam, where ipam.type names the IPAM plugin",
                    found: "beside it")
            }
        }
    }

    @KeyList static var ownKeys: [KeyDescription] {
        BridgeSettings.Keys.all(defaults)
        BridgeSettings.Keys.lists
        BridgeSettings.Keys.ownOnly
        HostLocalSettings.Keys.everything
        PortMappingSettings.Keys.everything
        BandwidthSettings.Keys.everything
        FirewallSettings.Keys.ingressPolicy
        FirewallSettings.Keys.firewalldZone
    }

    /// Keys that no other plugin has, or that have a different default here.
    private static var documentedKeys: [KeyDescription] {
        let others = BridgeSettings.Keys.all(Bridge.defaults)
        return BridgeSettings.Keys.all(defaults).filter { key in
            others.first { $0.name == key.name }?.fallback != key.fallback
        } + BridgeSettings.Keys.ownOnly
    }

    /// Only we define this block, so an unknown key is a mistake that must not be ignored.
    private static func refuseUnknownKeys(_ configuration: Configuration) throws(Failure) {
        let reader = configuration.reader
        try requireKnown(reader, ownKeys.map { $0.name } + commonKeys)
        let (ranges, routes, runtime, ipam) = try configuration.decoding { (reader) throws(Failure) in
            (
                try HostLocalSettings.Keys.ranges.read(reader), try reader.member("routes")?.elements() ?? [],
                try reader.member("runtimeConfig"), try reader.member("ipam")
            )
        }
        for range in ranges.joined() { try requireKnown(range, HostLocalSettings.Keys.ofRange.map { $0.name }) }
        for route in routes { try requireKnown(route, HostLocalSettings.Keys.ofRoute) }
        // The runtime's values for capabilities that the configuration declares.
        if let runtime { try requireKnown(runtime, capabilities) }
        let subnet = HostLocalSettings.Keys.subnet.name
        try configuration.decoding { (reader) throws(Failure) in
            for key in HostLocalSettings.Keys.ofRange where try reader.member(key.name) != nil {
                guard try reader.member(subnet) != nil else { throw reader.missing("\(subnet) (beside \(key.name))") }
            }
        }
        if let ipam, try configuration.ipamType() == nil, ipam.value != .object(JSON.Object()) {
            throw Failure(
                .invalidConfiguration, "ipam.type is missing",
                details: "without another IPAM plugin, put subnet or ranges beside type, not in ipam")
        }
    }

    /// What runtimes may fill in.
    static let capabilities = ["mac", "ips", "ipRanges", "portMappings", "bandwidth"]

    /// Keys of the specification and of the log, which every configuration may have.
    static let commonKeys = [
        "cniVersion", "cniVersions", "name", "type", "args", "ipam", "dns", "capabilities", "runtimeConfig",
        "prevResult", "disableCheck", "disableGC", "log", "logLevel", "debug",
    ]

    private static func requireKnown(_ reader: JSONReader, _ known: [String]) throws(Failure) {
        if let unknown = UnknownKey.all(in: reader, known: known).first { throw refusal(of: unknown) }
    }

    static func refusal(of unknown: UnknownKey) -> Failure {
        let value = String(decoding: unknown.value.serialized(pretty: false).prefix(100), as: UTF8.self)
        return Failure(
            .unsupportedField, "\(unknown.path): \(value) is not a key of swiftlet",
            details: "known are \(unknown.known.sorted().joined(separator: ", "))"
        ).showingLogs(only: "\(unknown.path) is not a key of swiftlet")
    }
}
