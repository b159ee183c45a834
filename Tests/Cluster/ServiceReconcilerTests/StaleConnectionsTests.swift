import Addresses
import ClusterState
import Foundation
import Kernel
import ServicePlan
import ServiceReconciler
import TestSupport
import Testing

/// UDP clients that keep their port find a living endpoint (point 16), and TCP connections are left alone (point 17).
@Suite struct StaleConnectionsTests {
    @Test func udpFromAFixedPortMovesFromAnEndpointThatIsGoneAtClusterIPsAndNodePorts() async {
        await #expect(processExitsWith: .success) {
            let both = service { $0.ports = [.init("dns", .udp, 53, nodePort: 30053)] }
            let lab = try Lab([both, service("other", at: ["10.96.0.11"])], slices([1]) + slices([1], of: "other"))
            for (ask, address, port, source) in [
                (lab.pods[2].ask, "10.96.0.10", 53, "10.128.0.3,5000"),
                (lab.pods[2].ask, "fd00:96::10", 53, "fd00:128::3,5000"),
                (lab.outside.ask, "192.0.2.1", 30053, "192.0.2.9,5000"),
                (lab.pods[2].ask, "10.96.0.11", 53, "10.128.0.3,5001"),
            ] {
                let answers = try ask(address, port, true, 1, source)
                try require(answers.pods == ["1"], "\(address): \(answers)")
            }
            try lab.change { plan in slices([2]).map { plan.set($0) } }
            for (ask, address, port, source, pod) in [
                (lab.pods[2].ask, "10.96.0.10", 53, "10.128.0.3,5000", "2"),
                (lab.pods[2].ask, "fd00:96::10", 53, "fd00:128::3,5000", "2"),
                (lab.outside.ask, "192.0.2.1", 30053, "192.0.2.9,5000", "2"),
                // Another Service's stay.
                (lab.pods[2].ask, "10.96.0.11", 53, "10.128.0.3,5001", "1"),
            ] {
                let answers = try ask(address, port, true, 1, source)
                try require(answers.pods == [pod], "\(address): \(answers)")
            }
        }
    }

    @Test func udpThatWasSentBeforeTheServiceExistedReachesIt() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([], [])
            // Outside of the ranges, so that it goes astray.
            try require(
                try lab.pods[2].ask("203.0.113.5", 53, udp: true, from: "10.128.0.3,5000") != [], "no answer at all")
            try lab.change { plan in
                [plan.set(service { $0.externalIPs = [IPAddress("203.0.113.5")!] })] + slices([1]).map { plan.set($0) }
            }
            try require(
                try lab.pods[2].ask("203.0.113.5", 53, udp: true, from: "10.128.0.3,5000").pods == ["1"], "still astray"
            )
        }
    }

    @Test func withoutAnyEndpointUDPEntriesStay() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service()], slices([1]))
            _ = try lab.pods[2].ask("10.96.0.10", 53, udp: true, from: "10.128.0.3,5000")
            try lab.change { plan in slices([]).map { plan.set($0) } }
            try require(
                try lab.pods[2].ask("10.96.0.10", 53, udp: true, from: "10.128.0.3,5000").pods == ["1"],
                "it was deleted")
        }
    }

    @Test func connectionsOfTCPToAnEndpointThatGoesAreLeftAlone() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service()], slices([1]))
            _ = try lab.pods[2].ask("10.96.0.10", 80, times: 5)
            let tracked = "conntrack -L -p tcp --orig-dst 10.96.0.10 --reply-src 10.128.0.1 2> /dev/null | wc -l"
            try require(try output(of: tracked) == "5\n", try output(of: tracked))
            try lab.change { plan in slices([2]).map { plan.set($0) } }
            try require(try output(of: tracked) == "5\n", try output(of: tracked))
        }
    }

    @Test func packetsOutOfTheWindowAreTakenForValidSoThatTheyAreTranslated() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service()], slices([1]))
            let liberal = try output(of: "cat /proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal")
            try require(liberal == "1\n", liberal)
            _ = lab.plan
        }
    }

    @Test func whereTheyAreDroppedARuleDoesItAndOneAgentFollowsTheOther() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            let plan = everything()
            var dropping = try ServiceReconciler(outOfWindow: .dropped)
            try dropping.reconcile(to: plan)
            let text = try output(of: "nft list chain inet swiftlet_services invalid")
            try require(text.contains("ct state invalid ip saddr @pods_v4 drop"), text)
            try require(try dropping.reconcile(to: plan) == 0, "a second change")
            var accepting = try ServiceReconciler()
            try accepting.reconcile(to: plan)
            let after = try output(of: "nft list ruleset")
            try require(!after.contains("ct state invalid"), after)
        }
    }
}
