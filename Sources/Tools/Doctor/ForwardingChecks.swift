internal import Addresses
internal import Inventory
internal import Presentation

extension Check {
    static let forwarding = [
        Check(
            "forwarding", .problem, "forwarding is on for pods' families and interfaces"
        ) { seen in IPFamily.allCases.flatMap { seen.forwardingOff($0) } },
        Check(
            "router-advertisements", .warning,
            "a default route that a router advertises is not lost because the node forwards"
        ) { $0.lostAdvertisements },
        Check("rp-filter", .problem, "strict reverse path filtering drops no pod's packets") { $0.strictFilters },
        Check("bridge-nf-call", .warning, "Kubernetes' Services work between pods of one bridge") {
            $0.bridgesPastServices
        },
        Check("hairpin-off", .warning, "a pod reaches itself by its own Service") { $0.podsWithoutHairpin },
        Check("ipv6-disabled", .problem, "IPv6 is enabled on interfaces of pods with IPv6") { $0.bridgesWithoutIPv6 },
    ]
}

extension Examination {
    fileprivate func forwardingOff(_ family: IPFamily) -> [Symptom] {
        let networks = routed.filter { !$0.addresses(family).isEmpty }
        guard !networks.isEmpty else { return [] }
        let names = list(networks.map { $0.name })
        let pods = networks.map { $0.pods.count }.reduce(0, +)
        func symptom(_ parameter: String, _ text: String) -> Symptom {
            Symptom(
                sysctlName(parameter), text,
                run: ["sysctl -w \(sysctlName(parameter))=1"],
                advice: "look which program of the node switches it off",
                fix: .set(parameter: parameter, value: "1"))
        }
        let all = family == .v4 ? "ipv4/ip_forward" : "ipv6/conf/all/forwarding"
        if parameter(all) == "0" {
            return [
                symptom(
                    all,
                    "\(family.title) is not forwarded: \(Words.count(pods, "pod")) of \(names) can talk to this node only"
                )
            ]
        }
        // IPv6 has only one switch that counts, the one for all (ip6_forward, net/ipv6/ip6_output.c).
        guard family == .v4 else { return [] }
        let interfaces = networks.flatMap { $0.interfaces } + uplinks(.v4)
        return interfaces.compactMap { interface in
            let own = "ipv4/conf/\(interface)/forwarding"
            guard parameter(own) == "0" else { return nil }
            return symptom(own, "IPv4 packets that come in by \(interface) are not forwarded (networks \(names))")
        }
    }

    fileprivate var lostAdvertisements: [Symptom] {
        guard parameter("ipv6/conf/all/forwarding") == "1" else { return [] }
        return facts.advertisedUplinks.compactMap { interface in
            let own = "ipv6/conf/\(interface)/accept_ra"
            guard parameter(own) == "1" else { return nil }
            return Symptom(
                interface,
                "its IPv6 default route comes from router advertisements, which the kernel ignores since it "
                    + "forwards: the route vanishes when its lifetime ends",
                run: ["sysctl -w \(sysctlName(own))=2"], fix: .set(parameter: own, value: "2"))
        }
    }

    fileprivate var strictFilters: [Symptom] {
        var found: [Symptom] = []
        for network in routed {
            for pod in network.pods {
                guard let interface = pod.bridge ?? pod.hostInterface, strictReversePath(interface) else { continue }
                for address in pod.addresses where address.family == .v4 {
                    let back = route(to: address.address)?.interface
                    // A VLAN's gateway has an interface of its own.
                    guard back != interface, back?.hasPrefix("\(interface).") != true else { continue }
                    let leads = back.map { "leads to \($0)" } ?? "is missing"
                    found.append(
                        Symptom(
                            "\(pod.id)",
                            "every packet from \(address.address) is dropped: it comes in by \(interface), the route back "
                                + "\(leads), and rp_filter of \(interface) is strict",
                            run: loosening(interface),
                            advice: "or mend the route: ip route get \(address.address)"))
                }
            }
        }
        let uplinks = uplinks(.v4)
        guard uplinks.count > 1, routed.contains(where: { !$0.addresses(.v4).isEmpty }),
            let first = route(to: IPAddress(.v4, 0))?.interface
        else { return found }
        for uplink in uplinks where uplink != first && strictReversePath(uplink) {
            found.append(
                Symptom(
                    uplink,
                    "a second default route leads there, but what comes in by it from elsewhere is dropped: answers "
                        + "would leave by \(first), and rp_filter of \(uplink) is strict",
                    run: loosening(uplink),
                    severity: .warning))
        }
        return found
    }

