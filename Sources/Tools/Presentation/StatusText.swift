public import Inventory

extension Snapshot {
    /// The output of `swiftletctl status`: networks with a table of their pods, orphans, and totals.
    public func statusText(_ style: TextStyle = TextStyle(isColored: false)) -> String {
        var lines: [String] = []
        for network in networks { lines += section(network, style) + [""] }
        for (runtime, empty) in Dictionary(grouping: emptyNamespaces, by: { $0.runtime }).sorted(by: { $0.key < $1.key }
        ) {
            let age = empty.compactMap { $0.since }.min().map { ", the oldest \(Words.age(time - $0)) old" } ?? ""
            lines.append(
                style.warning(
                    "\(Words.count(empty.count, "empty network namespace")) with names that \(runtime) gives\(age): "
                        + "`swiftletctl gc --empty-namespaces` removes them"))
        }
        lines += remarks.map { style.warning("could not read: \($0)") }
        lines.append(style.bold("\(node): ") + totals)
        return lines.joined(separator: "\n")
    }

    private var totals: String {
        let addresses = attachments.reduce(0) { $0 + $1.addresses.count }
        var parts = [
            Words.count(networks.count, "network"), Words.count(attachments.count, "pod"),
            addresses == 1 ? "1 address" : "\(addresses) addresses",
        ]
        let ports = attachments.reduce(0) { $0 + $1.ports.reduce(0) { $0 + Int($1.count) } }
        if ports > 0 { parts.append(Words.count(ports, "port")) }
        parts.append(orphans.isEmpty ? "no orphans" : Words.count(orphans.count, "orphan"))
        return parts.joined(separator: ", ")
    }

    private func section(_ network: Network, _ style: TextStyle) -> [String] {
        var title = [style.bold(network.name)]
        if let bridge = network.bridge {
            let state = interface(bridge).map { $0.isUp ? "" : style.bad(" (down)") } ?? " (not made yet)"
            title.append("bridge \(bridge)\(state)")
        }
        title += network.gateways.map(\.description)
        if let configuration = network.configuration { title.append(style.faint(configuration)) }
        var lines = [title.joined(separator: "  ")]
        lines += pools(of: network, style)
        let pods = attachments(of: network.name)
        if pods.isEmpty {
            lines.append(style.faint("  no pods"))
        } else {
            let table = table(of: pods).lines
            lines.append(style.faint("  \(table[0])"))
            for (pod, line) in zip(pods, table.dropFirst()) {
                lines.append("  " + (pod.state == .attached ? line : style.warning(line)))
            }
        }
        return lines + orphanLines(network.name).map(style.bad)
    }

    private func pools(of network: Network, _ style: TextStyle) -> [String] {
        let names = network.pools.map { pool in
            pool.subnets.map { $0.description }.joined(separator: " ")
        }
        let width = names.map(\.count).max() ?? 0
        return zip(names, network.pools).map { name, pool in
            let bar = Words.bar(pool.used, of: pool.size, width: 20)
            let isTight = Words.percent(pool.used, of: pool.size) >= 90
            let used = "\(pool.used) of \(Words.count(pool.size)) used, \(Words.count(pool.free)) free"
            return "  \(Words.padded(name, to: width))  "
                + (isTight ? style.bad(bar) : style.good(bar)) + "  \(used)"
                + (pool.isAssumed ? style.faint(" (by the bridge's address)") : "")
        }
    }

