internal import Addresses
internal import Inventory
internal import Presentation

extension Check {
    /// How packets leave the node and come back.
    static let ways = [
        Check("uplink", .problem, "the node's uplinks are up, have addresses, and default routes lead to them") {
            $0.deadUplinks + $0.missingDefaults
        },
        Check("policy-routing", .problem, "no rule of policy routing takes pods' packets out of their way") {
            $0.divertedPackets
        },
        Check("storage", .problem, "the file systems of reservations and records have room") { $0.fullFileSystems },
    ]
}

extension Examination {
    fileprivate var deadUplinks: [Symptom] {
        snapshot.uplinks.compactMap { snapshot.interface($0) }.compactMap { uplink in
            guard !uplink.isUp || !uplink.hasCarrier else { return nil }
            return uplink.isUp
                ? Symptom(
                    uplink.name, "it has no carrier, and a default route leads there: nothing leaves the node by it",
                    advice: "look at the cable, the switch, or the other end: ip link show \(uplink.name)")
                : Symptom(
                    uplink.name, "it is down, and a default route leads there: nothing leaves the node by it",
                    run: ["ip link set \(uplink.name) up"])
        }
    }

    /// Links by which a node may be reached: not its own ones, nor those of pods.
    private var outerLinks: [Interface] {
        let own = Set(
            snapshot.attachments.compactMap { $0.hostInterface } + snapshot.attachments.compactMap { $0.bridge }
                + snapshot.networks.compactMap { $0.bridge })
        let bridges = Set(snapshot.interfaces.filter { own.contains($0.name) && $0.kind == "bridge" }.map { $0.index })
        return snapshot.interfaces.filter { link in
            ["", "veth", "vlan", "bond", "macvlan", "ipvlan", "team"].contains(link.kind) && link.name != "lo"
                && !own.contains(link.name) && !bridges.contains(link.master) && link.alias.isEmpty
        }
    }

    /// One cause, one finding, even if both families are lost.
    fileprivate var missingDefaults: [Symptom] {
        let lost = IPFamily.allCases.filter { family in
            routed.contains { !$0.addresses(family).isEmpty }
                && !snapshot.routes.contains {
                    $0.isDefault && $0.destination.family == family && !$0.isRejecting
                }
        }
        let links = outerLinks
        // A node that nothing connects to the world is not sick.
        guard !lost.isEmpty, !links.isEmpty else { return [] }
        let families = lost.map { $0.title }.joined(separator: " and ")
        let what = "there is no default route: over \(families) pods reach nothing beyond this node's own networks"
        if let down = links.first(where: { !$0.isUp }), snapshot.uplinks.allSatisfy({ $0 != down.name }) {
            return [
                Symptom(
                    down.name, "it is down, and \(what)", run: ["ip link set \(down.name) up"], advice: restoring)
            ]
        }
        if let dead = links.first(where: { !$0.hasCarrier }) {
            return [
                Symptom(
                    dead.name, "it has no carrier, and \(what)",
                    advice: "look at the cable, the switch, or the other end: ip link show \(dead.name)")
            ]
        }
        func has(_ link: Interface, _ family: IPFamily) -> Bool {
            link.addresses.contains { $0.family == family && $0.hostBits > 0 }
        }
        // Pods may have addresses of a family that the node's surroundings do not have.
        let isForeign = lost == [.v6] && !links.contains { has($0, .v6) }
        if let bare = links.first(where: { link in lost.contains { !has(link, $0) } }) {
            let without = lost.filter { !has(bare, $0) }.map { $0.title }.joined(separator: " and no ")
            return [
                Symptom(
                    bare.name, "it has no \(without) address, and \(what)", advice: restoring,
                    severity: isForeign ? .note : nil)
            ]
        }
        return [Symptom(families, what, advice: restoring)]
    }

    private var restoring: String {
        "let the program that configures the node's network do it again: networkctl reconfigure, netplan apply, nmcli, "
            + "or ip route add default via ROUTER"
    }

    fileprivate var divertedPackets: [Symptom] {
        facts.diversions.map { diversion in
            Symptom(
                diversion.network,
                "\(diversion.what) \(diversion.found), because of a rule of policy routing; without it, \(diversion.expected)",
                run: diversion.rule.map { [$0] } ?? [],
                advice: "ip rule show tells them all; see which program has made it",
                severity: diversion.isHarmful ? nil : .note)
        }
    }

    /// Room for a few thousand reservations.
    private static let leastSpace: (octets: UInt64, inodes: UInt64) = (1 << 20, 64)

    fileprivate var fullFileSystems: [Symptom] {
        facts.space.sorted { $0.key < $1.key }.compactMap { path, space in
            let what =
                space.octets < Examination.leastSpace.octets
                ? "\(Words.octets(space.octets)) of space"
                : space.inodes < Examination.leastSpace.inodes ? Words.count(Int(space.inodes), "inode") : nil
            guard let what else { return nil }
            return Symptom(
                path, "its file system has only \(what) left: ADD cannot write down whose an address is, and fails",
                advice: "see what fills it: df \(path); df -i \(path)")
        }
    }
}

/// A packet of a pod that the kernel does not route as its main table says.
public struct Diversion: Sendable, Hashable {
    public var network: String
    /// Such as `what its pods send`.
    public var what: String
    public var expected: String
    public var found: String
    /// The command that deletes the rule; nil if it is not known which one it is.
    public var rule: String?
    /// Whether that is a fault for certain: other ways out may be meant.
    public var isHarmful: Bool
}
