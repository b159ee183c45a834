import Addresses
import Inventory
import NetlinkCodec
import PacketRules
import Posix
import Trace

/// Two pods on a bridge of a node, all made up: the pods' `eth0` at 10.44.0.2 and 10.44.0.3, the bridge at 10.44.0.1.
struct FakeWorld: World {
    var spaces: [[Interface]]
    var routes: [Int: [(CIDR, RouteAnswer)]]
    var neighbours: [Int: [Neighbour]] = [:]
    var sysctls: [String: String] = [:]
    var limits: [UInt32: Limit] = [:]
    var podLimits: [String: Limit] = [:]
    var uplinks: [String] = []
    var wishes = Wishes()
    /// Of the node.
    var listedRoutes: [RouteEntry] = []
    var forwarding: [ForwardingEntry] = []
    var heard: Bool? = true
    /// Of links, by the number of their namespace and their name.
    var settings: [String: LinkSettings] = [:]
    var rulesets: [Int: Ruleset] = [:]
    /// The same.
    var programs: [String: [String]] = [:]
    /// A mark whose packets no route takes.
    var refusedMark: UInt32?

    init() {
        func interface(
            _ index: UInt32, _ name: String, _ kind: String, mac: UInt64, peer: UInt32 = 0, id: Int32? = nil,
            master: UInt32 = 0, _ address: String? = nil
        ) -> Interface {
            var interface = Interface(index: index, name: name, kind: kind)
            interface.mac = MACAddress(locallyAdministered: mac)
            interface.mtu = 1500
            interface.peer = peer
            interface.peerNamespaceID = id
            interface.master = master
            interface.addresses = address.flatMap { CIDR($0) }.map { [$0] } ?? []
            return interface
        }
        spaces = [
            [
                interface(2, "cbr0", "bridge", mac: 1, "10.44.0.1/24"),
                interface(3, "veth1", "veth", mac: 2, peer: 2, id: 1, master: 2),
                interface(4, "veth2", "veth", mac: 3, peer: 2, id: 2, master: 2),
            ],
            [interface(2, "eth0", "veth", mac: 4, peer: 3, id: 0, "10.44.0.2/24")],
            [interface(2, "eth0", "veth", mac: 5, peer: 4, id: 0, "10.44.0.3/24")],
        ]
        let subnet = CIDR("10.44.0.0/24")!
        let gateway = IPAddress("10.44.0.1")!
        routes = [0: [(subnet, RouteAnswer(interface: 2, source: gateway))]]
        for place in 1...2 {
            let own = spaces[place][0].addresses[0].address
            routes[place] = [
                (subnet, RouteAnswer(interface: 2, source: own)),
                (CIDR("0.0.0.0/0")!, RouteAnswer(interface: 2, gateway: gateway, source: own)),
            ]
        }
    }

    var count: Int { spaces.count }
    func name(of place: Int) -> String { ["node", "one", "two", "three"][place] }
    func interfaces(in place: Int) -> [Interface] { spaces[place] }
    /// Pods know the node as 0, and the node knows them by their numbers here.
    func place(numbered id: Int32?, from place: Int) -> Int? { id.map { Int($0) } ?? place }

    func route(_ question: RouteQuestion, in place: Int) throws(Failure) -> RouteAnswer {
        if let refusedMark, question.mark == refusedMark { throw Failure("look up the route", .invalidArgument) }
        if spaces[place].contains(where: { $0.addresses.contains { $0.address == question.destination } }) {
            return RouteAnswer(type: RouteAnswer.local, interface: 1, source: question.destination)
        }
        guard let found = routes[place]?.first(where: { $0.0.contains(question.destination) }) else {
            throw Failure("look up the route", .networkUnreachable)
        }
        return found.1
    }

    func neighbour(_ address: IPAddress, on interface: UInt32, in place: Int) -> Neighbour? {
        neighbours[place]?.first { $0.address == address && $0.interface == interface }
    }
    func forwardingEntry(_ mac: MACAddress, ofBridge index: UInt32, in place: Int) -> ForwardingEntry? {
        forwarding.first { $0.mac == mac }
    }
    func sysctl(_ name: String, in place: Int) -> String? { sysctls[name] }
    func ruleset(in place: Int) -> Ruleset { rulesets[place] ?? Ruleset() }
    func routes(_ family: IPFamily, in place: Int) -> [RouteEntry] {
        place == 0 ? listedRoutes.filter { $0.route.destination.family == family } : []
    }
    func programs(on interface: Interface, in place: Int) -> [String] { programs["\(place) \(interface.name)"] ?? [] }
    func isHeard(_ packet: Packet, by input: Interface?, in place: Int) -> Bool? { heard }
    func settings(of interface: Interface, in place: Int) -> LinkSettings {
        settings["\(place) \(interface.name)"] ?? LinkSettings()
    }
    func limitComingIn(by interface: Interface, in place: Int) -> Limit? {
        place == 0 ? podLimits[interface.name] : nil
    }
    func limit(of interface: UInt32, in place: Int) -> Limit? { place == 0 ? limits[interface] : nil }

    /// Gives the node an interface that leads outside: its ninth.
    mutating func addUplink(_ name: String, _ address: String, gateway: String) {
        var uplink = Interface(index: 9, name: name)
        uplink.mac = MACAddress(locallyAdministered: 9)
        uplink.addresses = [CIDR(address)!]
        spaces[0].append(uplink)
        uplinks = [name]
        routes[0]?.append((CIDR("0.0.0.0/0")!, RouteAnswer(interface: 9, gateway: IPAddress(gateway))))
    }

    func endpoint(_ place: Int, port: UInt16 = 0) -> Endpoint {
        Endpoint(
            .pod, name: name(of: place), place: place,
            addresses: spaces[place].flatMap { $0.addresses.map { $0.address } }, port: port)
    }
}
