internal import Addresses
public import CNI
internal import JSON
public import Posix

/// The `ipam` settings for `dhcp`: read by the plugin, to refuse invalid ones early, and by the daemon.
public struct ClientSettings: Sendable {
    public let socket: String
    /// The options that the client sends about itself.
    let provided: [OptionCode: [UInt8]]
    let requested: [OptionCode]
    /// The metric of the routes.
    let priority: UInt32?
    let suppressesGateway: Bool

    public enum Keys {
        static let socket = ConfigurationKey<String>.text(
            "daemonSocketPath", default: DaemonClient.defaultSocket, "Socket on which the daemon listens.")
        static let provide = ConfigurationKey<[JSONReader]>(
            "provide", default: [],
            "Options to send: `{\"option\", \"value\", \"fromArg\"}`; `fromArg` names a key of `CNI_ARGS` whose value is sent instead, if there is one."
        ) { reader throws(Failure) in try limited(reader) }
        static let request = ConfigurationKey<[JSONReader]>(
            "request", default: [],
            "Options to request: `{\"option\", \"skipDefault\"}`; `skipDefault` leaves out those requested by default (1, 121, 3, 33, 6, 15)."
        ) { reader throws(Failure) in try limited(reader) }
        static let priority = ConfigurationKey<UInt32?>(
            "priority", default: nil, "Metric of the routes that the server gives."
        ) { reader throws(Failure) in try reader.uint32() }
        static let suppress = ConfigurationKey<[String]>(
            "suppress", default: [], "What to leave out of the result; `gateway` leaves out the default route as well."
        ) { reader throws(Failure) in
            try reader.elements().map { element throws(Failure) in
                guard try element.string() == "gateway" else { throw element.wrong("gateway") }
                return "gateway"
            }
        }

        @KeyList public static var everything: [KeyDescription] {
            socket
            provide
            request
            priority
            suppress
        }

        private static func limited(_ reader: JSONReader) throws(Failure) -> [JSONReader] {
            let elements = try reader.elements()
            guard elements.count <= maximumOptions else { throw reader.tooLong(limit: maximumOptions) }
            return elements
        }
    }

    /// The most options in one list.
    private static let maximumOptions = 64

    /// Classless routes before routers, as RFC 3442 requires.
    private static let requestedAnyway: [OptionCode] = [
        .subnetMask, .classlessRoutes, .routers, .staticRoutes, .nameServers, .domainName,
    ]

    /// Options that the protocol itself uses.
    private static let reserved: [OptionCode] = [
        .messageType, .serverIdentifier, .requestedAddress, .overload, .parameterRequestList, .maximumMessageSize,
    ]

    /// The daemon's socket: DEL and GC need no other setting.
    public static func socket(_ configuration: Configuration) throws(Failure) -> String {
        try configuration.decoding { (reader) throws(Failure) in
            try reader.member("ipam").map { ipam throws(Failure) in try Keys.socket.read(ipam) }
                ?? Keys.socket.fallback
        }
    }

    /// - Throws: code 6 or 7, naming the key.
    public init(_ configuration: Configuration, _ arguments: Arguments) throws(Failure) {
        self = try configuration.decoding { (reader) throws(Failure) in
            try ClientSettings(reader.required("ipam"), arguments)
        }
    }

    private init(_ ipam: JSONReader, _ arguments: Arguments) throws(Failure) {
        socket = try Keys.socket.read(ipam)
        priority = try Keys.priority.read(ipam)
        suppressesGateway = try !Keys.suppress.read(ipam).isEmpty
        var provided: [OptionCode: [UInt8]] = [:]
        for entry in try Keys.provide.read(ipam) {
            let code = try ClientSettings.code(entry.required("option"))
            guard !ClientSettings.reserved.contains(code) else {
                throw try entry.required("option").wrong("an option that DHCP itself does not use")
            }
            let argument = try entry.nonEmpty("fromArg").flatMap { arguments[$0] }
            let given = try entry.nonEmpty("value")
            guard let value = argument ?? given else { continue }
            guard value.utf8.count <= 255 else {
                throw Failure(
                    .value, path: entry.path, expected: "at most 255 octets",
                    found: "longer: value too long for option \(code.rawValue)")
            }
            provided[code] = Array(value.utf8)
        }
        self.provided = provided
        var asked: [OptionCode] = []
        var skipsOthers = false
        for entry in try Keys.request.read(ipam) {
            if let flag = try entry.member("skipDefault"), try flag.bool() { skipsOthers = true }
            // An entry with only skipDefault names no option.
            if let option = try entry.member("option") { asked.append(try ClientSettings.code(option)) }
        }
        let anyway = skipsOthers ? [] : ClientSettings.requestedAnyway
        requested = anyway + asked.filter { !anyway.contains($0) }
    }

    private static func code(_ reader: JSONReader) throws(Failure) -> OptionCode {
        guard let code = OptionCode(name: try reader.string()) else {
            throw reader.wrong(
                "a number from 1 to 254 or one of \(OptionCode.names.map { $0.key }.joined(separator: ", ")) "
                    + "(Can not parse option)")
        }
        return code
    }
}

extension CNIResult {
    /// The result of a lease under these settings.
    init(_ lease: Lease, _ settings: ClientSettings) {
        self.init()
        let keepsGateway = !settings.suppressesGateway
        ips = [IP(address: lease.address, gateway: keepsGateway ? lease.gateway : nil)]
        routes = lease.routes.filter { keepsGateway || $0.destination.prefixLength > 0 }.map {
            Route(destination: $0.destination, gateway: $0.gateway, priority: settings.priority)
        }
        dns = DNS(nameservers: lease.nameServers.map { $0.description }, domain: lease.domain)
    }
}
