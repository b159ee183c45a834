internal import Addresses
public import JSON
public import Posix

extension CNIResult {
    /// The result in the format of the same or an older version.
    ///
    /// - Throws: code 1 for 0.1.0 or 0.2.0 without an address: those versions cannot represent that.
    public func json(version: SpecVersion) throws(Failure) -> JSON {
        var object = JSON.Object()
        object["cniVersion"] = .string(version.rawValue)
        if version < .v0_3_0 {
            for (key, family) in [("ip4", IPFamily.v4), ("ip6", .v6)] { object[key] = legacy(family) }
            guard object["ip4"] != nil || object["ip6"] != nil else {
                throw Failure(
                    .incompatibleVersion, "cannot convert: no valid IP addresses",
                    details: "a result of version \(version.rawValue) must have one; ask for 0.3.0 or newer")
            }
        } else {
            if !interfaces.isEmpty { object["interfaces"] = .array(interfaces.map { $0.json(version) }) }
            if !ips.isEmpty { object["ips"] = .array(ips.map { $0.json(version) }) }
            // Versions before 1.0.0 always carry the list.
            if !routes.isEmpty || version < .v1_0_0 { object["routes"] = .array(routes.map { $0.json() }) }
        }
        object["dns"] = dns.json()
        return .object(object)
    }

    /// The first address of a family with that family's routes, for 0.1.0 and 0.2.0.
    private func legacy(_ family: IPFamily) -> JSON? {
        guard let ip = ips.first(where: { $0.address.family == family }) else { return nil }
        var object = JSON.Object()
        object["ip"] = .string("\(ip.address)")
        object["gateway"] = ip.gateway.map { .string("\($0)") }
        let own = routes.filter { $0.destination.family == family }
        if !own.isEmpty {
            object["routes"] = .array(
                own.map { Route(destination: $0.destination, gateway: $0.gateway).json() })
        }
        return .object(object)
    }
}

extension CNIResult.Interface {
    fileprivate func json(_ version: SpecVersion) -> JSON {
        var object = JSON.Object()
        object["name"] = .string(name)
        object["mac"] = mac.map { .string($0) }
        if version >= .v1_0_0 { object["mtu"] = mtu.map { .integer(Int64($0)) } }
        object["sandbox"] = sandbox.map { .string($0) }
        if version >= .v1_0_0 {
            object["socketPath"] = socketPath.map { .string($0) }
            object["pciID"] = pciID.map { .string($0) }
        }
        return .object(object)
    }
}

extension CNIResult.IP {
    fileprivate func json(_ version: SpecVersion) -> JSON {
        var object = JSON.Object()
        if version < .v1_0_0 { object["version"] = address.family == .v4 ? "4" : "6" }
        object["interface"] = interface.map { .integer(Int64($0)) }
        object["address"] = .string("\(address)")
        object["gateway"] = gateway.map { .string("\($0)") }
        return .object(object)
    }
}

extension CNIResult.Route {
    fileprivate func json() -> JSON {
        var object = JSON.Object()
        object["dst"] = .string("\(destination)")
        object["gw"] = gateway.map { .string("\($0)") }
        for (key, value) in [
            ("mtu", mtu), ("advmss", advmss), ("priority", priority), ("table", table), ("scope", scope),
        ] {
            object[key] = value.map { .integer(Int64($0)) }
        }
        return .object(object)
    }
}

extension CNIResult.DNS {
    fileprivate func json() -> JSON {
        var object = JSON.Object()
        let list = { (texts: [String]) -> JSON? in texts.isEmpty ? nil : .array(texts.map { .string($0) }) }
        object["nameservers"] = list(nameservers)
        object["domain"] = domain.map { .string($0) }
        object["search"] = list(search)
        object["options"] = list(options)
        return .object(object)
    }
}
