public import Addresses

/// The result of checking one aspect of a pod.
public struct CheckItem: Sendable, Hashable, Encodable {
    /// What was checked, such as `address 10.44.0.2`.
    public var subject: String
    public var isRight: Bool
    /// What was found.
    public var finding: String
    /// What a person can do about it; empty if it is right.
    public var advice: String

    static func right(_ subject: String, _ finding: String) -> CheckItem {
        CheckItem(subject: subject, isRight: true, finding: finding, advice: "")
    }

    static func wrong(_ subject: String, _ finding: String, _ advice: String) -> CheckItem {
        CheckItem(subject: subject, isRight: false, finding: finding, advice: advice)
    }
}

/// What must be asked for one pod in addition to a ``Snapshot``.
public struct PodFacts: Sendable {
    /// The pod's routes.
    public var routes: [NodeRoute] = []
    /// Whether the node forwards, by family; nil if the kernel lacks the family.
    public var forwards: [IPFamily: Bool] = [:]
    /// What is missing or different in the pod's rules, by the plugin that recorded them.
    public var ruleDeviations: [String: String] = [:]
    /// Plugins whose record of the pod's rules cannot be read.
    public var unreadableRecords: Set<String> = []
    /// Whether the gateways that were asked for their MAC address have answered.
    public var answers: [IPAddress: Bool] = [:]

    public init() {}
}

/// The state of a pod's attachment, aspect by aspect.
public struct PodCheck: Sendable, Encodable {
    public var attachment: Attachment
    public var items: [CheckItem]

    public var isRight: Bool { items.allSatisfy(\.isRight) }

    private static let anew = "delete the pod, so that its runtime attaches it again"

    /// Compares the actual state with what an ADD leaves.
    public init(_ attachment: Attachment, in snapshot: Snapshot, _ facts: PodFacts) {
        self.attachment = attachment
        items = []
        let orphans = snapshot.orphans.filter { $0.id == attachment.id }
        guard let namespace = attachment.namespace else {
            items.append(
                .wrong(
                    "network namespace", attachment.stateText,
                    "look for the process that holds it: lsns -t net; if the pod is gone, DEL frees what it had"))
            return
        }
        items.append(.right("network namespace", namespace.path))
        checkLink(snapshot)
        checkAddresses(snapshot, isReservationMissing: orphans.contains { $0.reason == .notReserved })
        checkRoutes(snapshot, facts)
        for family in IPFamily.allCases where attachment.addresses.contains(where: { $0.family == family }) {
            guard let forwards = facts.forwards[family], isForwarded(family, snapshot, facts) else { continue }
            let name = family == .v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding"
            items.append(
                forwards
                    ? .right("forwarding of IP\(family)", "on")
                    : .wrong(
                        "forwarding of IP\(family)", "off: the pod reaches nothing beyond this node",
                        "sysctl -w \(name)=1"))
        }
        for plugin in attachment.recordedBy {
            if facts.unreadableRecords.contains(plugin) {
                items.append(
                    .wrong("rules of \(plugin)", "their record in /run/swiftlet cannot be read", PodCheck.anew))
            } else if let deviation = facts.ruleDeviations[plugin] {
                items.append(.wrong("rules of \(plugin)", deviation, "swiftletctl repair puts them back"))
            } else {
                items.append(.right("rules of \(plugin)", "whole"))
            }
        }
    }

    /// Whether the node forwards the pod's packets, rather than a router on its link.
    private func isForwarded(_ family: IPFamily, _ snapshot: Snapshot, _ facts: PodFacts) -> Bool {
        guard attachment.parent == nil else { return false }
        let routes = facts.routes.filter { $0.destination.family == family && $0.interface == attachment.id.ifname }
        return routes.contains { route in
            route.gateway.map { snapshot.hasAddress($0) || facts.answers[$0] == false } ?? route.isDefault
        }
    }

