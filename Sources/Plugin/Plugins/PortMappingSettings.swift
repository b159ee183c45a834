internal import Addresses
internal import CNI
internal import JSON
internal import Netfilter
internal import NetlinkCodec
internal import NftSyntax
internal import Posix

/// The settings of `portmap`, also used by `swiftlet`: the ports, and how they may be used.
struct PortMappingSettings {
    let mappings: [PortMapping]
    private let reachesNeighbours: Bool
    private let hidesClients: Bool
    private let conditionsV4: String
    private let conditionsV6: String

    enum Keys {
        static let snat = ConfigurationKey<Bool>.flag(
            "snat", default: true,
            "Make host ports work from the pod itself, from pods of its subnet, and from the node at 127.0.0.1."
        )
        static let masqAll = ConfigurationKey<Bool>.flag(
            "masqAll", "Masquerade all clients: pods see the node's address.")
        static let conditionsV4 = conditions("conditionsV4", "IPv4")
        static let conditionsV6 = conditions("conditionsV6", "IPv6")
        static let markMasqBit = ConfigurationKey<Int?>(
            "markMasqBit", default: nil,
            "Bit 0 to 31; accepted, but swiftlet always uses bit 12."
        ) { reader throws(Failure) in
            let bit = try reader.integer()
            guard (0...31).contains(bit) else {
                throw reader.wrong("from 0 to 31 (MasqMarkBit must be between 0 and 31)")
            }
            return Int(bit)
        }
        static let externalSetMarkChain = ConfigurationKey<String>.text(
            "externalSetMarkChain", default: "",
            "Accepted without effect, since swiftlet masquerades by itself; not together with `markMasqBit`.")
        static let backend = Backend.key("backend", ["nftables", "iptables"], unknown: "unrecognized backend")

        @KeyList static var everything: [KeyDescription] {
            snat
            masqAll
            conditionsV4
            conditionsV6
            markMasqBit
            externalSetMarkChain
            backend
        }

        private static func conditions(_ name: String, _ family: String) -> ConfigurationKey<String> {
            ConfigurationKey(
                name, default: "",
                "Who may use the ports over \(family): a match in nft's syntax, such as `ip saddr != 10.0.0.0/8`."
            ) { reader throws(Failure) in
                try reader.elements().map { word throws(Failure) in try word.string() }.joined(separator: " ")
            }
        }
    }

    /// Longer lists make no sense: there are 65,535 ports per protocol.
    private static let maximumMappings = 1 << 18

    /// - Throws: code 2, 6 or 7, naming key and value.
    init(_ request: Request) throws(Failure) {
        let configuration = request.configuration
        reachesNeighbours = try configuration[Keys.snat]
        hidesClients = try configuration[Keys.masqAll]
        conditionsV4 = try PortMappingSettings.conditions(Keys.conditionsV4, .v4, configuration)
        conditionsV6 = try PortMappingSettings.conditions(Keys.conditionsV6, .v6, configuration)
        if try configuration[Keys.markMasqBit] != nil, try !configuration[Keys.externalSetMarkChain].isEmpty {
            throw Failure(
                .invalidConfiguration, "Cannot specify externalSetMarkChain and markMasqBit",
                details: "neither is needed: table inet swiftlet marks and masquerades by itself")
        }
        try Backend.note(Keys.backend, request)
        let list = try configuration.runtimeConfiguration("portMappings")
        mappings = try PortMappingSettings.decode(list)
    }

    private static func conditions(
        _ key: ConfigurationKey<String>, _ family: IPFamily, _ configuration: Configuration
    ) throws(Failure) -> String {
        let text = try configuration[key]
        guard !text.isEmpty else { return text }
        do throws(NftSyntaxError) { _ = try NftConditions(parsing: text, family: family) } catch {
            throw Failure(.invalidConfiguration, "\(key.name): \"\(text)\" does not parse: \(error)")
        }
        // The text is also the comment of a rule.
        let limit = NftElement.maximumCommentLength
        guard text.utf8.count <= limit else {
            throw Failure(
                .invalidConfiguration, "\(key.name) must be at most \(limit) octets, but is \(text.utf8.count)")
        }
        return text
    }

    private static func decode(_ list: JSONReader?) throws(Failure) -> [PortMapping] {
        guard let list else { return [] }
        let elements = try list.elements()
        guard elements.count <= maximumMappings else { throw list.tooLong(limit: maximumMappings) }
        var mappings: [PortMapping] = []
        for element in elements { mappings.append(try mapping(element)) }
        return try withoutRepeats(mappings, list)
    }

    private static func mapping(_ reader: JSONReader) throws(Failure) -> PortMapping {
        let hostPort = try reader.required("hostPort")
        let containerPort = try reader.required("containerPort")
        let range = try reader.member("range")
        let first = try port(hostPort)
        let target = try port(containerPort)
        var count: UInt16 = 1
        if let range {
            guard let number = UInt16(exactly: try range.integer()), number > 0 else {
                throw range.wrong("from 1 to 65535")
            }
            for (reader, start) in [(hostPort, first), (containerPort, target)] where Int(start) + Int(number) > 65536 {
                throw range.wrong("such that \(reader.path) \(start) and what follows stay within 65535")
            }
            count = number
        }
        return PortMapping(
            hostPort: first, containerPort: target, count: count, try transport(reader), hostIP: try hostIP(reader))
    }

