import Addresses
import ClusterState
import ServicePlan
import Testing

/// Which Services, addresses and endpoints count (points 1 to 3 of what a proxy owes).
@Suite struct WhichServicesTests {
    @Test func headlessExternalNameAndOtherProxiesServicesAreNotServed() {
        let slices = [slice([endpoint(1)])]
        #expect(plan([service { $0.clusterIPs = [] }], slices).table.frontends.isEmpty)
        #expect(plan([service { $0.exemption = .externalName }], slices).table.frontends.isEmpty)
        #expect(plan([service { $0.exemption = .otherProxy }], slices).table.frontends.isEmpty)
    }

    @Test func headlessSlicesAndNamesAreNoEndpoints() {
        #expect(entry(service(), [slice([endpoint(1)]) { $0.isHeadless = true }])?.answer == .reject)
        #expect(entry(service(), [slice([endpoint(1)]) { $0.family = nil }])?.answer == .reject)
    }

    @Test func eachAddressOfAFamilyLeadsToTheEndpointsOfThatFamily() {
        let six = slice([.init(IPAddress("fd00:128::5")!, node: "node-2")], "six") { $0.family = .v6 }
        let both = plan(
            [service { $0.clusterIPs.append(IPAddress("fd00:96::a")!) }], [slice([endpoint(1)]), six])
        #expect(both.table.frontends[frontend()]?.answer == .targets(targets(1)))
        #expect(
            both.table.frontends[frontend("fd00:96::a")]?.answer
                == .targets([Target(IPAddress("fd00:128::5")!, 8080)]))
    }

    @Test func aLoadBalancersAddressOfModeProxyIsNotIntercepted() {
        let service = service {
            $0.ingress = [.init(IPAddress("203.0.113.1")!), .init(IPAddress("203.0.113.2")!, isProxy: true)]
        }
        let table = plan([service], [slice([endpoint(1)])]).table
        #expect(table.frontends[frontend("203.0.113.1")] != nil)
        #expect(table.frontends[frontend("203.0.113.2")] == nil)
    }

    @Test func nodePortsAreOpenOnThePrimaryAddressOfEachFamilyThatTheServiceHasUnlessRangesAreGiven() {
        var node = thisNode
        node.addresses = ["127.0.0.1", "192.0.2.1", "198.51.100.1", "2001:db8::1"].map { IPAddress($0)! }
        let service = service { $0.ports = [.init("http", .tcp, 80, nodePort: 30080)] }
        let open = { (node: ServiceNode) in
            Set(plan([service], [slice([endpoint(1)])], on: node).table.frontends.keys.filter { $0.port == 30080 })
        }
        #expect(open(node) == [frontend("192.0.2.1", 30080)])
        node.nodePorts = .within([CIDR("198.51.100.0/24")!, CIDR("127.0.0.0/8")!])
        #expect(open(node) == [frontend("198.51.100.1", 30080)])
    }

    @Test func aPortLeadsToTheSlicePortOfItsNameAndProtocol() {
        let service = service { $0.ports = [.init("http", .tcp, 80), .init("dns", .udp, 53), .init("", .tcp, 90)] }
        let slices = [
            slice([endpoint(1)]) {
                $0.ports = [
                    .init("dns", .udp, 5353), .init("http", .udp, 1), .init("http", .tcp, 8080), .init("", .tcp, nil),
                ]
            }
        ]
        let table = plan([service], slices).table
        #expect(table.frontends[frontend()]?.answer == .targets(targets(1)))
        #expect(table.frontends[frontend("10.96.0.10", 53, .udp)]?.answer == .targets([target(1, 5353)]))
        #expect(table.frontends[frontend("10.96.0.10", 90)]?.answer == .reject)
        #expect(table.frontends[frontend()]?.service.description == "shop/web:http")
    }

    @Test func anAddressInSeveralSlicesCountsOnce() {
        let answer = entry(service(), [slice([endpoint(1), endpoint(2)]), slice([endpoint(2), endpoint(2)], "b")])?
            .answer
        #expect(answer == .targets(targets(1, 2)))
    }

    @Test func slicesWithoutPortsHaveNoEndpoints() {
        #expect(entry(service(), [slice([endpoint(1)]) { $0.ports = [] }])?.answer == .reject)
    }
}
