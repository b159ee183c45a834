import ContainerRuntime
import Testing

/// Swift Testing has an `Attachment` too.
typealias PodAttachment = ContainerRuntime.Attachment

/// Every version of the specification.
let everyVersion = NetworkList.supportedVersions

extension Node {
    /// A network of these plugins.
    func network(_ plugins: JSONValue..., name: String = "net", version: String = "1.1.0") throws -> NetworkList {
        let document: JSONValue = ["cniVersion": .string(version), "name": .string(name), "plugins": .array(plugins)]
        return try NetworkList(parsing: document.bytes)
    }

    /// The plugin object of `swiftlet`, with reservations kept on this node.
    func swiftlet(_ keys: [String: JSONValue] = ["subnet": "10.44.0.0/24"]) -> JSONValue {
        .object(["type": "swiftlet", "dataDir": .string(data)].merging(keys) { _, own in own })
    }

    /// The plugin object of `bridge`; with `ipam`, host-local's keys.
    func bridge(_ keys: [String: JSONValue] = [:], ipam: [String: JSONValue]?) -> JSONValue {
        plugin("bridge", keys, ipam: ipam)
    }

    /// The plugin object of one that makes interfaces; with `ipam`, host-local's keys.
    func plugin(_ type: String, _ keys: [String: JSONValue] = [:], ipam: [String: JSONValue]?) -> JSONValue {
        var object: [String: JSONValue] = ["type": .string(type)]
        if let ipam {
            object["ipam"] = .object(["type": "host-local", "dataDir": .string(data)].merging(ipam) { _, own in own })
        }
        return .object(object.merging(keys) { _, own in own })
    }

    /// The plugin object of `bridge` as the usual gateway.
    func gatewayBridge(_ keys: [String: JSONValue] = [:]) -> JSONValue {
        bridge(
            ["isDefaultGateway": true].merging(keys) { _, own in own }, ipam: ["subnet": "10.44.0.0/24"])
    }

    static var dualStack: [String: JSONValue] {
        ["ranges": [[["subnet": "10.44.0.0/24"]], [["subnet": "fd00:44::/64"]]]]
    }
}

/// The error that a plugin reports.
func failure(sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void) throws -> PluginError {
    try #require(throws: PluginError.self, sourceLocation: sourceLocation, performing: body)
}

extension JSONValue {
    /// The addresses of a result, of any version.
    var addresses: [String] {
        if let ips = self["ips"]?.array { return ips.compactMap { $0["address"]?.string } }
        return ["ip4", "ip6"].compactMap { self[$0]?["ip"]?.string }
    }

    /// The addresses of a result without their prefix lengths.
    var hosts: [String] { addresses.map { String($0.prefix { $0 != "/" }) } }

    /// The interface of that name in a result.
    func interface(_ name: String) -> JSONValue? { self["interfaces"]?.array?.first { $0["name"]?.string == name } }
}

/// Whether the pod has nothing but its `lo`, with nobody's address or route.
func isUntouched(_ pod: Pod) throws -> Bool {
    let others = try pod.routes().filter { $0["dev"]?.string != "lo" }
    return try pod.links().map { $0["ifname"]?.string } == ["lo"] && others.isEmpty
}

extension Node {
    /// Put before a plugin: its /var/lib is in this node's directory.
    var withOwnVarLib: [String] {
        let own = directory + "/var-lib"
        let script = #"mkdir -p "$0" && mount --bind "$0" /var/lib && exec "$@""#
        return ["unshare", "--mount", "sh", "-c", script, own]
    }
}
