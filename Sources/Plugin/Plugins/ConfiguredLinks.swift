internal import CNI
public import JSON
public import Posix

/// What a plugin's block wants of the pods' links, to help interpret the state of a node.
public struct ConfiguredLinks: Sendable, Hashable {
    public var hairpin = false
    public var isolatesPorts = false
    /// Whether the bridge is promiscuous, which goes without hairpin mode.
    public var isPromiscuous = false
    /// Bits per second towards the pod; 0 for no limit.
    public var ingressRate: UInt64 = 0
    /// Bits per second from the pod; 0 for no limit.
    public var egressRate: UInt64 = 0

    /// - Throws: code 6 for a key of the wrong type.
    public init(ofType type: String, _ block: JSONReader) throws(Failure) {
        guard let traits = PluginTraits.of(type) else { return }
        if case .bridgePort(let defaults) = traits.nodeEnd {
            isPromiscuous = try BridgeSettings.Keys.promiscMode.read(block)
            // Besides, host ports need it, which are recorded.
            hairpin = try BridgeSettings.Keys.hairpinMode(default: defaults.hairpin && !isPromiscuous).read(block)
            isolatesPorts = try BridgeSettings.Keys.portIsolation.read(block)
        }
        if traits.services.contains(.limits) {
            ingressRate = try BandwidthSettings.Keys.ingressRate.read(block)
            egressRate = try BandwidthSettings.Keys.egressRate.read(block)
        }
    }
}
