internal import CNI
internal import DHCP
internal import Posix

extension PluginDescription {
    public static func of(_ type: String) -> PluginDescription? { all.first { $0.type == type } }

    /// One for each of ``Registry/plugins``.
    public static let all: [PluginDescription] = [
        PluginDescription(
            Bridge.type, .interface,
            "Attaches pods to a bridge; addresses come from the plugin that `ipam.type` names.",
            BridgeSettings.Keys.all(bridgeName: Bridge.defaultBridge, gateway: false) + BridgeSettings.Keys.lists,
            parts: [.trunk], capabilities: ["mac"]
        ) { request throws(Failure) in
            let network = try Bridge().network(request)
            try network.addressing.refuseBlocks(request)
        },
        PluginDescription(
            PointToPoint.type, .interface,
            "Joins pod and node by a veth; addresses come from the plugin that `ipam.type` names.",
            PointToPoint.Keys.everything
        ) { request throws(Failure) in try PointToPointSettings(request).addressing.refuseBlocks(request) },
        PluginDescription(
            Macvlan(), "A link of the pod's own on one of the node's.", Macvlan.Keys.everything, capabilities: ["mac"]),
        PluginDescription(IPvlan(), "The same with the MAC of `master`.", IPvlan.Keys.everything),
        PluginDescription(VLAN(), "A VLAN of one of the node's links.", VLAN.Keys.everything),
        PluginDescription(
            Tap(), "For a virtual machine in the pod.", Tap.Keys.everything, capabilities: ["mac"]),
        PluginDescription(
            HostDevice(), "Moves a device of the node into the pod; one of these says which.",
            HostDevice.Keys.everything, capabilities: ["deviceID"]),
        PluginDescription(
            "host-local", .addresses, "The keys of the `ipam` object; `swiftlet` takes them in its own block.",
            HostLocalSettings.Keys.everything, parts: [.ranges, .routes], capabilities: ["ips", "ipRanges"]
        ) { request throws(Failure) in _ = try AddressStore(ipamOf: request) },
        PluginDescription(
            "dhcp", .addresses, "The keys of the `ipam` object; see [dhcp.md](dhcp.md).",
            ClientSettings.Keys.everything,
            parts: [Part("provide[]", ["option", "value", "fromArg"]), Part("request[]", ["option", "skipDefault"])]
        ) { request throws(Failure) in
            _ = try ClientSettings(request.configuration, request.invocation.arguments)
        },
        PluginDescription(
            "portmap", .chained, "For the capability `portMappings`; `swiftlet` takes these keys too.",
            PortMappingSettings.Keys.everything, capabilities: ["portMappings"]
        ) { request throws(Failure) in _ = try PortMappingSettings(request) },
        PluginDescription(
            Firewall.type, .chained,
            "`swiftlet` takes `ingressPolicy` and `firewalldZone` too; without the first it does nothing of this.",
            FirewallSettings.Keys.everything
        ) { request throws(Failure) in _ = try FirewallSettings(request) },
        PluginDescription(
            "bandwidth", .chained,
            "For the capability `bandwidth` too, unless the block itself has one of them; `swiftlet` takes these keys too.",
            BandwidthSettings.Keys.everything, capabilities: ["bandwidth"]
        ) { request throws(Failure) in _ = try BandwidthSettings(request) },
        PluginDescription(
            "static", .addresses, "The keys of the `ipam` object; it hands out just these addresses.",
            StaticSettings.Keys.everything,
            parts: [Part("addresses[]", ["address", "gateway"]), .routes, .dns], capabilities: ["ips"]
        ) { request throws(Failure) in _ = try StaticSettings(request) },
        PluginDescription(
            "tuning", .chained,
            "Chained, behind the plugin that makes the interface; `args.cni` takes all but `dataDir` too.",
            TuningSettings.Keys.everything, capabilities: ["mac"]
        ) { request throws(Failure) in _ = try TuningSettings(request) },
        PluginDescription(
            "sbr", .chained, "Chained, behind the plugin that makes the interface.", SBRSettings.Keys.everything
        ) { request throws(Failure) in _ = try SBRSettings(request.configuration) },
        PluginDescription(
            "vrf", .chained, "Chained, behind the plugin that makes the interface.", VRFSettings.Keys.everything
        ) { request throws(Failure) in _ = try VRFSettings(request) },
        PluginDescription(
            Swiftlet.type, .interface,
            "All of `bridge` with these defaults, the keys of `host-local`, `portmap` and `bandwidth`, `ingressPolicy`, and its own.",
            Swiftlet.ownKeys, parts: [.trunk, .ranges, .routes], capabilities: Swiftlet.capabilities
        ) { request throws(Failure) in
            let network = try Swiftlet().network(request)
            try network.addressing.refuseBlocks(request)
        },
        PluginDescription(Dummy(), "An address on a link that leads nowhere; it has no keys of its own.", []),
        PluginDescription(
            "loopback", .any, "Sets the pod's `lo` up; it has no keys of its own.", []
        ) { _ throws(Failure) in },
    ]
}
