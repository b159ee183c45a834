internal import Addresses
internal import NetlinkCodec

/// The sets and maps of the table. Each exists once per family.
enum ServiceMap: String, CaseIterable {
    /// Frontend -> what to do.
    case services
    /// Frontend, number -> endpoint.
    case endpoints
    /// The same of endpoints on this node, for clients that may use no others.
    case ownEndpoints = "own_endpoints"
    /// Frontends that only some clients may use.
    case limited
    /// Those clients: frontend, range of addresses.
    case allowed
    /// Frontends that are not cluster IPs -> whose address to hide.
    case externals
    /// Frontends with affinity -> for how long.
    case sticky
    /// Client, frontend -> its endpoint. Rules fill it.
    case affinity
    /// Endpoints on this node as clients of themselves.
    case hairpins
    case clusterIPs = "cluster_ips"
    case serviceRanges = "service_ranges"
    case pods

    func name(_ family: IPFamily) -> String { "\(rawValue)_\(family)" }

    /// More clients than any node has; each costs about 200 octets.
    static let affinityLimit: UInt32 = 1 << 18

    func set(_ family: IPFamily) -> NftSet {
        let address: NftType.Field = family == .v4 ? .ipv4 : .ipv6
        let frontend = NftType(address, .protocolNumber, .port)
        let target = NftType(address, .port)
        let choice = family == .v4 ? NftType.ipv4AndChoice : .ipv6AndChoice
        let name = name(family)
        switch self {
        case .services, .externals, .sticky: return NftSet(name, frontend, .verdict)
        case .endpoints, .ownEndpoints: return NftSet(name, choice, .value(target))
        case .limited: return NftSet(name, frontend)
        case .allowed: return NftSet(name, NftType(address, .protocolNumber, .port, address), isInterval: true)
        case .affinity: return NftSet(name, NftType(address, address, .protocolNumber, .port), .value(target))
        case .hairpins: return NftSet(name, NftType(address, address))
        case .clusterIPs: return NftSet(name, NftType(address))
        case .serviceRanges, .pods: return NftSet(name, NftType(address), isInterval: true)
        }
    }

    /// Only of maps that rules fill.
    var options: NftSetOptions? {
        self == .affinity
            ? NftSetOptions(hasTimeouts: true, isDynamic: true, size: ServiceMap.affinityLimit) : nil
    }
}
