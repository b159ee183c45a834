internal import Addresses
internal import CNI
internal import JSON
internal import Plugins
internal import Posix

extension SeenConfiguration {
    /// The default routes that a configuration gives to pods; empty if another program decides about them.
    ///
    /// - Throws: code 6 for invalid JSON, or a key of the wrong type.
    static func defaultRoutes(_ document: [UInt8]) throws(Failure) -> [CIDR] {
        let reader = JSONReader(try JSON(parsing: document))
        let plugins = try reader.member("plugins")?.elements() ?? [reader]
        var routes: Set<CIDR> = []
        for plugin in plugins {
            let type = try plugin.nonEmpty("type") ?? ""
            let traits = PluginTraits.of(type)
            if traits?.services.contains(.routingTables) == true { return [] }
            if try traits?.isDefaultGateway(plugin) == true {
                routes.formUnion(IPFamily.allCases.map { CIDR(IPAddress($0, 0), 0) })
            }
            // With a lease, the server chooses the routes.
            guard let (source, keys) = try PluginTraits.addresses(of: type, plugin), source != .leases else { continue }
            for route in try keys.member("routes")?.elements() ?? [] where try route.member("table") == nil {
                let destination = try route.nonEmpty("dst").flatMap { CIDR($0) }
                if let destination, destination.prefixLength == 0 { routes.insert(destination) }
            }
        }
        return routes.sorted { $0.address < $1.address }
    }

    /// What a configuration wants of pods' links.
    ///
    /// - Throws: code 6 for invalid JSON, or a key of the wrong type.
    static func wishes(_ document: [UInt8], _ network: ConfiguredNetwork) throws(Failure) -> Network.Wishes {
        let reader = JSONReader(try JSON(parsing: document))
        var wishes = Network.Wishes()
        wishes.isGateway = network.gatewayInterface != nil
        wishes.gateways = network.ranges.flatMap { $0.pools }.compactMap { pool in
            pool.gateway ?? pool.subnet.first.advanced(by: 1)
        }
        for plugin in try reader.member("plugins")?.elements() ?? [reader] {
            let links = try ConfiguredLinks(ofType: try plugin.nonEmpty("type") ?? "", plugin)
            wishes.hairpin = wishes.hairpin || links.hairpin
            wishes.isPromiscuous = wishes.isPromiscuous || links.isPromiscuous
            wishes.isolatesPorts = wishes.isolatesPorts || links.isolatesPorts
            if links.ingressRate > 0 { wishes.ingressRate = links.ingressRate }
            if links.egressRate > 0 { wishes.egressRate = links.egressRate }
        }
        return wishes
    }
}
