/// A notification from the kernel to subscribers (multicast groups, netlink(7)).
public enum KernelEvent: Sendable {
    /// What happened to an object.
    public enum Change: Sendable, Hashable {
        /// It exists: it was made or changed.
        case present
        case deleted
    }

    case link(Change, Link)
    case address(Change, InterfaceAddress)
    case route(Change, Route)
    case neighbour(Change, Neighbour)
    /// Of a VXLAN device.
    case tunnelEntry(Change, TunnelEntry)
    case rule(Change, RoutingRule)
    case nexthop(Change, Nexthop)
    case table(Change, NftTable)
    case chain(Change, NftListedChain)
    case filterRule(Change, NftTable, NftListedRule)
    case set(Change, NftTable, NftListedSet)
    case elements(Change, NftTable, set: String, [NftListedElement])
    /// A batch of nf_tables has been committed; the events of its changes came before.
    case generation(NftGeneration)
    /// Of a kind, or with contents, unknown to this module: the message's type.
    case other(UInt16)
    /// The socket's buffer overflowed (`ENOBUFS`): some events are lost, and the current state must be read again.
    case lost

    /// Reads a notification.
    ///
    /// - Parameter isNetfilter: whether it is of nfnetlink, which has its own message numbers.
    public init(_ message: Message, isNetfilter: Bool) {
        let event = isNetfilter ? KernelEvent.ofNetfilter(message) : KernelEvent.ofRouting(message)
        self = event ?? .other(message.type)
    }

    private static func ofRouting(_ message: Message) -> KernelEvent? {
        typealias Kind = RouteMessageType
        let change: Change
        // A deletion has the contents of the deleted object, and the message number that follows the one for its creation.
        let present: Message
        switch message.type {
        case Kind.deleteLink, Kind.deleteAddress, Kind.deleteRoute, Kind.deleteNeighbour, Kind.deleteRule,
            Kind.deleteNexthop:
            change = .deleted
            present = message.retyped(message.type - 1)
        default:
            change = .present
            present = message
        }
        switch present.type {
        case Kind.newLink:
            // For a bridge's family the message is only about a port: a deletion means that the port has left its bridge.
            guard message.payload.first == AddressFamily.unspecified else { return nil }
            return Link(present).map { .link(change, $0) }
        case Kind.newAddress: return InterfaceAddress(present).map { .address(change, $0) }
        case Kind.newRoute: return Route(present).map { .route(change, $0) }
        case Kind.newNeighbour:
            // A forwarding entry looks like a neighbour, but for the family.
            return TunnelEntry(present).map { .tunnelEntry(change, $0) }
                ?? Neighbour(present).map { .neighbour(change, $0) }
        case Kind.newRule: return RoutingRule(present).map { .rule(change, $0) }
        case Kind.newNexthop: return Nexthop(present).map { .nexthop(change, $0) }
        default: return nil
        }
    }

    private static func ofNetfilter(_ message: Message) -> KernelEvent? {
        typealias Kind = NftMessageType
        guard message.type >> 8 == NfnlSubsystem.nftables, let (family, attributes) = netfilterPayload(message) else {
            return nil
        }
        let type = message.type & 0xff
        let deletions = [Kind.deleteTable, Kind.deleteChain, Kind.deleteRule, Kind.deleteSet, Kind.deleteElement]
        let change: Change = deletions.contains(type) ? .deleted : .present
        // The first attribute of every kind of object is its table's name.
        let table = attributes[NFTA.tableName].map { NftTable(family, $0.text) }
        switch type {
        case Kind.newTable, Kind.deleteTable: return table.map { .table(change, $0) }
        case Kind.newChain, Kind.deleteChain: return NftListedChain(message).map { .chain(change, $0) }
        case Kind.newRule, Kind.deleteRule:
            guard let table, let rule = NftListedRule(message) else { return nil }
            return .filterRule(change, table, rule)
        case Kind.newSet, Kind.deleteSet:
            guard let table, let set = NftListedSet(message) else { return nil }
            return .set(change, table, set)
        case Kind.newElement, Kind.deleteElement:
            guard let table, let set = attributes[NFTA.elementsSet]?.text else { return nil }
            return .elements(change, table, set: set, NftListedElement.list(message))
        case Kind.newGeneration: return NftGeneration(message).map { .generation($0) }
        default: return nil
        }
    }
}
