public import Addresses
public import Attachments

/// What one plugin of a chain wants from nf_tables for one attachment. Everything else follows from it: the elements,
/// what CHECK examines, and what `repair` restores.
public struct PodRules: Sendable, Hashable {
    public var masquerade: Masquerade?
    public var ports: PublishedPorts?
    public var spoofGuard: SpoofGuard?
    public var isolation: Isolation?
    public var passage: Passage?

    public init(
        masquerade: Masquerade? = nil, ports: PublishedPorts? = nil, spoofGuard: SpoofGuard? = nil,
        isolation: Isolation? = nil, passage: Passage? = nil
    ) {
        self.masquerade = masquerade
        self.ports = ports
        self.spoofGuard = spoofGuard
        self.isolation = isolation
        self.passage = passage
    }

    /// Whether there is nothing to do.
    public var isEmpty: Bool {
        masquerade == nil && ports == nil && spoofGuard == nil && isolation == nil && passage == nil
    }

    /// All elements of these rules; those of one set are adjacent.
    func elements(of owner: RulesOwner) -> [OwnedElement] {
        (ports?.elements(of: owner) ?? []) + (spoofGuard?.elements(of: owner) ?? [])
            + sharedElements(of: owner.network)
    }

    /// The tables that must exist before the elements.
    var tables: [OwnTable] {
        OwnTable.allCases.filter { table in
            switch table {
            case .main: masquerade != nil || ports != nil
            case .loopbackGuard: ports != nil
            case .isolation: isolation != nil
            case .spoofGuard: spoofGuard != nil
            }
        }
    }

    var conditionChains: [ConditionChain] {
        guard let ports else { return [] }
        // Of a family that the pod has no ports in nothing leads there, and no ADD makes it.
        return IPFamily.allCases.filter { family in
            ports.addresses.contains { $0.family == family } && ports.mappings.contains { $0.applies(to: family) }
        }.compactMap { ConditionChain(ports.conditions($0), $0) }
    }

    /// The elements that belong to the network and not to the pod.
    func sharedElements(of network: String) -> [OwnedElement] {
        (masquerade?.elements(of: network) ?? []) + (ports?.sharedElements(of: network) ?? [])
            + (isolation?.elements(of: network) ?? [])
    }
}

/// The owner of rules: one plugin of a chain, for one interface of one container in one network.
public struct RulesOwner: Sendable, Hashable {
    public let attachment: AttachmentName
    /// The plugin's type: several plugins of a chain may want something for the same attachment.
    public let plugin: String

    public init(_ attachment: AttachmentName, plugin: String) {
        self.attachment = attachment
        self.plugin = plugin
    }

    public var network: String { attachment.network }

    /// The comment of its elements. Elements of networks carry the network's name, which is never an attachment's name.
    public var name: String { attachment.description }
}

/// Traffic of a network's pods that leaves the network gets the node's address as its source.
public struct Masquerade: Sendable, Hashable {
    /// The subnets of the network.
    public var sources: [CIDR]
    /// Destinations that see the pods' own addresses.
    public var exceptions: [CIDR]

    public init(sources: [CIDR], exceptions: [CIDR]) {
        self.sources = sources
        self.exceptions = exceptions
    }

    func elements(of network: String) -> [OwnedElement] {
        sources.map { source in
            OwnedElement(
                pair: source, CIDR(IPAddress(source.family, 0), 0), in: .masqueraded, network: network)
        }
            + sources.flatMap { source in
                let destinations = (sources + exceptions).filter { $0.family == source.family }
                // A subnet inside another is covered by it, and the kernel accepts no overlaps.
                return destinations.enumerated().filter { position, inner in
                    !destinations.enumerated().contains { other, outer in
                        other != position && outer.contains(inner.first) && outer.contains(inner.last)
                            && (outer != inner || other < position)
                    }
                }.map { OwnedElement(pair: source, $0.element, in: .unmasqueraded, network: network) }
            }
    }
}

/// Restricts a pod's bridge port to the pod's MAC, and to its addresses if they are given.
public struct SpoofGuard: Sendable, Hashable {
    /// The host side of the veth.
    public var port: String
    public var mac: MACAddress
    /// nil: the MAC only.
    public var addresses: [IPAddress]?

    public init(port: String, mac: MACAddress, addresses: [IPAddress]?) {
        self.port = port
        self.mac = mac
        self.addresses = addresses
    }

    func elements(of owner: RulesOwner) -> [OwnedElement] {
        let name = interfaceName(port)
        func element(_ set: String, _ rest: [UInt8] = []) -> OwnedElement {
            OwnedElement(.spoofGuard, set, key: name + padded(rest), owner: owner.name)
        }
        var elements = [element(SpoofGuardTable.macs, mac.bytes), element(SpoofGuardTable.guarded)]
        guard let addresses else { return elements }
        // The link-local address that the pod's kernel derives from the MAC (RFC 4291, appendix A).
        let all = addresses + [linkLocal]
        elements += all.map { element(SpoofGuardTable.addresses($0.family), $0.bytes) }
        elements += all.filter { $0.family == .v6 }.map { element(SpoofGuardTable.targets, $0.bytes) }
        return elements + [element(SpoofGuardTable.addressGuarded)]
    }

    private var linkLocal: IPAddress {
        let b = mac.bytes
        let identifier: [UInt8] = [b[0] ^ 0x02, b[1], b[2], 0xff, 0xfe, b[3], b[4], b[5]]
        return IPAddress(.v6, identifier.reduce(0xfe80 << 48) { $0 << 8 | UInt128($1) })
    }
}

/// Isolates the pods of a bridge from those of other isolated bridges.
public struct Isolation: Sendable, Hashable {
    public var bridge: String
    /// Whether pods of the bridge may reach each other.
    public var allowsSameBridge: Bool
    /// The pod's bridge port if it must be isolated from the other isolated ports; otherwise nil.
    public var port: String?

    public init(bridge: String, allowsSameBridge: Bool, port: String? = nil) {
        self.bridge = bridge
        self.allowsSameBridge = allowsSameBridge
        self.port = port
    }

    func elements(of network: String) -> [OwnedElement] {
        let name = interfaceName(bridge)
        let same = OwnedElement(.isolation, IsolationTable.sameBridge, key: name + name, owner: network, isShared: true)
        return (allowsSameBridge ? [same] : [])
            + [OwnedElement(.isolation, IsolationTable.bridges, key: name, owner: network, isShared: true)]
    }
}

/// Lets pods' traffic through a foreign firewall that drops what it does not know.
public struct Passage: Sendable, Hashable {
    /// The subnets of the network.
    public var subnets: [CIDR]
    /// The pod's addresses.
    public var addresses: [IPAddress]
    /// The firewalld zone that gets the addresses if firewalld is running.
    public var zone: String
    /// The chain whose rules are judged before the pods' traffic is let through; nil: nobody's.
    public var override: Override?

    /// A chain of iptables' table `filter` that belongs to the node's administrator.
    public struct Override: Sendable, Hashable {
        public var chain: String
        /// Whether it is there on nodes with firewalld, too.
        public var besideFirewalld: Bool

        public init(chain: String, besideFirewalld: Bool) {
            self.chain = chain
            self.besideFirewalld = besideFirewalld
        }
    }

    public init(subnets: [CIDR], addresses: [IPAddress], zone: String, override: Override? = nil) {
        self.subnets = subnets
        self.addresses = addresses
        self.zone = zone
        self.override = override
    }
}
