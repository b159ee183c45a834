internal import Addresses
internal import Inventory
internal import NetlinkCodec
internal import PacketRules

extension Check {
    static let firewalls = [
        Check("foreign-firewall", .problem, "no other program's rules drop pods' packets") { seen in
            seen.routed.flatMap { network in
                IPFamily.allCases.flatMap { seen.dropped(network, $0) + seen.droppedByLegacy(network, $0) }
            } + seen.netdevTables
        },
        Check("untracked", .problem, "connection tracking sees what pods send, so that it can be rewritten") { seen in
            seen.routed.flatMap { network in IPFamily.allCases.flatMap { seen.untracked(network, $0) } }
        },
    ]
}

extension Examination {
    /// Tries a packet from a pod to the outside, its answer, and one between two pods if the firewall sees bridged packets.
    fileprivate func dropped(_ network: RoutedNetwork, _ family: IPFamily) -> [Symptom] {
        let all = network.pods.filter { $0.addresses.contains { $0.family == family } }
        // The advice is for future pods.
        guard let pod = all.first(where: { !network.network.isEarlier($0) }) ?? all.first,
            let address = pod.addresses.first(where: { $0.family == family })?.address
        else { return [] }
        func named(_ name: String?) -> Interface? { snapshot.interfaces.first { $0.name == name } }
        let interface = named(pod.bridge ?? pod.hostInterface)
        let uplink = named(route(to: IPAddress(family, 0))?.interface)
        let away = IPAddress(family == .v4 ? "1.1.1.1" : "2606:4700:4700::1111")!
        let out = ForwardedPacket(from: address, to: away, input: interface, output: uplink)
        let back = ForwardedPacket(from: away, to: address, input: uplink, output: interface, isAnswer: true)
        var tries: [Try] = [.init("what its pods send", out), .init("answers to its pods", back)]
        // What is masqueraded has another destination here still, which is not known.
        for point in [NftChain.Point.prerouting, .postrouting] {
            tries.append(.init("what its pods send", out, point))
            if point == .postrouting || !pod.masquerade { tries.append(.init("answers to its pods", back, point)) }
        }
        let end = named(pod.hostInterface)
        let neighbour = all.first { $0.id != pod.id && $0.bridge != nil && $0.bridge == pod.bridge }
        let other = neighbour?.addresses.first { $0.family == family }?.address
        if pod.bridge != nil, let other, let otherEnd = named(neighbour?.hostInterface) {
            let direct = ForwardedPacket(from: address, to: other, input: end, output: otherEnd)
            for point in [NftChain.Point.prerouting, .forward, .postrouting] {
                tries.append(.init("what its pods send each other", direct, point, isBridged: true))
            }
        }
        if pod.bridge != nil {
            tries.append(.init("what its pods send", out, .prerouting, isBridged: true, input: end))
            tries.append(.init("what is for its pods", back, .postrouting, isBridged: true, output: end))
        }
        let shown = "bridge/bridge-nf-call-\(family == .v4 ? "iptables" : "ip6tables")"
        if let bridge = pod.bridge, parameter(shown) == "1", let other {
            tries.append(
                .init(
                    "what its pods send each other (\(sysctlName(shown)) is 1)",
                    ForwardedPacket(from: address, to: other, input: named(bridge), output: named(bridge))))
        }
        var found: [Symptom] = []
        for attempt in tries {
            let fate = facts.firewall.fate(of: attempt.packet, at: attempt.point, isBridged: attempt.isBridged)
            guard case .dropped(let drop) = fate,
                !found.contains(where: { $0.text.hasSuffix(facts.firewall.name(of: drop)) })
            else { continue }
            found.append(
                Symptom(
                    network.name, "\(family.title): \(attempt.what) is dropped by \(facts.firewall.name(of: drop))",
                    run: network.acceptance(family, drop),
                    advice: drop.table.isOfIptables
                        ? "and the same where that program keeps its rules; or the plugin firewall, which does so"
                        : "and the same in the configuration of the program that made the table"))
        }
        return found
    }

