public import CNI

/// Every plugin that this executable answers to, by the name that it is called with.
public enum Registry {
    public static let plugins: [PluginEntry] = [
        PluginEntry("swiftlet", Swiftlet()),
        PluginEntry("bridge", Bridge()),
        PluginEntry("host-local", HostLocal()),
        PluginEntry("dhcp", DHCPAddresses()),
        PluginEntry("loopback", Loopback()),
        PluginEntry("ptp", PointToPoint()),
        PluginEntry("macvlan", Macvlan()),
        PluginEntry("ipvlan", IPvlan()),
        PluginEntry("vlan", VLAN()),
        PluginEntry("dummy", Dummy()),
        PluginEntry("tap", Tap()),
        PluginEntry("host-device", HostDevice()),
        PluginEntry("portmap", Portmap()),
        PluginEntry("firewall", Firewall()),
        PluginEntry("bandwidth", Bandwidth()),
        PluginEntry("static", Static()),
        PluginEntry("tuning", Tuning()),
        PluginEntry("sbr", SBR()),
        PluginEntry("vrf", VRF()),
    ]
}
