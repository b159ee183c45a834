internal import Addresses
internal import Attachments
internal import NetlinkCodec
internal import Plugins

/// Something about a pod's attachment that is not as ADD left it, or that leads its packets astray.
public struct Deviation: Sendable, Hashable {
    public enum Kind: String, Sendable, CaseIterable {
        /// An address is not where it is reserved for.
        case address
        /// A route of the pod is missing, or leads elsewhere.
        case route
        /// The port of the bridge is not as configured.
        case port
        /// A limit is gone.
        case limit
        /// Somebody would send the pod's packets, or the pod would send its own, to the wrong MAC.
        case neighbour
    }

    public var kind: Kind
    /// The address, link or route.
    public var subject: String
    public var finding: String
    /// Commands for the node's shell that mend it; empty if there are none.
    public var commands: [String] = []
    /// What else to do, or why.
    public var advice: String

    init(_ kind: Kind, _ subject: String, _ finding: String, run commands: [String] = [], advice: String = "") {
        self.kind = kind
        self.subject = subject
        self.finding = finding
        self.commands = commands
        self.advice = advice
    }

    /// The commands and the advice on one line.
    public var wayOut: String { (commands + [advice]).filter { !$0.isEmpty }.joined(separator: "; ") }
}

extension Snapshot {
    /// What is wrong with a pod, as far as the kernel and the configuration of its network show; empty for a pod that was not found.
    public func deviations(of pod: Attachment) -> [Deviation] {
        guard pod.state == .attached, pod.namespace != nil else { return [] }
        return movedAddresses(pod) + changedRoutes(pod) + changedPort(pod) + lostLimits(pod) + wrongNeighbours(pod)
            + duplicateMACs(pod)
    }

    private func network(of pod: Attachment) -> Network? {
        networks.first { $0.name == pod.id.network }.flatMap { $0.isEarlier(pod) ? nil : $0 }
    }

    private func inPod(_ pod: Attachment, _ command: String) -> String {
        "nsenter --net=\(pod.namespace?.path ?? "") \(command)"
    }

    private func ip(_ family: IPFamily) -> String { family == .v4 ? "ip" : "ip -6" }

    // MARK: Addresses

    private func movedAddresses(_ pod: Attachment) -> [Deviation] {
        guard pod.kind != nil else { return [] }
        return pod.reserved.filter { unit in
            unit.hostBits == 0 && !pod.addresses.contains { $0.address == unit.address }
        }.map { unit in
            let name = pod.id.ifname
            let subnet = networks.first { $0.name == pod.id.network }?.pools.flatMap { $0.subnets }
                .first { $0.contains(unit.address) }
            // Something else of the same subnet has taken its place.
            let strangers = pod.addresses.filter { address in
                subnet?.contains(address.address) == true && !pod.reserved.contains(.host(address.address))
            }
            let added = inPod(
                pod,
                "\(ip(unit.family)) addr add \(CIDR(unit.address, subnet?.prefixLength ?? unit.prefixLength)) dev \(name)"
                    + (unit.family == .v6 ? " nodad" : ""))
            let instead = strangers.map { "\($0.address)" }.joined(separator: ", ")
            return Deviation(
                .address, "address \(unit.address)",
                "reserved, but not on \(name)" + (instead.isEmpty ? "" : ", which has \(instead) instead"),
                // In this order: with its first address of a subnet an interface loses the others.
                run: strangers.map { inPod(pod, "\(ip($0.family)) addr del \($0) dev \(name)") } + [added])
        }
    }

    // MARK: Routes

