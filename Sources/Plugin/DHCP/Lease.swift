public import Addresses
internal import Posix

/// A granted lease, with times in milliseconds of the caller's clock.
public struct Lease: Sendable, Hashable {
    public let address: CIDR
    public let server: IPAddress
    public let gateway: IPAddress?
    public let routes: [Route]
    public let nameServers: [IPAddress]
    public let domain: String?
    /// When to renew it with its server (T1).
    public let renewal: Int
    /// When to ask any server (T2).
    public let rebinding: Int
    /// When the address must no longer be used. For a lease without an end, later than any clock.
    public let expiry: Int

    public struct Route: Sendable, Hashable {
        public let destination: CIDR
        /// Nil: on-link.
        public let gateway: IPAddress?
    }

    /// Far in the future, but small enough not to overflow.
    static let never = 1 << 52

    /// Reads a server's acknowledgement.
    ///
    /// - Parameter start: when the request for it was sent.
    /// - Throws: what is wrong with it, as text.
    init(_ message: Message, since start: Int) throws(Failure) {
        let options = message.options
        guard let server = options.address(.serverIdentifier), !server.isUnspecified else {
            throw Failure(.inputOutput, "a DHCP server that does not say who it is has answered")
        }
        guard !message.offeredAddress.isUnspecified, !message.offeredAddress.isMulticast,
            !message.offeredAddress.isLoopback, message.offeredAddress.value != UInt128(UInt32.max)
        else { throw Failure(.inputOutput, "DHCP server \(server) offers \(message.offeredAddress)") }
        guard let mask = options[.subnetMask], mask.count == 4 else {
            throw Failure(.inputOutput, "DHCP option Subnet Mask not found in DHCPACK of \(server)")
        }
        let bits: UInt32 = mask.number()
        guard (~bits).leadingZeroBitCount + (~bits).nonzeroBitCount == 32 else {
            throw Failure(
                .inputOutput,
                "DHCP server \(server) gives the subnet mask \(mask.map { "\($0)" }.joined(separator: "."))")
        }
        guard let seconds = options.seconds(.leaseTime), seconds > 0 else {
            throw Failure(.inputOutput, "DHCP server \(server) does not say how long its lease lasts")
        }
        address = CIDR(message.offeredAddress, bits.nonzeroBitCount)
        self.server = server
        let router = options.addresses(.routers).first { !$0.isUnspecified }
        gateway = router
        routes = Lease.routes(options, router)
        nameServers = options.addresses(.nameServers)
        domain = options[.domainName].flatMap(Lease.text)
        guard seconds != UInt32.max else {
            (renewal, rebinding, expiry) = (Lease.never, Lease.never, Lease.never)
            return
        }
        // RFC 2131, section 4.4.5: 0.5 and 0.875 of the lease if the server gives no valid times.
        let duration = Int(seconds) * 1000
        let t2 = options.seconds(.rebindingTime).map { Int($0) * 1000 }.flatMap { $0 > 0 && $0 < duration ? $0 : nil }
        let latest = t2 ?? duration / 8 * 7
        let t1 = options.seconds(.renewalTime).map { Int($0) * 1000 }.flatMap { $0 > 0 && $0 < latest ? $0 : nil }
        renewal = start + (t1 ?? (duration / 2 < latest ? duration / 2 : latest / 2))
        rebinding = start + latest
        expiry = start + duration
    }

    init(
        address: CIDR, server: IPAddress, gateway: IPAddress?, routes: [Route], nameServers: [IPAddress],
        domain: String?, renewal: Int, rebinding: Int, expiry: Int
    ) {
        self.address = address
        self.server = server
        self.gateway = gateway
        self.routes = routes
        self.nameServers = nameServers
        self.domain = domain
        self.renewal = renewal
        self.rebinding = rebinding
        self.expiry = expiry
    }

    /// Whether it configures the pod's interface in the same way, regardless of its times.
    func configuresLike(_ other: Lease) -> Bool {
        address == other.address && gateway == other.gateway && routes == other.routes
    }

    /// If there are classless routes, they replace all other routes and the router (RFC 3442).
    private static func routes(_ options: [OptionCode: [UInt8]], _ router: IPAddress?) -> [Route] {
        let everywhere = CIDR(IPAddress(.v4, 0), 0)
        for code in [OptionCode.classlessRoutes, .microsoftClasslessRoutes] {
            if let routes = options[code].flatMap(classless), !routes.isEmpty { return routes }
        }
        let addresses = options.addresses(.staticRoutes)
        var routes: [Route] = []
        for position in stride(from: 0, to: addresses.count - 1, by: 2) {
            guard let subnet = classful(addresses[position]) else { continue }
            routes.append(Route(destination: subnet, gateway: addresses[position + 1]))
        }
        return routes + (router.map { [Route(destination: everywhere, gateway: $0)] } ?? [])
    }

    /// A sequence of: prefix length, the significant octets of the destination, gateway.
    private static func classless(_ octets: [UInt8]) -> [Route]? {
        var rest = octets[...]
        var routes: [Route] = []
        while let length = rest.popFirst() {
            let significant = (Int(length) + 7) / 8
            guard length <= 32, rest.count >= significant + 4 else { return nil }
            let destination = Array(rest.prefix(significant)) + [UInt8](repeating: 0, count: 4 - significant)
            rest = rest.dropFirst(significant)
            guard let address = IPAddress(bytes: destination), let gateway = IPAddress(bytes: rest.prefix(4)) else {
                return nil
            }
            rest = rest.dropFirst(4)
            routes.append(
                Route(
                    destination: CIDR(address, Int(length)).network, gateway: gateway.isUnspecified ? nil : gateway))
        }
        return routes
    }

    /// A network by its class (RFC 791); nil for an invalid one, including the default route (RFC 2132, section 5.8).
    private static func classful(_ address: IPAddress) -> CIDR? {
        guard !address.isUnspecified else { return nil }
        return switch address.value >> 24 {
        case 0..<128: CIDR(address, 8).network
        case 128..<192: CIDR(address, 16).network
        case 192..<224: CIDR(address, 24).network
        default: nil
        }
    }

    /// A name in printable ASCII; servers are not trusted.
    private static func text(_ octets: [UInt8]) -> String? {
        let name = octets.prefix { $0 != 0 }
        return name.isEmpty || !name.allSatisfy { $0 > 0x20 && $0 < 0x7f } ? nil : String(decoding: name, as: UTF8.self)
    }
}

extension [OptionCode: [UInt8]] {
    func address(_ code: OptionCode) -> IPAddress? {
        self[code].flatMap { IPAddress(bytes: $0) }.flatMap { $0.family == .v4 ? $0 : nil }
    }

    /// As many complete addresses as there are.
    func addresses(_ code: OptionCode) -> [IPAddress] {
        let octets = self[code] ?? []
        return stride(from: 0, to: octets.count / 4 * 4, by: 4).compactMap { IPAddress(bytes: octets[$0..<($0 + 4)]) }
    }

    func seconds(_ code: OptionCode) -> UInt32? { self[code].flatMap { $0.count == 4 ? $0.number() : nil } }
}
