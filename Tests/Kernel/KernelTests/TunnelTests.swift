import Addresses
import Foundation
import Kernel
import NetlinkCodec
import Posix
import TestSupport
import Testing

/// What nodes need to reach each other's pods, made by messages of ours, and seen by iproute2 and by our own parsers.
@Suite struct TunnelTests {
    @Test func aVXLANDeviceIsAsItWasAskedFor() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            try makeUnderlay(&socket)
            let underlay = try socket.link(.name("under0"))!.index
            var wanted = VXLAN(id: 42, local: IPAddress("192.168.7.1"), underlay: underlay, port: 8472)
            wanted.ttl = 9
            wanted.hasChecksum = false
            let mac = MACAddress("02:00:00:00:00:2a")!
            var owned = LinkChange()
            owned.alias = "an owner"
            var changes = Changes()
            changes.append("vxlan") { $0.createVXLAN("vx4", wanted, mac: mac, mtu: 1400) }
            changes.append("alias") { $0.changeLink(.name("vx4"), owned) }
            try socket.execute(changes)
            var wanted6 = VXLAN(id: 43, local: IPAddress("fd00:7::1"), port: 4789)
            wanted6.sendsZeroChecksum6 = true
            wanted6.acceptsZeroChecksum6 = true
            wanted6.isLearning = true
            try socket.execute("vxlan") { $0.createVXLAN("vx6", wanted6, mac: mac) }
            try socket.execute("vxlan") { $0.createVXLAN("vxe", .external(port: 4790), mac: mac) }
            let listed = try socket.vxlanLinks()
            let byName = Dictionary(uniqueKeysWithValues: listed.map { ($0.link.name, $0) })
            try require(byName.count == 3, "\(listed)")
            let one = byName["vx4"]!
            try require(one.vxlan == wanted, "\(one.vxlan)")
            try require(one.link.mac == mac && one.link.mtu == 1400 && one.link.alias == "an owner", "\(one.link)")
            try require(byName["vx6"]!.vxlan == wanted6, "\(byName["vx6"]!.vxlan)")
            try require(byName["vxe"]!.vxlan == .external(port: 4790), "\(byName["vxe"]!.vxlan)")
            try require(byName["vx4"]!.vxlan.hasGroupPolicy == false, "group policy")
            let seen = try json("ip -d -j link show vx4")[0]
            let data = (seen["linkinfo"] as? [String: Any])?["info_data"] as? [String: Any] ?? [:]
            try require(
                seen["address"] as? String == mac.description && seen["ifalias"] as? String == "an owner", "\(seen)")
            try require(data["id"] as? Int == 42 && data["local"] as? String == "192.168.7.1", "\(data)")
            try require(data["link"] as? String == "under0" && data["port"] as? Int == 8472, "\(data)")
            try require(data["learning"] as? Bool == false && data["ttl"] as? Int == 9, "\(data)")
            try require(data["udp_csum"] as? Bool == false && data["gbp"] == nil, "\(data)")
            let seen6 = try json("ip -d -j link show vx6")[0]
            let data6 = (seen6["linkinfo"] as? [String: Any])?["info_data"] as? [String: Any] ?? [:]
            try require(data6["local6"] as? String == "fd00:7::1" && data6["learning"] as? Bool == true, "\(data6)")
            try require(data6["udp_zero_csum6_tx"] as? Bool == true, "\(data6)")
            try require(data6["udp_zero_csum6_rx"] as? Bool == true, "\(data6)")
            let external = try json("ip -d -j link show vxe")[0]
            let dataE = (external["linkinfo"] as? [String: Any])?["info_data"] as? [String: Any] ?? [:]
            try require(dataE["external"] as? Bool == true && dataE["port"] as? Int == 4790, "\(dataE)")
        }
    }

    @Test func forwardingEntriesOfATunnelAreWrittenReplacedListedAndDeleted() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            let mac = MACAddress("02:00:00:00:00:2a")!
            for (name, local, nodes) in [
                ("vx4", "192.168.7.1", ["192.168.7.2", "192.168.7.3"]),
                ("vx6", "fd00:7::1", ["fd00:7::2", "fd00:7::3"]),
            ] {
                let vxlan = VXLAN(id: 42, local: IPAddress(local)!)
                try socket.execute("vxlan") { $0.createVXLAN(name, vxlan, mac: mac) }
                let index = try socket.link(.name(name))!.index
                let addresses = nodes.map { IPAddress($0)! }
                let remote = MACAddress("02:00:00:00:00:99")!
                var entry = TunnelEntry(remote, at: addresses[0], interface: index)
                try socket.execute("entry") { $0.setTunnelEntry(entry) }
                try require(try socket.tunnelEntries(of: index) == [entry], "\(try socket.tunnelEntries(of: index))")
                entry = TunnelEntry(remote, at: addresses[1], interface: index, id: 77, port: 4790)
                try socket.execute("entry") { $0.setTunnelEntry(entry) }
                try require(try socket.tunnelEntries(of: index) == [entry], "\(try socket.tunnelEntries(of: index))")
                let seen = try json("bridge -j fdb show dev \(name)")
                try require(seen.count == 1 && seen[0]["mac"] as? String == remote.description, "\(seen)")
                try require(seen[0]["dst"] as? String == nodes[1] && seen[0]["vni"] as? Int == 77, "\(seen)")
                try require(seen[0]["port"] as? Int == 4790 && seen[0]["state"] as? String == "permanent", "\(seen)")
                try require((seen[0]["flags"] as? [String])?.contains("self") == true, "\(seen)")
                // Frames for everybody go to several nodes.
                let everybody = addresses.map {
                    TunnelEntry(MACAddress("00:00:00:00:00:00")!, at: $0, interface: index)
                }
                for each in everybody { try socket.execute("append") { $0.appendTunnelEntry(each) } }
                try require(Set(try socket.tunnelEntries(of: index)) == Set(everybody + [entry]), "not three")
                for each in everybody + [entry] { try socket.execute("delete") { $0.deleteTunnelEntry(each) } }
                try require(try socket.tunnelEntries(of: index).isEmpty, "something is left")
                do {
                    try socket.execute("delete") { $0.deleteTunnelEntry(entry) }
                    throw UnexpectedState("deleted twice")
                } catch let error as Failure { try require(error.errno == .noSuchFile, "\(error)") }
                try socket.execute("delete") { $0.deleteLink(.index(index)) }
            }
        }
    }

    @Test func permanentNeighboursAreWrittenReplacedAndListedForOneInterface() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            try makeUnderlay(&socket)
            let index = try socket.link(.name("under0"))!.index
            let other = try socket.link(.name("under1"))!.index
            for text in ["192.168.7.9", "fd00:7::9"] {
                let address = IPAddress(text)!
                let first = Neighbour(address, mac: MACAddress("02:00:00:00:00:01")!, interface: index)
                let second = Neighbour(address, mac: MACAddress("02:00:00:00:00:02")!, interface: index)
                let elsewhere = Neighbour(address, mac: MACAddress("02:00:00:00:00:03")!, interface: other)
                for one in [first, elsewhere, second] { try socket.execute("neighbour") { $0.setNeighbour(one) } }
                // The kernel has entries of its own there, for groups that it listens to.
                let listed = try socket.neighbours(of: index).filter { $0.state == Neighbour.permanent }
                try require(listed == [second], "\(listed)")
                let seen = try json("ip -j neigh show dev under0")
                try require(seen.count == 1 && seen[0]["dst"] as? String == text, "\(seen)")
                try require(seen[0]["lladdr"] as? String == "02:00:00:00:00:02", "\(seen)")
                try require((seen[0]["state"] as? [String]) == ["PERMANENT"], "\(seen)")
                try socket.execute("delete") { $0.deleteNeighbour(second) }
                let left = try socket.neighbours(of: index).filter { $0.address == address && $0.isResolved }
                try require(left.isEmpty, "still there: \(left)")
            }
        }
    }

    @Test func routesOfAnAgentAreWrittenReplacedListedByOriginAndDeletedExactly() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            try makeUnderlay(&socket)
            let index = try socket.link(.name("under0"))!.index
            try socket.execute("vxlan") {
                $0.createVXLAN("vxe", .external(), mac: MACAddress("02:00:00:00:00:2a")!)
            }
            let tunnel = try socket.link(.name("vxe"))!.index
            try socket.execute("up") { $0.changeLink(.index(tunnel), up) }
            for (family, entries) in [
                (IPFamily.v4, routes(v4: true, index, tunnel)), (.v6, routes(v4: false, index, tunnel)),
            ] {
                // Somebody else's route stays out of it.
                try socket.execute("other") {
                    $0.addRoute(Route(to: family == .v4 ? CIDR("10.99.0.0/16")! : CIDR("fd99::/64")!, interface: index))
                }
                for entry in entries { try socket.execute("\(entry)") { $0.addRoute(entry) } }
                let listed = try socket.routes(family, origin: agent)
                try require(Set(listed) == Set(entries), "\(listed)\nnot\n\(entries)")
                let option = family == .v4 ? "-4" : "-6"
                let seen = try json("ip \(option) -j -d route show proto \(agent)")
                try require(seen.count == entries.count, "\(seen)")
                // Of an encapsulating route iproute2 says `dst` twice, of which one is lost.
                let types = seen.compactMap { $0["type"] as? String }.sorted()
                try require(
                    types == (["blackhole", "unicast", "unicast", "unreachable"] + extra(family)).sorted(), "\(types)")
                let wrapped = seen.first { $0["encap"] != nil } ?? [:]
                try require(wrapped["id"] as? Int == 77 && wrapped["dev"] as? String == "vxe", "\(wrapped)")
                let onLink = seen.first { ($0["flags"] as? [String])?.contains("onlink") == true } ?? [:]
                try require(onLink["metric"] as? Int == 50, "\(onLink)")
                if family == .v4 {
                    let via = seen.compactMap { $0["via"] as? [String: Any] }
                    try require(via.count == 1 && via[0]["host"] as? String == "fe80::9", "\(via)")
                }
                // Replaced: by another gateway.
                var changed = entries[0]
                changed.route.gateway = family == .v4 ? IPAddress("192.168.200.10")! : IPAddress("fd00:200::10")!
                try socket.execute("replace") { $0.replaceRoute(changed) }
                let again = try socket.routes(family, origin: agent)
                try require(Set(again) == Set([changed] + entries.dropFirst()), "\(again)")
                do {
                    try socket.execute("delete what it was") { $0.deleteRoute(entries[0]) }
                    throw UnexpectedState("another route was deleted")
                } catch let error as Failure { try require(error.errno?.rawValue == ESRCH, "\(error)") }
                for entry in [changed] + entries.dropFirst() {
                    try socket.execute("delete \(entry)") { $0.deleteRoute(entry) }
                }
                try require(try socket.routes(family, origin: agent).isEmpty, "something is left")
                try require(try socket.routes(family, origin: agent, table: 4711).isEmpty, "no such table")
                try require(try socket.routes(family, origin: 3).count == 1, "the other's route is gone")
            }
        }
    }

    /// Two next hops are no route of ours, and a comparison must not take them for one.
    @Test func aRouteOfSeveralNextHopsSaysSo() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            try makeUnderlay(&socket)
            _ = try output(
                of:
                    "ip route add 10.1.0.0/16 proto \(agent) nexthop via 192.168.7.2 nexthop via 192.168.7.3")
            let listed = try socket.routes(.v4, origin: agent)
            try require(listed.count == 1 && listed[0].hasOtherNextHops, "\(listed)")
        }
    }

    @Test func aRuleTellsWhoHasMadeIt() async {
        await #expect(processExitsWith: .success) {
            try enterNewNamespace()
            var socket = try NetlinkSocket()
            for text in ["10.1.0.5", "fd00::5"] {
                var rule = RoutingRule(from: IPAddress(text)!, table: 4711)
                rule.priority = 100
                rule.origin = agent
                try socket.execute("rule") { $0.addRule(rule) }
                let listed = try socket.rules(rule.family)
                try require(listed.contains(rule), "\(listed)")
                try require(listed.filter { $0.origin == 2 }.count >= 2, "the kernel's own: \(listed)")
                let seen = try json("ip \(rule.family == .v4 ? "-4" : "-6") -d -j rule show")
                let own = seen.first { $0["priority"] as? Int == 100 } ?? [:]
                try require(own["protocol"] as? String == "\(agent)" && own["table"] as? String == "4711", "\(own)")
                var other = rule
                other.origin = 78
                do {
                    try socket.execute("delete another's") { $0.deleteRule(other) }
                    throw UnexpectedState("another's rule was deleted")
                } catch let error as Failure { try require(error.errno == .noSuchFile, "\(error)") }
                try socket.execute("delete") { $0.deleteRule(rule) }
                try require(try !socket.rules(rule.family).contains { $0.origin == agent }, "still there")
            }
        }
    }
}

