public import Addresses
internal import NetlinkCodec

/// Ports of the node that are forwarded to a pod.
public struct PublishedPorts: Sendable, Hashable {
    public var mappings: [PortMapping]
    /// The pod's addresses with their subnets; the first of each family is the target.
    public var addresses: [CIDR]
    /// Whether the pod itself, its neighbours on the subnet and the node via 127.0.0.1 can use them.
    public var reachesNeighbours: Bool
    /// Whether the pod sees the node's address instead of the client's.
    public var hidesClients: Bool
    /// Who may use them, as nft matches; empty for everyone.
    public var conditionsV4: String
    public var conditionsV6: String
    /// The node's interface towards the pod, which must accept connections via 127.0.0.1; otherwise nil.
    public var localRoute: String?
    /// The pod's bridge port if it needs hairpin mode; otherwise nil.
    public var hairpinPort: String?

    public init(
        _ mappings: [PortMapping], addresses: [CIDR], reachesNeighbours: Bool = true, hidesClients: Bool = false,
        conditionsV4: String = "", conditionsV6: String = "", localRoute: String? = nil, hairpinPort: String? = nil
    ) {
        self.mappings = mappings
        self.addresses = addresses
        self.reachesNeighbours = reachesNeighbours
        self.hidesClients = hidesClients
        self.conditionsV4 = conditionsV4
        self.conditionsV6 = conditionsV6
        self.localRoute = localRoute
        self.hairpinPort = hairpinPort
    }

    func conditions(_ family: IPFamily) -> String { family == .v4 ? conditionsV4 : conditionsV6 }

    func target(_ family: IPFamily) -> IPAddress? { addresses.first { $0.family == family }?.address }

    func elements(of owner: RulesOwner) -> [OwnedElement] {
        var elements: [OwnedElement] = []
        for family in IPFamily.allCases {
            guard let target = target(family) else { continue }
            for mapping in mappings where mapping.applies(to: family) {
                appendClaims(mapping, target, owner, &elements)
            }
            if hidesClients {
                elements.append(
                    OwnedElement(
                        .main, MainTable.SetName.masqueradeAll.of(family), key: target.bytes, owner: owner.name))
            }
        }
        return elements
    }

    private func appendClaims(
        _ mapping: PortMapping, _ target: IPAddress, _ owner: RulesOwner, _ elements: inout [OwnedElement]
    ) {
        let family = target.family
        let address = mapping.specificAddress?.bytes ?? []
        let isSpecific = !address.isEmpty
        let ports = (isSpecific ? MainTable.SetName.hostIPHostPorts : .hostPorts).of(family)
        let name = owner.name
        func key(_ offset: UInt16) -> [UInt8] {
            address + [mapping.protocol.rawValue, 0, 0, 0] + PublishedPorts.octets(mapping.hostPort + offset)
        }
        for offset in 0..<mapping.count {
            elements.append(
                OwnedElement(
                    .main, ports, key: key(offset),
                    data: .value(target.bytes + PublishedPorts.octets(mapping.containerPort + offset)), owner: name,
                    claimedIn: ports))
        }
        guard let chain = ConditionChain(conditions(family), family) else { return }
        let conditions = (isSpecific ? MainTable.SetName.hostIPConditions : .conditions).of(family)
        for offset in 0..<mapping.count {
            elements.append(
                OwnedElement(
                    .main, conditions, key: key(offset), data: .verdict(.jump(chain.name)), owner: name,
                    claimedIn: ports))
        }
    }

    static func octets(_ port: UInt16) -> [UInt8] { [UInt8(port >> 8), UInt8(port & 0xff), 0, 0] }

    func sharedElements(of network: String) -> [OwnedElement] {
        guard reachesNeighbours else { return [] }
        let subnets = addresses.networks
        return subnets.flatMap { source in
            subnets.filter { $0.family == source.family }
                .map { OwnedElement(pair: source, $0, in: .siblings, network: network) }
        }
    }
}

/// One port of the node, or several consecutive ones, and their destination in the pod.
public struct PortMapping: Sendable, Hashable {
    /// 1...65535.
    public var hostPort: UInt16
    /// 1...65535.
    public var containerPort: UInt16
    /// The number of consecutive ports; both ranges stay within 65535.
    public var count: UInt16
    public var `protocol`: Transport
    /// The node's address. Nil means any address; an unspecified address means any address of its family.
    public var hostIP: IPAddress?

    public init(
        hostPort: UInt16, containerPort: UInt16, count: UInt16 = 1, _ protocol: Transport = .tcp,
        hostIP: IPAddress? = nil
    ) {
        self.hostPort = hostPort
        self.containerPort = containerPort
        self.count = count
        self.protocol = `protocol`
        self.hostIP = hostIP
    }

    /// IPPROTO_ numbers, linux/in.h.
    public enum Transport: UInt8, Sendable, Hashable, CaseIterable {
        case tcp = 6
        case udp = 17
        case sctp = 132

        public init?(_ name: String) {
            switch name.lowercased() {
            case "tcp": self = .tcp
            case "udp": self = .udp
            case "sctp": self = .sctp
            default: return nil
            }
        }

        public var name: String {
            switch self {
            case .tcp: "tcp"
            case .udp: "udp"
            case .sctp: "sctp"
            }
        }
    }

    public func applies(to family: IPFamily) -> Bool { hostIP.map { $0.family == family } ?? true }

    /// Nil if the mapping is for all addresses.
    public var specificAddress: IPAddress? { hostIP.flatMap { $0.isUnspecified ? nil : $0 } }
}
