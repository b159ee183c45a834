internal import Addresses
internal import Inventory
internal import Presentation

extension Check {
    static let links = [
        Check("bridge-down", .problem, "bridges with pods are up") { $0.downBridges },
        Check("gateway-missing", .problem, "the node has the gateway addresses of pods, on the right link") {
            $0.missingGateways
        },
        Check("port-down", .problem, "pods' host interfaces are up and on their bridge") { $0.badPorts },
        Check("mtu", .warning, "MTUs fit along pods' ways") { $0.badMTUs },
        Check("link-manager", .warning, "no network manager configures pods' links") { seen in
            seen.facts.managedLinks.sorted { $0.key < $1.key }.map { link, manager in
                Symptom(
                    link, "\(manager) manages it: it may set it down, or remove its addresses",
                    advice: manager == "NetworkManager"
                        ? "unmanaged-devices=interface-name:\(link) in /etc/NetworkManager/conf.d"
                        : "a .network file that matches it with Unmanaged=yes, before the one that does now")
            }
        },
    ]
}

extension Examination {
    fileprivate var downBridges: [Symptom] {
        let names = Set(snapshot.attachments.compactMap { $0.bridge })
        return names.sorted().compactMap { name in
            guard let bridge = snapshot.interface(name), !bridge.isUp else { return nil }
            let pods = snapshot.attachments.filter { $0.bridge == name }.count
            return Symptom(
                name, "it is down: \(Words.count(pods, "pod")) on it cannot reach each other, nor anything else",
                run: ["ip link set \(name) up"], fix: .setUp(link: name))
        }
    }

    fileprivate var badPorts: [Symptom] {
        snapshot.attachments.compactMap { pod -> Symptom? in
            guard let name = pod.hostInterface, let end = snapshot.interface(name) else { return nil }
            if let home = snapshot.home(of: pod), pod.bridge != home {
                let place = pod.bridge.map { "a port of \($0)" } ?? "not a port of any bridge"
                return Symptom(
                    "\(pod.id)", "\(name), its end on the node, is \(place), and not of \(home)",
                    run: snapshot.rejoining(pod, home))
            }
            guard !end.isUp else {
                guard pod.state == .attached, !pod.isUp else { return nil }
                return Symptom(
                    "\(pod.id)", "\(pod.id.ifname) is down in the pod",
                    run: pod.namespace.map { ["nsenter --net=\($0.path) ip link set \(pod.id.ifname) up"] } ?? [],
                    advice: "somebody in the pod has set it down",
                    severity: .warning)
            }
            return Symptom(
                "\(pod.id)", "\(name), its end on the node, is down", run: ["ip link set \(name) up"],
                fix: .setUp(link: name))
        }
    }

    fileprivate var badMTUs: [Symptom] {
        var found: [Symptom] = []
        for pod in snapshot.attachments {
            guard let mtu = pod.mtu, let name = pod.hostInterface, let end = snapshot.interface(name), end.mtu != mtu
            else { continue }
            let small = mtu < end.mtu ? pod.id.ifname : name
            let inPod = pod.namespace.map { "nsenter --net=\($0.path) " } ?? ""
            // Neither end is to be larger than what was meant; a smaller one only costs speed.
            let command =
                mtu < end.mtu
                ? "ip link set \(name) mtu \(mtu)" : "\(inPod)ip link set \(pod.id.ifname) mtu \(end.mtu)"
            found.append(
                Symptom(
                    "\(pod.id)",
                    "\(name) has an MTU of \(end.mtu), \(pod.id.ifname) in the pod one of \(mtu): what is larger than "
                        + "\(small) takes is dropped silently",
                    run: [command], advice: "the larger one of the two gets what the smaller one has",
                    severity: .problem))
        }
        let uplinks = snapshot.uplinks.compactMap { snapshot.interface($0) }
        guard let narrow = uplinks.min(by: { $0.mtu < $1.mtu }) else { return found }
        for network in routed {
            guard let widest = network.pods.compactMap({ $0.mtu }).max(), widest > narrow.mtu else { continue }
            found.append(
                Symptom(
                    network.name,
                    "its pods send packets of up to \(widest) octets, and \(narrow.name), by which they leave, takes "
                        + "\(narrow.mtu): where ICMP is filtered, large transfers hang",
                    advice: "\"mtu\": \(narrow.mtu) in its configuration, for pods that are attached from then on"))
        }
        return found
    }
}
