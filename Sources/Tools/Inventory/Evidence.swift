internal import Addresses
internal import Attachments
internal import CNI
internal import IPAM
internal import Netfilter
internal import Plugins

/// Everything that was read about one attachment, before it is judged.
struct Evidence {
    /// The node's end of its veth, by its alias.
    var veth: Interface?
    /// By its alias.
    var ifb: Interface?
    /// Whether an interface of that name, in some pod of this node, is nobody's that is known: it may be this one's, with
    /// an address that somebody has taken off it.
    var mayBeUnrecognized = false
    /// Its interface in the pod.
    var pod: (namespace: SeenNamespace, interface: Interface)?
    var reservations: [ListedReservation] = []
    /// The directory of its reservations.
    var store: String?
    var records: [RecordedRules] = []
    var elements = 0

    /// When its reservations and records were made, in seconds since 1970.
    var times: [Int] { reservations.map { $0.time.seconds } + records.compactMap { $0.time?.seconds } }

    var reserved: [CIDR] { reservations.map { $0.reservation.unit } }
}

/// What was read, sorted by the attachment that it belongs to.
struct CollectedEvidence {
    private(set) var byAttachment: [AttachmentName: Evidence] = [:]
    /// Reservations that name nobody, with their directories.
    private(set) var withoutOwner: [(network: String, store: String, ListedReservation)] = []
    private let seen: Observations
    private let byID: [Int32: SeenNamespace]
    /// What the node's own links say of namespaces, by inode: whose containers they are, and which interfaces have an owner.
    private var knownByNode: [UInt64: (containers: Set<String>, interfaces: Set<UInt32>)] = [:]

    init(_ seen: Observations) {
        self.seen = seen
        byID = Dictionary(
            seen.namespaces.compactMap { namespace in namespace.namespace.id.map { ($0, namespace) } },
            uniquingKeysWith: { first, _ in first })
        for interface in seen.interfaces {
            guard let id = AttachmentName(linkAlias: interface.alias) else { continue }
            switch interface.kind {
            case "veth": byAttachment[id, default: Evidence()].veth = interface
            case "ifb": byAttachment[id, default: Evidence()].ifb = interface
            default: break
            }
        }
        for record in seen.records {
            byAttachment[record.owner.attachment, default: Evidence()].records.append(record)
        }
        for (name, count) in seen.elements {
            guard let id = AttachmentName(name) else { continue }
            byAttachment[id, default: Evidence()].elements = count
        }
        for store in seen.stores { collect(store) }
        findPodsByPeer()
        findPodsByAlias()
        findPodsByAddress()
        noteUnownedInterfaces()
    }

    private mutating func collect(_ store: SeenStore) {
        for reservation in store.reservations {
            guard let owner = reservation.reservation.owner else {
                withoutOwner.append((store.network, store.directory, reservation))
                continue
            }
            let id = AttachmentName(network: store.network, owner)
            byAttachment[id, default: Evidence()].reservations.append(reservation)
            byAttachment[id, default: Evidence()].store = store.directory
        }
    }

    /// A veth says by which number the node knows its other end's namespace, and which index that has there.
    private mutating func findPodsByPeer() {
        for (id, evidence) in byAttachment {
            guard let veth = evidence.veth, let number = veth.peerNamespaceID, let namespace = byID[number],
                let interface = namespace.interfaces.first(where: { $0.index == veth.peer })
            else { continue }
            byAttachment[id]?.pod = (namespace, interface)
            knownByNode[namespace.namespace.inode, default: ([], [])].containers.insert(id.containerID)
            knownByNode[namespace.namespace.inode]?.interfaces.insert(interface.index)
        }
    }

    /// Whether an interface in a namespace may be an attachment's, as something there says. Whoever is root there can say
    /// what they like: so it counts for nothing against what the node's own links say, and no pod keeps another's.
    private func mayBe(_ id: AttachmentName, _ namespace: SeenNamespace, _ interface: Interface) -> Bool {
        guard let known = knownByNode[namespace.namespace.inode] else { return true }
        return known.containers.contains(id.containerID) && !known.interfaces.contains(interface.index)
    }

