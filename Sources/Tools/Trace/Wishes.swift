public import Addresses
internal import Attachments
public import Inventory
internal import Netfilter
internal import PacketRules

/// What the node's pods are meant to have, by their records and configurations, whatever the kernel has.
public struct Wishes: Sendable {
    public var attachments: [Inventory.Attachment] = []
    /// The bridges of networks that have one, by the network's name.
    public var bridges: [String: String] = [:]
    public var masquerades: [Masqueraded] = []
    /// Ports of the node that are published whoever asks.
    public var published: [Published] = []

    public struct Masqueraded: Sendable {
        public var sources: [CIDR]
        /// Destinations that are to see the pods' own addresses.
        public var exceptions: [CIDR]

        public init(_ sources: [CIDR], exceptions: [CIDR] = []) {
            self.sources = sources
            self.exceptions = exceptions
        }
    }

    public struct Published: Sendable {
        /// The container ID.
        public var pod: String
        public var port: Port
        public var families: [IPFamily]

        public init(_ port: Port, of pod: String, _ families: [IPFamily]) {
            self.pod = pod
            self.port = port
            self.families = families
        }
    }

    public init() {}

    init(_ seen: Observations, _ snapshot: Snapshot) {
        attachments = snapshot.attachments.filter { $0.state == .attached }
        bridges = Dictionary(
            snapshot.networks.compactMap { network in network.bridge.map { (network.name, $0) } },
            uniquingKeysWith: { first, _ in first })
        for record in seen.records where record.isNamespaceAlive == true {
            if let masquerade = record.rules?.masquerade {
                masquerades.append(Masqueraded(masquerade.sources, exceptions: masquerade.exceptions))
            }
            guard let ports = record.rules?.ports else { continue }
            let pod = record.owner.attachment.containerID
            // Conditions may keep some clients out.
            let families = IPFamily.allCases.filter { family in
                (family == .v4 ? ports.conditionsV4 : ports.conditionsV6).isEmpty
                    && ports.addresses.contains { $0.family == family }
            }
            for mapping in ports.mappings {
                let port = Port(
                    transport: mapping.protocol.name, hostPort: mapping.hostPort,
                    containerPort: mapping.containerPort, count: mapping.count, hostIP: mapping.hostIP)
                published.append(Published(port, of: pod, families))
            }
        }
    }

    /// Whether a packet to the outside is to get the node's address.
    func masquerades(_ packet: Packet) -> Bool {
        !packet.destination.isMulticast
            && masquerades.contains { wish in
                wish.sources.contains { $0.contains(packet.source) }
                    && !(wish.sources + wish.exceptions).contains { $0.contains(packet.destination) }
            }
    }

    /// The pod that a packet to one of the node's addresses is meant for.
    func pod(publishing packet: Packet) -> String? {
        published.first { wish in
            wish.port.transport == packet.transport.rawValue && wish.families.contains(packet.family)
                && packet.destinationPort >= wish.port.hostPort
                && packet.destinationPort - wish.port.hostPort < wish.port.count
                && wish.port.hostIP.map { $0.isUnspecified || $0 == packet.destination } ?? true
        }?.pod
    }
}
