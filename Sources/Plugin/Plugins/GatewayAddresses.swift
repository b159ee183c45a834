internal import Addresses
internal import Attachments
internal import CNI
internal import IPAM
internal import Kernel
internal import EventLog
internal import NetlinkCodec
internal import Posix

extension GatewayPlan {
    /// Compares with the node's addresses and changes nothing. An interface that does not exist has no addresses.
    ///
    /// - Throws: code 103 if an address conflicts and may not be replaced.
    func missing(
        on bridge: Link, for network: String, _ host: inout NetlinkSocket
    ) throws(Failure) -> GatewayChanges {
        guard !addresses.isEmpty else { return GatewayChanges() }
        let present = try self.present(on: bridge, &host)
        do throws(Failure) { return try changes(to: present) } catch {
            throw try explained(error, network, bridge, present, &host)
        }
    }

    /// For STATUS, before any address is reserved.
    ///
    /// - Parameter sets: where addresses will come from.
    /// - Throws: code 103 if an address on the bridge is in the way of every address that a set could give.
    static func requireRoom(
        for sets: [RangeSet], of network: String, _ settings: BridgeSettings, on bridge: Link,
        _ host: inout NetlinkSocket
    ) throws(Failure) {
        func plan(_ sets: [RangeSet]) throws(Failure) -> GatewayPlan {
            let pools = sets.flatMap { $0.pools }.filter { $0.blockLength == nil }
            return try GatewayPlan(
                CNIResult(ips: pools.map { .init(address: $0.subnet, gateway: $0.gateway) }), settings)
        }
        let all = try plan(sets)
        guard !all.addresses.isEmpty else { return }
        let present = try all.present(on: bridge, &host)
        for set in sets where try !plan([set]).addresses.contains(where: present.contains) {
            _ = try all.missing(on: bridge, for: network, &host)
        }
    }

    private func present(on bridge: Link, _ host: inout NetlinkSocket) throws(Failure) -> [CIDR] {
        let link = interface == bridge.name ? bridge : try host.link(.name(interface))
        return try link.map { link throws(Failure) in try host.addresses(of: link.index).map { $0.address } } ?? []
    }

    /// A conflict, with advice that cuts off no pod: an address that another network's pods live by is not to be removed.
    private func explained(
        _ error: Failure, _ network: String, _ bridge: Link, _ present: [CIDR], _ host: inout NetlinkSocket
    ) throws(Failure) -> Failure {
        let networks = Set(
            try host.links(kind: "veth", master: bridge.index).compactMap {
                AttachmentName(linkAlias: $0.alias)?.network
            })
        let others = networks.filter { $0 != network }
        guard !others.isEmpty else { return error }
        let names = others.sorted().joined(separator: ", ")
        let had = present.filter { !$0.address.isLinkLocal }.map { "\($0)" }.joined(separator: ", ")
        return error.advising(
            "pods of \(names) live by \(had) there: give this network a bridge of its own, by the key bridge")
    }
}

extension GatewayChanges {
    /// The last step of ADD, so that no later one can fail and take the addresses from a pod that has come to rely on them.
    ///
    /// - Parameter interface: the interface that carries them.
    func make(on interface: Link, _ host: inout NetlinkSocket) throws(Failure) {
        for address in removed { host.removeAddress(address, from: interface) }
        for address in added {
            try host.addAddressEnablingIPv6(address, to: interface.index, named: interface.name)
        }
    }

    /// Undoes a failed ``make(on:_:)``, unless another pod has been attached: it may rely on the addresses.
    ///
    /// - Parameter port: the pod's own bridge port.
    func undo(on interface: Link, of bridge: UInt32, but port: String, _ host: inout NetlinkSocket) throws(Failure) {
        let ports = try host.links(kind: "veth", master: bridge)
        guard ports.allSatisfy({ $0.name == port || $0.name.hasPrefix("vlan") }) else { return }
        for address in added { host.removeAddress(address, from: interface) }
        for address in removed {
            try host.addAddressEnablingIPv6(address, to: interface.index, named: interface.name)
        }
    }
}

extension NetlinkSocket {
    /// Removes an address; one that cannot be removed stays.
    fileprivate mutating func removeAddress(_ address: CIDR, from link: Link) {
        surviving { () throws(Failure) in
            try execute("remove address \(address) from \(link.name)") { $0.deleteAddress(address, from: link.index) }
        }
    }

    /// Adds an address; it is no error if it exists. If IPv6 is disabled on the interface, this enables it, because an
    /// address was requested.
    mutating func addAddressEnablingIPv6(_ address: CIDR, to index: UInt32, named name: String) throws(Failure) {
        for isRetry in [false, true] {
            do throws(Failure) {
                return try execute("add address \(address) to \(name)") { $0.addAddress(address, to: index) }
            } catch {
                if error.errno == .fileExists { return }
                guard error.errno == .accessDenied, address.family == .v6, !isRetry else { throw error }
                try Sysctl("ipv6/conf/\(name)/disable_ipv6").write("0")
            }
        }
    }
}
