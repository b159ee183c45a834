import Addresses
import ClusterState
import Foundation
import Kernel
import ServicePlan
import ServiceReconciler
import TestSupport
import Testing

/// The same client, the same endpoint (point 9).
@Suite struct AffinityTests {
    @Test func aClientStaysAtItsEndpointAtClusterIPsNodePortsAndExternalAddressesInBothFamilies() async {
        await #expect(processExitsWith: .success) {
            let sticky = service {
                $0.affinity = 60
                $0.externalIPs = [IPAddress("203.0.113.1")!]
            }
            let lab = try Lab([sticky], slices([1, 2, 3]))
            for (address, port) in [
                ("10.96.0.10", 80), ("fd00:96::10", 80), ("192.0.2.1", 30080), ("203.0.113.1", 80),
                ("2001:db8::1", 30080),
            ] {
                var firsts: Set<String> = []
                for ask in [Lab.ask, lab.pods[0].ask, lab.pods[1].ask, lab.outside.ask] {
                    let answers = try ask(address, port, false, 25, "")
                    try require(answers.count == 25 && answers.pods.count == 1, "\(address): \(answers)")
                    firsts.formUnion(answers.pods)
                }
                try require(firsts.isSubset(of: ["1", "2", "3"]), "\(firsts)")
            }
            try require(try lab.pods[0].ask("10.96.0.10", 53, udp: true, times: 25).pods.count == 1, "UDP")
        }
    }

    @Test func affinityOutlivesTheAgent() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service { $0.affinity = 60 }], slices([1, 2, 3]))
            let before = try lab.outside.ask("10.96.0.10", 80).pods
            var other = try ServiceReconciler()
            try require(try other.reconcile(to: lab.plan) == 0, "it changed something")
            try require(try lab.outside.ask("10.96.0.10", 80, times: 25).pods == before, "another endpoint")
        }
    }

    @Test func affinityEndsWithItsEndpointAndOtherClientsKeepTheirs() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service { $0.affinity = 60 }], slices([1, 2, 3]))
            var firsts: [String] = []
            for pod in lab.pods { firsts.append(try pod.ask("10.96.0.10", 80).pods.first ?? "") }
            let gone = Int(firsts[0])!
            let left = [1, 2, 3].filter { $0 != gone }
            try lab.change { plan in slices(left).map { plan.set($0) } }
            for (pod, first) in zip(lab.pods, firsts) {
                let answers = try pod.ask("10.96.0.10", 80, times: 20)
                try require(answers.pods.count == 1 && answers.pods != ["\(gone)"], "\(answers)")
                try require(first == "\(gone)" || answers.pods == [first], "moved from \(first): \(answers)")
            }
        }
    }

    @Test func affinityEndsAfterItsTimeWithoutANewConnectionAndAChangedTimeCountsFromThenOn() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service { $0.affinity = 1 }], slices([1, 2, 3]))
            func bound() throws -> Int {
                try output(of: "nft list map inet swiftlet_services affinity_v4").components(separatedBy: "expires")
                    .count - 1
            }
            _ = try lab.pods[0].ask("10.96.0.10", 80)
            try require(try bound() == 1, "not noted")
            usleep(1_300_000)
            try require(try bound() == 0, "still bound")
            try lab.change { plan in [plan.set(service { $0.affinity = 60 })] }
            let first = try lab.pods[0].ask("10.96.0.10", 80).pods
            usleep(1_300_000)
            try require(try lab.pods[0].ask("10.96.0.10", 80, times: 20).pods == first, "the old time counts")
            let chains = try output(of: "nft list table inet swiftlet_services")
            try require(chains.contains("remember_v4_60") && !chains.contains("remember_v4_1 "), chains)
        }
    }

    @Test func affinityEndsWhenAPolicyForbidsItsEndpoint() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service { $0.affinity = 60 }], slices([1, 2], own: [1]))
            // From many addresses, so that some are bound to the other one.
            try lab.outside.shell("for n in $(seq 10 30); do ip addr add 192.0.2.$n/24 dev eth0; done")
            for n in 10...30 { _ = try lab.outside.ask("192.0.2.1", 30080, from: "192.0.2.\(n)") }
            try lab.change { plan in
                [
                    plan.set(
                        service {
                            $0.affinity = 60; $0.externalPolicy = .local
                        })
                ]
            }
            for n in 10...30 {
                try require(try lab.outside.ask("192.0.2.1", 30080, from: "192.0.2.\(n)").pods == ["1"], "from \(n)")
            }
        }
    }
}
