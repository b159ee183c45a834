import Addresses
import ClusterState
import Foundation
import Kernel
import Libnftables
import ServicePlan
import ServiceReconciler
import TestSupport
import Testing

/// The kernel has what was wanted; whatever happens to it is put right, and nft shows it.
@Suite struct ReconcilingServicesTests {
    @Test func aSecondLookChangesNothingAndNorDoesAnotherAgentsFirst() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            let plan = everything()
            var reconciler = try ServiceReconciler()
            try require(try reconciler.reconcile(to: plan) > 0, "nothing was made")
            try require(try reconciler.isUntouched(), "touched")
            let listed = try Nft().run("list ruleset")
            try require(try reconciler.reconcile(to: plan) == 0, "a second change")
            var other = try ServiceReconciler()
            try require(try other.reconcile(to: plan) == 0, "another's change")
            try require(try Nft().run("list ruleset") == listed, "something has changed")
        }
    }

    @Test func nftListsAllOfItAsTextAndAsJSONWithTheOwnersNames() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            var reconciler = try ServiceReconciler()
            try reconciler.reconcile(to: everything())
            for text in [try Nft().run("list ruleset"), try output(of: "nft list ruleset")] {
                for expected in [
                    "10.96.0.10 . tcp . 80 comment \"shop/web:http\" : goto sticky_v4_3",
                    "10.96.0.10 . tcp . 80 . 2 comment \"shop/web:http\" : 10.128.0.",
                    "fd00:96::10 . tcp . 80 . 0 comment \"shop/web:http\" : fd00:128::",
                    "192.0.2.1 . tcp . 30080 comment \"shop/web:http\" : goto stickysplit_v4_3_2",
                    "numgen random mod 3 map @endpoints_v4", "numgen random mod 3 map @endpoints_v6",
                    "update @affinity_v4 { ct original ip saddr . ct original ip daddr . meta l4proto . ct original proto-dst timeout 1m : ip daddr . th dport }",
                    "ip daddr . meta l4proto . th dport . ip saddr != @allowed_v4 drop",
                ] { try require(text.contains(expected), "\(expected) is not in\n\(text)") }
            }
            for text in [try Nft().run("list ruleset", json: true), try output(of: "nft -j list ruleset 2> /dev/null")]
            {
                try require((try? JSONSerialization.jsonObject(with: Data(text.utf8))) != nil, "not JSON: \(text)")
                for expected in ["shop/web:http", "sticky_v4_3", "random"] {
                    try require(text.contains(expected), expected)
                }
            }
        }
    }

    @Test func whateverSomebodyDoesToTheTableIsPutRight() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            let plan = everything()
            var reconciler = try ServiceReconciler()
            try reconciler.reconcile(to: plan)
            let whole = try sorted(Nft().run("list ruleset"))
            let table = "inet swiftlet_services"
            for damage in [
                "flush ruleset", "delete table \(table)", "flush chain \(table) prerouting",
                "flush chain \(table) sticky_v4_3",
                "insert rule \(table) sticky_v4_3 drop", "insert rule \(table) to_services_v4 accept",
                "flush map \(table) services_v4", "flush map \(table) endpoints_v4", "flush set \(table) pods_v4",
                "flush map \(table) externals_v6", "flush set \(table) allowed_v4", "flush set \(table) hairpins_v4",
                "add chain \(table) mine", "add element \(table) cluster_ips_v4 { 10.1.1.1 }",
                "delete element \(table) endpoints_v4 { 10.96.0.10 . tcp . 80 . 1 }",
                "add element \(table) endpoints_v4 { 10.96.0.10 . tcp . 80 . 7 : 10.1.1.1 . 1 }",
                "add element \(table) services_v4 { 10.96.5.5 . tcp . 1 : drop }",
                "delete set \(table) version_1", "add table \(table) { flags dormant; }",
                "add element \(table) service_ranges_v4 { 10.0.0.0/16 }",
            ] {
                _ = try Nft().run(damage)
                try require(try !reconciler.isUntouched(), "\(damage) was not noticed")
                try reconciler.reconcile(to: plan)
                let mended = try sorted(Nft().run("list ruleset"))
                try require(mended == whole, "\(damage) is not mended: \(mended.difference(from: whole))")
                try require(try reconciler.reconcile(to: plan) == 0, "a second change after \(damage)")
            }
        }
    }

    @Test func aChangeThatMeetsADamagedTableMendsItAndIsMade() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            var plan = everything()
            var reconciler = try ServiceReconciler()
            try reconciler.reconcile(to: plan)
            _ = try Nft().run("flush ruleset")
            try reconciler.apply(plan.removeService(ObjectName("shop", "web")), of: plan)
            try require(try reconciler.reconcile(to: plan) == 0, "not all was put back")
        }
    }

    @Test func listsThatAreNotCompleteRemoveNothing() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            var reconciler = try ServiceReconciler()
            try reconciler.reconcile(to: everything())
            let before = try Nft().run("list ruleset")
            var plan = ServicePlan(Lab.node)
            let change = plan.replaceServices([])
            try require(try reconciler.apply(change, of: plan) == 0 && reconciler.reconcile(to: plan) == 0, "changes")
            try require(try Nft().run("list ruleset") == before, "something has changed")
        }
    }

    @Test func anyHistoryEndsWithWhatASecondLookFindsRightAndChainsThatNobodyNeedsAreGone() async {
        await #expect(processExitsWith: .success) {
            try NetworkNamespace.enterNew()
            var random = SplitMix64(seed: 83)
            var plan = everything()
            var reconciler = try ServiceReconciler()
            try reconciler.reconcile(to: plan)
            for step in 0..<300 {
                let name = "s\(Int.random(in: 0..<4, using: &random))"
                let pods = (1...5).filter { _ in Bool.random(using: &random) }
                var change = ServiceChange()
                switch Int.random(in: 0..<8, using: &random) {
                case 0: change.merge(plan.removeService(ObjectName("shop", name)))
                case 1, 2, 3:
                    change.merge(
                        plan.set(
                            service(name, at: ["10.96.1.\(name.last!)", "10.97.0.\(name.last!)"]) {
                                $0.ports = [.init("http", .tcp, 80, nodePort: 30090)]
                                $0.affinity = [nil, 60, 90].randomElement(using: &random)!
                                $0.externalPolicy = Bool.random(using: &random) ? .local : .cluster
                                $0.internalPolicy = Bool.random(using: &random) ? .local : .cluster
                                $0.ingress = [.init(IPAddress("203.0.113.\(Int.random(in: 1...3, using: &random))")!)]
                                $0.sourceRanges = [nil, [CIDR("198.18.0.0/16")!]].randomElement(using: &random)!
                            }))
                default:
                    for slice in slices(pods, of: name, own: [1, 2]) { change.merge(plan.set(slice)) }
                }
                try reconciler.apply(change, of: plan)
                guard step % 10 == 9 else { continue }
                let found = try reconciler.reconcile(to: plan)
                try require(found == 0, "step \(step): \(found) differences")
            }
            let text = try Nft().run("list ruleset")
            for chain in text.matches(of: #/chain ([a-z]+_v[46]_[0-9_]+) /#).map({ String($0.1) }) {
                try require(text.contains("goto \(chain)") || text.contains("jump \(chain)"), "\(chain) is left")
            }
            var empty = ServicePlan(Lab.node)
            _ = empty.replaceServices([])
            _ = empty.replaceSlices([])
            try reconciler.reconcile(to: empty)
            try require(try !Nft().run("list ruleset").contains("pick_"), "chains are left")
            try reconciler.remove()
            try require(try Nft().run("list ruleset").isEmpty, "the table is left")
        }
    }

    @Test func aServiceWithEndpointsNeverRefusesWhileOthersAndItsOwnEndpointsChange() async {
        await #expect(processExitsWith: .success) {
            let lab = try Lab([service()], slices([1, 2, 3]))
            let address = "10.96.0.10"
            let log = NSTemporaryDirectory() + "answers-\(getpid())"
            let client = try lab.pods[2].run {
                try output(
                    of:
                        "(for i in $(seq 20); do \(Lab.command(address, 80, times: 50)); done > \(log) 2>&1; echo end >> \(log)) > /dev/null 2>&1 & echo $!"
                )
            }
            _ = client
            for step in 0..<4000 {
                try lab.change { plan in
                    slices([[1, 2, 3], [1], [2, 3], [3, 1]][step % 4]).map { plan.set($0) }
                        + [
                            plan.set(
                                service("other", at: ["10.96.0.11"]) {
                                    $0.ports = [.init("a", .tcp, UInt16(1 + step % 9))]
                                })
                        ]
                }
                let text = try String(contentsOfFile: log, encoding: .utf8)
                if text.hasSuffix("end\n") { break }
                usleep(1000)
            }
            while try !String(contentsOfFile: log, encoding: .utf8).hasSuffix("end\n") { usleep(10_000) }
            let answers = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map(String.init)
            try FileManager.default.removeItem(atPath: log)
            try require(
                answers.count == 1001 && answers.pods == ["1", "2", "3", "end"], "\(answers.pods) \(answers.count)")
        }
    }
}

/// A Service with all that there is.
func everything() -> ServicePlan {
    var plan = ServicePlan(Lab.node)
    let all = service {
        $0.externalIPs = [IPAddress("203.0.113.1")!]
        $0.ingress = [.init(IPAddress("203.0.113.2")!)]
        $0.sourceRanges = [CIDR("198.18.0.0/16")!, CIDR("192.0.2.9/32")!]
        $0.externalPolicy = .local
        $0.affinity = 60
    }
    _ = plan.replaceServices([
        all, service("plain", at: ["10.96.0.11"]) { $0.ports = [.init("http", .tcp, 80)] },
        service("odd", at: ["10.97.0.1"]) { $0.ports = [.init("x", .udp, 9)] },
    ])
    _ = plan.replaceSlices(slices([1, 2, 3], own: [1, 2]) + slices([2, 3], of: "plain"))
    return plan
}

private func sorted(_ text: String) -> [String] {
    // Elements and chains have no order.
    text.replacing("elements = {", with: "").replacing("}", with: "").split(whereSeparator: { $0 == "\n" || $0 == "," })
        .map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }.sorted()
}
