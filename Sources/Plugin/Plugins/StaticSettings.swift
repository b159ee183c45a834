internal import Addresses
internal import CNI
internal import JSON
internal import Posix

/// The settings of `static`: the addresses to hand out, and their routes and name servers.
struct StaticSettings {
    let ips: [CNIResult.IP]
    let routes: [CNIResult.Route]
    let dns: CNIResult.DNS

    /// No pod needs more; longer lists are mistakes.
    private static let maximumAddresses = 1024

    enum Keys {
        static let addresses = ConfigurationKey<[CNIResult.IP]>(
            "addresses", default: [],
            "Addresses of the pod: `{\"address\", \"gateway\"}`, the address with prefix length."
        ) { reader throws(Failure) in
            let list = try reader.elements()
            guard list.count <= maximumAddresses else { throw reader.tooLong(limit: maximumAddresses) }
            return try list.map { entry throws(Failure) in
                let address = try entry.required("address")
                let text = try address.string()
                guard let cidr = CIDR(text)?.unmapped else {
                    throw address.wrong(
                        "ADDRESS/LENGTH (the 'address' field is expected to be in CIDR notation, got: '\(text)')")
                }
                let gateway = try entry.nonEmpty("gateway") == nil ? nil : try entry.required("gateway").ipAddress()
                return CNIResult.IP(address: cidr, gateway: gateway)
            }
        }
        static let dns = ConfigurationKey<CNIResult.DNS?>(
            "dns", default: nil, "The result's `dns`: `{\"nameservers\", \"domain\", \"search\", \"options\"}`."
        ) { reader throws(Failure) in try CNIResult.DNS(reader) }

        @KeyList static var everything: [KeyDescription] {
            addresses
            HostLocalSettings.Keys.routes
            dns
        }
    }

    /// - Throws: code 4, 6 or 7, naming key and value.
    init(_ request: Request) throws(Failure) {
        let ipam = try request.ipam()
        let asked = try RequestedAddresses(request)
        var ips = try Keys.addresses.read(ipam)
        routes = try HostLocalSettings.Keys.routes.read(ipam)
        dns = try Keys.dns.read(ipam) ?? CNIResult.DNS()
        ips += try StaticSettings.addresses(
            asked.arguments, "the 'ip' field is expected to be in CIDR notation, got:")
        // Each of these lists replaces everything before it.
        for list in [asked.conventional, asked.capability] where !list.isEmpty {
            ips = try StaticSettings.addresses(list, "an entry in the 'ips' field is NOT in CIDR notation, got:")
        }
        try StaticSettings.setGateways(&ips, request.invocation.arguments["GATEWAY"] ?? "")
        try StaticSettings.validate(ips, request.configuration.version)
        self.ips = ips
    }

    private static func addresses(
        _ entries: [RequestedAddresses.Entry], _ complaint: String
    ) throws(Failure) -> [CNIResult.IP] {
        try entries.map { entry throws(Failure) in
            guard let address = CIDR(entry.text)?.unmapped else {
                throw Failure(
                    .invalidConfiguration, "\(entry.place): \(complaint) '\(entry.text)'",
                    details: "write ADDRESS/LENGTH, like 10.1.0.5/16"
                ).showingLogs(only: "\(entry.place): \(complaint)")
            }
            return CNIResult.IP(address: address)
        }
    }

    /// Each gateway applies to the addresses on its network.
    private static func setGateways(_ ips: inout [CNIResult.IP], _ list: String) throws(Failure) {
        for text in RequestedAddresses.items(of: list) {
            guard let gateway = IPAddress(text)?.unmapped else {
                throw Failure(
                    .invalidConfiguration, "invalid gateway address: \(text)", details: "CNI_ARGS GATEWAY is \(list)"
                ).showingLogs(only: "invalid gateway address in CNI_ARGS GATEWAY")
            }
            for index in ips.indices where ips[index].address.contains(gateway) { ips[index].gateway = gateway }
        }
    }

    private static func validate(_ ips: [CNIResult.IP], _ version: SpecVersion) throws(Failure) {
        guard ips.count <= maximumAddresses else {
            throw Failure(.invalidConfiguration, "\(ips.count) addresses are more than \(maximumAddresses)")
        }
        for (index, ip) in ips.enumerated() {
            if let gateway = ip.gateway, gateway.family != ip.address.family {
                throw Failure(
                    .invalidConfiguration, "invalid gateway address: \(gateway) is of another family than \(ip.address)"
                )
            }
            guard !ips[..<index].contains(where: { $0.address.address == ip.address.address }) else {
                throw Failure(.invalidConfiguration, "address \(ip.address.address) is listed twice")
            }
        }
        try version.requireOneAddressPerFamily(ips.map { $0.address.family })
    }
}
