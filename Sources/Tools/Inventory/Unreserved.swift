internal import Addresses
internal import Attachments
internal import IPAM
internal import Plugins

// What the kernel shows of a pod that lives outranks a file. Each range set counts by itself, because each has given the pod one
// address. The pod's root can add addresses as it likes, so a pod whose reservation of a set is there has no claim to more of it.

extension CollectedEvidence {
    /// Notes the addresses that pods have without a reservation. A file that names somebody who is not here is not taken for what
    /// that somebody has left.
    mutating func keepAddressesOfPods() {
        adoptReservationsOfContainers()
        let bearers = bearersOfAddresses()
        for (id, evidence) in byAttachment where isOurs(id, evidence) {
            for address in lostAddresses(id, evidence) {
                let unit = CIDR.host(address)
                var named: AttachmentName?
                for (other, found) in byAttachment where other.network == id.network && other != id {
                    if found.reserved.contains(unit) { named = other }
                }
                // Both are here: that is a duplicate, and which of them keeps it is not for us to say.
                if let named, bearers[named]?.contains(address) == true { continue }
                if let named { forget(unit, of: named) }
                withoutOwner.removeAll { $0.network == id.network && $0.2.reservation.unit == unit }
                byAttachment[id]?.unreserved.append(UnreservedAddress(address: address, namedOwner: named))
            }
        }
    }

    /// Old releases of the reference plugin named the container only: what a pod of it has is the pod's.
    private mutating func adoptReservationsOfContainers() {
        for (id, evidence) in byAttachment where evidence.pod != nil && !id.ifname.isEmpty {
            let legacy = AttachmentName(network: id.network, containerID: id.containerID, ifname: "")
            guard let old = byAttachment[legacy], old.pod == nil else { continue }
            for reservation in old.reservations {
                let unit = reservation.reservation.unit
                guard evidence.pod?.interface.addresses.contains(where: { .host($0.address) == unit }) == true else {
                    continue
                }
                byAttachment[id]?.reservations.append(reservation)
                forget(unit, of: legacy)
            }
        }
    }

    /// The node's own link names its owner, which no pod can forge.
    private func isOurs(_ id: AttachmentName, _ evidence: Evidence) -> Bool {
        guard let veth = evidence.veth, evidence.pod != nil else { return false }
        return AttachmentName(linkAlias: veth.alias) == id && seen.expectsReservations(id.network)
    }

    private func bearersOfAddresses() -> [AttachmentName: Set<IPAddress>] {
        byAttachment.compactMapValues { evidence in
            evidence.pod.map { Set($0.interface.addresses.map { $0.address }) }
        }
    }

    private func lostAddresses(_ id: AttachmentName, _ evidence: Evidence) -> [IPAddress] {
        guard let (_, interface) = evidence.pod else { return [] }
        let reserved = evidence.reserved
        let sets = seen.configured.first { $0.network.name == id.network }?.network.ranges ?? []
        /// What an address was taken from: a range set, or anything of its family where the ranges are not known.
        func source(_ address: IPAddress) -> Int? {
            sets.isEmpty ? (address.family == .v4 ? -1 : -2) : sets.firstIndex { $0.contains(address) }
        }
        let served = Set(reserved.compactMap { source($0.address) })
        var candidates: [Int: [IPAddress]] = [:]
        for address in interface.addresses.map({ $0.address }) {
            guard let source = source(address), !served.contains(source) else { continue }
            candidates[source, default: []].append(address)
        }
        return candidates.sorted { $0.key < $1.key }.compactMap { _, addresses in
            // Of several, ADD gave the one that the MAC was made from.
            addresses.count == 1 ? addresses[0] : addresses.first { id.podMAC($0) == interface.mac }
        }
    }

    private mutating func forget(_ unit: CIDR, of owner: AttachmentName) {
        byAttachment[owner]?.reservations.removeAll { $0.reservation.unit == unit }
        guard let rest = byAttachment[owner], rest.reservations.isEmpty, rest.veth == nil, rest.ifb == nil,
            rest.pod == nil, rest.records.isEmpty, rest.elements == 0
        else { return }
        byAttachment[owner] = nil
    }
}

extension RangeSet {
    fileprivate func contains(_ address: IPAddress) -> Bool { pools.contains { $0.range.contains(address) } }
}

extension Observations {
    /// Whether the network's addresses come from a store on this node.
    func expectsReservations(_ network: String) -> Bool { store(of: network) != nil }

    /// The directory that holds the network's reservations, whether or not it is there.
    func store(of network: String) -> String? {
        if let configured = configured.first(where: { $0.network.name == network }) {
            return configured.network.dataDirectory.map { "\($0)/\(network)" }
        }
        return stores.first { $0.network == network && !$0.reservations.isEmpty }?.directory
    }
}
