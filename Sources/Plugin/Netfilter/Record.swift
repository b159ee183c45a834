internal import Addresses
internal import JSON
internal import Posix

/// What is recorded for one attachment before its rules are made: enough to make them again.
struct Record: Sendable, Hashable {
    var rules: PodRules
    /// The pod's namespace when it was attached.
    var namespace: NamespaceIdentity

    /// The maximum size in octets, against hostile or broken files.
    static let maximumSize = 1 << 20

    var content: [UInt8] {
        var object = JSON.Object()
        object["namespace"] = .object(namespace.json)
        if let masquerade = rules.masquerade {
            object["masquerade"] = [
                "sources": list(masquerade.sources), "exceptions": list(masquerade.exceptions),
            ]
        }
        if let ports = rules.ports { object["ports"] = .object(json(ports)) }
        if let spoofGuard = rules.spoofGuard {
            var value: JSON.Object = JSON.Object()
            value["port"] = .string(spoofGuard.port)
            value["mac"] = .string(spoofGuard.mac.description)
            if let addresses = spoofGuard.addresses { value["addresses"] = list(addresses) }
            object["spoofGuard"] = .object(value)
        }
        if let isolation = rules.isolation {
            var value = JSON.Object()
            value["bridge"] = .string(isolation.bridge)
            value["allowsSameBridge"] = .bool(isolation.allowsSameBridge)
            if let port = isolation.port { value["port"] = .string(port) }
            object["isolation"] = .object(value)
        }
        if let passage = rules.passage {
            var value = JSON.Object()
            value["subnets"] = list(passage.subnets)
            value["addresses"] = list(passage.addresses)
            value["zone"] = .string(passage.zone)
            if let override = passage.override {
                value["override"] = .string(override.chain)
                value["besideFirewalld"] = .bool(override.besideFirewalld)
            }
            object["passage"] = .object(value)
        }
        return JSON.object(object).serialized(pretty: false) + [UInt8(ascii: "\n")]
    }

    private func list(_ values: [some CustomStringConvertible]) -> JSON {
        .array(values.map { .string($0.description) })
    }

    private func json(_ ports: PublishedPorts) -> JSON.Object {
        var object = JSON.Object()
        object["mappings"] = .array(
            ports.mappings.map { mapping in
                var value = JSON.Object()
                value["protocol"] = .string(mapping.protocol.name)
                value["hostPort"] = .integer(Int64(mapping.hostPort))
                value["containerPort"] = .integer(Int64(mapping.containerPort))
                if mapping.count != 1 { value["range"] = .integer(Int64(mapping.count)) }
                if let address = mapping.hostIP { value["hostIP"] = .string(address.description) }
                return .object(value)
            })
        object["addresses"] = list(ports.addresses)
        object["reachesNeighbours"] = .bool(ports.reachesNeighbours)
        object["hidesClients"] = .bool(ports.hidesClients)
        if let interface = ports.localRoute { object["localRoute"] = .string(interface) }
        if let port = ports.hairpinPort { object["hairpinPort"] = .string(port) }
        if !ports.conditionsV4.isEmpty { object["conditionsV4"] = .string(ports.conditionsV4) }
        if !ports.conditionsV6.isEmpty { object["conditionsV6"] = .string(ports.conditionsV6) }
        return object
    }

    init(_ rules: PodRules, _ namespace: NamespaceIdentity) {
        self.rules = rules
        self.namespace = namespace
    }

    /// - Throws: if it is not one of our records.
    init(_ content: [UInt8]) throws(Failure) {
        let reader = JSONReader(try JSON(parsing: content))
        namespace = try NamespaceIdentity(try reader.required("namespace"))
        rules = PodRules()
        if let value = try reader.member("masquerade") {
            rules.masquerade = Masquerade(
                sources: try value.values("sources") { CIDR($0) },
                exceptions: try value.values("exceptions") { CIDR($0) })
        }
        if let value = try reader.member("ports") { rules.ports = try Record.ports(value) }
        if let value = try reader.member("spoofGuard") {
            rules.spoofGuard = SpoofGuard(
                port: try value.required("port").string(),
                mac: try value.required("mac").parsed { MACAddress($0) },
                addresses: try value.member("addresses") == nil ? nil : value.values("addresses") { IPAddress($0) })
        }
        if let value = try reader.member("isolation") {
            rules.isolation = Isolation(
                bridge: try value.required("bridge").string(),
                allowsSameBridge: try value.required("allowsSameBridge").bool(),
                port: try value.member("port")?.string())
        }
        if let value = try reader.member("passage") {
            rules.passage = Passage(
                subnets: try value.values("subnets") { CIDR($0) },
                addresses: try value.values("addresses") { IPAddress($0) },
                zone: try value.required("zone").string(),
                override: try value.member("override").map { chain throws(Failure) in
                    Passage.Override(
                        chain: try chain.string(), besideFirewalld: try value.required("besideFirewalld").bool())
                })
        }
    }

    private static func ports(_ reader: JSONReader) throws(Failure) -> PublishedPorts {
        let mappings = try reader.required("mappings").elements().map { value throws(Failure) in
            let (host, container) = (try value.required("hostPort").port(), try value.required("containerPort").port())
            let count = try value.member("range")?.port() ?? 1
            guard Int(max(host, container)) + Int(count) - 1 <= UInt16.max else {
                throw Failure(.value, path: value.path, expected: "within the 65535 ports")
            }
            return PortMapping(
                hostPort: host, containerPort: container, count: count,
                try value.required("protocol").parsed { PortMapping.Transport($0) },
                hostIP: try value.member("hostIP")?.parsed { IPAddress($0) })
        }
        return PublishedPorts(
            mappings, addresses: try reader.values("addresses") { CIDR($0) },
            reachesNeighbours: try reader.required("reachesNeighbours").bool(),
            hidesClients: try reader.required("hidesClients").bool(),
            conditionsV4: try reader.member("conditionsV4")?.string() ?? "",
            conditionsV6: try reader.member("conditionsV6")?.string() ?? "",
            localRoute: try reader.member("localRoute")?.string(),
            hairpinPort: try reader.member("hairpinPort")?.string())
    }
}

extension JSONReader {
    fileprivate func parsed<Value>(_ parse: (String) -> Value?) throws(Failure) -> Value {
        guard let value = parse(try string()) else { throw Failure(.value, path: path, expected: "readable") }
        return value
    }

    fileprivate func values<Value>(_ key: String, _ parse: (String) -> Value?) throws(Failure) -> [Value] {
        try required(key).elements().map { element throws(Failure) in try element.parsed(parse) }
    }

    fileprivate func port() throws(Failure) -> UInt16 {
        guard let port = UInt16(exactly: try integer()), port > 0 else {
            throw Failure(.value, path: path, expected: "from 1 to 65535")
        }
        return port
    }
}
