internal import Addresses
internal import Inventory
internal import PacketRules

extension Check {
    static let firewalls = [
        Check("foreign-firewall", .problem, "no other program's rules drop pods' packets") { seen in
            seen.routed.flatMap { network in
                IPFamily.allCases.flatMap { seen.dropped(network, $0) + seen.droppedByLegacy(network, $0) }
            }
        }
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
        var tries = [
            ("what its pods send", ForwardedPacket(from: address, to: away, input: interface, output: uplink)),
            (
                "answers to its pods",
                ForwardedPacket(from: away, to: address, input: uplink, output: interface, isAnswer: true)
            ),
        ]
        let shown = "bridge/bridge-nf-call-\(family == .v4 ? "iptables" : "ip6tables")"
        if let bridge = pod.bridge, parameter(shown) == "1",
            let neighbour = all.first(where: { $0.id != pod.id && $0.bridge == bridge }),
            let other = neighbour.addresses.first(where: { $0.family == family })?.address
        {
            tries.append(
                (
                    "what its pods send each other (\(sysctlName(shown)) is 1)",
                    ForwardedPacket(from: address, to: other, input: named(bridge), output: named(bridge))
                ))
        }
        var found: [Symptom] = []
        for (what, packet) in tries {
            guard case .dropped(let drop) = facts.firewall.fate(of: packet),
                !found.contains(where: { $0.text.hasSuffix("\(drop)") })
            else { continue }
            found.append(
                Symptom(
                    network.name, "\(family.title): \(what) is dropped by \(drop)",
                    advice:
                        "accept them before that: \(network.acceptance(family)); or the plugin firewall, which does so "
                        + "in iptables' FORWARD"))
        }
        return found
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
                advice: network.interfaces.first.map { "\(command) -I FORWARD -i \($0) -j ACCEPT, and -o \($0)" }
                    ?? "\(command) -P FORWARD ACCEPT")
        ]
    }
}

extension RoutedNetwork {
    /// The nft matches that apply to its pods' packets.
    fileprivate func acceptance(_ family: IPFamily) -> String {
        let word = family == .v4 ? "ip" : "ip6"
        let own = subnets.filter { $0.family == family }.map { "\($0)" }
        let subnets = own.isEmpty ? addresses(family).map { "\($0)" } : own
        return "\(word) saddr \(list(subnets)) accept, and daddr"
    }
}