    /// Links without an end on the node have the alias in the pod.
    private mutating func findPodsByAlias() {
        for namespace in seen.namespaces {
            for interface in namespace.interfaces {
                // The ends of other nodes' veths have aliases as well, and never the pod's name for it.
                guard let id = AttachmentName(linkAlias: interface.alias), interface.name == id.ifname,
                    namespace.isOfNode(interface) || byAttachment[id] != nil, byAttachment[id]?.pod == nil,
                    mayBe(id, namespace, interface)
                else { continue }
                byAttachment[id, default: Evidence()].pod = (namespace, interface)
            }
        }
    }

    /// Pods that other plugins have attached bear no mark: they are known by the address that is reserved for them.
    private mutating func findPodsByAddress() {
        var places: [IPAddress: [(SeenNamespace, Interface)]] = [:]
        for namespace in seen.namespaces {
            // One without another end, such as a device that was moved there, says nothing of the node.
            for interface in namespace.interfaces
            where interface.peerNamespaceID == nil || namespace.isOfNode(interface) {
                for address in interface.addresses {
                    places[address.address, default: []].append((namespace, interface))
                }
            }
        }
        for (id, evidence) in byAttachment where evidence.pod == nil && evidence.veth == nil {
            for unit in evidence.reserved {
                let found = places[unit.address]?.first {
                    (id.ifname.isEmpty || $0.1.name == id.ifname) && mayBe(id, $0.0, $0.1)
                }
                guard let (namespace, interface) = found else { continue }
                byAttachment[id]?.pod = (namespace, interface)
                byAttachment[id]?.veth = seen.interfaces.first {
                    $0.kind == "veth" && $0.peer == interface.index && $0.peerNamespaceID == namespace.namespace.id
                        && $0.peerNamespaceID != nil
                }
                break
            }
        }
    }

    /// An attachment of which only a reservation is known is not gone for certain as long as some interface could be its.
    private mutating func noteUnownedInterfaces() {
        let unowned = unownedInterfaces()
        guard !unowned.isEmpty else { return }
        for (id, evidence) in byAttachment where evidence.pod == nil && evidence.veth == nil && evidence.records.isEmpty
        {
            let bridges = bridges(of: id.network)
            byAttachment[id]?.mayBeUnrecognized = unowned.contains { interface in
                (id.ifname.isEmpty || interface.name == id.ifname)
                    && (bridges.isEmpty || bridges.contains(interface.master))
            }
        }
    }

    /// Interfaces that lead to the node, and belong to no attachment that is known; with what their ends there are ports of.
    private func unownedInterfaces() -> [(name: String, master: UInt32)] {
        var known: [UInt64: Set<UInt32>] = [:]
        for pod in byAttachment.values.compactMap({ $0.pod }) {
            known[pod.namespace.namespace.inode, default: []].insert(pod.interface.index)
        }
        let masters = Dictionary(
            seen.interfaces.map { ($0.index, $0.master) }, uniquingKeysWith: { first, _ in first })
        return seen.namespaces.filter { $0.nodeID != nil }.flatMap { namespace in
            namespace.interfaces.filter { interface in
                interface.peerNamespaceID == namespace.nodeID
                    && known[namespace.namespace.inode]?.contains(interface.index) != true
            }.map { (name: $0.name, master: masters[$0.peer] ?? 0) }
        }
    }

    /// What the pods of a network are ports of; none where they are ports of nothing.
    private func bridges(of network: String) -> Set<UInt32> {
        let ofOthers = byAttachment.filter { $0.key.network == network }.compactMap { $0.value.veth?.master }
        let configured = seen.configured.first { $0.network.name == network }?.network.bridge
        let named = seen.interfaces.filter { $0.name == configured }.map(\.index)
        return Set(ofOthers + named).subtracting([0])
    }
}