    /// The larger of the two values counts, and 2, which is loose, is larger than 1.
    private func loosening(_ interface: String) -> [String] {
        ["sysctl -w \(sysctlName("ipv4/conf/\(interface)/rp_filter"))=2"]
    }

    fileprivate var bridgesPastServices: [Symptom] {
        guard facts.hasServices else { return [] }
        let networks = snapshot.networks.filter { network in
            network.bridge != nil && snapshot.attachments(of: network.name).contains { $0.bridge != nil }
        }
        guard !networks.isEmpty else { return [] }
        let names = list(networks.map { $0.name })
        return IPFamily.allCases.compactMap { family in
            let own = bridgedPackets(family)
            let uses = networks.contains { network in
                snapshot.attachments(of: network.name).contains { $0.addresses.contains { $0.family == family } }
            }
            guard uses, parameter(own) != "1" else { return nil }
            return Symptom(
                sysctlName(own),
                "it is \(parameter(own) ?? "missing, as br_netfilter is not loaded"): a pod of \(names) that calls a "
                    + "Service whose pod is on the same bridge gets its answers from the wrong address",
                run: (parameter(own) == nil ? ["modprobe br_netfilter"] : []) + ["sysctl -w \(sysctlName(own))=1"])
        }
    }

    fileprivate var podsWithoutHairpin: [Symptom] {
        guard facts.hasServices else { return [] }
        let families = IPFamily.allCases.filter { parameter(bridgedPackets($0)) == "1" }
        // Where it is configured, bridge-port tells of each pod without it.
        return snapshot.networks.filter { !$0.wishes.hairpin }.compactMap { network in
            let ports = snapshot.attachments(of: network.name).compactMap { pod -> String? in
                guard pod.bridge != nil, let name = pod.hostInterface, snapshot.interface(name)?.isHairpin == false,
                    pod.addresses.contains(where: { families.contains($0.family) })
                else { return nil }
                return name
            }
            guard let first = ports.first else { return nil }
            let command =
                ports.count == 1
                ? "bridge link set dev \(first) hairpin on"
                : "for port in \(ports.joined(separator: " ")); do bridge link set dev $port hairpin on; done"
            return Symptom(
                network.name,
                "none of \(Words.count(ports.count, "pod")) of it can reach itself by its own Service: br_netfilter sends such a "
                    + "packet back by the bridge port that it came in by, where hairpin mode is off",
                advice: "\(command) # and for new pods \"hairpinMode\": true in the configuration")
        }
    }

    /// The parameter that says whether netfilter sees the packets that bridges pass on.
    private func bridgedPackets(_ family: IPFamily) -> String {
        "bridge/bridge-nf-call-\(family == .v4 ? "iptables" : "ip6tables")"
    }

    fileprivate var bridgesWithoutIPv6: [Symptom] {
        routed.compactMap { network in
            guard let bridge = network.network.bridge, snapshot.interface(bridge) != nil,
                network.subnets.contains(where: { $0.family == .v6 }) || !network.addresses(.v6).isEmpty
            else { return nil }
            let own = "ipv6/conf/\(bridge)/disable_ipv6"
            guard parameter(own) == "1" else { return nil }
            return Symptom(
                bridge, "IPv6 is switched off there, but network \(network.name) has IPv6 addresses",
                run: ["sysctl -w \(sysctlName(own))=0"],
                advice: "the gateway's address has to be given to it again then",
                fix: .set(parameter: own, value: "0"))
        }
    }
}
