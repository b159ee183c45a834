internal import Addresses
internal import CNI
internal import JSON
internal import Posix

extension SeenConfiguration {
    /// The default routes that a configuration gives to pods; none where that is for another program to say.
    ///
    /// - Throws: code 6 for what is no JSON or has a key of the wrong type.
    static func defaultRoutes(_ document: [UInt8]) throws(Failure) -> [CIDR] {
        let reader = JSONReader(try JSON(parsing: document))
        let plugins = try reader.member("plugins")?.elements() ?? [reader]
        var routes: Set<CIDR> = []
        for plugin in plugins {
            let type = try plugin.nonEmpty("type") ?? ""
            // They take routes to tables of their own.
            if ["sbr", "vrf"].contains(type) { return [] }
            // As the plugins have it: `swiftlet` is a gateway unless told otherwise.
            if ["swiftlet", "bridge"].contains(type),
                try plugin.member("isDefaultGateway")?.bool() ?? (type == "swiftlet")
            {
                routes.formUnion(IPFamily.allCases.map { CIDR(IPAddress($0, 0), 0) })
            }
            let ipam = try plugin.member("ipam")
            guard ["host-local", "static"].contains(try ipam?.nonEmpty("type")) || type == "swiftlet" else { continue }
            for route in try (ipam ?? plugin).member("routes")?.elements() ?? [] where try route.member("table") == nil
            {
                let destination = try route.nonEmpty("dst").flatMap { CIDR($0) }
                if let destination, destination.prefixLength == 0 { routes.insert(destination) }
            }
        }
        return routes.sorted { $0.address < $1.address }
    }
}
