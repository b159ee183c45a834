internal import CNI
internal import JSON
internal import Posix

/// Attaches pods to a bridge. Drop-in for the reference's `bridge`: addresses come from the plugin named by `ipam`.
struct Bridge: BuiltInPlugin {
    func add(_ request: Request) throws(Failure) -> CNIResult { try network(request).add() }
    func del(_ request: Request) throws(Failure) { try detachment(request).del() }
    func check(_ request: Request) throws(Failure) { try network(request).check() }
    func gc(_ request: Request) throws(Failure) { try detachment(request).gc() }
    func status(_ request: Request) throws(Failure) { try network(request).status() }

    static let defaults = BridgeDefaults(bridge: "cni0", isGateway: false, hairpin: false, takesOwnKeys: false)
    static let traits = PluginTraits("bridge", .interface, addresses: .delegated, nodeEnd: .bridgePort(defaults))
    static var description: PluginDescription {
        PluginDescription(
            traits, "Attaches pods to a bridge, with addresses from the plugin named by `ipam.type`.",
            BridgeSettings.Keys.all(defaults) + BridgeSettings.Keys.lists, parts: [.trunk], capabilities: ["mac"]
        ) { request throws(Failure) in
            let network = try Bridge().network(request)
            try network.addressing.refuseBlocks(request)
        }
    }

    private func detachment(_ request: Request) -> VethDetachment {
        let bridge = BridgeSettings.bridgeName(request, Bridge.defaults)
        return VethDetachment(request: request, bridge: bridge, plugin: Bridge.traits) { () throws(Failure) in
            try Addressing(ipamOf: request)
        }
    }

    func network(_ request: Request) throws(Failure) -> BridgeNetwork {
        let settings = try BridgeSettings(request, Bridge.defaults)
        let addressing = try Addressing(ipamOf: request)
        if case .plugin = addressing, settings.disablesContainerInterface {
            throw Failure(
                .invalidConfiguration, "cannot use IPAM when DisableContainerInterface flag is set",
                details: "disableContainerInterface is true, and ipam is configured")
        }
        return BridgeNetwork(
            settings: settings, addressing: addressing, setsLoopbackUp: false, request: request, type: Bridge.type)
    }
}
