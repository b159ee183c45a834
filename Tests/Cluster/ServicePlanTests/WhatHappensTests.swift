import Addresses
import ClusterState
import ServicePlan
import Testing

/// What becomes of packets (points 11 to 15 and 18).
@Suite struct WhatHappensTests {
    private func external(_ change: (inout Service) -> Void = { _ in }) -> Service {
        service {
            $0.ports = [.init("http", .tcp, 80, nodePort: 30080)]
            $0.externalIPs = [IPAddress("198.51.100.7")!]
            $0.ingress = [.init(IPAddress("203.0.113.1")!)]
            change(&$0)
        }
    }
    private let externals = [frontend("192.0.2.1", 30080), frontend("198.51.100.7"), frontend("203.0.113.1")]

    @Test func withoutEndpointsEveryAddressRejects() {
        let table = plan([external()], []).table
        for frontend in externals + [frontend()] { #expect(table.frontends[frontend]?.answer == .reject) }
        let local = plan([external { $0.externalPolicy = .local }], []).table
        for frontend in externals { #expect(local.frontends[frontend]?.answer == .reject) }
    }

    @Test func externalAddressesHideTheClientUnderClusterPolicyAndClusterIPsOnlyThoseOutsideOfThePods() {
        let table = plan([external()], [slice([endpoint(1)])]).table
        for frontend in externals { #expect(table.frontends[frontend]?.masquerade == .everybody) }
        #expect(table.frontends[frontend()]?.masquerade == .foreign)
    }

    @Test func localPolicyKeepsTheClientAndLeadsThoseInsideToAnyEndpoint() {
        let service = external { $0.externalPolicy = .local }
        let table = plan([service], [slice([endpoint(1), endpoint(2)])]).table
        for frontend in externals {
            #expect(table.frontends[frontend]?.answer == .split(all: targets(1, 2), own: targets(1)))
            #expect(table.frontends[frontend]?.masquerade == .node)
        }
        #expect(table.frontends[frontend()]?.answer == .targets(targets(1, 2)))
        let remote = plan([service], [slice([endpoint(2)])]).table
        #expect(remote.frontends[externals[0]]?.answer == .split(all: targets(2), own: []))
    }

    @Test func addressesOfTheServiceRangesNeedNoElementOfTheirOwnAndOthersDo() {
        let table = plan([service(), service("odd", at: "10.99.0.1")], []).table
        #expect(table.serviceRanges == thisNode.serviceRanges)
        #expect(table.clusterIPs == [IPAddress("10.99.0.1")!])
    }

    @Test func endpointsOnThisNodeMayBeTheirOwnClients() {
        var planned = plan(
            [service(), service("other", at: "10.96.0.11")],
            [
                slice([endpoint(1), endpoint(2)]), slice([endpoint(1)], of: "other"),
            ])
        #expect(planned.table.hairpins == [IPAddress("10.128.0.1")!])
        _ = planned.removeService(ObjectName("shop", "other"))
        #expect(planned.table.hairpins == [IPAddress("10.128.0.1")!])
        let change = planned.removeSlice(ObjectName("shop", "web-a"))
        #expect(planned.table.hairpins.isEmpty && change.hairpins == [IPAddress("10.128.0.1")!])
    }

    @Test func sourceRangesHoldForTheLoadBalancerOnly() {
        let service = external {
            $0.sourceRanges = [CIDR("198.18.0.0/16")!, CIDR("198.18.1.0/24")!, CIDR("fd01::/16")!]
        }
        let table = plan([service], [slice([endpoint(1)])]).table
        #expect(table.frontends[frontend("203.0.113.1")]?.sources == [CIDR("198.18.0.0/16")!])
        #expect(table.frontends[frontend()]?.sources == nil && table.frontends[externals[0]]?.sources == nil)
    }

    @Test func aNodeThatIsAllowedMayAskFromTheLoadBalancersAddressItself() {
        let service = external { $0.sourceRanges = [CIDR("192.0.2.0/24")!] }
        #expect(
            entry(service, [slice([endpoint(1)])], at: frontend("203.0.113.1"))?.sources
                == [CIDR("192.0.2.0/24")!, CIDR("203.0.113.1/32")!])
    }

    @Test func aRangeOfEverythingAndRangesOfTheOtherFamilyLimitNobody() {
        for ranges in [["0.0.0.0/0", "198.18.0.0/16"], ["fd01::/16"]] {
            let service = external { $0.sourceRanges = ranges.map { CIDR($0)! } }
            #expect(entry(service, [slice([endpoint(1)])], at: frontend("203.0.113.1"))?.sources == nil)
        }
        let nobody = external { $0.sourceRanges = [] }
        #expect(entry(nobody, [slice([endpoint(1)])], at: frontend("203.0.113.1"))?.sources == [])
    }

    @Test func whatTwoServicesClaimTheOlderHasAndTheOtherOneIsToldOnceUntilItIsMended() {
        let older = service("older", at: "10.96.0.1") {
            $0.externalIPs = [IPAddress("198.51.100.7")!]; $0.age = 1
        }
        let newer = service("newer", at: "10.96.0.2") {
            $0.externalIPs = [IPAddress("198.51.100.7")!]; $0.age = 2
        }
        let shared = frontend("198.51.100.7")
        for order in [[older, newer], [newer, older]] {
            var planned = ServicePlan(thisNode)
            var told = planned.set(order[0]).objections
            told += planned.set(order[1]).objections
            #expect(planned.table.frontends[shared]?.service.service.name == "older")
            #expect(planned.faults[newer.name]?.count == 1 && planned.faults[older.name] == nil)
            #expect(told.filter { $0.service == newer.name }.count == 1)
            var again = newer
            again.affinity = 5
            #expect(planned.set(again).objections.isEmpty)
            let change = planned.removeService(older.name)
            #expect(change.frontends.contains(shared) && planned.faults.isEmpty)
            #expect(planned.table.frontends[shared]?.service.service.name == "newer")
        }
    }

    @Test func nobodyTakesAClusterIPOrANodePortOfAnotherService() {
        let victim = service {
            $0.ports = [.init("http", .tcp, 80, nodePort: 30080)]; $0.age = 9
        }
        let thief = service("thief", at: "10.96.0.66") {
            $0.ports = [.init("a", .tcp, 80), .init("b", .tcp, 30080)]
            $0.externalIPs = [IPAddress("10.96.0.10")!, IPAddress("192.0.2.1")!]
            $0.ingress = [.init(IPAddress("10.96.0.10")!)]
        }
        let table = plan([thief, victim], []).table
        #expect(table.frontends[frontend()]?.service.service == victim.name)
        #expect(table.frontends[frontend("192.0.2.1", 30080)]?.service.service == victim.name)
    }

    @Test func badPartsAreLeftOutAndToldAndTheRestIsServed() {
        let service = service {
            $0.ports.append(.init("zero", .tcp, 0))
            $0.externalIPs = [IPAddress("127.0.0.1")!, IPAddress("224.0.0.1")!]
            $0.affinity = 0
        }
        var planned = ServicePlan(thisNode)
        var told = planned.set(service).objections
        let bad = EndpointSlice.Endpoint(IPAddress("169.254.169.254")!)
        let slice = slice([endpoint(1), bad, .init(IPAddress("fd00::1")!)])
        told += planned.set(slice).objections
        told += planned.set(slice).objections
        #expect(planned.table.frontends[frontend()]?.answer == .targets(targets(1)))
        #expect(planned.table.frontends.count == 1)
        #expect(told.count == 6 && Set(told).count == 6)
    }

    @Test func aPlanIsCompleteWhenBothListsWereAndUntilThenNothingMayBeDone() {
        var planned = ServicePlan(thisNode)
        _ = planned.replaceServices([service()])
        #expect(!planned.isComplete)
        _ = planned.replaceSlices([])
        #expect(planned.isComplete)
    }
}
