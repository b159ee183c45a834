internal import CNI
internal import JSON
internal import Posix

/// Attaches pods to a bridge. Drop-in for the reference's `bridge`: addresses come from the plugin that `ipam` names.
struct Bridge: Plugin {
    func add(_ request: Request) throws(Failure) -> CNIResult { try network(request).add() }
    func del(_ request: Request) throws(Failure) { try detachment(request).del() }
    func check(_ request: Request) throws(Failure) { try network(request).check() }
    func gc(_ request: Request) throws(Failure) { try detachment(request).gc() }
    func status(_ request: Request) throws(Failure) { try network(request).status() }

    static let type = "bridge"
    static let defaultBridge = "cni0"

    private func detachment(_ request: Request) -> VethDetachment {
        let bridge = BridgeSettings.bridgeName(request, default: Bridge.defaultBridge)
        return VethDetachment(request: request, bridge: bridge, type: Bridge.type) { () throws(Failure) in
            try Addressing(ipamOf: request)
        }
    }

    func network(_ request: Request) throws(Failure) -> BridgeNetwork {
        let settings = try BridgeSettings(request, bridgeName: Bridge.defaultBridge, gateway: false)
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
