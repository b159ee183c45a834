internal import Addresses
internal import Attachments
internal import CNI
internal import NetlinkCodec
internal import Posix

/// A network's gateways and the routes to them, computed without looking at the node.
struct GatewayPlan {
    /// The reserved addresses, completed by missing gateways and default routes.
    private(set) var result: CNIResult
    /// The gateways' addresses, with the pods' prefix lengths; empty unless the network is its own gateway.
    private(set) var addresses: [CIDR] = []
    /// The node's interface that carries them: the bridge or, with a VLAN, a veth into it.
    let interface: String
    /// Whether they may replace others.
    private let replacesOthers: Bool
    /// Whether those of other subnets may stay.
    private let keepsOthers: Bool

    /// - Throws: code 7 if the configuration does not fit the addresses.
    init(_ reserved: CNIResult, _ settings: BridgeSettings) throws(Failure) {
        result = reserved
        interface = settings.nodeInterfaceName
        replacesOthers = settings.forceAddress
        keepsOthers = settings.keepsOtherGateways
        let mtu = settings.mtu ?? 1500
        // IPV6_MIN_MTU, linux/ipv6.h: below it the kernel disables IPv6.
        if mtu < 1280, let ip = result.ips.first(where: { $0.address.family == .v6 }) {
            throw Failure(
                .invalidConfiguration, "mtu \(mtu) is too small for the IPv6 address \(ip.address)",
                details: "IPv6 needs 1280 at least")
        }
        guard settings.isGateway else { return }
        result.fillInGateways()
        if settings.isDefaultGateway { addDefaultRoutes() }
        if let gso = settings.gso, gso.v6 > GSOLimits.usual {
            try BigTCP.leaveRoomForHeader(in: &result.routes, mtu: mtu)
        }
        for ip in result.ips {
            guard let gateway = ip.gateway else { continue }
            let address = CIDR(gateway, ip.address.prefixLength)
            if !addresses.contains(address) { addresses.append(address) }
        }
        guard addresses.isEmpty || interface.utf8.count <= Attachment.maximumInterfaceNameLength else {
            throw Failure(
                .invalidConfiguration,
                "gateway interface \(interface) of bridge \(settings.bridge) has more than 15 octets",
                details: "use a shorter bridge name")
        }
    }

    /// Adds a default route for each family that has a gateway but no default route.
    private mutating func addDefaultRoutes() {
        for family in IPFamily.allCases {
            let everywhere = CIDR(IPAddress(family, 0), 0)
            guard let gateway = result.ips.first(where: { $0.address.family == family })?.gateway,
                !result.routes.contains(where: { $0.destination == everywhere })
            else { continue }
            result.routes.append(.init(destination: everywhere, gateway: gateway))
        }
    }

    /// The changes needed if these addresses are present.
    ///
    /// - Throws: code 103 if an address conflicts and may not be replaced.
    func changes(to present: [CIDR]) throws(Failure) -> GatewayChanges {
        var changes = GatewayChanges()
        for address in addresses where !present.contains(address) {
            // Several IPv6 addresses are normal; on a bridge several IPv4 addresses are not, unless they are its own gateways.
            let inTheWay = present.filter {
                $0.family == address.family && !addresses.contains($0) && !$0.address.isLinkLocal
                    && ((address.family == .v4 && !keepsOthers) || $0.overlaps(address))
            }
            guard inTheWay.isEmpty || replacesOthers else {
                throw Failure(
                    .conflict, "\"\(interface)\" already has an IP address different from \(address)",
                    details:
                        "it has \(inTheWay[0]); forceAddress replaces it, or remove it: ip addr del \(inTheWay[0]) dev \(interface)"
                )
            }
            for other in inTheWay where !changes.removed.contains(other) { changes.removed.append(other) }
            changes.added.append(address)
        }
        return changes
    }
}

/// Addresses to remove from the gateways' interface, and to add to it.
struct GatewayChanges: Equatable {
    var removed: [CIDR] = []
    var added: [CIDR] = []

    var isEmpty: Bool { added.isEmpty }
}

extension CNIResult {
    /// Gives each address that has no gateway the first address of its subnet.
    mutating func fillInGateways() {
        for index in ips.indices where ips[index].gateway == nil {
            ips[index].gateway = ips[index].address.first.advanced(by: 1)
        }
    }
}
