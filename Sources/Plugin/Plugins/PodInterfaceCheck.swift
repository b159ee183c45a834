internal import Addresses
internal import Attachments
internal import CNI
internal import Kernel
internal import NetlinkCodec
internal import Posix

extension Request {
    /// ADD's description of the pod's interface, for CHECK.
    ///
    /// - Returns: the result without addresses that later plugins of the chain gave to their own interfaces, and the
    ///   interface's own entry.
    func attachedInterface(in path: String) throws(Failure) -> (result: CNIResult, interface: CNIResult.Interface) {
        var result = try requiredPreviousResult()
        let name = attachment.ifname
        guard
            let position = result.interfaces.firstIndex(where: { $0.name == name && $0.sandbox == path })
                ?? result.interfaces.firstIndex(where: { $0.name == name && $0.sandbox != nil })
        else { throw Failure(deviation: "prevResult has no interface \(name) in \(path)") }
        result.ips.removeAll { $0.interface != nil && $0.interface != position }
        return (result, result.interfaces[position])
    }
}

extension PodInterface {
    /// Compares what ``configure(_:_:_:)`` set up with the current state, ignoring what others have added since.
    ///
    /// - Parameters:
    ///   - kind: IFLA_INFO_KIND; nil for any.
    ///   - inside: a socket in the pod's namespace, `path`.
    /// - Returns: the link, for checks specific to its kind.
    func check(
        _ result: CNIResult, _ described: CNIResult.Interface, kind: String?, in path: String,
        _ inside: inout NetlinkSocket
    ) throws(Failure) -> Link {
        guard let link = try inside.link(.name(name)) else {
            throw Failure(deviation: "interface \(name) is missing in \(path)")
        }
        if let kind, link.kind != kind {
            throw Failure(deviation: "interface \(name) in \(path) is not a \(kind)")
        }
        if let mac = described.mac, mac.lowercased() != link.mac?.description {
            throw Failure(
                deviation: "interface \(name) in \(path) has MAC \(link.mac?.description ?? "none"), not \(mac)")
        }
        guard link.isUp || !isSetUp else { throw Failure(deviation: "interface \(name) in \(path) is down") }
        try checkAddresses(result, of: link, in: path, &inside)
        try checkRoutes(result, of: link, in: path, &inside)
        if setsLoopbackUp { try Loopback.check(&inside, path) }
        return link
    }

    private func checkAddresses(
        _ result: CNIResult, of link: Link, in path: String, _ inside: inout NetlinkSocket
    ) throws(Failure) {
        let present = try inside.addresses(of: link.index)
        for ip in result.ips {
            guard let address = present.first(where: { $0.address == ip.address }) else {
                throw Failure(deviation: "address \(ip.address) is missing from \(name) in \(path)")
            }
            guard address.isUsable || detectsDuplicates else {
                throw Failure(
                    deviation: "address \(ip.address) of \(name) in \(path) is not usable: tentative or a duplicate")
            }
        }
    }

    private func checkRoutes(
        _ result: CNIResult, of link: Link, in path: String, _ inside: inout NetlinkSocket
    ) throws(Failure) {
        for family in IPFamily.allCases {
            // A route by a gateway outside this network belongs to another plugin.
            let wanted = result.routes.filter { route in
                route.destination.family == family
                    && result.ips.contains { $0.isConcerned(route.destination, by: route.gateway) }
            }
            guard !wanted.isEmpty else { continue }
            let present = try inside.routes(family)
            for route in wanted {
                let expected = Route(route, fallbackGateways: result.ips, interface: link.index)
                // The route may have moved to another table, as sbr and vrf do.
                guard present.contains(where: { $0.serves(expected, inAnyTable: route.table == nil) }) else {
                    throw Failure(deviation: "route \(expected) is missing in \(path)")
                }
            }
        }
    }
}

extension Failure {
    /// CHECK's error: something is not as ADD left it.
    init(deviation text: String) {
        self.init(.checkFailed, text, details: "DEL and ADD set it up anew")
    }
}
