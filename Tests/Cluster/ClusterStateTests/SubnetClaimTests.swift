import Addresses
import ClusterState
import TestSupport
import Testing

/// Who has which subnet.
@Suite struct SubnetClaimTests {
    @Test func aNodeHasWhatNobodyElseClaims() {
        var nodes = ClusterNodes()
        #expect(nodes.set(node("a", "10.1.0.0/24", "fd00:1::/64")) == ["a"])
        #expect(nodes.set(node("b", "10.1.1.0/24")) == ["b"])
        #expect(nodes.subnetsInForce(of: "a") == [cidr("10.1.0.0/24"), cidr("fd00:1::/64")])
        #expect(nodes.subnetsInForce(of: "b") == [cidr("10.1.1.0/24")])
        #expect(nodes.subnetsInForce(of: "c") == [])
    }

    @Test func ofTwoThatClaimTheSameTheOlderKeepsItAndTheYoungerGetsItWhenTheOlderGoes() {
        var nodes = ClusterNodes()
        nodes.set(node("young", "10.1.0.0/16", age: 9))
        #expect(nodes.set(node("old", "10.1.7.0/24", age: 3)) == ["old", "young"])
        #expect(nodes.subnetsInForce(of: "old") == [cidr("10.1.7.0/24")])
        #expect(nodes.subnetsInForce(of: "young") == [])
        #expect(nodes.refusedClaims(of: "young").map { $0.holder } == ["old"])
        #expect(nodes.remove("old") == ["old", "young"])
        #expect(nodes.subnetsInForce(of: "young") == [cidr("10.1.0.0/16")])
        #expect(nodes.refusedClaims(of: "young").isEmpty)
    }

    @Test func aNodeThatReportsTheSameAgainConcernsNobody() {
        var nodes = ClusterNodes()
        nodes.set(node("a", "10.1.0.0/24"))
        #expect(nodes.set(node("a", "10.1.0.0/24")).isEmpty)
        #expect(nodes.remove("b").isEmpty)
        #expect(nodes.replaceAll([node("a", "10.1.0.0/24")]).isEmpty)
        #expect(nodes.replaceAll([]) == ["a"])
        #expect(nodes.count == 0)
    }

    @Test func aSubnetThatANodeNamesTwiceOrWithinAnotherOfItsOwnIsStillItsOwn() {
        var nodes = ClusterNodes()
        nodes.set(node("a", "10.1.0.0/24", "10.1.0.0/24", "10.1.0.128/25"))
        #expect(nodes.subnetsInForce(of: "a").count == 3)
        nodes.set(node("a"))
        nodes.set(node("b", "10.1.0.0/24"))
        #expect(nodes.subnetsInForce(of: "b") == [cidr("10.1.0.0/24")])
    }

    /// Every claim held against every other one, as the promise says; and the names that a change returns are all that change.
    @Test(arguments: 1...60) func anyHistoryEndsAsThePlainRuleSays(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var nodes = ClusterNodes()
        var plain: [String: ClusterNode] = [:]
        var seen: [String: [CIDR]] = [:]
        for _ in 0..<120 {
            let name = "n\(Int.random(in: 0..<8, using: &random))"
            let concerned: Set<String>
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<2:
                concerned = nodes.remove(name)
                plain[name] = nil
            case 2:
                let list = plain.values.filter { _ in Bool.random(using: &random) }
                concerned = nodes.replaceAll(list)
                plain = Dictionary(uniqueKeysWithValues: list.map { ($0.name, $0) })
            default:
                let node = randomNode(name, &random)
                concerned = nodes.set(node)
                plain[name] = node
            }
            for name in (0..<8).map({ "n\($0)" }) {
                let expected = plain[name].map { node in
                    node.subnets.filter { subnet in
                        !plain.values.contains { other in
                            other.name != name && (other.age, other.name) < (node.age, node.name)
                                && other.subnets.contains { $0.overlaps(subnet) }
                        }
                    }
                }
                let found = nodes.subnetsInForce(of: name)
                #expect(found == expected ?? [], "seed \(seed)")
                if found != seen[name] ?? [] {
                    #expect(concerned.contains(name), "seed \(seed): \(name) changed untold")
                }
                seen[name] = found
            }
        }
    }

    private func randomNode(_ name: String, _ random: inout SplitMix64) -> ClusterNode {
        let subnets = (0..<Int.random(in: 0...3, using: &random)).map { _ in
            let six = Bool.random(using: &random)
            let length = Int.random(in: 0...6, using: &random)
            let bits = random.value128() & 0xff
            return six
                ? CIDR(IPAddress(.v6, 0xfd << 120 | bits), length == 0 ? 0 : 122 + length).network
                : CIDR(IPAddress(.v4, 10 << 24 | bits), length == 0 ? 0 : 26 + length).network
        }
        return ClusterNode(name, addresses: [], subnets: subnets, age: Int64.random(in: 0...3, using: &random))
    }

    private func node(_ name: String, _ subnets: String..., age: Int64 = 0) -> ClusterNode {
        ClusterNode(name, addresses: [], subnets: subnets.map(cidr), age: age)
    }

    private func cidr(_ text: String) -> CIDR { CIDR(text)! }
}
