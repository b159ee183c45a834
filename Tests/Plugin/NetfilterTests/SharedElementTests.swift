import Addresses
import Testing

@testable import Netfilter

/// Pairs of subnets of different networks, which the kernel takes only if no two overlap.
@Suite struct SharedElementTests {
    private func pair(_ source: String, _ destination: String, _ network: String) -> OwnedElement {
        OwnedElement(pair: CIDR(source)!, CIDR(destination)!, in: .unmasqueraded, network: network)
    }

    /// All pairs of addresses of a small space that the elements cover, with how often.
    private func coverage(_ elements: [OwnedElement]) -> [String: Int] {
        var count: [String: Int] = [:]
        for element in elements {
            let (low, high) = (element.element.key, element.element.keyEnd!)
            for source in low[3]...high[3] {
                for destination in low[7]...high[7] { count["\(source) \(destination)", default: 0] += 1 }
            }
        }
        return count
    }

    @Test func anyTwoOrThreePairsBecomeDisjointAndCoverTheSame() {
        // Every subnet of a space of eight addresses.
        let subnets = (29...32).flatMap { length in
            stride(from: 0, to: 8, by: 1 << (32 - length)).map { "10.0.0.\($0)/\(length)" }
        }
        let pairs = subnets.flatMap { source in subnets.map { (source, $0) } }
        var generator = SystemRandomNumberGenerator()
        for a in pairs {
            for b in pairs {
                var elements = [pair(a.0, a.1, "a"), pair(b.0, b.1, "b")]
                if Int.random(in: 0..<4, using: &generator) == 0, let c = pairs.randomElement(using: &generator) {
                    elements.append(pair(c.0, c.1, "c"))
                }
                let disjoint = coverage(SharedElements.disjoint(elements))
                #expect(Set(disjoint.keys) == Set(coverage(elements).keys), "\(elements)")
                #expect(disjoint.values.allSatisfy { $0 == 1 }, "\(elements)")
            }
        }
    }

    @Test func pairsThatDoNotMeetStayAsTheyAre() {
        let elements = [pair("10.1.0.0/16", "10.0.0.0/8", "a"), pair("10.2.0.0/16", "10.0.0.0/8", "b")]
        #expect(SharedElements.disjoint(elements) == elements)
    }
}
