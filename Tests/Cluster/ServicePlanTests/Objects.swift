import Addresses
import ClusterState
import ServicePlan

/// Objects of these tests. Endpoint n is 10.128.0.n, on node-(n % 3), so node-1 has 1, 4, 7.
func target(_ number: Int, _ port: UInt16 = 8080) -> Target { Target(IPAddress("10.128.0.\(number)")!, port) }

func targets(_ numbers: Int...) -> [Target] { numbers.map { target($0) } }

func endpoint(_ number: Int, _ conditions: EndpointSlice.Conditions = .ready) -> EndpointSlice.Endpoint {
    EndpointSlice.Endpoint(IPAddress("10.128.0.\(number)")!, conditions, node: "node-\(number % 3)")
}

let thisNode = ServiceNode(
    "node-1", zone: "zone-1", addresses: [IPAddress("192.0.2.1")!, IPAddress("2001:db8::1")!],
    podRanges: [CIDR("10.128.0.0/16")!, CIDR("fd00:128::/64")!],
    serviceRanges: [CIDR("10.96.0.0/16")!, CIDR("fd00:96::/112")!])

func service(
    _ name: String = "web", at address: String = "10.96.0.10", _ change: (inout Service) -> Void = { _ in }
) -> Service {
    var service = Service(
        ObjectName("shop", name), ports: [.init("http", .tcp, 80)], clusterIPs: [IPAddress(address)!])
    change(&service)
    return service
}

func slice(
    _ endpoints: [EndpointSlice.Endpoint], of service: String = "web", _ name: String = "a",
    _ change: (inout EndpointSlice) -> Void = { _ in }
) -> EndpointSlice {
    var slice = EndpointSlice(
        ObjectName("shop", "\(service)-\(name)"), of: service, .v4, ports: [.init("http", .tcp, 8080)],
        endpoints: endpoints)
    change(&slice)
    return slice
}

func frontend(_ address: String = "10.96.0.10", _ port: UInt16 = 80, _ transport: TransportProtocol = .tcp) -> Frontend
{
    Frontend(IPAddress(address)!, transport, port)
}

func plan(_ services: [Service], _ slices: [EndpointSlice], on node: ServiceNode = thisNode) -> ServicePlan {
    var plan = ServicePlan(node)
    _ = plan.replaceServices(services)
    _ = plan.replaceSlices(slices)
    return plan
}

func entry(
    _ service: Service, _ slices: [EndpointSlice], at frontend: Frontend = frontend(), on node: ServiceNode = thisNode
) -> FrontendEntry? {
    plan([service], slices, on: node).table.frontends[frontend]
}
