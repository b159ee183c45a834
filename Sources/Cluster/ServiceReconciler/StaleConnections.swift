internal import Addresses
internal import ClusterState
internal import Kernel
internal import NetlinkCodec
internal import Posix
internal import ServicePlan

/// UDP has no end of a connection: as long as a client sends from the same port, its packets go where the first one went.
enum StaleConnections {
    /// Deletes what is tracked from these frontends to endpoints that serve no more, or to nowhere: from before the Service was there.
    ///
    /// - Parameter targets: where a frontend leads; nothing is deleted of one that leads nowhere.
    static func end(
        _ socket: inout NetlinkSocket, _ frontends: [Frontend], _ targets: (Frontend) -> [Target]
    ) throws(Failure) {
        for family in IPFamily.allCases {
            let own = frontends.filter { $0.address.family == family }
            guard !own.isEmpty else { continue }
            let wanted = Set(own)
            var sets: [Frontend: Set<Target>] = [:]
            let filter = ConnectionFilter(
                family, protocolNumber: TransportProtocol.udp.rawValue, destinationPorts: Set(own.map(\.port)),
                destination: own.count == 1 ? own[0].address : nil)
            for connection in try socket.connections(filter) {
                let original = connection.original
                let frontend = Frontend(original.destination, .udp, original.destinationPort)
                guard wanted.contains(frontend) else { continue }
                let serving = sets[frontend] ?? Set(targets(frontend))
                sets[frontend] = serving
                let target = Target(connection.reply.source, connection.reply.sourcePort)
                guard !serving.isEmpty, !serving.contains(target) else { continue }
                try socket.delete(connection)
            }
        }
    }
}
