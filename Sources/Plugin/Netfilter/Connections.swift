internal import Addresses
internal import Kernel
internal import NetlinkCodec
internal import Posix

extension NodeRules {
    /// Makes the kernel forget UDP flows to the ports, because they would keep their old destination. The other
    /// protocols signal when a connection begins.
    mutating func forgetConnections(to ports: PublishedPorts) throws(Failure) {
        var local: [IPAddress]?
        for family in IPFamily.allCases where ports.target(family) != nil {
            let mappings = ports.mappings.filter { $0.protocol == .udp && $0.applies(to: family) }
            guard !mappings.isEmpty else { continue }
            // One dump for all mappings, because each dump walks the kernel's whole table.
            let filter = ConnectionFilter(
                family, protocolNumber: PortMapping.Transport.udp.rawValue,
                destinationPorts: Set(mappings.flatMap { $0.hostPorts }))
            for connection in try socket.connections(filter) {
                // The same port of another host does not concern us.
                let destination = connection.original.destination
                if local == nil {
                    var route = try NetlinkSocket()
                    local = try route.addresses().map { $0.address.address }
                }
                guard destination.isLoopback || local?.contains(destination) == true,
                    mappings.contains(where: { $0.covers(destination, connection.original.destinationPort) })
                else { continue }
                try socket.delete(connection)
            }
        }
    }
}

extension PortMapping {
    fileprivate var hostPorts: ClosedRange<UInt16> { hostPort...hostPort + (count - 1) }

    fileprivate func covers(_ address: IPAddress, _ port: UInt16) -> Bool {
        hostPorts.contains(port) && specificAddress ?? address == address
    }
}