    private func changedRoutes(_ pod: Attachment) -> [Deviation] {
        guard let network = network(of: pod) else { return [] }
        var found: [Deviation] = []
        for wanted in network.defaultRoutes
        where (pod.addresses + pod.reserved).contains(where: { $0.family == wanted.family }) {
            let family = wanted.family
            let gateway =
                network.wishes.gateways.first { $0.family == family }
                ?? network.gateways.first { $0.family == family }?.address
            let present = pod.routes.filter { $0.destination == wanted && !$0.isRejecting }
            let command = gateway.map {
                inPod(pod, "\(ip(family)) route replace default via \($0) dev \(pod.id.ifname)")
            }
            if present.isEmpty {
                found.append(
                    Deviation(
                        .route, "route \(wanted)", "missing, though \(network.configuration ?? network.name) gives it",
                        run: command.map { [$0] } ?? [], advice: command == nil ? Deviation.anew : ""))
            } else if network.wishes.isGateway, let gateway,
                // If a pod has several networks, only one of them may have it.
                let own = present.first(where: { $0.interface == pod.id.ifname }), let way = own.gateway,
                !network.wishes.gateways.contains(way), !hasAddress(way)
            {
                found.append(
                    Deviation(
                        .route, "route \(wanted)",
                        "leads to \(way), which this node does not have; it is to lead to \(gateway)",
                        run: command.map { [$0] } ?? []))
            }
        }
        return found
    }

    // MARK: The bridge's port

    /// What puts a pod's end on the node back into its bridge. A port's flags go with its place.
    public func rejoining(_ pod: Attachment, _ bridge: String) -> [String] {
        guard let name = pod.hostInterface else { return [] }
        return ["ip link set \(name) master \(bridge)"]
            + (wantsHairpin(pod) ? ["ip link set \(name) type bridge_slave hairpin on"] : [])
    }

    /// Whether its bridge port is to have hairpin mode: by its configuration, or by what was recorded for it.
    private func wantsHairpin(_ pod: Attachment) -> Bool {
        let wishes = network(of: pod)?.wishes
        return wishes?.isPromiscuous != true && (wishes?.hairpin == true || pod.wantsHairpin)
    }

    private func changedPort(_ pod: Attachment) -> [Deviation] {
        // On another bridge its place is wrong, and with it all the rest.
        guard let name = pod.hostInterface, let bridge = pod.bridge, bridge == home(of: pod) ?? bridge,
            let end = interface(name)
        else { return [] }
        var found: [Deviation] = []
        let wishes = network(of: pod)?.wishes
        if !end.isHairpin, wantsHairpin(pod) {
            found.append(
                Deviation(
                    .port, "hairpin mode of \(name)",
                    "off: the pod cannot reach itself by a host port or a Service that leads to it",
                    run: ["ip link set \(name) type bridge_slave hairpin on"]))
        }
        // Without its configuration nobody knows whether the port is to be isolated.
        if let wishes, let network = network(of: pod), network.configuration != nil,
            end.isIsolated != (wishes.isolatesPorts || pod.wantsIsolatedPort)
        {
            found.append(
                end.isIsolated
                    ? Deviation(
                        .port, "isolation of \(name)",
                        "on, though the network's configuration does not ask for it: the pod reaches the gateway only",
                        run: ["ip link set \(name) type bridge_slave isolated off"])
                    : Deviation(
                        .port, "isolation of \(name)", "off: the pod and its neighbours reach each other",
                        run: ["ip link set \(name) type bridge_slave isolated on"]))
        }
        if end.isUp, pod.isUp, end.isForwardingPort == false, pod.bridge.flatMap({ interface($0) })?.isUp == true {
            found.append(
                Deviation(
                    .port, "port \(name)", "the bridge passes nothing that comes from it: its state is not forwarding",
                    run: ["ip link set \(name) type bridge_slave state 3"]))
        }
        return found
    }

    // MARK: Limits

    private func lostLimits(_ pod: Attachment) -> [Deviation] {
        let wishes = network(of: pod)?.wishes
        guard let name = pod.hostInterface else { return [] }
        var found: [Deviation] = []
        if let rate = wishes?.ingressRate, pod.ingressLimit == nil {
            found.append(
                Deviation(
                    .limit, "limit of \(name)", "what goes to the pod is to be limited to \(rate) bit/s, and is not",
                    advice: Deviation.anew))
        }
        if let limiter = pod.limiter {
            if pod.egressLimit == nil || !pod.leadsToLimit {
                let lost = pod.leadsToLimit ? "\(limiter) has lost its token bucket" : "nothing leads to \(limiter)"
                found.append(
                    Deviation(
                        .limit, "limit of \(limiter)", "what the pod sends is not limited: \(lost)",
                        advice: Deviation.anew))
            } else if interface(limiter)?.isUp == false {
                found.append(
                    Deviation(
                        .limit, "limit of \(limiter)", "\(limiter) is down: what the pod sends is lost",
                        run: ["ip link set \(limiter) up"]))
            }
        } else if let rate = wishes?.egressRate {
            found.append(
                Deviation(
                    .limit, "limit of \(name)", "what the pod sends is to be limited to \(rate) bit/s, and is not",
                    advice: Deviation.anew))
        }
        return found
    }

