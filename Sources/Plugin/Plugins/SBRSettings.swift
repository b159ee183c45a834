internal import Addresses
internal import CNI
internal import JSON
internal import Posix

/// The settings of `sbr`.
struct SBRSettings {
    /// The table for every address; nil to allocate one for each.
    let table: UInt32?
    /// At most one per family; it replaces the addresses' own gateways.
    let gateways: [IPAddress]
    let addsSourceHints: Bool

    enum Keys {
        static let table = ConfigurationKey<UInt32?>(
            "table", default: nil,
            "Routing table for all addresses, filled by somebody else; by default each address gets a table."
        ) { reader throws(Failure) in try reader.routingTable() }
        static let gateways = ConfigurationKey<[IPAddress]>(
            "gateways", default: [],
            "Gateways of the default routes, one of each family at most, in place of prevResult's."
        ) { reader throws(Failure) in
            let list = try reader.elements()
            guard list.count <= 2 else {
                throw reader.wrong("shorter: gateways list cannot contain more than 2 entries (one IPv4, one IPv6)")
            }
            let gateways = try list.map { entry throws(Failure) in
                guard let gateway = IPAddress(try entry.string())?.unmapped else {
                    throw entry.wrong("an IP address: invalid static gateway IP address: \(try entry.string())")
                }
                return gateway
            }
            if gateways.count == 2, gateways[0].family == gateways[1].family {
                let family = gateways[0].family == .v4 ? "IPv4" : "IPv6"
                throw reader.wrong(
                    "of two families: gateways list contains multiple \(family) addresses: \(gateways[0]) and \(gateways[1])"
                )
            }
            return gateways
        }
        static let addSourceHints = ConfigurationKey<Bool>.flag(
            "addSourceHints",
            "Leave routes to the interface's own subnets in the main table, with its address as source.")

        @KeyList static var everything: [KeyDescription] {
            table
            gateways
            addSourceHints
        }
    }

    /// - Throws: code 6 or 7, naming key and value.
    init(_ configuration: Configuration) throws(Failure) {
        table = try configuration[Keys.table]
        gateways = try configuration[Keys.gateways]
        addsSourceHints = try configuration[Keys.addSourceHints]
    }
}

extension JSONReader {
    /// The number of a routing table; 0 is none (RT_TABLE_UNSPEC).
    func routingTable() throws(Failure) -> UInt32 {
        let number = try uint32()
        guard number > 0 else { throw wrong("from 1 to \(UInt32.max)") }
        return number
    }
}
