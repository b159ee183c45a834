internal import Addresses
internal import CNI
internal import Posix

/// The protocol on the daemon's socket: remote procedure calls of Go's net/rpc, as in the reference's plugin and daemon. First a
/// line of HTTP and its answer, then gob values: a header and arguments in a request, a header and a reply in the answer.
enum RPC {
    static let greeting = Array("CONNECT /_goRPC_ HTTP/1.0\n\n".utf8)
    static let welcome = Array("HTTP/1.0 200 Connected to Go RPC\n\n".utf8)
    /// The longest message, in octets: a configuration with its prevResult, or a result.
    static let maximumMessage = 1 << 20
    /// The longest greeting or welcome.
    private static let maximumGreeting = 4096

    enum Method: String {
        case allocate = "DHCP.Allocate"
        case release = "DHCP.Release"
        // A method that the reference's daemon lacks.
        case check = "Swiftlet.Check"
        case collectGarbage = "Swiftlet.CollectGarbage"
        case status = "Swiftlet.Status"

        /// Whether the answer is a result; otherwise it is empty.
        var hasResult: Bool { self == .allocate || self == .check }
    }

    static let request = GobType.structure(id: 65, "Request", ["ServiceMethod": .string, "Seq": .uint])
    static let arguments = GobType.structure(
        id: 66, "CmdArgs",
        [
            "ContainerID": .string, "Netns": .string, "IfName": .string, "Args": .string, "Path": .string,
            "StdinData": .bytes,
        ])
    static let response = GobType.structure(
        id: 67, "Response", ["ServiceMethod": .string, "Seq": .uint, "Error": .string])
    static let empty = GobType.structure(id: 68, "", [:])
    private static let network = GobType.structure(id: 69, "IPNet", ["IP": .bytes, "Mask": .bytes])
    static let result = GobType.structure(
        id: 70, "Result",
        [
            "CNIVersion": .string,
            "IPs": .list(id: 71, .structure(id: 72, "IPConfig", ["Address": network, "Gateway": .bytes])),
            "Routes": .list(id: 73, .structure(id: 74, "Route", ["Dst": network, "GW": .bytes, "Priority": .int])),
            "DNS": .structure(id: 75, "DNS", ["Nameservers": .list(id: 76, .string), "Domain": .string]),
        ])

    /// Removes everything before the first value from the received octets.
    ///
    /// - Returns: its first line; nil if it is not complete yet.
    static func takeGreeting(_ received: inout [UInt8]) throws(Failure) -> String? {
        let lineFeed = UInt8(ascii: "\n")
        var start = 0
        while let end = received[start...].firstIndex(of: lineFeed), end < maximumGreeting {
            let line = received[start..<end].filter { $0 != UInt8(ascii: "\r") }
            start = end + 1
            guard line.isEmpty else { continue }
            let first = received.prefix { $0 != lineFeed && $0 != UInt8(ascii: "\r") }
            received.removeFirst(start)
            return String(decoding: first, as: UTF8.self)
        }
        guard received.count < maximumGreeting else { throw Failure(.decodingFailure, "a greeting without an end") }
        return nil
    }
}

/// What a plugin sends to the daemon: its environment, and the unchanged configuration.
public struct CallArguments: Sendable, Hashable {
    public var containerID = ""
    public var netns = ""
    public var ifname = ""
    /// `CNI_ARGS`.
    public var arguments = ""
    public var path = ""
    public var configuration: [UInt8] = []

    public init() {}
}

extension CallArguments {
    init(_ value: GobValue) {
        let text = { (field: String) in value[field]?.text ?? "" }
        containerID = text("ContainerID")
        netns = text("Netns")
        ifname = text("IfName")
        arguments = text("Args")
        path = text("Path")
        configuration = value["StdinData"]?.octets ?? []
    }

    var gob: GobValue {
        .fields([
            "ContainerID": .text(containerID), "Netns": .text(netns), "IfName": .text(ifname),
            "Args": .text(arguments), "Path": .text(path), "StdinData": .bytes(configuration),
        ])
    }
}

extension GobValue {
    static func text(_ text: String) -> GobValue { .bytes(Array(text.utf8)) }

    /// A structure without its empty fields.
    static func fields(_ fields: [String: GobValue]) -> GobValue {
        .structure(
            fields.filter { field in
                switch field.value {
                case .bytes(let octets): !octets.isEmpty
                case .list(let elements): !elements.isEmpty
                case .uint, .int: field.value.number != 0
                case .structure, .bool, .other: true
                }
            })
    }
}

extension CNIResult {
    var gob: GobValue {
        .fields([
            "CNIVersion": .text(SpecVersion.v1_0_0.rawValue),
            "IPs": .list(
                ips.map {
                    .fields(["Address": $0.address.gob, "Gateway": .bytes($0.gateway?.bytes ?? [])])
                }),
            "Routes": .list(
                routes.map {
                    .fields([
                        "Dst": $0.destination.gob, "GW": .bytes($0.gateway?.bytes ?? []),
                        "Priority": .int(Int64($0.priority ?? 0)),
                    ])
                }),
            "DNS": .fields([
                "Nameservers": .list(dns.nameservers.map { .text($0) }), "Domain": .text(dns.domain ?? ""),
            ]),
        ])
    }

    /// Reads the answer of a daemon, ours or the reference's.
    init(_ value: GobValue) throws(Failure) {
        self.init()
        for ip in value["IPs"]?.elements ?? [] {
            guard let address = CIDR(ip["Address"]) else { throw Failure(.decodingFailure, "an address that is none") }
            ips.append(IP(address: address, gateway: IPAddress(gob: ip["Gateway"])))
        }
        for route in value["Routes"]?.elements ?? [] {
            guard let destination = CIDR(route["Dst"]) else { throw Failure(.decodingFailure, "a route to nowhere") }
            let priority = UInt32(clamping: route["Priority"]?.number ?? 0)
            routes.append(
                Route(
                    destination: destination, gateway: IPAddress(gob: route["GW"]),
                    priority: priority == 0 ? nil : priority))
        }
        dns.nameservers = (value["DNS"]?["Nameservers"]?.elements ?? []).map { $0.text }
        dns.domain = (value["DNS"]?["Domain"]?.text).flatMap { $0.isEmpty ? nil : $0 }
    }
}

extension CIDR {
    fileprivate var gob: GobValue { .structure(["IP": .bytes(address.bytes), "Mask": .bytes(mask.bytes)]) }

    fileprivate init?(_ value: GobValue?) {
        guard let address = IPAddress(gob: value?["IP"]), let mask = IPAddress(bytes: value?["Mask"]?.octets ?? [])
        else { return nil }
        // Go may store an IPv4 mask in sixteen octets.
        let ones = mask.bytes.suffix(address.family.byteWidth).reduce(0) { $0 + $1.nonzeroBitCount }
        self.init(address, ones)
    }
}

extension IPAddress {
    /// An address in four or sixteen octets; Go may store an IPv4 address in sixteen.
    fileprivate init?(gob value: GobValue?) {
        let octets = value?.octets ?? []
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]
        self.init(bytes: octets.count == 16 && octets.starts(with: mapped) ? octets[12...] : octets[...])
    }
}
