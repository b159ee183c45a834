import Addresses
import ClusterState
import ServicePlan
import TestSupport
import Testing

/// The same objects give the same table, whatever happened before; and it is what a plain reading of the obligations gives.
@Suite struct HistoryTests {
    @Test(arguments: 0..<60 as Range<UInt64>)
    func anyHistoryEndsWithWhatTheObjectsGiveFromNothingAndTheModelAgrees(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var node = thisNode
        var planned = ServicePlan(node)
        var services: [ObjectName: Service] = [:]
        var slices: [ObjectName: EndpointSlice] = [:]
        for step in 0..<60 {
            let before = planned.table
            let change: ServiceChange
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<8:
                let service = World.service(&random)
                services[service.name] = service
                change = planned.set(service)
            case 8..<10:
                let name = ObjectName("shop", World.names.randomElement(using: &random)!)
                services[name] = nil
                change = planned.removeService(name)
            case 10..<16:
                let slice = World.slice(&random)
                slices[slice.name] = slice
                change = planned.set(slice)
            case 16..<18:
                let name = ObjectName("shop", "slice-\(Int.random(in: 0..<5, using: &random))")
                slices[name] = nil
                change = planned.removeSlice(name)
            case 18:
                node = World.node(&random)
                change = planned.set(node)
            default:
                var merged = planned.replaceServices(Array(services.values))
                merged.merge(planned.replaceSlices(Array(slices.values)))
                change = merged
            }
            var fresh = ServicePlan(node)
            _ = fresh.replaceSlices(slices.values.shuffled(using: &random))
            _ = fresh.replaceServices(services.values.shuffled(using: &random))
            #expect(planned.table == fresh.table, "step \(step)")
            #expect(planned.faults == fresh.faults, "step \(step)")
            // The change names all that differs.
            for key in Set(before.frontends.keys).union(planned.table.frontends.keys)
            where before.frontends[key] != planned.table.frontends[key] {
                #expect(change.frontends.contains(key), "step \(step): \(key)")
            }
            #expect(change.hairpins.isSuperset(of: before.hairpins.symmetricDifference(planned.table.hairpins)))
            #expect(change.clusterIPs.isSuperset(of: before.clusterIPs.symmetricDifference(planned.table.clusterIPs)))
            guard step % 6 == 5 else { continue }
            let model = Model(node: node, services: Array(services.values), slices: Array(slices.values))
            for frontend in World.frontends {
                for client in World.clients {
                    let expected = model.outcome(client, frontend)
                    let got = Model.outcome(of: planned.table, client, frontend)
                    #expect(got == expected, "step \(step): \(client) to \(frontend)")
                }
            }
        }
    }
}

/// A small world, in which everything meets.
enum World {
    static let names = ["a", "b", "c", "d"]
    static let addresses = ["10.96.0.1", "10.96.0.2", "10.99.0.1", "fd00:96::1", "fd00:96::2"].map { IPAddress($0)! }
    static let externals =
        ["203.0.113.1", "203.0.113.2", "192.0.2.1", "10.96.0.1", "2001:db8:f::1"].map { IPAddress($0)! }
    static let ports: [UInt16] = [80, 443, 30080]
    static let clients =
        [
            "10.128.0.1", "10.128.7.7", "192.0.2.1", "198.18.1.1", "203.0.113.1", "fd00:128::1", "2001:db8::1",
            "2001:db8:9::9",
        ]
        .map { IPAddress($0)! }
    static var frontends: [Frontend] {
        Set(addresses + externals + [IPAddress("2001:db8::1")!]).flatMap { address in
            ports.flatMap { port in [TransportProtocol.tcp, .udp].map { Frontend(address, $0, port) } }
        }
    }

    static func some<Value>(_ values: [Value], _ most: Int, _ random: inout SplitMix64) -> [Value] {
        (0..<Int.random(in: 0...most, using: &random)).map { _ in values.randomElement(using: &random)! }
    }

    static func service(_ random: inout SplitMix64) -> Service {
        var service = Service(
            ObjectName("shop", names.randomElement(using: &random)!),
            ports: (0..<Int.random(in: 1...2, using: &random)).map { position in
                Service.Port(
                    "p\(position)", Bool.random(using: &random) ? .tcp : .udp, ports.randomElement(using: &random)!,
                    nodePort: Bool.random(using: &random) ? 30080 : nil)
            }, clusterIPs: some(addresses, 2, &random))
        service.externalIPs = some(externals, 2, &random)
        service.ingress = some(externals, 1, &random).map {
            .init($0, isProxy: Int.random(in: 0..<4, using: &random) == 0)
        }
        service.internalPolicy = Bool.random(using: &random) ? .local : .cluster
        service.externalPolicy = Bool.random(using: &random) ? .local : .cluster
        service.affinity = [nil, 0, 60].randomElement(using: &random)!
        service.sourceRanges = [nil, nil, ["198.18.0.0/16", "192.0.2.0/24"], ["198.18.1.0/24"], ["fd00:128::/64"], []]
            .randomElement(using: &random)!?.map { CIDR($0)! }
        service.exemption = Int.random(in: 0..<8, using: &random) == 0 ? .otherProxy : nil
        service.age = Int64.random(in: 0..<3, using: &random)
        return service
    }

    static func slice(_ random: inout SplitMix64) -> EndpointSlice {
        let family = [IPFamily.v4, .v4, .v6].randomElement(using: &random)!
        var slice = EndpointSlice(
            ObjectName("shop", "slice-\(Int.random(in: 0..<5, using: &random))"),
            of: names.randomElement(using: &random)!, Int.random(in: 0..<12, using: &random) == 0 ? nil : family,
            ports: ["p0", "p1"].flatMap { name in
                [TransportProtocol.tcp, .udp].filter { _ in Int.random(in: 0..<5, using: &random) > 0 }.map {
                    .init(name, $0, Int.random(in: 0..<9, using: &random) == 0 ? nil : 8080)
                }
            },
            endpoints: (0..<Int.random(in: 0..<5, using: &random)).map { _ in
                let number = Int.random(in: 1...6, using: &random)
                let text = family == .v4 ? "10.128.0.\(number)" : "fd00:128::\(number)"
                var endpoint = EndpointSlice.Endpoint(
                    IPAddress(Int.random(in: 0..<20, using: &random) == 0 ? "127.0.0.1" : text)!,
                    EndpointSlice.Conditions(
                        ready: [nil, true, false].randomElement(using: &random)!,
                        serving: [nil, true].randomElement(using: &random)!,
                        terminating: [nil, true].randomElement(using: &random)!),
                    node: [nil, "node-1", "node-2"].randomElement(using: &random)!)
                endpoint.hintedNodes = [[], ["node-1"], ["node-2"]].randomElement(using: &random)!
                endpoint.hintedZones = [[], ["zone-1"], ["zone-1", "zone-2"]].randomElement(using: &random)!
                return endpoint
            })
        slice.isHeadless = Int.random(in: 0..<15, using: &random) == 0
        return slice
    }

    static func node(_ random: inout SplitMix64) -> ServiceNode {
        var node = thisNode
        node.zone = [nil, "zone-1", "zone-2"].randomElement(using: &random)!
        node.name = ["node-1", "node-2"].randomElement(using: &random)!
        if Bool.random(using: &random) { node.serviceRanges = [] }
        if Bool.random(using: &random) { node.nodePorts = .within([CIDR("192.0.2.0/24")!]) }
        return node
    }
}
