internal import CNI
internal import DHCP

/// The configuration reference as people read it, from the tables that the decoders use.
public enum ConfigurationReference {
    /// A Markdown table for each group of keys.
    public static var markdown: String {
        [
            section(
                "bridge", "Attaches pods to a bridge; addresses come from the plugin that `ipam.type` names.",
                BridgeSettings.Keys.all(bridgeName: Bridge.defaultBridge, gateway: false) + BridgeSettings.Keys.lists),
            section(
                "ptp", "Joins pod and node by a veth; addresses come from the plugin that `ipam.type` names.",
                PointToPoint.Keys.everything),
            section("macvlan", "A link of the pod's own on one of the node's.", Macvlan.Keys.everything),
            section("ipvlan", "The same with the MAC of `master`.", IPvlan.Keys.everything),
            section("vlan", "A VLAN of one of the node's links.", VLAN.Keys.everything),
            section("tap", "For a virtual machine in the pod.", Tap.Keys.everything),
            section(
                "host-device", "Moves a device of the node into the pod; one of these says which.",
                HostDevice.Keys.everything),
            section(
                "host-local", "The keys of the `ipam` object; `swiftlet` takes them in its own block.",
                HostLocalSettings.Keys.everything),
            section(
                "dhcp", "The keys of the `ipam` object; see [dhcp.md](dhcp.md).", ClientSettings.Keys.everything),
            section(
                "portmap", "For the capability `portMappings`; `swiftlet` takes these keys too.",
                PortMappingSettings.Keys.everything),
            section(
                "firewall",
                "`swiftlet` takes `ingressPolicy` and `firewalldZone` too; without the first it does nothing of this.",
                FirewallSettings.Keys.everything),
            section(
                "bandwidth",
                "For the capability `bandwidth` too, unless the block itself has one of them; `swiftlet` takes these keys too.",
                BandwidthSettings.Keys.everything),
            section(
                "static", "The keys of the `ipam` object; it hands out just these addresses.",
                StaticSettings.Keys.everything),
            section(
                "tuning",
                "Chained, behind the plugin that makes the interface; `args.cni` takes all but `dataDir` too.",
                TuningSettings.Keys.everything),
            section(
                "sbr", "Chained, behind the plugin that makes the interface.", SBRSettings.Keys.everything),
            section(
                "vrf", "Chained, behind the plugin that makes the interface.", VRFSettings.Keys.everything),
            section(
                "swiftlet",
                "All of `bridge` with these defaults, the keys of `host-local`, `portmap` and `bandwidth`, `ingressPolicy`, and its own.",
                BridgeSettings.Keys.all(bridgeName: Swiftlet.defaultBridge, gateway: true).filter { key in
                    let other = BridgeSettings.Keys.all(bridgeName: Bridge.defaultBridge, gateway: false)
                    return other.first { $0.name == key.name }?.fallback != key.fallback
                } + BridgeSettings.Keys.ownOnly),
        ].joined(separator: "\n")
    }

    private static func section(_ title: String, _ text: String, _ keys: [KeyDescription]) -> String {
        let rows = keys.map {
            "| `\($0.name)` | \($0.fallback.isEmpty ? "" : "`\($0.fallback)`") | \($0.summary) |"
        }
        return (["### \(title)", "", text, "", "| key | default | meaning |", "|---|---|---|"] + rows + [""])
            .joined(separator: "\n")
    }
}