    // MARK: Neighbours

    private func wrongNeighbours(_ pod: Attachment) -> [Deviation] {
        guard let link = pod.bridge ?? pod.hostInterface, let mac = pod.mac else { return [] }
        var found: [Deviation] = []
        if pod.isSilent {
            found.append(
                Deviation(
                    .neighbour, "interface \(pod.id.ifname)",
                    "it neither asks for MACs nor answers (arp off): nobody on the link finds the pod",
                    run: [inPod(pod, "ip link set \(pod.id.ifname) arp on")]))
        }
        for address in pod.addresses {
            for entry in neighbours
            where entry.address == address.address && entry.interface == link && entry.mac != mac {
                found.append(
                    Deviation(
                        .neighbour, "neighbour \(address.address) of \(link)",
                        "the node sends to \(entry.mac), but the pod has \(mac)"
                            + (entry.isPermanent ? "; the entry is permanent" : ""),
                        run: ["\(ip(address.family)) neigh del \(address.address) dev \(link)"]))
            }
        }
        for entry in pod.neighbours {
            guard let right = ownMAC(of: entry.address, on: link), right != entry.mac else { continue }
            found.append(
                Deviation(
                    .neighbour, "neighbour \(entry.address) of \(pod.id.ifname)",
                    "the pod sends to \(entry.mac), but \(entry.address) has \(right)"
                        + (entry.isPermanent ? "; the entry is permanent" : ""),
                    run: [
                        inPod(pod, "\(ip(entry.address.family)) neigh del \(entry.address) dev \(pod.id.ifname)")
                    ]))
        }
        // Of two with one MAC the bridge has heard one last: that is no fault of its own.
        let isShared = attachments.contains { $0.id != pod.id && $0.bridge == pod.bridge && $0.mac == mac }
        for entry in bridgeEntries
        where !isShared && entry.mac == mac && entry.bridge == pod.bridge && entry.port != pod.hostInterface {
            found.append(
                Deviation(
                    .neighbour, "forwarding entry \(mac) of \(entry.bridge)",
                    "it leads to \(entry.port), but the pod is behind \(pod.hostInterface ?? "?")",
                    run: ["bridge fdb del \(mac) dev \(entry.port) master"]))
        }
        return found
    }

    /// The MAC that answers for an address on a link of the node: the node's own, or that of a pod there.
    private func ownMAC(of address: IPAddress, on link: String) -> MACAddress? {
        if let own = interface(link), own.addresses.contains(where: { $0.address == address }) { return own.mac }
        let pods = attachments.filter { pod in
            pod.bridge == link && pod.addresses.contains { $0.address == address }
        }
        return pods.count == 1 ? pods[0].mac : nil
    }

    /// ADD makes a pod's MAC from its address, so of two with one MAC it is known whose it is.
    private func duplicateMACs(_ pod: Attachment) -> [Deviation] {
        guard let bridge = pod.bridge, let mac = pod.mac else { return [] }
        let derived = (pod.addresses.first ?? pod.reserved.first).map { pod.id.podMAC($0.address) }
        let others = attachments.filter { $0.id != pod.id && $0.bridge == bridge && $0.mac == mac }.map { "\($0.id)" }
        let own = interface(bridge)?.mac == mac ? [bridge] : []
        guard let rival = (others + own).first else { return [] }
        let command = inPod(pod, "ip link set \(pod.id.ifname) address \(derived.map { "\($0)" } ?? "")")
        return [
            Deviation(
                .neighbour, "MAC \(mac)", "\(rival) has it too: the bridge sends what is for one of them to the other",
                run: derived.map { $0 != mac ? [command] : [] } ?? [],
                advice: derived == mac ? "it is this pod's own: give the other one another MAC" : "")
        ]
    }
}

extension Deviation {
    static let anew = "delete the pod, so that it is attached again"
}
