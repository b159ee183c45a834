public import Net
internal import Posix
public import Wire

extension NetlinkSocket {
    /// The link, or nil when there is none.
    public mutating func link(_ reference: LinkReference) throws(KernelError) -> Link? {
        do throws(KernelError) {
            let message = try request("look up \(reference)") { $0.getLink(reference) }
            guard let link = Link(message) else { throw KernelError("look up \(reference)", .badMessage) }
            return link
        } catch {
            guard error.errno == .noSuchDevice else { throw error }
            return nil
        }
    }

    /// All links, or those of one kind, or the ports of one master.
    public mutating func links(kind: String? = nil, master: UInt32? = nil) throws(KernelError) -> [Link] {
        try dump("list links", Link.init) { $0.dumpLinks(kind: kind, master: master) }
            .filter { (kind == nil || $0.kind == kind) && (master == nil || $0.master == master) }
    }

    /// The addresses of one interface, of both families.
    public mutating func addresses(of index: UInt32) throws(KernelError) -> [InterfaceAddress] {
        try dump("list addresses", InterfaceAddress.init) { $0.dumpAddresses(of: index) }.filter { $0.index == index }
    }

    /// The addresses of all interfaces, of both families.
    public mutating func addresses() throws(KernelError) -> [InterfaceAddress] {
        try dump("list addresses", InterfaceAddress.init) { $0.dumpAddresses(of: 0) }
    }

    public mutating func routes(_ family: IPFamily) throws(KernelError) -> [Route] {
        try dump("list routes", Route.init) { $0.dumpRoutes(family) }
    }

    /// The rules that say which table a packet is routed by; none where the kernel lacks the family.
    public mutating func rules(_ family: IPFamily) throws(KernelError) -> [RoutingRule] {
        do throws(KernelError) {
            return try dump("list routing rules", RoutingRule.init) { $0.dumpRules(family) }
        } catch {
            guard error.errno == .addressFamilyNotSupported || error.errno == .notSupported else { throw error }
            return []
        }
    }

    /// The name of the interface by which packets to an address leave; nil where there is no route.
    public mutating func interface(towards address: IPAddress) throws(KernelError) -> String? {
        let message: Message
        do throws(KernelError) {
            message = try request("look up the route to \(address)") { $0.getRoute(to: address) }
        } catch {
            guard error.errno == .networkUnreachable else { throw error }
            return nil
        }
        guard let route = Route(message), route.interface != 0 else { return nil }
        return try link(.index(route.interface))?.name
    }

    public mutating func neighbours() throws(KernelError) -> [Neighbour] {
        try dump("list neighbours", Neighbour.init) { $0.dumpNeighbours() }
    }

    /// The VLANs of the bridge port.
    public mutating func vlans(ofPort index: UInt32) throws(KernelError) -> [PortVLAN] {
        try dump("list VLANs", PortVLANs.init) { $0.dumpPortVLANs() }.filter { $0.index == index }.flatMap(\.vlans)
    }

    /// Whether the kernel can make links of a kind, found out without making one.
    ///
    /// The kernel looks the kind up first (EOPNOTSUPP) and counts the queues next, before anything is registered, so a
    /// link without any tells the two apart (rtnl_newlink and rtnl_create_link, net/core/rtnetlink.c). An MTU would not:
    /// to ifb and dummy any will do.
    public mutating func requireSupport(of kind: String) throws(KernelError) {
        do throws(KernelError) {
            try execute("make links of kind \(kind)") { $0.probeLinkKind(kind) }
        } catch {
            guard error.errno != .invalidArgument else { return }
            throw KernelError(
                error.attempt, error.errno, kernelText: error.kernelText,
                advice: error.errno == .notSupported ? "the kernel lacks it: load its module" : "")
        }
    }

    /// Sends a single change.
    public mutating func execute(
        _ attempt: @escaping @autoclosure () -> String, _ build: (inout MessageBuilder) -> Void
    ) throws(KernelError) {
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
