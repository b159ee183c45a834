internal import Addresses
internal import ClusterState

/// The endpoints of a Service's port, of one family, that serve.
struct EndpointChoice {
    /// Under Cluster policy; sorted.
    var all: [Target] = []
    /// Under Local policy; sorted.
    var own: [Target] = []

    /// An address that slices list, with what all of them say of it.
    private struct Candidate {
        let target: Target
        var conditions: EndpointSlice.Conditions
        var isOwn: Bool
        var hasNodeHint: Bool
        var isHintedHere: Bool
        var hasZoneHint: Bool
        var isHintedToZone: Bool

        /// The same address in several slices: the best of each, whichever comes first.
        mutating func merge(_ other: Candidate) {
            let isTerminating = conditions.contains(.isTerminating) && other.conditions.contains(.isTerminating)
            conditions.formUnion(other.conditions)
            if !isTerminating { conditions.remove(.isTerminating) }
            isOwn = isOwn || other.isOwn
            hasNodeHint = hasNodeHint || other.hasNodeHint
            isHintedHere = isHintedHere || other.isHintedHere
            hasZoneHint = hasZoneHint || other.hasZoneHint
            isHintedToZone = isHintedToZone || other.isHintedToZone
        }

        var isReady: Bool { conditions.contains(.isReady) }
        var isServingItsLast: Bool { conditions.isSuperset(of: [.isServing, .isTerminating]) }
    }

    init(_ port: Service.Port, _ family: IPFamily, _ slices: some Collection<EndpointSlice>, on node: ServiceNode) {
        let candidates = EndpointChoice.candidates(port, family, slices, on: node)
        let ready = candidates.filter(\.isReady)
        let last = candidates.filter(\.isServingItsLast)
        all = (ready.isEmpty ? last : EndpointChoice.near(ready)).map(\.target)
        let ownReady = ready.filter(\.isOwn)
        own = (ownReady.isEmpty ? last.filter(\.isOwn) : ownReady).map(\.target)
    }

    /// Those that hints give to this node, or to its zone, if all have hints and some are for it.
    private static func near(_ ready: [Candidate]) -> [Candidate] {
        if ready.allSatisfy(\.hasNodeHint) {
            let here = ready.filter(\.isHintedHere)
            if !here.isEmpty { return here }
        }
        if ready.allSatisfy(\.hasZoneHint) {
            let here = ready.filter(\.isHintedToZone)
            if !here.isEmpty { return here }
        }
        return ready
    }

    private static func candidates(
        _ port: Service.Port, _ family: IPFamily, _ slices: some Collection<EndpointSlice>, on node: ServiceNode
    ) -> [Candidate] {
        var found: [Candidate] = []
        for slice in slices where slice.serves(family) {
            for slicePort in slice.ports where slicePort.name == port.name && slicePort.transport == port.transport {
                guard let number = slicePort.number, number > 0 else { continue }
                for endpoint in slice.endpoints where endpoint.address.canBeEndpoint(of: family) {
                    found.append(
                        Candidate(
                            target: Target(endpoint.address, number), conditions: endpoint.conditions,
                            isOwn: endpoint.node == node.name, hasNodeHint: !endpoint.hintedNodes.isEmpty,
                            isHintedHere: endpoint.hintedNodes.contains(node.name),
                            hasZoneHint: !endpoint.hintedZones.isEmpty,
                            isHintedToZone: node.zone.map(endpoint.hintedZones.contains) ?? false))
                }
            }
        }
        found.sort { $0.target < $1.target }
        var merged: [Candidate] = []
        merged.reserveCapacity(found.count)
        for candidate in found {
            if let last = merged.last, last.target == candidate.target {
                merged[merged.count - 1].merge(candidate)
            } else {
                merged.append(candidate)
            }
        }
        return merged
    }
}

extension EndpointSlice {
    func serves(_ family: IPFamily) -> Bool { self.family == family && !isHeadless }
}

extension IPAddress {
    func canBeEndpoint(of family: IPFamily) -> Bool { self.family == family && canServe }
}
