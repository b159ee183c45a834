public import Addresses
public import NetlinkCodec
public import Posix

extension NetlinkSocket {
    /// The link, or nil if it does not exist.
    public mutating func link(_ reference: LinkReference) throws(Failure) -> Link? {
        do throws(Failure) {
            let message = try request("look up \(reference)") { $0.getLink(reference) }
            guard let link = Link(message) else { throw Failure("look up \(reference)", .badMessage) }
            return link
        } catch {
            guard error.errno == .noSuchDevice else { throw error }
            return nil
        }
    }

    /// All links, or only those of one kind or with one master.
    public mutating func links(kind: String? = nil, master: UInt32? = nil) throws(Failure) -> [Link] {
        try dump("list links", Link.init) { $0.dumpLinks(kind: kind, master: master) }
            .filter { (kind == nil || $0.kind == kind) && (master == nil || $0.master == master) }
    }

    /// All links, with their counters and the namespaces of their peers.
    public mutating func linkStatuses() throws(Failure) -> [LinkStatus] {
        try dump("list links", LinkStatus.init) { $0.dumpLinks() }
    }

    /// The ID of another namespace within the socket's namespace; nil if it has none.
    public mutating func id(of namespace: borrowing NetworkNamespace) throws(Failure) -> Int32? {
        let attempt = "look up the number of network namespace \(namespace.path)"
        let descriptor = namespace.descriptor
        let message = try request(attempt) { $0.getNamespaceID(descriptor) }
        guard let id = NamespaceID(message) else { throw Failure(attempt, .badMessage) }
        return id.number
    }

    /// The addresses of one interface, of both families.
    public mutating func addresses(of index: UInt32) throws(Failure) -> [InterfaceAddress] {
        try dump("list addresses", InterfaceAddress.init) { $0.dumpAddresses(of: index) }.filter { $0.index == index }
    }

    /// The addresses of all interfaces, of both families.
    public mutating func addresses() throws(Failure) -> [InterfaceAddress] {
        try dump("list addresses", InterfaceAddress.init) { $0.dumpAddresses(of: 0) }
    }

    public mutating func routes(_ family: IPFamily) throws(Failure) -> [Route] {
        try dump("list routes", Route.init) { $0.dumpRoutes(family) }
    }

    /// The policy rules that select the routing table; empty if the kernel lacks the family.
    public mutating func rules(_ family: IPFamily) throws(Failure) -> [RoutingRule] {
        do throws(Failure) {
            return try dump("list routing rules", RoutingRule.init) { $0.dumpRules(family) }
        } catch {
            guard error.errno == .addressFamilyNotSupported || error.errno == .notSupported else { throw error }
            return []
        }
    }

    /// The name of the interface by which packets to an address leave; nil without a route.
    public mutating func interface(towards address: IPAddress) throws(Failure) -> String? {
        let message: Message
        do throws(Failure) {
            message = try request("look up the route to \(address)") { $0.getRoute(to: address) }
        } catch {
            guard error.errno == .networkUnreachable else { throw error }
            return nil
        }
        guard let route = Route(message), route.interface != 0 else { return nil }
        return try link(.index(route.interface))?.name
    }

    /// How the kernel would route a packet.
    ///
    /// - Throws: the kernel's error number: `ENETUNREACH` without a route, and so on.
    public mutating func route(_ question: RouteQuestion) throws(Failure) -> RouteAnswer {
        let attempt = "look up the route to \(question.destination)"
        let message = try request(attempt) { $0.getRoute(question) }
        guard let answer = RouteAnswer(message) else { throw Failure(attempt, .badMessage) }
        return answer
    }

    /// The forwarding table (MACs) of a bridge.
    public mutating func forwardingEntries(ofBridge index: UInt32) throws(Failure) -> [ForwardingEntry] {
        try dump("list the forwarding entries of link number \(index)", ForwardingEntry.init) {
            $0.dumpForwardingEntries(ofBridge: index)
        }.filter { $0.bridge == index || $0.interface == index }
    }

    public mutating func neighbours() throws(Failure) -> [Neighbour] {
        try dump("list neighbours", Neighbour.init) { $0.dumpNeighbours() }
    }

    /// The VLANs of the bridge port.
    public mutating func vlans(ofPort index: UInt32) throws(Failure) -> [PortVLAN] {
        try dump("list VLANs", PortVLANs.init) { $0.dumpPortVLANs() }.filter { $0.index == index }.flatMap { $0.vlans }
    }

    /// Checks whether the kernel can make links of a kind, without making one.
    ///
    /// The kernel looks the kind up first (EOPNOTSUPP) and counts the queues next, before it registers anything. So a link
    /// without queues tells the two cases apart (rtnl_newlink and rtnl_create_link, net/core/rtnetlink.c). An invalid MTU would
    /// not: ifb and dummy accept any.
    public mutating func requireSupport(of kind: String) throws(Failure) {
        do throws(Failure) {
            try execute("make links of kind \(kind)") { $0.probeLinkKind(kind) }
        } catch {
            guard error.errno != .invalidArgument else { return }
            throw error.errno == .notSupported ? error.advising("the kernel lacks it: load its module") : error
        }
    }

    /// Sends a single change.
    public mutating func execute(
        _ attempt: @escaping @autoclosure () -> String, _ build: (inout MessageBuilder) -> Void
    ) throws(Failure) {
        var changes = Changes()
        changes.append(attempt(), build)
        try execute(changes)
    }
}

extension LinkReference: CustomStringConvertible {
    public var description: String {
        switch self {
        case .index(let index): "link number \(index)"
        case .name(let name): "link \(name)"
        }
    }
}
