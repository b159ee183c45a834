public import Addresses
public import NetlinkCodec
public import Posix

/// Connection tracking, on a socket of the `netfilter` subsystem.
extension NetlinkSocket {
    /// The number of entries in the socket's network namespace.
    public mutating func connectionCount() throws(Failure) -> UInt32 {
        let attempt = "count the connections that are tracked"
        do throws(Failure) {
            let message = try request(attempt) { $0.getConnectionStatistics() }
            guard let statistics = ConnectionStatistics(message) else { throw Failure(attempt, .badMessage) }
            return statistics.entries
        } catch {
            // The request itself cannot be invalid: a kernel without the subsystem answers this.
            guard error.errno == .invalidArgument else { throw error }
            throw error.advising("the kernel lacks nf_conntrack_netlink: load its module")
        }
    }

    /// The entries whose first packet had this protocol and destination port, before any rewriting.
    ///
    /// - Parameter destination: only entries to this address.
    public mutating func connections(
        _ family: IPFamily, protocolNumber: UInt8, destinationPort: UInt16, destination: IPAddress? = nil
    ) throws(Failure) -> [Connection] {
        try connections(
            ConnectionFilter(
                family, protocolNumber: protocolNumber, destinationPorts: [destinationPort], destination: destination))
    }

    /// The entries that match a filter, in a single walk through the kernel's table, however many ports the filter has.
    public mutating func connections(_ filter: ConnectionFilter) throws(Failure) -> [Connection] {
        guard filter.destinationPorts?.isEmpty != true, filter.destination.map({ $0.family == filter.family }) ?? true
        else {
            return []
        }
        // The walk covers the whole table, which all namespaces share, even if this one has no entries.
        guard try connectionCount() > 0 else { return [] }
        return try dump("list tracked connections", { Connection($0) }) { $0.dumpConnections(filter) }
            .filter(filter.matches)
    }

    /// Deletes this entry unless it has already ended; an entry with the same tuple but another number stays.
    public mutating func delete(_ connection: Connection) throws(Failure) {
        do throws(Failure) {
            try execute("delete the tracked connection of \(connection.original)") { $0.deleteConnection(connection) }
        } catch {
            guard error.errno == .noSuchFile else { throw error }
        }
    }
}
