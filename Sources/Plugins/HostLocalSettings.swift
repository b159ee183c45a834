internal import CNI
internal import IPAM
internal import JSON
internal import Net

/// What host-local is told: ranges, routes and where it keeps its reservations.
struct HostLocalSettings {
    let sets: [RangeSet]
    /// Addresses asked for by the runtime or the configuration.
    let requested: [IPAddress]
    let routes: [CNIResult.Route]
    let dataDirectory: String
    let resolvConf: String

    /// The keys as people write them, in the `ipam` object or, for `swiftlet`, in its own block.
    enum Keys {
        static let subnet = ConfigurationKey<CIDR?>(
            "subnet", default: nil, "Subnet that addresses come from, such as `10.1.0.0/16`."
        ) { reader throws(JSONTypeError) in try reader.cidr() }
        static let rangeStart = address("rangeStart", "First address to hand out; by default the subnet's first host.")
        static let rangeEnd = address("rangeEnd", "Last address to hand out; by default the subnet's last host.")
        static let gateway = address("gateway", "Gateway that pods use; by default the subnet's first host.")
        static let blockLength = ConfigurationKey<Int?>(
            "blockLength", default: nil, "Hand out whole blocks with this prefix length (pod CIDRs), not addresses."
        ) { reader throws(JSONTypeError) in Int(try reader.uint32()) }
        static let dataDirectory = ConfigurationKey<String>.text(
            "dataDir", default: "/var/lib/cni/networks", "Where reservations are kept: in a directory per network.")
        static let resolvConf = ConfigurationKey<String>.text(
            "resolvConf", default: "", "A resolv.conf whose contents become the result's `dns`.")

        static let routes = ConfigurationKey<[CNIResult.Route]>(
            "routes", default: [],
            "Routes of the pod: `{\"dst\", \"gw\", \"mtu\", \"advmss\", \"priority\", \"table\", \"scope\"}`; without `gw` by the gateway."
        ) { reader throws(JSONTypeError) in
            try reader.elements().map { route throws(JSONTypeError) in try CNIResult.Route(route) }
        }
        static let ranges = ConfigurationKey<[[JSONReader]]>(
            "ranges", default: [],
            "Lists of ranges: one address from each outer list, tried range by range; a range has the five keys above."
        ) { reader throws(JSONTypeError) in
            try reader.elements().map { set throws(JSONTypeError) in try set.elements() }
        }

        private static func address(_ name: String, _ summary: String) -> ConfigurationKey<IPAddress?> {
            ConfigurationKey(name, default: nil, summary) { reader throws(JSONTypeError) in
                // An empty text counts as absent, as in Go.
                try reader.string().isEmpty ? nil : try reader.ipAddress()
            }
        }

        /// The keys of a range.
        static let ofRange: [any AnyConfigurationKey] = [subnet, rangeStart, rangeEnd, gateway, blockLength]
        /// All of them.
        static let everything = ofRange + [ranges, routes, dataDirectory, resolvConf]
    }

    /// Whether some range hands out whole subnets, which no pod can have as its address.
    ///
    /// - Parameter reader: the object that holds the keys.
    static func handsOutBlocks(_ reader: JSONReader) throws(JSONTypeError) -> Bool {
        let ranges = try Keys.ranges.read(reader)
        for range in [reader] + ranges.joined() where try Keys.blockLength.read(range) != nil { return true }
        return false
    }

    /// - Parameter reader: the object that holds the keys.
    /// - Throws: code 6 or 7, naming the key.
    init(_ reader: JSONReader, _ request: Request) throws(CNIError) {
        let configuration = request.configuration
        do throws(JSONTypeError) { dataDirectory = try Keys.dataDirectory.read(reader) } catch { throw CNIError(error) }
        guard dataDirectory.hasPrefix("/") else {
            throw CNIError(
                .invalidConfiguration, "dataDir must be an absolute path, but is \"\(dataDirectory)\"")
        }
        // To free what an owner has, nothing else need be right: the configuration may have changed since.
        guard ![.del, .gc].contains(request.invocation.command) else {
            (sets, requested, routes, resolvConf) = ([], [], [], "")
            return
        }
        do {
            resolvConf = try Keys.resolvConf.read(reader)
            routes = try Keys.routes.read(reader)
            var groups: [[Pool]] = []
            // Capability ipRanges comes first, then the old style, then ranges: the reference's order.
            if let dynamic = try configuration.runtimeConfiguration("ipRanges") {
                groups += try HostLocalSettings.groups(Keys.ranges.decode(dynamic))
            }
            if try Keys.subnet.read(reader) != nil { groups.append([try HostLocalSettings.pool(reader)]) }
            groups += try HostLocalSettings.groups(Keys.ranges.read(reader))
            sets = try groups.enumerated().map { index, pools in
                do { return try RangeSet(pools) } catch {
                    throw CNIError(.invalidConfiguration, "invalid range set \(index): \(error)")
                }
            }
            try RangeSet.validate(sets)
        } catch { throw CNIError(wrapping: error) }
        requested = try HostLocalSettings.requestedAddresses(request)
        try requireOneAddressPerFamily(configuration.version)
    }

    private static func groups(_ ranges: [[JSONReader]]) throws -> [[Pool]] { try ranges.map { try $0.map(pool) } }

    private static func pool(_ reader: JSONReader) throws -> Pool {
        guard let subnet = try Keys.subnet.read(reader) else { throw CNIError(reader.missing("subnet")) }
        do {
            return try Pool(
                subnet: subnet, rangeStart: Keys.rangeStart.read(reader), rangeEnd: Keys.rangeEnd.read(reader),
                gateway: Keys.gateway.read(reader), blockLength: Keys.blockLength.read(reader))
        } catch let error as RangeError {
            let place = reader.path.isEmpty ? "subnet" : "\(reader.path).subnet"
            throw CNIError(.invalidConfiguration, "\(place) \(subnet): \(error)")
        }
    }

    /// From `CNI_ARGS`, `args.cni.ips` and the capability `ips`, all appended, as the reference does.
    private static func requestedAddresses(_ request: Request) throws(CNIError) -> [IPAddress] {
        try request.invocation.arguments.requireKnown(["IP", "MAC", "GATEWAY"])
        var texts: [(String, String)] = []
        if let argument = request.invocation.arguments["IP"] {
            texts += argument.split(separator: ",").map { ("CNI_ARGS IP", String($0)) }
        }
        let lists = [
            try request.configuration.conventionalArgument("ips"),
            try request.configuration.runtimeConfiguration("ips"),
        ]
        do throws(JSONTypeError) {
            for list in lists {
                for element in try list?.elements() ?? [] { texts.append((element.path, try element.string())) }
            }
        } catch { throw CNIError(error) }
        var addresses: [IPAddress] = []
        for (place, text) in texts {
            guard let address = IPAddress(text) ?? CIDR(text)?.address else {
                throw CNIError(.invalidConfiguration, "\(place) must be an IP address, but is \"\(text)\"")
            }
            addresses.append(address)
        }
        return addresses
    }

    private func requireOneAddressPerFamily(_ version: SpecVersion) throws(CNIError) {
        let families = sets.compactMap { $0.pools.first?.subnet.family }
        guard version < .v0_3_0, Set(families).count < families.count else { return }
        throw CNIError(
            .invalidConfiguration,
            "CNI version \(version.rawValue) does not support more than 1 address per family",
            details: "use cniVersion 0.3.0 or newer, or one range set for each family")
    }
}
