internal import Addresses
internal import Inventory
internal import Presentation

extension Examination {
    /// Each pod is judged by its own routes, because an earlier configuration may have attached it.
    var missingGateways: [Symptom] {
        var found: [Symptom] = []
        for network in routed {
            let file = facts.files.first { $0.network == network.name && $0.problem == nil }
            var missing: [Missing] = []
            for pod in network.pods {
                // A pod on the wrong bridge must return to its own first.
                guard let link = pod.bridge ?? (file?.isRouted == true ? pod.hostInterface : nil),
                    snapshot.home(of: pod).map({ $0 == link }) ?? true
                else { continue }
                for what in lacks(pod, link, network, file) {
                    if let place = missing.firstIndex(where: { $0.what == what }) {
                        missing[place].pods += 1
                    } else {
                        missing.append(Missing(what: what, pods: 1))
                    }
                }
            }
            found += missing.map { symptom($0.what, pods: $0.pods, network, file) }
        }
        return found
    }

    private struct Missing {
        let what: Lack
        var pods: Int
    }

    private struct Lack: Hashable {
        let link: String
        /// The missing address; nil if any address of the subnet would do.
        let gateway: IPAddress?
        let subnet: CIDR
    }

    private func lacks(_ pod: Attachment, _ link: String, _ network: RoutedNetwork, _ file: ConfigurationFile?)
        -> [Lack]
    {
        // A VLAN's gateway is on an interface beside the bridge.
        let present = snapshot.interfaces.filter { $0.name == link || $0.name.hasPrefix("\(link).") }
            .flatMap { $0.addresses }
        guard snapshot.interface(link) != nil else { return [] }
        var lacks: [Lack] = []
        for address in pod.addresses {
            let family = address.family
            let subnet = network.subnets.first { $0.contains(address.address) } ?? address.network
            let gateways = pod.gateways.filter { $0.family == family }
            if let gateway = gateways.first(where: { isNodes($0, pod, network, file) }) {
                if !present.contains(where: { $0.address == gateway }) {
                    lacks.append(Lack(link: link, gateway: gateway, subnet: subnet))
                }
            } else if pod.bridge != nil, gateways.isEmpty || file?.isRouted == true, network.subnets.contains(subnet),
                !present.contains(where: { subnet.contains($0.address) })
            {
                lacks.append(Lack(link: link, gateway: nil, subnet: subnet))
            }
        }
        return lacks
    }

    /// Whether a pod's gateway is this node: it may also be a router on the same link.
    private func isNodes(
        _ gateway: IPAddress, _ pod: Attachment, _ network: RoutedNetwork, _ file: ConfigurationFile?
    ) -> Bool {
        // The node is the other end of its veth.
        guard pod.bridge != nil else { return true }
        if !network.network.isEarlier(pod), let configured = file?.gateways, !configured.isEmpty {
            return configured.contains { $0.address == gateway }
        }
        // The default gateway is the subnet's first address.
        return pod.addresses.contains { $0.first.advanced(by: 1) == gateway }
    }

    private func symptom(_ what: Lack, pods: Int, _ network: RoutedNetwork, _ file: ConfigurationFile?) -> Symptom {
        let configured = file?.gateways.first {
            what.gateway == $0.address || what.gateway == nil && what.subnet.contains($0.address)
        }
        // Packets go astray if two interfaces have the same address.
        let holder = configured.flatMap { gateway in
            snapshot.interfaces.first { $0.addresses.contains { $0.address == gateway.address } }
        }
        let lost = "\(Words.count(pods, "pod")) of \(network.name) \(pods == 1 ? "has" : "have") lost the gateway"
        let text =
            what.gateway.map { "it does not have \($0), where routes lead: \(lost)" }
            ?? "it has no address of \(what.subnet): \(lost)"
        if let configured, let holder {
            return Symptom(
                what.link, "\(text); \(holder.name) has it",
                run: holder.addresses.filter { $0.address == configured.address }
                    .map { "ip addr del \($0) dev \(holder.name)" } + [addition(configured, what.link)])
        }
        let isBridge = what.link == network.network.bridge && network.subnets.contains(what.subnet)
        guard let configured, isBridge else {
            let advice =
                "no ADD puts it back: delete \(pods == 1 ? "the pod" : "these pods"), so that it is attached again"
            var commands: [String] = []
            if let gateway = what.gateway {
                // A bridge reaches its pods by the subnet, a veth reaches its only pod by a host route.
                let isVeth = snapshot.interface(what.link)?.kind == "veth"
                let address = isVeth ? CIDR.host(gateway) : CIDR(gateway, what.subnet.prefixLength)
                commands = [addition(address, what.link)]
            }
            return Symptom(
                what.link, text, run: isBridge ? [] : commands,
                advice: isBridge ? "the next ADD of a pod puts it back" : advice)
        }
        return Symptom(
            what.link, text, run: [addition(configured, what.link)], advice: "or let the next ADD of a pod put it back",
            fix: .add(address: configured, link: what.link))
    }

    private func addition(_ address: CIDR, _ link: String) -> String {
        address.family == .v4 ? "ip addr add \(address) dev \(link)" : "ip -6 addr add \(address) dev \(link) nodad"
    }
}
