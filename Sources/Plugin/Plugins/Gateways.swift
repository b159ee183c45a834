internal import Addresses
internal import CNI
internal import Kernel
internal import Logging
internal import NetlinkCodec
internal import Posix

/// The gateway addresses of a network, which its pods' routes lead to.
struct Gateways {
    /// With the pods' prefix lengths; empty unless the network is its own gateway.
    let addresses: [CIDR]

    /// Fills in the gateways and default routes that the result lacks.
    init(_ result: inout CNIResult, _ settings: BridgeSettings) throws(Failure) {
        for index in result.ips.indices {
            let ip = result.ips[index].address
            // IPV6_MIN_MTU, linux/ipv6.h: below it the kernel switches IPv6 off.
            guard ip.family == .v4 || settings.mtu ?? 1500 >= 1280 else {
                throw Failure(
                    .invalidConfiguration, "mtu \(settings.mtu ?? 0) is too small for the IPv6 address \(ip)",
                    details: "IPv6 needs 1280 at least")
            }
            guard settings.isGateway, result.ips[index].gateway == nil else { continue }
            result.ips[index].gateway = ip.first.advanced(by: 1)
        }
        guard settings.isGateway else {
            addresses = []
            return
        }
        if settings.isDefaultGateway {
            for family in IPFamily.allCases {
                let everywhere = CIDR(IPAddress(family, 0), 0)
                guard let gateway = result.ips.first(where: { $0.address.family == family })?.gateway,
                    !result.routes.contains(where: { $0.destination == everywhere })
                else { continue }
                result.routes.append(.init(destination: everywhere, gateway: gateway))
            }
        }
        if let gso = settings.gso, gso.v6 > GSOLimits.usual {
            try BigTCP.leaveRoomForHeader(in: &result.routes, mtu: settings.mtu ?? 1500)
        }
        var addresses: [CIDR] = []
        for ip in result.ips {
            guard let gateway = ip.gateway else { continue }
            let address = CIDR(gateway, ip.address.prefixLength)
            if !addresses.contains(address) { addresses.append(address) }
        }
        self.addresses = addresses
    }

    /// The node's switch for forwarding a family.
    static func forwarding(_ family: IPFamily) -> Sysctl {
        Sysctl(family == .v4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding")
    }

    /// Lets the node forward between its pods and the rest.
    func enableForwarding() throws(Failure) {
        for family in IPFamily.allCases where addresses.contains(where: { $0.family == family }) {
            try Gateways.forwarding(family).ensure("1")
        }
    }

    /// Compares with what the gateway's interface has.
    ///
    /// - Throws: code 103 when an address is in the way and `forceAddress` is not set.
    func missing(on bridge: Link, _ settings: BridgeSettings, _ host: inout NetlinkSocket) throws(Failure)
        -> MissingGateways
    {
        guard !addresses.isEmpty else { return MissingGateways() }
        let interface = try BridgeDevice.gatewayInterface(bridge, settings, &host)
        let present = try host.addresses(of: interface.index).map { $0.address }
        var result = MissingGateways(interface: interface.index, name: interface.name)
        for address in addresses where !present.contains(address) {
            // Several IPv6 addresses are normal; IPv4 ones of a bridge are not, unless they are its own gateways.
            let inTheWay = present.filter {
                $0.family == address.family && !addresses.contains($0) && !$0.address.isLinkLocal
                    && (address.family == .v4 || $0.overlaps(address))
            }
            guard inTheWay.isEmpty || settings.forceAddress else {
                throw Failure(
                    .conflict, "\"\(interface.name)\" already has an IP address different from \(address)",
                    details:
                        "it has \(inTheWay[0]); forceAddress replaces it, or remove it: ip addr del \(inTheWay[0]) dev \(interface.name)"
                )
            }
            result.removed += inTheWay
            result.added.append(address)
        }
        return result
    }
}

/// Changes of the gateway's interface that are still to be made: the last step of ADD, so that no later step can fail
/// and leave them behind, or take them from a pod that has come to rely on them.
struct MissingGateways {
    var interface: UInt32 = 0
    var name = ""
    var removed: [CIDR] = []
    var added: [CIDR] = []

    var isEmpty: Bool { removed.isEmpty && added.isEmpty }

    func add(_ host: inout NetlinkSocket) throws(Failure) {
        for address in removed {
            surviving { () throws(Failure) in
                try host.execute("remove address \(address) from \(name)") {
                    $0.deleteAddress(address, from: interface)
                }
            }
        }
        for address in added {
            try host.addAddressEnablingIPv6(address, to: interface, named: name)
        }
    }

    /// Takes it back after `add` has failed half-way, unless another pod is there by now: it may rely on it.
    ///
    /// - Precondition: the pod's own port is gone.
    func undo(_ bridge: Link, _ host: inout NetlinkSocket) throws(Failure) {
        let ports = try host.links(kind: "veth", master: bridge.index)
        guard ports.allSatisfy({ $0.name.hasPrefix("vlan") }) else { return }
        for address in added {
            surviving { () throws(Failure) in
                try host.execute("remove address \(address) from \(name)") {
                    $0.deleteAddress(address, from: interface)
                }
            }
        }
        for address in removed { try host.addAddressEnablingIPv6(address, to: interface, named: name) }
    }
}

extension NetlinkSocket {
    /// Adds an address; that it is there already is what was wanted. Where IPv6 is switched off on the interface it is
    /// switched on: an address was asked for.
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
