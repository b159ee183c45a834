import Addresses
import ClusterState
import NetlinkCodec
import NodeRoutes
import TestSupport
import Testing

/// Which way leads to a peer's pods.
@Suite struct WayTests {
    static let underlay = Underlay([
        .init(index: 2, name: "eth0", mtu: 1500, addresses: [CIDR("192.0.2.1/24")!, CIDR("2001:db8::1/64")!]),
        .init(index: 3, name: "eth1", mtu: 9000, addresses: [CIDR("198.51.100.1/25")!, CIDR("203.0.113.1/32")!]),
    ])
    static let tunnel = TunnelDevice(index: 9, family: .v4)

    private func way(
        _ addresses: [String], _ subnets: [String] = ["10.1.5.0/24"], _ mode: RouteSettings.Mode = .auto,
        tunnel: TunnelDevice? = Self.tunnel
    ) -> PeerWay {
        PeerWay(
            to: "peer", at: addresses.map { IPAddress($0)! }, subnets: subnets.map { CIDR($0)! }, over: Self.underlay,
            RouteSettings(mode), tunnel: tunnel)
    }

    @Test func aPeerOnALinkOfThisNodeIsReachedByARouteThroughThatLink() throws {
        let way = way(["198.51.100.77"])
        let route = try #require(way.routes.first?.route)
        #expect(way.routes.count == 1 && way.neighbours.isEmpty && way.tunnels.isEmpty && way.obstacles.isEmpty)
        #expect(route.gateway == IPAddress("198.51.100.77") && route.interface == 3)
        #expect(route.destination == CIDR("10.1.5.0/24") && route.origin == 83)
    }