    private mutating func checkLink(_ snapshot: Snapshot) {
        let inside = attachment.id.ifname
        guard attachment.kind != nil else {
            return items.append(.wrong("interface \(inside)", "missing in the pod", PodCheck.anew))
        }
        items.append(
            attachment.isUp
                ? .right("interface \(inside)", "\(attachment.kind ?? ""), up, MTU \(attachment.mtu ?? 0)")
                : .wrong(
                    "interface \(inside)", "down or without a carrier",
                    "ip link set \(inside) up, in the pod and on the node"))
        guard let name = attachment.hostInterface, let end = snapshot.interface(name) else { return }
        if !end.isUp { items.append(.wrong("node's end \(name)", "down", "ip link set \(name) up")) }
        if let home = snapshot.home(of: attachment), home != attachment.bridge {
            let place = attachment.bridge.map { "a port of \($0), not of \(home)" } ?? "not a port of \(home)"
            items.append(.wrong("bridge port \(name)", place, "ip link set \(name) master \(home)"))
        } else if let bridge = attachment.bridge {
            let isUp = snapshot.interface(bridge)?.isUp ?? false
            items.append(
                isUp
                    ? .right("bridge port \(name)", "of \(bridge)")
                    : .wrong("bridge \(bridge)", "down", "ip link set \(bridge) up"))
        }
    }

    private mutating func checkAddresses(_ snapshot: Snapshot, isReservationMissing: Bool) {
        for unit in attachment.reserved where unit.hostBits == 0 {
            let isThere = attachment.addresses.contains { $0.address == unit.address }
            items.append(
                isThere
                    ? .right("address \(unit.address)", "reserved, and on \(attachment.id.ifname)")
                    : .wrong("address \(unit.address)", "reserved, but not on \(attachment.id.ifname)", PodCheck.anew))
        }
        for address in attachment.addresses where !attachment.reserved.contains(.host(address.address)) {
            items.append(
                isReservationMissing
                    ? .wrong("address \(address.address)", "not reserved: another pod may get it", PodCheck.anew)
                    : .right("address \(address.address)", "on \(attachment.id.ifname)"))
            let others = snapshot.attachments.filter { other in
                other.id != attachment.id && other.addresses.contains { $0.address == address.address }
            }
            for other in others where other.id.network == attachment.id.network {
                items.append(.wrong("address \(address.address)", "\(other.id) has it too", PodCheck.anew))
            }
        }
    }

    private mutating func checkRoutes(_ snapshot: Snapshot, _ facts: PodFacts) {
        if let network = snapshot.networks.first(where: { $0.name == attachment.id.network }),
            !network.isEarlier(attachment)
        {
            // If a pod has several networks, only one of them may have it.
            for route in network.defaultRoutes
            where attachment.addresses.contains(where: { $0.family == route.family })
                && !facts.routes.contains(where: { $0.destination == route })
            {
                items.append(
                    .wrong(
                        "route \(route)", "missing, though \(network.configuration ?? network.name) gives it",
                        PodCheck.anew))
            }
        }
        for route in facts.routes where route.isDefault {
            guard let gateway = route.gateway else {
                items.append(.right("default route", "by \(route.interface ?? "?")"))
                continue
            }
            let subject = "gateway \(gateway)"
            let isNodes = snapshot.hasAddress(gateway)
            // A macvlan's gateway is an outside router; a bridge may also have one that the node does not know.
            if facts.answers[gateway] == false, attachment.hostInterface != nil, !isNodes {
                let place = attachment.bridge ?? "the node's end"
                items.append(
                    .wrong(
                        subject, "nobody answers for it, and this node does not have it",
                        "if it is a router on the link, look there; if \(place) should have it, run swiftletctl doctor")
                )
            } else if facts.answers[gateway] == false {
                items.append(.wrong(subject, "does not answer", "look at both ends of the link: ip -s link"))
            } else {
                let place = isNodes ? "" : ", not this node"
                items.append(
                    .right(subject, "default route" + (facts.answers[gateway] == true ? ", answers" : "") + place))
            }
        }
    }
}

extension Snapshot {
    /// Whether the address is one of the node's own.
    func hasAddress(_ address: IPAddress) -> Bool {
        interfaces.contains { $0.addresses.contains { $0.address == address } }
    }

    /// The attachments that match a name.
    ///
    /// - Parameter name: NETWORK/ID/IFNAME, a container ID or the beginning of one, an address, or a namespace's name or path.
    /// - Returns: nil if several containers' IDs begin with it.
    public func attachments(named name: String) -> [Attachment]? {
        let address = IPAddress(name)
        let exact = attachments.filter { pod in
            pod.id.description == name || pod.id.containerID == name
                || (pod.addresses + pod.reserved).contains { $0.address == address }
                || pod.namespace.map { $0.name == name || $0.path == name } ?? false
        }
        guard exact.isEmpty, !name.isEmpty else { return exact }
        let begun = attachments.filter { $0.id.containerID.hasPrefix(name) }
        return Set(begun.map(\.id.containerID)).count > 1 ? nil : begun
    }
}
