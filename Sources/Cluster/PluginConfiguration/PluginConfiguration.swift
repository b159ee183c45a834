public import Addresses
internal import Foundation
public import Posix

/// The network configuration list by which the runtime calls the plugin: a template, filled with what the agent knows of this
/// node.
public struct PluginConfiguration: Sendable, Hashable {
    /// This node's subnets, from which pods get addresses.
    public var subnets: [CIDR]
    /// What pods of all nodes have addresses from: not masqueraded.
    public var clusterRanges: [CIDR]
    /// Of pods' interfaces, octets.
    public var mtu: UInt32?
    /// Why no pod may start at the moment; running ones go on.
    public var suspension: String?

    public init(subnets: [CIDR], clusterRanges: [CIDR], mtu: UInt32?, suspension: String? = nil) {
        self.subnets = subnets
        self.clusterRanges = clusterRanges
        self.mtu = mtu
        self.suspension = suspension
    }

    /// The template that is used where the user has none.
    ///
    /// - Parameter network: the list's name.
    public static func usualTemplate(network: String) -> String {
        """
        {
            "cniVersion": "1.0.0",
            "cniVersions": ["1.0.0", "1.1.0"],
            "name": "\(network)",
            "plugins": [
                {
                    "type": "swiftlet",
                    "ipMasq": true,
                    "keepOtherGateways": true,
                    "ingressPolicy": "open",
                    "capabilities": { "portMappings": true, "ips": true, "mac": true, "ipRanges": true, "bandwidth": true }
                }
            ]
        }
        """
    }

    /// The filled template. In each plugin object that gives addresses (`swiftlet`, or one whose `ipam` is `host-local`) it sets
    /// the ranges; in `swiftlet` also `mtu` and `nonMasqueradeCIDRs`, where the template has none, and `suspended`.
    ///
    /// - Throws: ``Failure/Kind/invalidConfiguration`` if the template is no configuration list or has no such object.
    public func filled(_ template: String) throws(Failure) -> [UInt8] {
        guard var list = (try? JSONSerialization.jsonObject(with: Data(template.utf8))) as? [String: Any],
            let plugins = list["plugins"] as? [[String: Any]]
        else {
            throw Failure(
                .invalidConfiguration,
                "read the template of the plugin's configuration: it is not a list of plugins in JSON",
                details: "it needs \"name\" and \"plugins\"; cni-conf/10-swiftlet.conflist is an example")
        }
        let ranges = subnets.map { [["subnet": "\($0)"]] }
        var isFilled = false
        list["plugins"] = plugins.map { plugin in
            var plugin = plugin
            if plugin["type"] as? String == "swiftlet", plugin["ipam"] == nil {
                isFilled = true
                plugin["ranges"] = ranges
                if plugin["mtu"] == nil, let mtu { plugin["mtu"] = Int(mtu) }
                if plugin["nonMasqueradeCIDRs"] == nil, plugin["ipMasq"] as? Bool == true, !clusterRanges.isEmpty {
                    plugin["nonMasqueradeCIDRs"] = clusterRanges.map { "\($0)" }
                }
                if let suspension { plugin["suspended"] = suspension }
            } else if var ipam = plugin["ipam"] as? [String: Any], ipam["type"] as? String == "host-local" {
                isFilled = true
                ipam["ranges"] = ranges
                plugin["ipam"] = ipam
                if plugin["mtu"] == nil, let mtu { plugin["mtu"] = Int(mtu) }
            }
            return plugin
        }
        guard isFilled else {
            throw Failure(
                .invalidConfiguration, "fill the template of the plugin's configuration: nothing in it gives addresses",
                details: "it needs a plugin of type swiftlet, or one with \"ipam\": {\"type\": \"host-local\"}")
        }
        guard let content = PluginConfiguration.encoded(list) else {
            throw Failure(.internal, "write the plugin's configuration as JSON")
        }
        return content
    }

    /// A configuration that an earlier run has written, with a reason why no pod may start; nil if there is nothing to change.
    public static func suspended(_ content: [UInt8]?, because reason: String) -> [UInt8]? {
        guard let content, var list = (try? JSONSerialization.jsonObject(with: Data(content))) as? [String: Any],
            let plugins = list["plugins"] as? [[String: Any]]
        else { return nil }
        list["plugins"] = plugins.map { plugin in
            var plugin = plugin
            if plugin["type"] as? String == "swiftlet" { plugin["suspended"] = reason }
            return plugin
        }
        return encoded(list)
    }

    private static func encoded(_ list: [String: Any]) -> [UInt8]? {
        let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return (try? JSONSerialization.data(withJSONObject: list, options: options)).map {
            Array($0) + [UInt8(ascii: "\n")]
        }
    }
}
