internal import CNI
internal import NetlinkCodec
internal import Posix

/// Gives the pod a VLAN on one of the node's links. Drop-in for the reference's `vlan`.
struct VLAN: InterfacePlugin {
    static let traits = PluginTraits("vlan", .interface, addresses: .delegated)
    static let kind: String? = "vlan"
    static var description: PluginDescription {
        PluginDescription(VLAN(), "Makes a VLAN of one of the node's links.", Keys.everything)
    }

    enum Keys {
        static let vlanId = ConfigurationKey<Int>.number(
            "vlanId", default: 0, in: -1 << 31...1 << 31,
            "VLAN ID of the 802.1Q tag, 0 to 4094; only one pod per `master` can have it."
        )
        @KeyList static var everything: [KeyDescription] {
            ParentLink.Keys.requiredMaster
            vlanId
            ParentLink.Keys.mtu
            ParentLink.Keys.linkInContainer
        }
    }

    func settings(_ request: Request) throws(Failure) -> SubLink {
        guard try !request.configuration[ParentLink.Keys.requiredMaster].isEmpty else {
            throw Failure(
                .invalidConfiguration,
                "\"master\" field is required. It specifies the host interface name to create the VLAN for")
        }
        let id = try request.configuration[Keys.vlanId]
        // 4095 is reserved (IEEE 802.1Q), and the kernel refuses it.
        guard (0...4094).contains(id) else {
            throw Failure(
                .invalidConfiguration, "invalid VLAN ID \(id) (must be between 0 and 4095 inclusive)",
                details: "vlanId: 4095 is reserved, so 0 to 4094")
        }
        return SubLink(parent: try ParentLink(request), kind: .vlan(UInt16(id)))
    }
}