    private func table(of pods: [Attachment]) -> TextTable {
        let short = shortIDs
        var table = TextTable([
            "POD", "NETNS", "IF", "ADDRESSES", "KIND", "ON", "MTU", "AGE", "IN", "OUT", "PORTS", "LIMITS", "RULES",
            "STATE",
        ])
        for pod in pods {
            let addresses = pod.addresses.isEmpty ? pod.reserved : pod.addresses
            table.add([
                short[pod.id.containerID] ?? pod.id.containerID, pod.namespace.map { Words.cut($0.name, to: 15) } ?? "",
                pod.id.ifname, addresses.map { $0.address.description }.joined(separator: " "), pod.kind ?? "",
                pod.hostInterface ?? pod.parent ?? "", pod.mtu.map { "\($0)" } ?? "",
                pod.since.map { Words.age(time - $0) } ?? "",
                pod.counters.map { Words.octets($0.receivedOctets) } ?? "",
                pod.counters.map { Words.octets($0.sentOctets) } ?? "", pod.portsText(atMost: 3),
                pod.limitsText, pod.rulesText, pod.stateText,
            ])
        }
        return table
    }

    private func orphanLines(_ network: String) -> [String] {
        let own = orphans.filter { $0.id?.network == network }
        guard !own.isEmpty else { return [] }
        let short = shortIDs
        var table = TextTable(["ORPHAN", "IF", "AGE", "WHAT IS LEFT", "WHY"])
        for orphan in own {
            let id = orphan.id?.containerID ?? ""
            table.add([
                id.isEmpty ? "?" : short[id] ?? id, orphan.id?.ifname ?? "",
                orphan.since.map { Words.age(time - $0) } ?? "", orphan.leftovers, orphan.reason.text,
            ])
        }
        let advice = [
            own.contains { $0.isGone } ? "  `swiftletctl gc` frees what pods that are gone have left" : nil,
            own.contains { !$0.unreserved.isEmpty }
                ? "  `swiftletctl gc` reserves the addresses of living pods again" : nil,
        ].compactMap { $0 }
        return table.lines.enumerated().map { ($0.offset == 0 ? "    " : "  ! ") + $0.element } + advice
    }
}

extension Attachment {
    /// - Parameter limit: how many ports are shown; the rest are only counted.
    func portsText(atMost limit: Int) -> String {
        let more = ports.count > limit ? " +\(ports.count - limit)" : ""
        let text = ports.prefix(limit).map(\.description).joined(separator: " ") + more
        return text.isEmpty ? "" : marked(text, "ports")
    }

    /// What is recorded but not in the kernel is not shown as if it worked.
    private func marked(_ text: String, _ rule: String) -> String {
        missingRules.contains(rule) ? "\(text) (lost)" : text
    }

    /// ↓ is towards the pod, ↑ is from it; in bits per second.
    var limitsText: String {
        [ingressLimit.map { "↓\(Words.rate($0.rate))" }, egressLimit.map { "↑\(Words.rate($0.rate))" }]
            .compactMap { $0 }.joined(separator: " ")
    }

    var rulesText: String {
        [
            masquerade ? marked("masquerade", "masquerade") : nil, antiSpoof ? marked("anti-spoof", "antiSpoof") : nil,
            // The policy's name: pods on the same bridge reach it.
            isolation ? marked(allowsSameBridge ? "same-bridge" : "isolated", "isolation") : nil,
        ].compactMap { $0 }.joined(separator: ",")
    }
}

extension Orphan {
    /// The pod that it belonged to, or where it is stored.
    public var title: String {
        guard let id, !id.containerID.isEmpty else { return store ?? id?.network ?? "" }
        return "\(id)"
    }

    /// The addresses that are not reserved, and for whom they are instead.
    public var lostAddresses: String {
        unreserved.map { lost in
            "\(lost.address)" + (lost.namedOwner.map { " (reserved for \($0), who is not here)" } ?? "")
        }.joined(separator: ", ")
    }

    /// What is left, in words.
    public var leftovers: String {
        guard unreserved.isEmpty else { return lostAddresses }
        var parts = reserved.map { $0.hostBits == 0 ? $0.address.description : $0.description } + interfaces
        if !recordedBy.isEmpty { parts.append("rules of \(recordedBy.joined(separator: ", "))") }
        if elements > 0 { parts.append(Words.count(elements, "nft element")) }
        return parts.joined(separator: ", ")
    }
}
