internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import Posix

extension NodeRules {
    /// Makes the kernel forget UDP flows to the ports, because they would keep their old destination. The other
    /// protocols signal when a connection begins.
    ///
    /// The kernel has to walk its whole table of connections for that, some 10 ms. So only ports that somebody has sent
    /// something to since the last time are looked for: the rules note them (``UsedPorts``).
    mutating func forgetConnections(to ports: PublishedPorts) throws(Failure) {
        let used = try usedPorts(among: ports.mappings.filter { $0.protocol == .udp })
        guard !used.isEmpty else { return }
        // Whoever comes while this one looks, or after it has been killed, finds the notes incomplete and looks for all.
        let isFirst = try change(notes: [UsedPorts.completeness] + used.map { UsedPorts.element($0) }, adding: false)
        var local = LocalAddresses()
        for family in IPFamily.allCases where ports.target(family) != nil {
            let mappings = ports.mappings.filter { $0.protocol == .udp && $0.applies(to: family) }
            guard !mappings.isEmpty else { continue }
            // One dump for all mappings, because each dump walks the kernel's whole table.
            for connection in try socket.connections(.udp(family, used)) {
                // The same port of another host does not concern us.
                let original = connection.original
                guard mappings.contains(where: { $0.covers(original.destination, original.destinationPort) }),
                    try local.contains(original.destination)
                else { continue }
                try socket.delete(connection)
            }
        }
        if isFirst { _ = try change(notes: [UsedPorts.completeness], adding: true) }
    }

    /// Those ports of the mappings that somebody has sent something to.
    private mutating func usedPorts(among mappings: [PortMapping]) throws(Failure) -> Set<UInt16> {
        guard !mappings.isEmpty else { return [] }
        let ports = mappings.flatMap { $0.hostPorts }
        let notes = try lookUp([UsedPorts.completeness] + ports.map { UsedPorts.element($0) })
        guard notes[0] == nil else { return Set(zip(ports, notes.dropFirst()).filter { $0.1 != nil }.map { $0.0 }) }
        return try noteUsedPorts().intersection(ports)
    }

    /// Adds the ports of all flows that there are, so that with what the rules note none is missing.
    ///
    /// - Returns: those ports.
    private mutating func noteUsedPorts() throws(Failure) -> Set<UInt16> {
        var (ports, local): (Set<UInt16>, LocalAddresses) = ([], LocalAddresses())
        for family in IPFamily.allCases {
            for connection in try socket.connections(.udp(family, nil))
            where try local.contains(connection.original.destination) {
                ports.insert(connection.original.destinationPort)
            }
        }
        _ = try change(notes: ports.map { UsedPorts.element($0) } + [UsedPorts.completeness], adding: true)
        return ports
    }

    /// - Returns: false if the table is gone, so that nothing is noted, or if another process has deleted one of the notes.
    private mutating func change(notes: [OwnedElement], adding: Bool) throws(Failure) -> Bool {
        do throws(Failure) {
            try change(adding: adding ? notes : [], deleting: adding ? [] : notes)
            return true
        } catch {
            guard error.errno == .noSuchFile else { throw error }
            return false
        }
    }
}

/// The set of UDP ports that somebody has sent something to.
enum UsedPorts {
    /// Says that no port is missing. It goes when the rules have not been there for a while, or others' rules that may
    /// have rewritten flows before ours saw them are removed, and while somebody looks for flows.
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
