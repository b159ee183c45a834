import Addresses
import ClusterState
import Foundation
import ServicePlan
import TestSupport
import Testing

/// Real packets: who answers, and whom it sees (points 8 and 10 to 15).
@Suite struct ServingTests {
    @Test func clusterIPsAnswerPodsTheNodeAndOthersByTCPAndUDPInBothFamilies() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service()], slices([1, 2, 3]))
            for (address, port, udp) in [
                ("10.96.0.10", 80, false), ("fd00:96::10", 80, false), ("10.96.0.10", 53, true),
                ("fd00:96::10", 53, true),
            ] {
                let six = address.contains(":")
                for (who, answers) in [
                    ("node", try Lab.ask(address, port, udp: udp, times: 30)),
                    ("pod", try lab.pods[0].ask(address, port, udp: udp, times: 30)),
                    ("outside", try lab.outside.ask(address, port, udp: udp, times: 30)),
                ] {
                    try require(answers.pods == ["1", "2", "3"], "\(who) to \(address) \(port): \(answers)")
                    // Pods keep their address, except for one that is its own endpoint; others get the node's.
                    let gateway = six ? "fd00:128::fe" : "10.128.0.254"
                    let expected: Set<String> =
                        who == "pod" ? [six ? "fd00:128::1" : "10.128.0.1", gateway] : [gateway]
                    try require(answers.clients == expected, "\(who) to \(address) \(port): \(answers)")
                }
            }
        }
    }

    @Test func endpointsGetEqualSharesOfConnections() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service()], slices([1, 2, 3]))
            let answers = try lab.pods[2].ask("10.96.0.10", 80, times: 900)
            let counts = Dictionary(grouping: answers, by: { $0.prefix(1) }).mapValues(\.count)
            // Five standard deviations of 900 choices of three: 71.
            try require(counts.count == 3 && counts.values.allSatisfy { abs($0 - 300) <= 71 }, "\(counts)")
        }
    }

    @Test func aPodReachesItselfByItsService() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service()], slices([1]))
            for address in ["10.96.0.10", "fd00:96::10"] {
                let answers = try lab.pods[0].ask(address, 80, times: 3)
                try require(answers.pods == ["1"] && answers.count == 3, "\(answers)")
            }
        }
    }

    @Test func withoutEndpointsConnectionsAreRefusedFromPodNodeAndOutside() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service { $0.externalIPs = [IPAddress("203.0.113.1")!] }], [])
            for (address, port, udp) in [
                ("10.96.0.10", 80, false), ("fd00:96::10", 80, false), ("10.96.0.10", 53, true),
                ("fd00:96::10", 53, true),
                ("192.0.2.1", 30080, false), ("203.0.113.1", 80, false), ("203.0.113.1", 53, true),
            ] {
                let answers =
                    try Lab.ask(address, port, udp: udp) + lab.pods[0].ask(address, port, udp: udp)
                    + lab.outside.ask(address, port, udp: udp)
                try require(answers == ["refused", "refused", "refused"], "\(address) \(port): \(answers)")
            }
        }
    }

    @Test func portsAndAddressesOfTheServiceRangeThatNobodyHasAreRefusedAndNeverLeaveTheNode() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service(), service("odd", at: ["10.97.0.1"])], slices([1]))
            for (address, port) in [("10.96.0.10", 81), ("10.96.9.9", 80), ("10.97.0.1", 81), ("fd00:96::99", 80)] {
                let answers = try Lab.ask(address, port) + lab.pods[0].ask(address, port)
                try require(answers == ["refused", "refused"], "\(address) \(port): \(answers)")
            }
        }
    }

    @Test func localPolicyKeepsTheClientsAddressAndDropsSilentlyWithoutAnEndpointOfTheNode() async {
        await #expect(processExitsWith: .success) {
            let local = service {
                $0.externalPolicy = .local
                $0.externalIPs = [IPAddress("203.0.113.1")!]
            }
            let lab = try Lab([local], slices([1, 2], own: [1]))
            for (address, port) in [("192.0.2.1", 30080), ("203.0.113.1", 80)] {
                let outside = try lab.outside.ask(address, port, times: 12)
                try require(outside.pods == ["1"] && outside.clients == ["192.0.2.9"], "\(outside)")
                // Those inside take the short cut to any endpoint: pods as themselves, the node with an address of its own.
                let pod = try lab.pods[2].ask(address, port, times: 30)
                try require(pod.pods == ["1", "2"] && pod.clients == ["10.128.0.3"], "\(pod)")
                let node = try Lab.ask(address, port, times: 30)
                try require(node.pods == ["1", "2"] && node.clients == ["10.128.0.254"], "\(node)")
            }
            try lab.change { plan in slices([2], own: []).map { plan.set($0) } }
            try require(try lab.outside.ask("203.0.113.1", 80) == ["silence"], "an answer")
            try require(try lab.pods[2].ask("203.0.113.1", 80).pods == ["2"], "no short cut")
        }
    }

    @Test func internalLocalPolicyDropsWithoutAnEndpointOfTheNode() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service { $0.internalPolicy = .local }], slices([1, 2], own: [2]))
            try require(try lab.pods[0].ask("10.96.0.10", 80, times: 9).pods == ["2"], "another pod")
            try lab.change { plan in slices([1], own: []).map { plan.set($0) } }
            try require(try lab.pods[0].ask("10.96.0.10", 80) == ["silence"], "an answer")
        }
    }

    @Test func nodePortsAnswerOnTheNodesAddressWithTheNodesAddress() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service()], slices([1, 2]))
            for address in ["192.0.2.1", "2001:db8::1"] {
                let gateway = address.contains(":") ? "fd00:128::fe" : "10.128.0.254"
                for answers in [
                    try lab.outside.ask(address, 30080, times: 20), try lab.pods[2].ask(address, 30080, times: 20),
                    try Lab.ask(address, 30080, times: 20),
                ] {
                    try require(answers.pods == ["1", "2"] && answers.clients == [gateway], "\(address): \(answers)")
                }
            }
            try require(try Lab.ask("127.0.0.1", 30080) == ["refused"], "127.0.0.1 answers")
        }
    }

    @Test func loadBalancersAddressesAnswerOnlyThoseInTheSourceRanges() async {
        await #expect(processExitsWith: .success) {
            let limited = service {
                $0.ingress = [.init(IPAddress("203.0.113.1")!)]
                $0.sourceRanges = [CIDR("198.18.0.0/24")!, CIDR("192.0.2.1/32")!]
            }
            let lab = try Lab([limited], slices([1]))
            let allowed = try lab.outside.ask("203.0.113.1", 80, from: "198.18.0.9")
            try require(allowed.pods == ["1"], "\(allowed)")
            try require(try lab.outside.ask("203.0.113.1", 80) == ["silence"], "it was let in")
            try require(try Lab.ask("203.0.113.1", 80).pods == ["1"], "the node was not let in")
            try require(try lab.outside.ask("192.0.2.1", 30080).pods == ["1"], "the node port is limited too")
        }
    }
}
