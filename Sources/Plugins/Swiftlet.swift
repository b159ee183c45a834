internal import CNI
internal import JSON

/// The whole of a pod's networking in one process and one configuration block: `lo`, bridge `cbr0`, gateway, default
/// route, and the host-local store, which `subnet` or `ranges` in the block itself configure.
///
/// `{"type": "swiftlet", "subnet": "10.44.0.0/24"}` is a complete plugin object.
struct Swiftlet: Plugin {
    static let defaultBridge = "cbr0"

    func add(_ request: Request) throws -> CNIResult { try network(request).add() }
    func del(_ request: Request) throws { try detachment(request).del() }
    func check(_ request: Request) throws { try network(request).check() }
    func gc(_ request: Request) throws { try detachment(request).gc() }
    func status(_ request: Request) throws { try network(request).status() }

    private func detachment(_ request: Request) -> BridgeDetachment {
        BridgeDetachment(request, defaultBridge: Swiftlet.defaultBridge) { try addressing(request) }
    }

    private func addressing(_ request: Request) throws(CNIError) -> Addressing {
        let delegated = try Addressing(ipamOf: request)
        guard case .none = delegated else { return delegated }
        return .store(try AddressStore(request.configuration.reader, request))
    }

    private func network(_ request: Request) throws(CNIError) -> BridgeNetwork {
        try Swiftlet.refuseUnknownKeys(request.configuration)
        let settings = try BridgeSettings(request, bridgeName: Swiftlet.defaultBridge, gateway: true)
        let addressing = try addressing(request)
        if case .plugin = addressing, try Swiftlet.hasOwnRanges(request.configuration) {
            throw CNIError(
                .invalidConfiguration, "addresses are configured twice: by ipam.type and by subnet or ranges",
                details: "remove one of them")
        }
        return BridgeNetwork(settings: settings, addressing: addressing, setsLoopbackUp: true, request: request)
    }

    private static func hasOwnRanges(_ configuration: Configuration) throws(CNIError) -> Bool {
        try configuration.decoding { (reader) throws(JSONTypeError) in
            let subnet = try reader.member("subnet")
            let ranges = try reader.member("ranges")
            return subnet != nil || ranges != nil
        }
    }

    /// Keys of the specification, which every configuration may have.
    private static let commonKeys = [
        "cniVersion", "cniVersions", "name", "type", "args", "ipam", "dns", "capabilities", "runtimeConfig",
        "prevResult",
        "disableCheck", "disableGC", "ranges", "routes", "vlanTrunk",
    ]

    /// This block is ours alone, so a key that nobody knows is a mistake, and ignoring it would be one too.
    /// Keys with a slash belong to somebody else (`cni.dev/...`), those with an underscore in front are remarks.
    private static func refuseUnknownKeys(_ configuration: Configuration) throws(CNIError) {
        guard case .object(let object) = configuration.reader.value else { return }
        let bridgeKeys = BridgeSettings.Keys.all(bridgeName: defaultBridge, gateway: true)
        let known = commonKeys + (bridgeKeys + HostLocalSettings.Keys.all).map(\.name)
        for member in object.members where !member.key.contains("/") && !member.key.hasPrefix("_") {
            guard known.contains(where: { JSON.Object.equalIgnoringASCIICase($0, member.key) }) else {
                let value = String(decoding: member.value.serialized(pretty: false).prefix(100), as: UTF8.self)
                throw CNIError(
                    .unsupportedField, "\(member.key): \(value) is not a key of swiftlet",
                    details: "known are \(known.sorted().joined(separator: ", "))")
            }
        }
    }
}
