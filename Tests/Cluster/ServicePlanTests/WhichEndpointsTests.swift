import Addresses
import ClusterState
import ServicePlan
import Testing

/// Who serves (points 4 to 9).
@Suite struct WhichEndpointsTests {
    @Test func absentConditionsMeanReadyServingAndNotTerminating() {
        #expect(EndpointSlice.Conditions(ready: nil, serving: nil, terminating: nil) == .ready)
        #expect(EndpointSlice.Conditions(ready: false, serving: nil, terminating: nil) == [])
        #expect(
            EndpointSlice.Conditions(ready: false, serving: true, terminating: true) == [.isServing, .isTerminating])
    }

    @Test func readyOnesServeAndWithoutAnyThoseThatServeTheirLast() {
        let last = endpoint(3, [.isServing, .isTerminating])
        #expect(entry(service(), [slice([endpoint(1), endpoint(2, []), last])])?.answer == .targets(targets(1)))
        #expect(entry(service(), [slice([endpoint(2, []), last])])?.answer == .targets(targets(3)))
        #expect(entry(service(), [slice([endpoint(2, []), endpoint(3, .isTerminating)])])?.answer == .reject)
    }

    @Test func localPolicyUsesTheNodesOwnReadyOnesOrThoseOfItsOwnThatServeTheirLast() {
        let local = service { $0.internalPolicy = .local }
        let last = endpoint(4, [.isServing, .isTerminating])
        #expect(entry(local, [slice([endpoint(1), endpoint(2), last])])?.answer == .targets(targets(1)))
        #expect(entry(local, [slice([endpoint(2), last])])?.answer == .targets(targets(4)))
    }

    @Test func localPolicyWithRemoteEndpointsOnlyDropsAndWithoutAnyRejects() {
        let local = service { $0.internalPolicy = .local }
        #expect(entry(local, [slice([endpoint(2)])])?.answer == .drop)
        #expect(entry(local, [])?.answer == .reject)
    }

    @Test func hintsForThisNodeComeBeforeThoseForItsZone() {
        func hinted(_ number: Int, nodes: [String] = [], zones: [String] = []) -> EndpointSlice.Endpoint {
            var endpoint = endpoint(number)
            (endpoint.hintedNodes, endpoint.hintedZones) = (nodes, zones)
            return endpoint
        }
        let here = hinted(1, nodes: ["node-1"], zones: ["zone-1"])
        let near = hinted(2, nodes: ["node-2"], zones: ["zone-1"])
        let far = hinted(3, nodes: ["node-3"], zones: ["zone-2"])
        #expect(entry(service(), [slice([here, near, far])])?.answer == .targets(targets(1)))
        #expect(entry(service(), [slice([near, far])])?.answer == .targets(targets(2)))
        #expect(entry(service(), [slice([far])])?.answer == .targets(targets(3)))
        // One without a hint: no hint counts.
        #expect(entry(service(), [slice([near, far, endpoint(4)])])?.answer == .targets(targets(2, 3, 4)))
        var node = thisNode
        node.zone = nil
        #expect(entry(service(), [slice([near, far])], on: node)?.answer == .targets(targets(2, 3)))
        let local = service { $0.internalPolicy = .local }
        #expect(entry(local, [slice([hinted(4, nodes: ["node-2"]), near])])?.answer == .targets(targets(4)))
    }

    @Test func affinityIsKeptWithinItsBoundsAndOnlyWhereSomebodyServes() {
        #expect(entry(service { $0.affinity = 60 }, [slice([endpoint(1)])])?.affinity == 60)
        #expect(entry(service { $0.affinity = 0 }, [slice([endpoint(1)])])?.affinity == 1)
        #expect(entry(service { $0.affinity = 90000 }, [slice([endpoint(1)])])?.affinity == 86400)
        #expect(entry(service { $0.affinity = 60 }, [])?.affinity == nil)
    }
}