    @Test func aPeerBeyondARouterIsReachedByVXLANAtItsAddress() throws {
        let way = way(["198.51.100.200"])
        #expect(way.routes.map { $0.route.interface } == [9] && way.routes[0].route.isOnLink)
        let neighbour = try #require(way.neighbours.first)
        #expect(neighbour.address == way.routes[0].route.gateway && neighbour.mac == TunnelDevice.mac(of: "peer"))
        #expect(
            way.tunnels == [TunnelEntry(TunnelDevice.mac(of: "peer"), at: IPAddress("198.51.100.200")!, interface: 9)])
    }

    @Test func eachFamilyOfPodsHasAWayOverEitherFamilyOfUnderlay() {
        let dual = ["10.1.5.0/24", "fd00:5::/64"]
        #expect(
            way(["192.0.2.9", "2001:db8::9"], dual).routes.map { $0.route.gateway?.description } == [
                "192.0.2.9", "2001:db8::9",
            ])
        // IPv4 pods by an IPv6 gateway; IPv6 pods cannot have an IPv4 one, and take the tunnel.
        #expect(way(["2001:db8::9"], dual).routes.map { $0.route.interface } == [2, 2])
        let tunnelled = way(["192.0.2.9"], dual)
        #expect(tunnelled.routes.map { $0.route.interface } == [2, 9] && tunnelled.tunnels.count == 1)
        #expect(way(["192.0.2.9"], dual, .vxlan).neighbours.map { $0.address.family } == [.v4, .v6])
    }

    @Test func modesAreKept() {
        #expect(way(["192.0.2.9"], .vxlan).routes.map { $0.route.interface } == [9])
        let beyond = way(["198.51.100.200"], .routes)
        #expect(beyond.routes.isEmpty && beyond.obstacles == [.notOnLink(IPAddress("198.51.100.200")!)])
    }

    @Test func aPeerThatCannotBeReachedSaysWhy() {
        #expect(way([]).obstacles == [.noCommonFamily])
        #expect(way(["2001:db8:1::9"]).obstacles == [.noCommonFamily])
        #expect(way(["192.0.2.1"]).obstacles == [.ownAddress(IPAddress("192.0.2.1")!)])
        // An address without a subnet on its link says nothing of neighbours.
        #expect(way(["203.0.113.1"]).obstacles == [.ownAddress(IPAddress("203.0.113.1")!)])
        #expect(way(["203.0.113.2"]).routes.map { $0.route.interface } == [9])
        // The device is being made: nothing is wrong yet.
        #expect(way(["198.51.100.200"], tunnel: nil) == PeerWay())
        #expect(way(["198.51.100.200"], []) == PeerWay())
    }

    private func way(_ addresses: [String], _ mode: RouteSettings.Mode) -> PeerWay {
        way(addresses, ["10.1.5.0/24"], mode)
    }

    @Test func everyNodeHasAMACOfItsOwnThatAllOthersKnow() {
        let macs = Set((0..<5000).map { TunnelDevice.mac(of: "node-\($0).example") })
        #expect(macs.count == 5000)
        #expect(macs.allSatisfy { !$0.isMulticast && $0.bytes[0] & 2 == 2 })
        // It must be the same in every version: nodes are not upgraded at once.
        #expect(TunnelDevice.mac(of: "node-1").description == "ee:c2:20:78:9f:55")
    }

    @Test func addressesThatNoNodeHasAreRejectedBehindEverythingElse() {
        let plan = RoutePlan(
            node: "own", settings: RouteSettings(clusterRanges: [CIDR("10.1.0.0/16")!, CIDR("fd00::/48")!]),
            underlay: Self.underlay)
        #expect(plan.wanted.routes.count == 2)
        #expect(plan.wanted.routes.values.allSatisfy { $0.type == .unreachable && $0.route.priority == 0xffff_fff0 })
    }

    @Test func aSubnetThatGoesFromOneNodeToAnotherIsReplacedAndNeverMissing() {
        var plan = RoutePlan(node: "own", settings: RouteSettings(), underlay: Self.underlay)
        _ = plan.replaceAll([node("a", "192.0.2.7", "10.1.5.0/24"), node("own", "192.0.2.1", "10.1.0.0/24")])
        #expect(plan.wanted.routes.count == 1)
        let change = plan.replaceAll([node("b", "192.0.2.8", "10.1.5.0/24"), node("own", "192.0.2.1", "10.1.0.0/24")])
        #expect(change.deletedRoutes.isEmpty && change.routes.map { $0.route.gateway } == [IPAddress("192.0.2.8")])
    }

    /// What was sent in steps is what a start from nothing would send.
    @Test(arguments: 1...40) func anyHistoryLeadsToTheSameTableAsAStartFromNothing(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var underlay = Self.underlay
        var tunnel: TunnelDevice? = Self.tunnel
        let settings = RouteSettings(
            RouteSettings.Mode.allCases.randomElement(using: &random)!, clusterRanges: [CIDR("10.1.0.0/16")!])
        var plan = RoutePlan(node: "n0", settings: settings, underlay: underlay, tunnel: tunnel)
        var kernel = plan.wanted
        var nodes: [String: ClusterNode] = [:]
        for _ in 0..<80 {
            let name = "n\(Int.random(in: 0..<6, using: &random))"
            let change: RouteChange
            switch Int.random(in: 0..<8, using: &random) {
            case 0:
                nodes[name] = nil
                change = plan.remove(name)
            case 1:
                tunnel = [nil, Self.tunnel, TunnelDevice(index: 12, family: .v6)].randomElement(using: &random)!
                underlay.interfaces[0].addresses = [
                    CIDR(["192.0.2.1/24", "192.0.2.1/30"].randomElement(using: &random)!)!
                ]
                change = plan.set(underlay: underlay, tunnel: tunnel)
            default:
                let addresses = ["192.0.2.2", "192.0.2.9", "198.51.100.200", "2001:db8::4"].filter { _ in
                    Bool.random(using: &random)
                }
                let subnets = ["10.1.1.0/24", "10.1.2.0/24", "10.1.0.0/22", "fd00:1::/64"].filter { _ in
                    Bool.random(using: &random)
                }
                let node = ClusterNode(
                    name, addresses: addresses.map { IPAddress($0)! }, subnets: subnets.map { CIDR($0)! },
                    age: Int64.random(in: 0...2, using: &random))
                nodes[name] = node
                change = plan.set(node)
            }
            kernel.apply(change)
            var anew = RoutePlan(node: "n0", settings: settings, underlay: underlay, tunnel: tunnel)
            _ = anew.replaceAll(nodes.values.shuffled(using: &random))
            #expect(plan.wanted == anew.wanted, "seed \(seed)")
            #expect(kernel == anew.wanted, "seed \(seed)")
            #expect(RouteChange(from: kernel, to: anew.wanted).isEmpty)
        }
    }

    private func node(_ name: String, _ address: String, _ subnet: String) -> ClusterNode {
        ClusterNode(name, addresses: [IPAddress(address)!], subnets: [CIDR(subnet)!])
    }
}
