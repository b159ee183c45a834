import ContainerRuntime
import Foundation
import Testing

/// The plugins that give a pod an interface without a bridge, each on a node that has what it needs.
enum LinkPlugin: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case ptp, macvlan, ipvlan, vlan, dummy, tap
    case hostDevice = "host-device"

    var testDescription: String { rawValue }

    /// Those of which this kernel can make links. In the machine of `make test-vm` it must have those that other kernels
    /// lack, so nothing is left out; the rest is not repeated there.
    static let available = isInVM ? rare : allCases.filter(\.isInKernel)

    var isInKernel: Bool {
        !LinkPlugin.rare.contains(self) || LinkPlugin.isInVM || LinkPlugin.probed.contains(self)
    }

    private static let rare = [LinkPlugin.ipvlan, .vlan, .dummy]
    private static let isInVM = ProcessInfo.processInfo.environment["SWIFTLET_VM"] == "1"

    private static let probed: Set<LinkPlugin> = {
        guard Requirements.problem == nil, let node = try? Node(), (try? node.addUplink()) != nil else { return [] }
        var found: Set<LinkPlugin> = []
        for (plugin, words) in [(LinkPlugin.ipvlan, []), (.vlan, ["id", "1"]), (.dummy, [])] {
            let parent = plugin == .dummy ? [] : ["link", "uplink"]
            let request =
                ["ip", "-n", node.netns, "link", "add"] + parent + ["name", "probe", "type", plugin.rawValue]
            if (try? run(request + words)) != nil {
                found.insert(plugin)
                try? node.set("link", "del", "probe")
            }
        }
        return found
    }()

    /// What its configuration has to say.
    var keys: [String: JSONValue] {
        switch self {
        case .ptp, .dummy, .tap: [:]
        case .macvlan, .ipvlan: ["master": "uplink"]
        case .vlan: ["master": "uplink", "vlanId": 100]
        case .hostDevice: ["device": "dev0"]
        }
    }

    /// Keys that ADD refuses, each of them.
    var wrongKeys: [String: JSONValue] {
        switch self {
        case .ptp, .tap: ["mtu": "big"]
        case .macvlan, .ipvlan: ["mode": "none", "master": "nosuch"]
        case .vlan: ["vlanId": 9999, "master": ""]
        case .dummy: ["dns": 7]
        case .hostDevice: ["device": ""]
        }
    }

    /// Gives a node what pods need to be attached to.
    func prepare(_ node: Node) throws {
        switch self {
        case .ptp, .dummy, .tap: break
        case .macvlan, .ipvlan, .vlan: try node.addUplink()
        case .hostDevice: try node.set("link", "add", "dev0", "type", "veth", "peer", "name", "dev1")
        }
    }

    func network(
        _ node: Node, _ more: [String: JSONValue] = [:], ipam: [String: JSONValue]? = oneAddress, name: String = "net",
        version: String = "1.1.0"
    ) throws -> NetworkList {
        try node.network(node.plugin(rawValue, keys.merging(more) { $1 }, ipam: ipam), name: name, version: version)
    }

    /// For host-local: the same for every pod.
    static let oneAddress: [String: JSONValue] = [
        "subnet": "10.44.0.0/24", "rangeStart": "10.44.0.2", "rangeEnd": "10.44.0.2",
    ]
}
