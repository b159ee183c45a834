internal import Addresses
internal import Attachments
internal import Inventory
internal import NetlinkCodec
internal import PacketRules
internal import Posix

/// Packets for pods of this node that the node sends elsewhere.
extension Walk {
    /// Why what the node sends to a pod of its own does not get there.
    ///
    /// - Parameters:
    ///   - output: the interface of the route; nil if the kernel has refused the packet.
    ///   - answer: the route; nil if the kernel has refused the packet.
    /// - Returns: the cause, and what mends it; nil if the route leads to the pod, or if the address is not a pod's.
    mutating func strayed(
        _ output: Interface?, _ answer: RouteAnswer?
    ) throws(Failure) -> (why: String, advice: String)? {
        guard let (pod, port) = pod(at: packet.destination) else { return nil }
        let master = interface(port.master, in: 0)
        if let output, isAbove(output, master ?? port), master?.isUp ?? true { return nil }
        // On a bridge of another name than the configuration's, pods may well be reached.
        if let cause = misplaced(packet.destination), master?.isUp != true || output?.name == wanted(pod) {
            return cause
        }
        // Somebody on another link may pass it on.
        if let answer, let output, answer.gateway != nil, !world.uplinks.contains(output.name) { return nil }
        return try misrouted(pod.id.containerID, master ?? port, output, answer)
    }

    /// Why a pod of the node is not found where its network is.
    ///
    /// - Returns: the cause, and what mends it; nil if the pod is where it belongs, or if the address is not a pod's.
    func misplaced(_ address: IPAddress) -> (why: String, advice: String)? {
        guard let (pod, port) = pod(at: address) else { return nil }
        let name = pod.id.containerID
        let bridge = interface(port.master, in: 0)
        if let bridge, !bridge.isUp {
            // The kernel takes IPv6 addresses from a link that goes down.
            let isGone = address.family == .v6 && !bridge.addresses.contains { $0.contains(address) }
            return (
                "\(bridge.name), which \(name) is on, is down",
                "ip link set \(bridge.name) up" + (isGone ? "; swiftletctl doctor --fix" : "")
            )
        }
        return outOfBridge(address)
    }

    /// The same, of a pod whose end of the veth on the node is not a port of its network's bridge.
    func outOfBridge(_ address: IPAddress) -> (why: String, advice: String)? {
        guard let (pod, port) = pod(at: address), let wanted = wanted(pod) else { return nil }
        let (name, bridge) = (pod.id.containerID, interface(port.master, in: 0))
        guard bridge?.name != wanted else { return nil }
        return (
            "\(port.name), the node's end of \(name)'s link, is "
                + (bridge.map { "a port of \($0.name) and not of \(wanted)" } ?? "not a port of the bridge \(wanted)"),
            "ip link set \(port.name) master \(wanted)"
        )
    }

    /// The pod of this node that has an address, and the node's end of its veth.
    private func pod(at address: IPAddress) -> (Inventory.Attachment, Interface)? {
        guard let pod = world.wishes.attachments.first(where: { $0.addresses.contains { $0.address == address } }),
            let port = world.interfaces(in: 0).first(where: { $0.name == pod.hostInterface })
        else { return nil }
        return (pod, port)
    }

    private func wanted(_ pod: Inventory.Attachment) -> String? { world.wishes.bridges[pod.id.network] }

    /// Whether packets that leave by an interface are on the bridge: it, a VLAN or a macvlan of it.
    private func isAbove(_ interface: Interface, _ bridge: Interface) -> Bool {
        interface.index == bridge.index
            || ["vlan", "macvlan"].contains(interface.kind) && interface.peer == bridge.index
    }

    private mutating func misrouted(
        _ pod: String, _ bridge: Interface, _ output: Interface?, _ answer: RouteAnswer?
    ) throws(Failure) -> (why: String, advice: String)? {
        let destination = packet.destination
        let elsewhere = output.map { " by \($0.name)" } ?? ""
        if let table = answer?.table, table != Route.mainTable, table != 255 {
            let subnet =
                bridge.addresses.first { $0.contains(destination) }?.network
                ?? CIDR(destination, destination.family.bitWidth)
            let ip = packet.family == .v4 ? "ip" : "ip -6"
            return (
                "\(pod) is on \(bridge.name), but a policy rule (\(ip) rule) has table \(table) send what is for it\(elsewhere)",
                "\(ip) rule add to \(subnet) lookup main"
            )
        }
        guard let route = try route(to: destination, 0), route.route.destination.prefixLength > 0 else {
            return (
                "\(pod) is on \(bridge.name), but no route leads there: \(bridge.name) has no address of its subnet",
                "swiftletctl doctor --fix"
            )
        }
        if route.type == .unicast, let way = interface(route.route.interface, in: 0), isAbove(way, bridge) {
            return nil
        }
        return (
            "\(pod) is on \(bridge.name), but the route \(text(route, 0)) takes what is for it",
            deletion(of: route, 0)
        )
    }

    /// The route of the main table that takes packets to an address, whatever it does with them.
    mutating func route(to address: IPAddress, _ place: Int) throws(Failure) -> RouteEntry? {
        let candidates = try world.routes(address.family, in: place).filter {
            $0.route.table == Route.mainTable && $0.route.destination.contains(address)
        }
        return candidates.min {
            ($1.route.destination.prefixLength, $0.route.priority ?? 0)
                < ($0.route.destination.prefixLength, $1.route.priority ?? 0)
        }
    }

    /// The route as `ip route` writes it.
    func text(_ entry: RouteEntry, _ place: Int) -> String {
        let route = entry.route
        let kinds: [RouteEntry.Kind: String] = [
            .blackhole: "blackhole ", .unreachable: "unreachable ", .prohibit: "prohibit ",
        ]
        let isDefault = route.destination.prefixLength == 0
        return (kinds[entry.type] ?? "") + (isDefault ? "default" : "\(route.destination)")
            + (route.gateway.map { " via \($0)" } ?? "")
            + (interface(route.interface, in: place).map { " dev \($0.name)" } ?? "")
            + (route.priority.map { $0 == 0 ? "" : " metric \($0)" } ?? "")
    }

    /// The command that deletes a route.
    func deletion(of route: RouteEntry, _ place: Int) -> String {
        "ip \(route.route.destination.address.family == .v4 ? "" : "-6 ")route del \(text(route, place))"
    }
}
