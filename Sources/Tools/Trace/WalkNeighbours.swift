internal import Addresses
internal import Inventory
internal import NetlinkCodec
internal import PacketRules
internal import Posix

/// Which host on a link a frame is for.
extension Walk {
    enum Resolution {
        case found(Frame)
        /// Why it is nobody, or not who is meant, and what to do.
        case nobody(String, String)
    }

    /// Which host answers for an address on the link: known from the neighbour table, or as the kernel would learn it.
    mutating func resolve(
        _ place: Int, _ interface: Interface, _ address: IPAddress
    ) throws(Failure) -> Resolution {
        guard let own = interface.mac, !own.isZero, !address.isMulticast else {
            return .found(Frame(source: interface.mac, destination: nil))
        }
        let segment = try segment(place, interface)
        let entry = try world.neighbour(address, on: interface.index, in: place)
        let name = interface.name
        let what = address.family == .v4 ? "ARP" : "neighbour discovery"
        if try isSilent(place, interface), entry?.state != Neighbour.permanent {
            return .nobody(
                "\(what) is off on \(name) in \(world.name(of: place)), which sends what is for \(address) to its own MAC",
                advice(place, "ip link set \(name) arp on"))
        }
        let owner = try owner(of: address, in: segment.members)
        // Linux answers by any of its interfaces, also by a veth that should be a port.
        if owner?.interface.has(address) != true, place != 0,
            let cause = interface.addresses.compactMap({ outOfBridge($0.address) }).first
        {
            return .nobody(cause.why, cause.advice)
        }
        if owner == nil, let cause = misplaced(address) { return .nobody(cause.why, cause.advice) }
        if let known = entry.flatMap({ $0.state & Neighbour.unusable == 0 ? $0.mac : nil }), let entry {
            if let result = try resolved(place, interface, entry, known, owner, segment) { return result }
        }
        if address.family == .v4, entry?.isResolved != true {
            for place in Set([place, owner?.place ?? place]) {
                for table in try world.ruleset(in: place).tablesOfARP { unread("table arp \(table)", place) }
            }
        }
        guard let owner else {
            if segment.isOpen || address.isLinkLocal, entry == nil || entry?.isResolved == true {
                remark("whether \(address) answers \(what) on \(name) is not known yet: nobody has asked")
                return .found(Frame(source: own, destination: nil))
            }
            return .nobody(
                "nobody answers \(what) for \(address) on \(name)"
                    + (segment.isOpen ? "" : ": none of the \(segment.members.count) there has that address"),
                segment.isOpen || place == 0 && world.uplinks.contains(name)
                    ? "see that \(address) is up and on this link; then ip neigh del \(address) dev \(name)"
                    : "the pod is gone, or its interface down: swiftletctl status")
        }
        let theirs = world.name(of: owner.place)
        guard owner.interface.isUp else {
            return .nobody(
                "nobody answers \(what) for \(address): \(owner.interface.name) in \(theirs) is down",
                advice(owner.place, "ip link set \(owner.interface.name) up"))
        }
        guard try !isSilent(owner.place, owner.interface) else {
            return .nobody(
                "nobody answers \(what) for \(address): it is off on \(owner.interface.name) in \(theirs)",
                advice(owner.place, "ip link set \(owner.interface.name) arp on"))
        }
        return found(place, interface, owner, segment.members)
    }

    /// Whether ARP is off on an interface that needs it. An ipvlan in layer 3 mode is silent too, but is found without asking.
    private mutating func isSilent(_ place: Int, _ interface: Interface) throws(Failure) -> Bool {
        guard ["veth", "bridge", "macvlan", "vlan", ""].contains(interface.kind) else { return false }
        return try world.settings(of: interface, in: place).isSilent
    }

    /// Where the neighbour table leads; nil if the kernel asks again soon.
    private mutating func resolved(
        _ place: Int, _ interface: Interface, _ entry: Neighbour, _ known: MACAddress, _ owner: Member?,
        _ segment: (members: [Member], isOpen: Bool)
    ) throws(Failure) -> Resolution? {
        if let owner, owner.interface.mac == known {
            return found(place, interface, owner, segment.members)
        }
        let there = segment.members.first { $0.interface.mac == known }
        guard let owner else {
            // Somebody there may have had that address, or it is of no importance who has it.
            if there != nil || segment.isOpen {
                return .found(Frame(source: interface.mac, destination: known, target: there))
            }
            return .nobody(
                "\(interface.name) has \(entry.address) at \(known), a MAC that nobody there has",
                advice(place, "ip neigh del \(entry.address) dev \(interface.name)"))
        }
        // A router passes it on.
        let forwarding =
            entry.address.family == .v4
            ? "ipv4/conf/\(there?.interface.name ?? "")/forwarding" : "ipv6/conf/all/forwarding"
        if let there, try world.sysctl(forwarding, in: there.place) == "1" {
            // Answers to neighbour discovery take that way too, and are refused after a router.
            if entry.address.family == .v6 {
                doubt(
                    "\(interface.name) in \(world.name(of: place)) has \(entry.address) at the MAC of \(there.interface.name), a router: whether \(entry.address) can answer is not known"
                )
            }
            return .found(Frame(source: interface.mac, destination: known, target: there))
        }
        // NUD_STALE, NUD_DELAY, NUD_PROBE.
        guard entry.state & 0x1c == 0 else {
            doubt(
                "\(interface.name) in \(world.name(of: place)) has \(entry.address) at \(known), which is not \(owner.interface.name)'s: packets are lost until the kernel asks again"
            )
            return nil
        }
        let whose =
            there.map { "the MAC of \($0.interface.name) in \(world.name(of: $0.place))" }
            ?? "a MAC that nobody there has"
        return .nobody(
            "\(interface.name) has \(entry.address) at \(known), \(whose); it is at \(owner.interface.mac.map { "\($0)" } ?? "another")",
            advice(place, "ip neigh del \(entry.address) dev \(interface.name)"))
    }

    private mutating func found(
        _ place: Int, _ interface: Interface, _ owner: Member, _ members: [Member]
    ) -> Resolution {
        let mac = owner.interface.mac
        // Macvlans in different places differ, ipvlans do not.
        let twins = members.filter {
            $0.place != owner.place && $0.interface.mac == mac && ["veth", "macvlan"].contains($0.interface.kind)
        }
        for twin in twins where owner.interface.kind != "ipvlan" {
            doubt(
                "\(owner.interface.name) in \(world.name(of: owner.place)) and \(twin.interface.name) in \(world.name(of: twin.place)) have the same MAC: frames go to the one that spoke last"
            )
        }
        return .found(Frame(source: interface.mac, destination: mac, target: owner))
    }

    /// The member of a link that has an address, or answers for it.
    private mutating func owner(of address: IPAddress, in members: [Member]) throws(Failure) -> Member? {
        if let owner = members.first(where: { $0.interface.has(address) }) { return owner }
        guard address.family == .v4 else { return nil }
        // Linux answers for each of its addresses on all interfaces, and with proxy_arp also for others' addresses.
        if let owner = members.first(where: { world.interfaces(in: $0.place).contains { $0.isUp && $0.has(address) } })
        {
            return owner
        }
        for member in members
        where try world.sysctl("ipv4/conf/\(member.interface.name)/proxy_arp", in: member.place) == "1" {
            return member
        }
        return nil
    }
}

extension Neighbour {
    /// NUD_INCOMPLETE, NUD_FAILED: asked, but without an answer.
    static let unusable: UInt16 = 0x01 | 0x20
}
