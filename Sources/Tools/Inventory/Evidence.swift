internal import Addresses
internal import Attachments
internal import CNI
internal import IPAM
internal import Netfilter
internal import Plugins

/// Everything that was read about one attachment, before it is judged.
struct Evidence {
    /// The host side of its veth, identified by its alias.
    var veth: Interface?
    /// Identified by its alias.
    var ifb: Interface?
    /// Whether some pod of this node has an interface of that name without a known owner. It may belong to this attachment even
    /// though its address was removed.
    var mayBeUnrecognized = false
    /// The interface in the pod.
    var pod: (namespace: SeenNamespace, interface: Interface)?
    var reservations: [ListedReservation] = []
    /// Addresses on the pod's interface that the store holds for nobody, or for somebody who is not here.
    var unreserved: [UnreservedAddress] = []
    /// The directory of its reservations.
    var store: String?
    var records: [RecordedRules] = []
    var elements = 0

    /// When its reservations and records were made, in seconds since 1970.
    var times: [Int] { reservations.map { $0.time.seconds } + records.compactMap { $0.time?.seconds } }

    var reserved: [CIDR] { reservations.map { $0.reservation.unit } }
}

/// What was read, grouped by attachment.
struct CollectedEvidence {
    var byAttachment: [AttachmentName: Evidence] = [:]
    /// Reservations without an owner, with their directories.
    var withoutOwner: [(network: String, store: String, ListedReservation)] = []
    let seen: Observations
    private let byID: [Int32: SeenNamespace]
    /// What the node's own links say about namespaces, by inode: their containers, and the interfaces with an owner.
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
        keepAddressesOfPods()
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

    /// A veth's host side has the node's number for its peer's namespace, and the peer's index there.
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

    /// Whether an interface in a namespace may belong to an attachment, judging by data from that namespace. The pod's root can
    /// forge such data, so it never overrides what the node's own links say, and no pod can hold on to another's attachment.
    private func mayBe(_ id: AttachmentName, _ namespace: SeenNamespace, _ interface: Interface) -> Bool {
        guard let known = knownByNode[namespace.namespace.inode] else { return true }
        return known.containers.contains(id.containerID) && !known.interfaces.contains(interface.index)
    }

    /// Links without a host side have the alias in the pod.
    private mutating func findPodsByAlias() {
        for namespace in seen.namespaces {
            for interface in namespace.interfaces {
                // Veths of other nodes have aliases too, but never together with the pod's name for the interface.
                guard let id = AttachmentName(linkAlias: interface.alias), interface.name == id.ifname,
                    namespace.isOfNode(interface) || byAttachment[id] != nil, byAttachment[id]?.pod == nil,
                    mayBe(id, namespace, interface)
                else { continue }
                byAttachment[id, default: Evidence()].pod = (namespace, interface)
            }
        }
    }

    /// Pods attached by other plugins have no alias: they are identified by their reserved address.
    private mutating func findPodsByAddress() {
        var places: [IPAddress: [(SeenNamespace, Interface)]] = [:]
        for namespace in seen.namespaces {
            // An interface without a peer, such as a device that was moved there, does not lead to any node, so it counts.
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

    /// An attachment known only from a reservation is not certainly gone while some interface could belong to it.
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

    /// Interfaces that lead to the node and belong to no known attachment, with the bridge of their host side.
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

    /// The bridges that a network's pods are ports of; empty if they are not bridge ports.
    private func bridges(of network: String) -> Set<UInt32> {
        let ofOthers = byAttachment.filter { $0.key.network == network }.compactMap { $0.value.veth?.master }
        let configured = seen.configured.first { $0.network.name == network }?.network.bridge
        let named = seen.interfaces.filter { $0.name == configured }.map(\.index)
        return Set(ofOthers + named).subtracting([0])
    }
}