    private static func port(_ reader: JSONReader) throws(Failure) -> UInt16 {
        guard let port = UInt16(exactly: try reader.integer()), port > 0 else { throw reader.wrong("from 1 to 65535") }
        return port
    }

    private static func transport(_ reader: JSONReader) throws(Failure) -> PortMapping.Transport {
        guard let member = try reader.member("protocol"), try !member.string().isEmpty else { return .tcp }
        guard let transport = PortMapping.Transport(try member.string()) else {
            throw member.wrong("tcp, udp or sctp")
        }
        return transport
    }

    private static func hostIP(_ reader: JSONReader) throws(Failure) -> IPAddress? {
        guard let member = try reader.member("hostIP"), try !member.string().isEmpty else { return nil }
        return try member.ipAddress()
    }

    /// Duplicates are merged; two mappings of the same port of the node are a mistake.
    private static func withoutRepeats(
        _ mappings: [PortMapping], _ list: JSONReader
    ) throws(Failure) -> [PortMapping] {
        guard mappings.count > 1 else { return mappings }
        var result: [PortMapping] = []
        // A mapping without an address is for both families, so the latest of each family may differ.
        var (latestV4, latestV6): (PortMapping?, PortMapping?)
        for mapping in mappings.sorted(by: { $0.order < $1.order }) {
            let (v4, v6) = (mapping.applies(to: .v4), mapping.applies(to: .v6))
            let rivals = [v4 ? latestV4 : nil, v6 ? latestV6 : nil].map { $0.map(mapping.overlaps) == true ? $0 : nil }
            if rivals[0] != nil || rivals[1] != nil {
                let isCovered = zip([v4, v6], rivals).allSatisfy { isAsked, rival in
                    !isAsked || rival.map(mapping.isSame) == true
                }
                guard !isCovered else { continue }
                throw Failure(
                    .value, path: list.path, expected: "without repeats",
                    found: "for host port \(mapping.hostPort)/\(mapping.protocol.name) twice")
            }
            result.append(mapping)
            if v4 { latestV4 = mapping }
            if v6 { latestV6 = mapping }
        }
        return result
    }

    /// The rules of the mappings for a pod with these addresses.
    ///
    /// - Parameters:
    ///   - localRoute: the node's interface towards the pod.
    ///   - hairpinPort: the pod's bridge port, if this plugin must set its hairpin mode.
    /// - Returns: nil if there are none.
    /// - Throws: code 7 for a hostIP of a family in which the pod has no address.
    func ports(addresses: [CIDR], localRoute: String?, hairpinPort: String?) throws(Failure) -> PublishedPorts? {
        guard !mappings.isEmpty else { return nil }
        for (position, mapping) in mappings.enumerated() {
            guard let hostIP = mapping.hostIP, !addresses.contains(where: { $0.family == hostIP.family }) else {
                continue
            }
            throw Failure(
                .invalidConfiguration,
                "runtimeConfig.portMappings: hostIP \(hostIP) of host port \(mapping.hostPort) (mapping \(position)) is \(hostIP.family == .v4 ? "IPv4" : "IPv6"), but the pod has no such address"
            )
        }
        let isLocal = reachesNeighbours && addresses.contains { $0.family == .v4 }
        return PublishedPorts(
            mappings, addresses: addresses, reachesNeighbours: reachesNeighbours, hidesClients: hidesClients,
            conditionsV4: conditionsV4, conditionsV6: conditionsV6, localRoute: isLocal ? localRoute : nil,
            hairpinPort: reachesNeighbours ? hairpinPort : nil)
    }

    /// Whether the pod's bridge port needs hairpin mode.
    var needsHairpin: Bool { reachesNeighbours && !mappings.isEmpty }
}

extension PortMapping {
    /// Sorts by protocol, address, port; mappings for all addresses of both families come before those of one.
    fileprivate var order: (String, UInt16, Int) {
        (place, hostPort, hostIP == nil ? 0 : 1)
    }

    /// The scope in which ports may collide.
    private var place: String { "\(self.protocol.rawValue) \(specificAddress?.description ?? "")" }

    /// Whether this mapping uses a port of one that precedes it in this order.
    fileprivate func overlaps(_ earlier: PortMapping) -> Bool {
        place == earlier.place && Int(hostPort) < Int(earlier.hostPort) + Int(earlier.count)
    }

    /// Whether both map the same ports to the same ports.
    fileprivate func isSame(_ other: PortMapping) -> Bool {
        (hostPort, containerPort, count) == (other.hostPort, other.containerPort, other.count)
    }
}

/// Keys that choose between iptables and nftables. Only nftables is used here, whatever they say.
enum Backend {
    static func key(_ name: String, _ known: [String], unknown: String) -> ConfigurationKey<String> {
        ConfigurationKey(
            name, default: "", "`\(known.joined(separator: "` or `"))`; swiftlet uses nftables in either case."
        ) { reader throws(Failure) in
            let value = try reader.string()
            guard value.isEmpty || known.contains(value) else {
                throw reader.wrong("\(known.joined(separator: " or ")) (\(unknown) \"\(value)\")")
            }
            return value
        }
    }

    /// Logs that nftables is used instead if iptables is configured.
    static func note(_ key: ConfigurationKey<String>, _ request: Request) throws(Failure) {
        guard try request.configuration[key] == "iptables" else { return }
        request.log("\(key.name): iptables was requested; nftables table inet swiftlet does the same")
    }
}
