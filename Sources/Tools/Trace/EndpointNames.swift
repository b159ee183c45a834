public import Addresses
public import Inventory
public import PacketRules
public import Posix

/// Resolves the name of one end of a connection.
public struct EndpointNames {
    private let snapshot: Snapshot
    private let world: KernelWorld

    public init(_ snapshot: Snapshot, _ world: KernelWorld) {
        self.snapshot = snapshot
        self.world = world
    }

    /// The address that stands for the internet.
    public static func internet(_ family: IPFamily) -> IPAddress {
        // 1.1.1.1 and 2606:4700:4700::1111.
        family == .v4
            ? IPAddress(.v4, 0x0101_0101) : IPAddress(.v6, 0x2606_4700_4700_0000_0000_0000_0000_1111)
    }

    /// - Parameters:
    ///   - text: `node`, `internet`, an address, or a pod: its container ID, the beginning of one, its namespace's name or
    ///     path, or NETWORK/CONTAINERID/IFNAME; each may be followed by `:PORT`.
    ///   - sender: the endpoint that 127.0.0.0/8 and ::1 belong to; nil for the sender itself.
    /// - Throws: code 7 if the text matches none of these, or several.
    public func endpoint(_ text: String, askedBy sender: Endpoint? = nil) throws(Failure) -> Endpoint {
        // Container IDs and names have no colons, but addresses do.
        if let address = IPAddress(text) { return try endpoint(address, 0, sender) }
        let (name, port) = try EndpointNames.split(text)
        if let address = IPAddress(name) { return try endpoint(address, port, sender) }
        switch name {
        case "internet":
            return Endpoint(
                .internet, name: name, place: nil, addresses: IPFamily.allCases.map(EndpointNames.internet), port: port)
        case "node":
            return Endpoint(.node, name: name, place: 0, addresses: nodeAddresses, port: port)
        default: return try pod(name, port)
        }
    }

    private static func split(_ text: String) throws(Failure) -> (String, UInt16) {
        guard let colon = text.lastIndex(of: ":") else { return (text, 0) }
        guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            throw Failure(
                .invalidConfiguration, "\(text): what follows the last colon is not a port",
                details: "such as node:8080, 192.0.2.1:80 or [fd00::5]:80")
        }
        let name = text[..<colon]
        return (name.hasPrefix("[") && name.hasSuffix("]") ? String(name.dropFirst().dropLast()) : String(name), port)
    }

    /// Addresses of uplinks come first, because other hosts know the node by them.
    private var nodeAddresses: [IPAddress] {
        let all = world.interfaces(in: 0).filter { $0.name != "lo" && $0.isUp }
        let (up, others) = (
            all.filter { snapshot.uplinks.contains($0.name) }, all.filter { !snapshot.uplinks.contains($0.name) }
        )
        return (up + others).flatMap { $0.addresses.map { $0.address } }
    }

    private func endpoint(
        _ address: IPAddress, _ port: UInt16, _ sender: Endpoint?
    ) throws(Failure) -> Endpoint {
        if let sender, address.isLoopback || address.isUnspecified {
            guard let place = sender.place else {
                throw Failure(
                    .invalidConfiguration,
                    "\(address) is the sender's own address, and the sender is not on this machine",
                    details: "ask an address of the node")
            }
            // connect(2) takes the unspecified address for the loopback address.
            let loopback =
                address.isLoopback ? address : IPAddress(address.family, address.family == .v4 ? 0x7f00_0001 : 1)
            return Endpoint(sender.kind, name: sender.name, place: place, addresses: [loopback], port: port)
        }
        // Namespaces without a link to the node may have the same addresses.
        for place in 0..<world.count
        where world.isJoined(place)
            && world.interfaces(in: place).contains(where: { $0.addresses.contains { $0.address == address } })
        {
            let isPod = snapshot.attachments.contains { $0.addresses.contains { $0.address == address } }
            return Endpoint(
                place == 0 ? .node : isPod ? .pod : .address, name: world.name(of: place), place: place,
                addresses: [address], port: port)
        }
        return Endpoint(.address, name: "\(address)", place: nil, addresses: [address], port: port)
    }

    private func pod(_ name: String, _ port: UInt16) throws(Failure) -> Endpoint {
        func matching(_ isIt: (Attachment) -> Bool) -> [Attachment] { snapshot.attachments.filter(isIt) }
        let attempts = [
            matching { $0.id.description == name },
            matching { $0.id.containerID == name || $0.namespace?.name == name || $0.namespace?.path == name },
            matching { $0.id.containerID.hasPrefix(name) },
        ]
        guard let found = attempts.first(where: { !$0.isEmpty }), let first = found.first else {
            if let place = world.place(named: name) {
                let addresses = world.interfaces(in: place).filter { $0.name != "lo" }.flatMap { $0.addresses }
                return Endpoint(
                    .address, name: name, place: place, addresses: addresses.map { $0.address }, port: port)
            }
            throw Failure(
                .invalidConfiguration, "\(name) is neither a pod of this node nor an address",
                details:
                    "a container ID or the beginning of one, a namespace's name, NETWORK/ID/IFNAME, an address, node, or internet"
            )
        }
        let owners = Set(found.map { $0.id.containerID })
        guard owners.count == 1 else {
            throw Failure(
                .invalidConfiguration, "\(name) may be \(owners.sorted().joined(separator: " or "))",
                details: "give more characters")
        }
        guard let inode = first.namespace?.inode, let place = world.place(inode: inode) else {
            throw Failure(
                .invalidConfiguration, "\(first.id): its network namespace has not been found",
                details: "the pod is gone, or its namespace cannot be reached: swiftletctl status")
        }
        return Endpoint(
            .pod, name: first.id.containerID, place: place,
            addresses: found.flatMap { $0.addresses.map { $0.address } },
            port: port)
    }
}

/// What to trace: the two ends and the protocol.
public struct Question: Sendable {
    public var from: Endpoint
    public var to: Endpoint
    /// Nil for a family that both ends have, IPv4 preferred.
    public var family: IPFamily?
    /// Nil for TCP if there is a port, otherwise ICMP.
    public var transport: Packet.Transport?

    public init(from: Endpoint, to: Endpoint, family: IPFamily? = nil, transport: Packet.Transport? = nil) {
        self.from = from
        self.to = to
        self.family = family
        self.transport = transport
    }

    /// The packet as sent; its source is unspecified if the sender's kernel chooses it.
    ///
    /// - Throws: code 7 if the ends have no address family in common.
    public func packet() throws(Failure) -> Packet {
        let families = IPFamily.allCases.filter { family in
            (self.family ?? family) == family
                && [from, to].allSatisfy { $0.addresses.contains { $0.family == family } }
        }
        guard let family = families.first, let destination = to.addresses.first(where: { $0.family == family }) else {
            throw Failure(
                .invalidConfiguration,
                "\(from.name) and \(to.name) have no \(self.family.map { "IP\($0) " } ?? "")addresses of the same family",
                details: "swiftletctl status shows their addresses")
        }
        let transport = transport ?? (to.port == 0 ? .icmp : .tcp)
        var port = to.port
        if transport != .icmp, port == 0 { port = transport == .tcp ? 80 : 53 }
        // The pod's kernel chooses the source, unless the question names an address.
        let isChosen = from.place == nil || from.addresses.count == 1
        let source = from.addresses.first { $0.family == family }
        var packet = Packet(
            transport, from: isChosen ? source ?? IPAddress(family, 0) : IPAddress(family, 0), to: destination)
        guard transport != .icmp else { return packet }
        packet.sourcePort = 45_000
        packet.destinationPort = port
        return packet
    }
}
