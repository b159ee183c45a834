public import CNI

/// Every plugin that this executable answers to, by the name that it is called with.
public enum Registry {
    public static let plugins: KeyValuePairs<String, any Plugin> = [
        "swiftlet": Swiftlet(),
        "bridge": Bridge(),
        "host-local": HostLocal(),
        "dhcp": DHCPAddresses(),
        "loopback": Loopback(),
        "ptp": PointToPoint(),
        "macvlan": Macvlan(),
        "ipvlan": IPvlan(),
        "vlan": VLAN(),
        "dummy": Dummy(),
        "tap": Tap(),
        "host-device": HostDevice(),
        "portmap": Portmap(),
        "firewall": Firewall(),
        "bandwidth": Bandwidth(),
        "static": Static(),
        "tuning": Tuning(),
        "sbr": SBR(),
        "vrf": VRF(),
    ]
}