/// RTPROT_* of these tests: a number that nobody has.
private let agent: UInt8 = 77

private var up: LinkChange {
    var change = LinkChange()
    change.isUp = true
    return change
}

/// A device for outer packets, with an address of each family.
private func makeUnderlay(_ socket: inout NetlinkSocket) throws {
    try socket.execute("underlay") {
        $0.createVeth(VethEnd(name: "under0"), peer: VethEnd(name: "under1"), mtu: nil, master: nil)
    }
    for name in ["under0", "under1"] { try socket.execute("up") { $0.changeLink(.name(name), up) } }
    let index = try socket.link(.name("under0"))!.index
    for text in ["192.168.7.1/24", "fd00:7::1/64"] {
        try socket.execute("address") { $0.addAddress(CIDR(text)!, to: index) }
    }
}

/// One of each kind; the first has a gateway that no address leads to.
private func routes(v4: Bool, _ underlay: UInt32, _ tunnel: UInt32) -> [RouteEntry] {
    func pods(_ number: Int) -> CIDR { v4 ? CIDR("10.\(number).0.0/16")! : CIDR("fd00:\(number)::/64")! }
    // IPv6 has a priority of its own, 1024, where none is given.
    let usual: UInt32? = v4 ? nil : 1024
    var onLink = Route(
        to: pods(101), via: v4 ? IPAddress("192.168.200.9")! : IPAddress("fd00:200::9")!, interface: underlay,
        priority: 50)
    onLink.isOnLink = true
    onLink.origin = agent
    var wrapped = Route(to: pods(102), interface: tunnel, scope: v4 ? nil : 0, priority: usual)
    wrapped.origin = agent
    var encapsulation =
        v4
        ? TunnelEncapsulation(to: IPAddress("192.168.7.9")!, from: IPAddress("192.168.7.1")!, id: 77)
        : TunnelEncapsulation(to: IPAddress("fd00:7::9")!, id: 77, flags: [.key, .checksum])
    encapsulation.ttl = 11
    let refusing = [
        RouteEntry(.blackhole, pods(103), priority: usual, origin: agent),
        RouteEntry(.unreachable, pods(104), priority: 70, origin: agent),
    ]
    let common = [RouteEntry(onLink), RouteEntry(wrapped, encapsulation: encapsulation)] + refusing
    guard v4 else { return common }
    var other = Route(to: pods(105), via: IPAddress("fe80::9")!, interface: underlay)
    other.origin = agent
    var across = Route(to: pods(106), via: nil, interface: tunnel)
    across.origin = agent
    return common + [
        RouteEntry(other),
        RouteEntry(across, encapsulation: TunnelEncapsulation(to: IPAddress("fd00:7::9")!, id: 78)),
    ]
}

/// The types of the routes that only IPv4 has among these.
private func extra(_ family: IPFamily) -> [String] { family == .v4 ? ["unicast", "unicast"] : [] }

private func json(_ command: String) throws -> [[String: Any]] {
    let text = try output(of: command)
    guard let list = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]] else {
        throw UnexpectedState("\(command): \(text)")
    }
    return list
}
