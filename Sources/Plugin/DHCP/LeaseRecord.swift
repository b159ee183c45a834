internal import Addresses
internal import Attachments
internal import CNI
internal import JSON
internal import Posix

extension AttachmentName {
    /// How servers identify a lease's owner: type 0 and the reference's text, so that either plugin gets the same address.
    var clientIdentifier: [UInt8] { [0] + Array("\(containerID)/\(network)/\(ifname)".utf8.prefix(254)) }
}

/// A lease as stored across restarts of the daemon.
struct LeaseRecord: Sendable, Hashable {
    let netns: String
    let settings: ClientIdentity
    /// The link-layer address of the server, or of the relay to it; six octets.
    let serverHardware: [UInt8]
    let lease: Lease
    /// The boot whose clock the lease's times refer to.
    let bootID: String
}

extension LeaseRecord {
    var json: JSON {
        let list = { (texts: [String]) in JSON.array(texts.map { .string($0) }) }
        var object: JSON.Object = JSON.Object()
        object["netns"] = .string(netns)
        object["mac"] = .string("\(settings.hardwareAddress)")
        object["provided"] = .object(
            JSON.Object(
                settings.provided.sorted { $0.key < $1.key }.map {
                    JSON.Member("\($0.key.rawValue)", .array($0.value.map { .integer(Int64($0)) }))
                }))
        object["requested"] = .array(settings.requested.map { .integer(Int64($0.rawValue)) })
        object["broadcast"] = .bool(settings.wantsBroadcast)
        object["serverMAC"] = .array(serverHardware.map { .integer(Int64($0)) })
        object["address"] = .string("\(lease.address)")
        object["server"] = .string("\(lease.server)")
        object["gateway"] = lease.gateway.map { .string("\($0)") }
        object["routes"] = .array(
            lease.routes.map { route in
                var object = JSON.Object()
                object["dst"] = .string("\(route.destination)")
                object["gw"] = route.gateway.map { .string("\($0)") }
                return .object(object)
            })
        object["nameservers"] = list(lease.nameServers.map { $0.description })
        object["domain"] = lease.domain.map { .string($0) }
        for (key, time) in [("renewal", lease.renewal), ("rebinding", lease.rebinding), ("expiry", lease.expiry)] {
            object[key] = .integer(Int64(time))
        }
        object["bootID"] = .string(bootID)
        return .object(object)
    }

    init(_ reader: JSONReader) throws(Failure) {
        let octet = { (reader: JSONReader) throws(Failure) -> UInt8 in
            guard let octet = UInt8(exactly: try reader.integer()) else { throw reader.wrong("an octet") }
            return octet
        }
        let time = { (key: String) throws(Failure) -> Int in
            let member = try reader.required(key)
            let number = try member.integer()
            guard (0...Int64(Lease.never)).contains(number) else { throw member.wrong("a time") }
            return Int(number)
        }
        netns = try reader.required("netns").string()
        bootID = try reader.required("bootID").string()
        guard let mac = MACAddress(try reader.required("mac").string()) else {
            throw try reader.required("mac").wrong("a MAC address")
        }
        var provided: [OptionCode: [UInt8]] = [:]
        for member in try reader.required("provided").object().members {
            guard let code = UInt8(member.key) else { continue }
            provided[OptionCode(code)] = try reader.required("provided").list(member.key, octet)
        }
        settings = ClientIdentity(
            hardwareAddress: mac, provided: provided,
            requested: try reader.list("requested", octet).map { OptionCode($0) },
            wantsBroadcast: try reader.required("broadcast").bool())
        serverHardware = try reader.list("serverMAC", octet)
        lease = Lease(
            address: try reader.required("address").cidr(), server: try reader.required("server").ipAddress(),
            gateway: try reader.member("gateway")?.ipAddress(),
            routes: try reader.list("routes") { route throws(Failure) in
                Lease.Route(
                    destination: try route.required("dst").cidr(), gateway: try route.member("gw")?.ipAddress())
            },
            nameServers: try reader.list("nameservers") { server throws(Failure) in try server.ipAddress() },
            domain: try reader.nonEmpty("domain"), renewal: try time("renewal"), rebinding: try time("rebinding"),
            expiry: try time("expiry"))
    }
}
