internal import Addresses
internal import CNI
internal import IPAM
internal import JSON
internal import Posix

/// The settings of host-local: ranges, routes and the location of its reservations.
struct HostLocalSettings {
    let sets: [RangeSet]
    /// Addresses requested by the runtime or the configuration.
    let requested: [IPAddress]
    let routes: [CNIResult.Route]
    let dataDirectory: String
    let resolvConf: String
    /// Whether STATUS fails while a range set is full.
    let fullIsNotReady: Bool

    /// The keys as users write them, in the `ipam` object or, for `swiftlet`, in its own block.
    enum Keys {
        static let subnet = ConfigurationKey<CIDR?>(
            "subnet", default: nil, "Subnet that addresses come from, such as `10.1.0.0/16`."
        ) { reader throws(Failure) in try reader.cidr() }
        static let rangeStart = address("rangeStart", "First address to hand out; by default the subnet's first host.")
        static let rangeEnd = address("rangeEnd", "Last address to hand out; by default the subnet's last host.")
        static let gateway = address("gateway", "Gateway that pods use; by default the subnet's first host.")
        static let blockLength = ConfigurationKey<Int?>(
            "blockLength", default: nil, "Hand out whole blocks with this prefix length (pod CIDRs), not addresses."
        ) { reader throws(Failure) in Int(try reader.uint32()) }
        static let dataDirectory = ConfigurationKey<String>.text(
            "dataDir", default: "/var/lib/cni/networks", "Where reservations are kept: in a directory per network.")
        static let resolvConf = ConfigurationKey<String>.text(
            "resolvConf", default: "", "A resolv.conf whose contents become the result's `dns`.")
        static let fullIsNotReady = ConfigurationKey<Bool>.flag(
            "fullIsNotReady",
            "STATUS fails (50) while a range set is full. Kubernetes then evicts the node's pods, running ones too.")

        static let routes = ConfigurationKey<[CNIResult.Route]>(
            "routes", default: [],
            "Routes of the pod: `{\"dst\", \"gw\", \"mtu\", \"advmss\", \"priority\", \"table\", \"scope\"}`; without `gw` by the gateway."
        ) { reader throws(Failure) in
            try reader.elements().map { route throws(Failure) in try CNIResult.Route(route) }
        }
        static let ranges = ConfigurationKey<[[JSONReader]]>(
            "ranges", default: [],
            "Lists of ranges: one address from each outer list, tried range by range; a range has the five keys above."
        ) { reader throws(Failure) in
            let sets = try reader.elements().map { set throws(Failure) in try set.elements() }
            // Each range is compared with all others.
            guard max(sets.count, sets.joined().count) <= maximumRanges else {
                throw reader.tooLong(limit: maximumRanges)
            }
            return sets
        }
        private static let maximumRanges = 1024

        private static func address(_ name: String, _ summary: String) -> ConfigurationKey<IPAddress?> {
            ConfigurationKey(name, default: nil, summary) { reader throws(Failure) in
                // An empty text counts as absent, as in Go.
                try reader.string().isEmpty ? nil : try reader.ipAddress()
            }
        }

        /// The keys of a range.
        @KeyList static var ofRange: [KeyDescription] {
            subnet
            rangeStart
            rangeEnd
            gateway
            blockLength
        }
        /// The keys of a route.
        static let ofRoute = ["dst", "gw", "mtu", "advmss", "priority", "table", "scope"]

        /// All of them.
        @KeyList static var everything: [KeyDescription] {
            ofRange
            ranges
            routes
            dataDirectory
            resolvConf
            fullIsNotReady
        }
    }

    /// Whether any range hands out whole subnets, which no pod can have as its address.
    ///
    /// - Parameter reader: the object that holds the keys.
    static func handsOutBlocks(_ reader: JSONReader) throws(Failure) -> Bool {
        let ranges = try Keys.ranges.read(reader)
        for range in [reader] + ranges.joined() where try Keys.blockLength.read(range) != nil { return true }
        return false
    }

    /// - Parameter reader: the object that holds the keys.
    /// - Throws: code 6 or 7, naming the key.
    init(_ reader: JSONReader, _ request: Request) throws(Failure) {
        let configuration = request.configuration
        dataDirectory = try Keys.dataDirectory.read(reader)
        guard dataDirectory.hasPrefix("/") else {
            throw Failure(
                .invalidConfiguration, "dataDir must be an absolute path, but is \"\(dataDirectory)\"")
        }
        // Freeing an owner's addresses needs no other valid keys: the configuration may have changed since.
        guard ![.del, .gc].contains(request.invocation.command) else {
            (sets, requested, routes, resolvConf, fullIsNotReady) = ([], [], [], "", false)
            return
        }
        resolvConf = try Keys.resolvConf.read(reader)
        fullIsNotReady = try Keys.fullIsNotReady.read(reader)
        routes = try Keys.routes.read(reader)
        sets = try HostLocalSettings.sets(reader, dynamic: try configuration.runtimeConfiguration("ipRanges"))
        try RangeSet.validate(sets)
        requested = try HostLocalSettings.requestedAddresses(request)
        try configuration.version.requireOneAddressPerFamily(sets.compactMap { $0.pools.first?.subnet.family })
    }

    /// The ranges that a configuration names.
    ///
    /// - Parameter dynamic: the runtime's value for the capability `ipRanges`. It comes first, then the old style, then
    ///   ranges: the reference's order.
    static func sets(_ reader: JSONReader, dynamic: JSONReader? = nil) throws(Failure) -> [RangeSet] {
        var groups: [[Pool]] = []
        if let dynamic { groups += try HostLocalSettings.groups(Keys.ranges.decode(dynamic)) }
        if try Keys.subnet.read(reader) != nil { groups.append([try HostLocalSettings.pool(reader)]) }
        groups += try HostLocalSettings.groups(Keys.ranges.read(reader))
        return try groups.enumerated().map { index, pools throws(Failure) in
            do throws(Failure) { return try RangeSet(pools) } catch {
                throw error.during("invalid range set \(index)")
            }
        }
    }

    private static func groups(_ ranges: [[JSONReader]]) throws(Failure) -> [[Pool]] {
        try ranges.map { range throws(Failure) in try range.map(pool) }
    }

    private static func pool(_ reader: JSONReader) throws(Failure) -> Pool {
        guard let subnet = try Keys.subnet.read(reader) else { throw reader.missing("subnet") }
        let (start, end) = (try Keys.rangeStart.read(reader), try Keys.rangeEnd.read(reader))
        let (gateway, blockLength) = (try Keys.gateway.read(reader), try Keys.blockLength.read(reader))
        do throws(Failure) {
            return try Pool(
                subnet: subnet, rangeStart: start, rangeEnd: end, gateway: gateway, blockLength: blockLength)
        } catch { throw error.during("\(reader.path.isEmpty ? "subnet" : "\(reader.path).subnet") \(subnet)") }
    }

    /// Addresses from `CNI_ARGS`, `args.cni.ips` and the capability `ips`, all appended, as in the reference.
    private static func requestedAddresses(_ request: Request) throws(Failure) -> [IPAddress] {
        let asked = try RequestedAddresses(request)
        return try (asked.arguments + asked.conventional + asked.capability).map { entry throws(Failure) in
            guard let address = (IPAddress(entry.text) ?? CIDR(entry.text)?.address)?.unmapped else {
                throw Failure(
                    .invalidConfiguration, "\(entry.place) must be an IP address, but is \"\(entry.text)\""
                ).showingLogs(only: "\(entry.place) must be an IP address")
            }
            return address
        }
    }
}