    /// Packets that connection tracking does not see are neither masqueraded nor led to host ports.
    fileprivate func untracked(_ network: RoutedNetwork, _ family: IPFamily) -> [Symptom] {
        guard
            let pod = network.pods.first(where: { pod in
                (pod.masquerade || !pod.ports.isEmpty) && pod.addresses.contains { $0.family == family }
            }), let address = pod.addresses.first(where: { $0.family == family })?.address
        else { return [] }
        func named(_ name: String?) -> Interface? { snapshot.interfaces.first { $0.name == name } }
        let away = IPAddress(family == .v4 ? "1.1.1.1" : "2606:4700:4700::1111")!
        let link = named(pod.bridge ?? pod.hostInterface)
        let packet = ForwardedPacket(from: address, to: away, input: link, output: nil)
        guard facts.firewall.isUntracked(packet) else { return [] }
        return [
            Symptom(
                network.name,
                "\(family.title): a rule keeps connection tracking from what its pods send (notrack): it leaves with the "
                    + "pods' own addresses, and answers from host ports go astray",
                advice: "look for notrack: nft list ruleset; iptables -t raw -S; take pods' subnets out of that rule")
        ]
    }

    /// What they do is not evaluated, so that nobody is told that all is well.
    fileprivate var netdevTables: [Symptom] {
        facts.netdevTables.map {
            Symptom(
                $0, "its chains see packets before everything else, and may drop them; they are not evaluated here",
                advice: "nft list \($0)", severity: .note)
        }
    }

    /// This only looks at the text of iptables-save: a rule that accepts everything, the subnet or the bridge is enough.
    fileprivate func droppedByLegacy(_ network: RoutedNetwork, _ family: IPFamily) -> [Symptom] {
        guard !network.addresses(family).isEmpty, let rules = facts.legacyForward[family],
            rules.contains(where: { $0.hasPrefix(":FORWARD DROP") })
        else { return [] }
        let names = network.interfaces + network.subnets.map { "\($0)" }
        let isAccepted = rules.contains { rule in
            let words = rule.split(separator: " ").map(String.init)
            guard words.starts(with: ["-A", "FORWARD"]), words.last == "ACCEPT" else { return false }
            return words.count == 4 || words.contains { names.contains($0) }
        }
        guard !isAccepted else { return [] }
        let command = family == .v4 ? "iptables-legacy" : "ip6tables-legacy"
        return [
            Symptom(
                network.name,
                "\(family.title): the policy of FORWARD in \(command) is DROP, and no rule there accepts its pods' packets",
                run: network.interfaces.first.map { name in
                    ["-i", "-o"].map { "\(command) -I FORWARD \($0) \(name) -j ACCEPT" }
                } ?? ["\(command) -P FORWARD ACCEPT"])
        ]
    }
}

/// A packet, and where it is looked at.
private struct Try {
    let what: String
    var packet: ForwardedPacket
    let point: NftChain.Point
    let isBridged: Bool

    init(
        _ what: String, _ packet: ForwardedPacket, _ point: NftChain.Point = .forward, isBridged: Bool = false,
        input: Interface? = nil, output: Interface? = nil
    ) {
        self.what = what
        self.packet = packet
        self.point = point
        self.isBridged = isBridged
        // The bridge sees its ports.
        if isBridged, input != nil || output != nil { (self.packet.input, self.packet.output) = (input, output) }
    }
}

extension Ruleset {
    /// iptables counts a chain's rules; nft knows their handles.
    fileprivate func name(of drop: Drop) -> String {
        guard drop.table.isOfIptables, let number = position(of: drop) else { return "\(drop)" }
        return "rule \(number) of chain \(drop.chain) in iptables' table \(drop.table.name)"
    }
}

extension NftTable {
    /// Whether iptables-nft makes tables of that name.
    fileprivate var isOfIptables: Bool {
        [.ip, .ip6].contains(family) && ["filter", "nat", "mangle", "raw", "security"].contains(name)
    }
}

extension RoutedNetwork {
    /// Commands that let its pods' packets pass the chain that drops them.
    fileprivate func acceptance(_ family: IPFamily, _ drop: Drop) -> [String] {
        let own = subnets.filter { $0.family == family }.map { "\($0)" }
        let subnets = own.isEmpty ? addresses(family).map { "\($0)" } : own
        if drop.table.isOfIptables {
            let program = family == .v4 ? "iptables-nft" : "ip6tables-nft"
            let table = drop.table.name == "filter" ? "" : " -t \(drop.table.name)"
            return subnets.flatMap { subnet in
                ["-s", "-d"].map { "\(program)\(table) -I \(drop.chain) \($0) \(subnet) -j ACCEPT" }
            }
        }
        let word = family == .v4 ? "ip" : "ip6"
        return subnets.flatMap { subnet in
            ["saddr", "daddr"].map { "nft insert rule \(drop.table) \(drop.chain) \(word) \($0) \(subnet) accept" }
        }
    }
}
