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

    public init(subject: String, isRight: Bool, finding: String, advice: String) {
        self.subject = subject
        self.isRight = isRight
        self.finding = finding
        self.advice = advice
    }

    static func right(_ subject: String, _ finding: String) -> CheckItem {
        CheckItem(subject: subject, isRight: true, finding: finding, advice: "")
    }

    static func wrong(_ subject: String, _ finding: String, _ advice: String) -> CheckItem {
        CheckItem(subject: subject, isRight: false, finding: finding, advice: advice)
    }
}

/// What must be asked for one pod in addition to a ``Snapshot``.
public struct PodFacts: Sendable {
    /// Whether the node forwards, by family; nil if the kernel lacks the family.
    public var forwards: [IPFamily: Bool] = [:]
    /// Interfaces by which the pod's packets come in, although IPv4 packets that come in by them are not forwarded.
    public var closedInterfaces: [String] = []
    /// What is missing or different in the pod's rules, by the plugin that recorded them.
    public var ruleDeviations: [String: String] = [:]
    /// Plugins whose record of the pod's rules cannot be read.
    public var unreadableRecords: Set<String> = []

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
        checkAddresses(snapshot, unreserved: orphans.flatMap { $0.unreserved })
        checkRoutes(snapshot)
        for family in IPFamily.allCases where attachment.addresses.contains(where: { $0.family == family }) {
            guard let forwards = facts.forwards[family], isForwarded(family, snapshot) else { continue }
            let name = family == .v4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding"
            // The switch for all is on; setting it again would not reach the interface's own.
            if forwards, family == .v4, !facts.closedInterfaces.isEmpty {
                for interface in facts.closedInterfaces {
                    items.append(
                        .wrong(
                            "forwarding by \(interface)", "off: IPv4 packets that come in by it go nowhere else",
                            "sysctl -w net.ipv4.conf.\(interface.split(separator: ".").joined(separator: "/")).forwarding=1"
                        ))
                }
                continue
            }
            items.append(
                forwards
                    ? .right("forwarding of IP\(family)", "on")
                    : .wrong(
                        "forwarding of IP\(family)", "off: the pod reaches nothing beyond this node",
                        "sysctl -w \(name)=1"))
        }
        items += snapshot.deviations(of: attachment).map { .wrong($0.subject, $0.finding, $0.wayOut) }
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
    private func isForwarded(_ family: IPFamily, _ snapshot: Snapshot) -> Bool {
        guard attachment.parent == nil else { return false }
        let routes = attachment.routes.filter {
            $0.destination.family == family && $0.interface == attachment.id.ifname
        }
        return routes.contains { route in route.gateway.map { snapshot.hasAddress($0) } ?? route.isDefault }
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
        if let mtu = attachment.mtu, mtu != end.mtu {
            items.append(
                .wrong(
                    "MTU", "\(mtu) of \(inside), but \(end.mtu) of \(name): larger packets are dropped without a word",
                    "swiftletctl doctor says which one to change"))
        }
        if let bridge = attachment.bridge.flatMap({ snapshot.interface($0) }), bridge.isSilent {
            items.append(
                .wrong(
                    "bridge \(bridge.name)", "it neither asks for MACs nor answers (arp off)",
                    "ip link set \(bridge.name) arp on"))
        }
        if let home = snapshot.home(of: attachment), home != attachment.bridge {
            let place = attachment.bridge.map { "a port of \($0), not of \(home)" } ?? "not a port of \(home)"
            items.append(
                .wrong("bridge port \(name)", place, snapshot.rejoining(attachment, home).joined(separator: "; ")))
        } else if let bridge = attachment.bridge {
            let isUp = snapshot.interface(bridge)?.isUp ?? false
            items.append(
                isUp
                    ? .right("bridge port \(name)", "of \(bridge)")
                    : .wrong("bridge \(bridge)", "down", "ip link set \(bridge) up"))
        }
    }

    private mutating func checkAddresses(_ snapshot: Snapshot, unreserved: [UnreservedAddress]) {
        for unit in attachment.reserved where unit.hostBits == 0 {
            guard attachment.addresses.contains(where: { $0.address == unit.address }) else { continue }
            items.append(.right("address \(unit.address)", "reserved, and on \(attachment.id.ifname)"))
        }
        for address in attachment.addresses where !attachment.reserved.contains(.host(address.address)) {
            let lost = unreserved.first { $0.address == address.address }
            let holder = lost?.namedOwner.map { "reserved for \($0), who is not here" } ?? "not reserved"
            items.append(
                lost != nil
                    ? .wrong("address \(address.address)", "\(holder): another pod may get it", "swiftletctl gc")
                    : .right("address \(address.address)", "on \(attachment.id.ifname)"))
        }
        for address in attachment.addresses {
            let others = snapshot.attachments.filter { other in
                other.id != attachment.id && other.addresses.contains { $0.address == address.address }
            }
            for other in others where other.id.network == attachment.id.network {
                items.append(.wrong("address \(address.address)", "\(other.id) has it too", PodCheck.anew))
            }
        }
    }

    private mutating func checkRoutes(_ snapshot: Snapshot) {
        for route in attachment.routes where route.isDefault && !route.isRejecting {
            guard let gateway = route.gateway else {
                items.append(.right("default route", "by \(route.interface ?? "?")"))
                continue
            }
            let subject = "gateway \(gateway)"
            let isNodes = snapshot.hasAddress(gateway)
            let link = attachment.bridge ?? attachment.hostInterface
            let holder = snapshot.interfaces.first { $0.addresses.contains { $0.address == gateway } }
            let network = snapshot.networks.first { $0.name == attachment.id.network }
            // A pod on the wrong bridge must return to its own first.
            let isHome = attachment.hostInterface == nil || snapshot.home(of: attachment) == attachment.bridge
            if isHome, let link, let holder, holder.name != link, !holder.name.hasPrefix("\(link).") {
                let address = holder.addresses.first { $0.address == gateway }.map { "\($0)" } ?? ""
                items.append(
                    .wrong(
                        subject, "on \(holder.name) of this node, and not on \(link), where the pod looks for it",
                        "ip addr del \(address) dev \(holder.name); then swiftletctl doctor"))
            } else if !isNodes, attachment.hostInterface != nil, network?.wishes.isGateway == true {
                let place = attachment.bridge ?? "the node's end"
                items.append(
                    .wrong(
                        subject, "this node does not have it",
                        "if it is a router on the link, look there; if \(place) should have it, run swiftletctl doctor")
                )
            } else if attachment.silentNeighbours.contains(gateway) {
                items.append(
                    .wrong(
                        subject, "the pod has asked for its MAC, and nobody has answered",
                        "look at both ends of the link: ip -s link"))
            } else {
                let knows = attachment.neighbours.contains { $0.address == gateway }
                items.append(
                    .right(
                        subject,
                        "default route" + (knows ? ", its MAC is known" : "") + (isNodes ? "" : ", not this node")))
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
