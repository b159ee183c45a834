public import Addresses
public import NetlinkCodec
public import Posix

extension NetlinkSocket {
    /// The VXLAN devices of the socket's namespace.
    public mutating func vxlanLinks() throws(Failure) -> [VXLANLink] {
        try dump("list VXLAN devices", VXLANLink.init) { $0.dumpLinks(kind: VXLANLink.kind) }
    }

    /// The nodes behind which a VXLAN device has MACs.
    public mutating func tunnelEntries(of interface: UInt32) throws(Failure) -> [TunnelEntry] {
        try dump("list the forwarding entries of link number \(interface)", TunnelEntry.init) {
            $0.dumpTunnelEntries(of: interface)
        }.filter { $0.interface == interface }
    }

    /// The neighbours of one interface, of both families.
    public mutating func neighbours(of interface: UInt32) throws(Failure) -> [Neighbour] {
        try dump("list neighbours", Neighbour.init) { $0.dumpNeighbours(of: interface) }
            .filter { $0.interface == interface }
    }

    /// The routes of all tables and programs, with their types.
    public mutating func routeEntries(_ family: IPFamily) throws(Failure) -> [RouteEntry] {
        try dump("list routes", RouteEntry.init) { $0.dumpRoutes(family) }
    }

    /// The routes set up by one program.
    ///
    /// - Parameters:
    ///   - origin: RTPROT_*.
    ///   - table: nil for all tables.
    public mutating func routes(
        _ family: IPFamily, origin: UInt8, table: UInt32? = nil
    ) throws(Failure) -> [RouteEntry] {
        // A table exists only once a route was added to it.
        try emptyIfMissing { () throws(Failure) in
            try dump("list routes", RouteEntry.init) { $0.dumpRoutes(family, origin: origin, table: table) }
                .filter { $0.route.origin == origin && (table == nil || $0.route.table == table) }
        }
    }
}
