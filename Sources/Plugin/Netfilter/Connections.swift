internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import Posix

extension NodeRules {
    /// Makes the kernel forget UDP flows to the ports, because they would keep their old destination. The other
    /// protocols signal when a connection begins.
    ///
    /// The kernel has to walk its whole table of connections for that, some 10 ms. So only ports that somebody has sent
    /// something to are looked for: the rules note them (``UsedPorts``).
    mutating func forgetConnections(to ports: PublishedPorts) throws(Failure) {
        let udp = ports.mappings.filter { $0.protocol == .udp }
        guard !udp.isEmpty, try areUsed(udp) else { return }
        var local = LocalAddresses()
        for family in IPFamily.allCases where ports.target(family) != nil {
            let mappings = udp.filter { $0.applies(to: family) }
            guard !mappings.isEmpty else { continue }
            // One dump for all mappings, because each dump walks the kernel's whole table.
            for connection in try socket.connections(.udp(family, Set(mappings.flatMap { $0.hostPorts }))) {
                // The same port of another host does not concern us.
                let original = connection.original
                guard mappings.contains(where: { $0.covers(original.destination, original.destinationPort) }),
                    try local.contains(original.destination)
                else { continue }
                try socket.delete(connection)
            }
        }
    }

    /// Whether there may be flows to one of the ports.
    private mutating func areUsed(_ mappings: [PortMapping]) throws(Failure) -> Bool {
        let notes = try lookUp(
            [UsedPorts.completeness] + mappings.flatMap { $0.hostPorts }.map { UsedPorts.element($0) })
        guard notes[0] == nil else { return notes.dropFirst().contains { $0 != nil } }
        try noteUsedPorts()
        return true
    }

    /// Adds the ports of the flows that are older than the rules, so that from now on all are noted.
    private mutating func noteUsedPorts() throws(Failure) {
        var (ports, local): (Set<UInt16>, LocalAddresses) = ([], LocalAddresses())
        for family in IPFamily.allCases {
            for connection in try socket.connections(.udp(family, nil))
            where try local.contains(connection.original.destination) {
                ports.insert(connection.original.destinationPort)
            }
        }
        do throws(Failure) {
            try change(adding: ports.map { UsedPorts.element($0) } + [UsedPorts.completeness], deleting: [])
        } catch {
            // The table is gone, so that nothing is noted.
            guard error.errno == .noSuchFile else { throw error }
        }
    }
}

/// The set of UDP ports that somebody has sent something to.
enum UsedPorts {
    /// Says that the set has all of them. It goes when the rules have not been there for a while, or others' rules that may
    /// have rewritten flows before ours saw them are removed.
    static var completeness: OwnedElement { element(0, of: 0) }

    static func element(_ port: UInt16, of protocolNumber: UInt8 = PortMapping.Transport.udp.rawValue) -> OwnedElement {
        OwnedElement(
            .main, MainTable.usedPorts, key: [protocolNumber, 0, 0, 0] + PublishedPorts.octets(port), owner: "")
    }

    /// It is fine if there is nothing to forget.
    static func forget(_ socket: inout NetlinkSocket) {
        var changes = Changes.batch()
        changes.delete([completeness])
        _ = try? socket.execute(changes)
    }
}

/// The node's own addresses, read when they are first needed.
private struct LocalAddresses {
    private var list: [IPAddress]?

    mutating func contains(_ address: IPAddress) throws(Failure) -> Bool {
        if address.isLoopback { return true }
        if list == nil {
            var route = try NetlinkSocket()
            list = try route.addresses().map { $0.address.address }
        }
        return list?.contains(address) == true
    }
}

extension ConnectionFilter {
    fileprivate static func udp(_ family: IPFamily, _ ports: Set<UInt16>?) -> ConnectionFilter {
        ConnectionFilter(family, protocolNumber: PortMapping.Transport.udp.rawValue, destinationPorts: ports)
    }
}

extension PortMapping {
    fileprivate var hostPorts: ClosedRange<UInt16> { hostPort...hostPort + (count - 1) }

    fileprivate func covers(_ address: IPAddress, _ port: UInt16) -> Bool {
        hostPorts.contains(port) && specificAddress ?? address == address
    }
}
