public import Addresses
internal import CNI
public import JSON
internal import Plugins

/// The properties of a new network: a configuration made from a few answers.
public struct NewNetwork: Sendable {
    /// How pods are attached.
    public enum Kind: String, Sendable, CaseIterable {
        /// A bridge; one plugin does everything.
        case swiftlet
        /// A bridge; the reference plugins' chain: bridge, host-local, portmap and so on.
        case bridge
        /// A veth for each pod that the node routes to, without a bridge; also a chain.
        case ptp
    }

    /// From whom a pod accepts connections.
    public enum Isolation: String, Sendable, CaseIterable {
        case open
        case sameBridge = "same-bridge"
        case isolated
    }

    public var name = "pods"
    public var kind = Kind.swiftlet
    /// Each pod gets one address from each subnet.
    public var subnets: [CIDR] = []
    /// Nil for the plugin's default, ``defaultBridge``.
    public var bridge: String?
    public var masquerades = true
    /// Destinations that see pods' own addresses, such as other nodes' pods; for `swiftlet` only.
    public var unmasqueraded: [CIDR] = []
    /// Whether pods may send only from their own addresses; for `swiftlet` only.
    public var guardsAddresses = false
    /// Whether a pod can reach itself by an address that leads through the bridge; nil for yes.
    public var hairpin: Bool?
    public var hasPorts = true
    public var hasBandwidth = false
    public var isolation = Isolation.open

    public init() {}

    /// Why hosts cannot have the subnet's addresses in any network; nil if they can.
    public static func objection(to subnet: CIDR) -> String? {
        let what: String? =
            if subnet.first.isMulticast {
                "groups (multicast)"
            } else if subnet.first.isLinkLocal {
                "single links (link-local)"
            } else if subnet.contains(IPAddress(subnet.family, 0)) { "no host (unspecified)" } else { nil }
        return what.map { "the addresses of \(subnet) are for \($0)" }
    }

    /// The bridge of a configuration that does not name one; nil if the kind has no bridge.
    public var defaultBridge: String? { ConfiguredNetwork.defaultBridge(ofType: kind.rawValue) }

    /// A bridge name that is not in use on the node: the default one, or one with another number.
    public func freeBridge(besides taken: Set<String>) -> String? {
        guard let usual = defaultBridge else { return nil }
        let stem = usual.last == "0" ? String(usual.dropLast()) : usual
        return ([usual] + (1...99).map { "\(stem)\($0)" }).first { !taken.contains($0) }
    }

    /// Why the answers contradict each other; nil if they do not.
    public var contradiction: String? {
        if kind != .swiftlet, !unmasqueraded.isEmpty { return "only the plugin swiftlet has nonMasqueradeCIDRs" }
        if kind != .swiftlet, guardsAddresses { return "only the plugin swiftlet has antiSpoof" }
        if kind == .ptp, bridge != nil || hairpin != nil { return "ptp has no bridge" }
        if !masquerades, !unmasqueraded.isEmpty { return "nothing is masqueraded, so there is nothing to exclude" }
        return nil
    }

    /// The first of some customary subnets that overlaps with nothing on the node; nil if all are taken.
    public static func freeSubnet(besides taken: [CIDR]) -> CIDR? {
        (44...250).lazy.compactMap { CIDR("10.\($0).0.0/24") }.first { subnet in !taken.contains { $0.overlaps(subnet) }
        }
    }

    /// The configuration, ready to be written to a `.conflist`.
    public var json: JSON {
        [
            // Older runtimes read this one, newer ones choose from the list.
            "cniVersion": "1.0.0", "cniVersions": ["1.0.0", "1.1.0"], "name": .string(name),
            "plugins": .array(kind == .swiftlet ? [swiftlet] : chain),
        ]
    }

    private var ranges: JSON { .array(subnets.map { .array([["subnet": .string("\($0)")]]) }) }

    private var swiftlet: JSON {
        var plugin = JSON.Object([.init("type", "swiftlet")])
        if subnets.count == 1 { plugin["subnet"] = .string("\(subnets[0])") } else { plugin["ranges"] = ranges }
        if let bridge { plugin["bridge"] = .string(bridge) }
        if masquerades { plugin["ipMasq"] = true }
        if !unmasqueraded.isEmpty {
            plugin["nonMasqueradeCIDRs"] = .array(unmasqueraded.map { .string("\($0)") })
        }
        if guardsAddresses { plugin["antiSpoof"] = true }
        if let hairpin { plugin["hairpinMode"] = .bool(hairpin) }
        if isolation != .open { plugin["ingressPolicy"] = .string(isolation.rawValue) }
        plugin["capabilities"] = capabilities(
            ["ips", "mac", "ipRanges"] + (hasPorts ? ["portMappings"] : []) + (hasBandwidth ? ["bandwidth"] : []))
        return .object(plugin)
    }

    private var chain: [JSON] {
        var first = JSON.Object([.init("type", .string(kind.rawValue))])
        if kind == .bridge {
            if let bridge { first["bridge"] = .string(bridge) }
            first["isDefaultGateway"] = true
            // The plugin's own default is off, and pods could not reach themselves by their Services.
            first["hairpinMode"] = .bool(hairpin ?? true)
        }
        if masquerades { first["ipMasq"] = true }
        var ipam = JSON.Object([.init("type", "host-local"), .init("ranges", ranges)])
        if kind == .ptp {
            let families = IPFamily.allCases.filter { family in subnets.contains { $0.family == family } }
            ipam["routes"] = .array(families.map { ["dst": $0 == .v4 ? "0.0.0.0/0" : "::/0"] })
        }
        first["capabilities"] = capabilities(["ips", "ipRanges"] + (kind == .bridge ? ["mac"] : []))
        first["ipam"] = .object(ipam)
        var plugins = [JSON.object(first)]
        if hasPorts { plugins.append(["type": "portmap", "capabilities": ["portMappings": true]]) }
        if hasBandwidth { plugins.append(["type": "bandwidth", "capabilities": ["bandwidth": true]]) }
        if isolation != .open { plugins.append(["type": "firewall", "ingressPolicy": .string(isolation.rawValue)]) }
        return plugins
    }

    private func capabilities(_ names: [String]) -> JSON { .object(JSON.Object(names.map { .init($0, true) })) }
}
