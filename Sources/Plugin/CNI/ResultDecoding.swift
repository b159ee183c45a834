public import Addresses
public import JSON
public import Posix

extension CNIResult {
    /// Reads a result of any version, as printed by a delegate or contained in `prevResult`.
    ///
    /// - Parameter assumed: the version to assume if it has no `cniVersion`.
    /// - Throws: code 1 for an unknown version, 6 for what cannot be decoded; the message names the key.
    public init(_ reader: JSONReader, assuming assumed: SpecVersion = .v0_1_0) throws(Failure) {
        self.init()
        let version = try SpecVersion(decoding: Configuration.text("cniVersion", in: reader) ?? assumed.rawValue)
        if version < .v0_3_0 {
            for key in ["ip4", "ip6"] {
                guard let part = try reader.member(key) else { continue }
                let gateway = try part.optionalAddress("gateway")
                ips.append(IP(address: try part.required("ip").cidr(), gateway: gateway))
                routes += try part.list("routes") { route throws(Failure) in try Route(route) }
            }
        } else {
            interfaces = try reader.list("interfaces", CNIResult.interface)
            ips = try reader.list("ips", CNIResult.ip)
            routes = try reader.list("routes") { route throws(Failure) in try Route(route) }
        }
        dns = try reader.member("dns").map(DNS.init) ?? DNS()
        // Some IPAM plugins and older chains give an invalid index; treat it as none.
        for position in ips.indices {
            guard let index = ips[position].interface, !interfaces.indices.contains(index) else { continue }
            ips[position].interface = nil
        }
    }

    private static func interface(_ reader: JSONReader) throws(Failure) -> Interface {
        Interface(
            name: try reader.required("name").string(),
            mac: try reader.nonEmpty("mac"),
            mtu: try reader.member("mtu")?.uint32(),
            sandbox: try reader.nonEmpty("sandbox"),
            socketPath: try reader.nonEmpty("socketPath"),
            pciID: try reader.nonEmpty("pciID"))
    }

    private static func ip(_ reader: JSONReader) throws(Failure) -> IP {
        IP(
            address: try reader.required("address").cidr(),
            gateway: try reader.optionalAddress("gateway"),
            interface: try reader.member("interface").map { reader throws(Failure) in
                Int(try reader.integer())
            })
    }
}

extension CNIResult.DNS {
    /// Reads a `dns` object of a result or of a configuration.
    public init(_ reader: JSONReader) throws(Failure) {
        let text = { (reader: JSONReader) throws(Failure) in try reader.string() }
        self.init(
            nameservers: try reader.list("nameservers", text),
            domain: try reader.nonEmpty("domain"),
            search: try reader.list("search", text),
            options: try reader.list("options", text))
    }
}

extension CNIResult.Route {
    /// Reads a route of a result or of an IPAM configuration. The kernel has no routes of IPv6 by a gateway of IPv4.
    public init(_ reader: JSONReader) throws(Failure) {
        let (destination, gateway) = (try reader.required("dst").cidr(), try reader.optionalAddress("gw"))
        if destination.family == .v6, gateway?.family == .v4 {
            throw try reader.required("gw").wrong("an IPv6 address, as dst is IPv6")
        }
        self.init(
            destination: destination,
            gateway: gateway,
            mtu: try reader.member("mtu")?.uint32(),
            advmss: try reader.member("advmss")?.uint32(),
            priority: try reader.member("priority")?.uint32(),
            table: try reader.member("table")?.uint32(),
            scope: try reader.member("scope").map { scope throws(Failure) in
                let value = try scope.uint32()
                guard value < 256 else { throw scope.wrong("from 0 to 255") }
                return value
            })
    }
}

extension JSONReader {
    /// An address; empty means absent, as in Go.
    func optionalAddress(_ key: String) throws(Failure) -> IPAddress? {
        try nonEmpty(key) == nil ? nil : try required(key).ipAddress()
    }

    /// `ADDRESS/LENGTH`. IPv4 written as IPv6 (`::ffff:10.1.0.0/112`) is IPv4, as in Go programs.
    public func cidr() throws(Failure) -> CIDR {
        guard let value = CIDR(try string())?.unmapped else {
            throw wrong("an address with prefix length, like 10.1.0.0/16")
        }
        return value
    }

    /// An address. IPv4 written as IPv6 (`::ffff:10.1.0.5`) is IPv4, as in Go programs.
    public func ipAddress() throws(Failure) -> IPAddress {
        guard let value = IPAddress(try string()) else { throw wrong("an IP address") }
        return value.unmapped
    }
}
