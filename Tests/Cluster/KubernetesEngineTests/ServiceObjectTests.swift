import Addresses
import ClusterState
import FoundationEssentials
import Testing

@testable import KubernetesEngine

private func service(_ json: String) throws -> Service {
    try JSONDecoder().decode(ServiceObject.self, from: Data(json.utf8)).service
}

private func slice(_ json: String) throws -> EndpointSlice {
    try JSONDecoder().decode(EndpointSliceObject.self, from: Data(json.utf8)).slice
}

/// Services and EndpointSlices are read as the API writes them; what cannot be is left out, and nothing ends the agent.
@Suite struct ServiceObjectTests {
    @Test func everyFieldThatPacketsDependOnIsRead() throws {
        let read = try service(
            """
            {"metadata": {"namespace": "default", "name": "web", "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"a": "b"}},
             "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"],
              "ports": [{"name": "http", "port": 80, "nodePort": 30080}, {"name": "dns", "protocol": "UDP", "port": 53}],
              "externalIPs": ["203.0.113.1"], "internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local",
              "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
              "loadBalancerSourceRanges": [" 10.0.0.0/8 "], "healthCheckNodePort": 31000},
             "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.1"}, {"ip": "198.51.100.2", "ipMode": "Proxy"},
              {"hostname": "example.org"}]}}}
            """)
        #expect(read.name == ObjectName("default", "web") && read.age == 1_767_323_045)
        #expect(read.clusterIPs == [IPAddress("10.96.0.7")!, IPAddress("fd00::7")!])
        #expect(
            read.ports == [
                Service.Port("http", .tcp, 80, nodePort: 30080), Service.Port("dns", .udp, 53),
            ])
        #expect(read.externalIPs == [IPAddress("203.0.113.1")!])
        #expect(read.internalPolicy == .local && read.externalPolicy == .local && read.affinity == 60)
        #expect(read.sourceRanges == [CIDR("10.0.0.0/8")!] && read.healthCheckPort == 31000)
        #expect(
            read.ingress == [
                Service.Ingress(IPAddress("198.51.100.1")!), Service.Ingress(IPAddress("198.51.100.2")!, isProxy: true),
            ])
        #expect(read.exemption == nil)
    }

    @Test func whatIsNotServedIsKnown() throws {
        let headless = try service(#"{"metadata": {"name": "a"}, "spec": {"clusterIP": "None", "ports": []}}"#)
        #expect(headless.clusterIPs.isEmpty && headless.affinity == nil)
        let name = try service(#"{"metadata": {"name": "a"}, "spec": {"type": "ExternalName"}}"#)
        #expect(name.exemption == .externalName)
        let other = try service(
            #"{"metadata": {"name": "a", "labels": {"service.kubernetes.io/service-proxy-name": "x"}}, "spec": {}}"#)
        #expect(other.exemption == .otherProxy)
        let usual = try service(#"{"metadata": {"name": "a"}, "spec": {"sessionAffinity": "ClientIP"}}"#)
        #expect(usual.affinity == Service.usualAffinity)
    }

    @Test func whatCannotBeIsLeftOut() throws {
        let read = try service(
            """
            {"metadata": {"name": "a"}, "spec": {"clusterIPs": ["x", "10.96.0.1"], "ports": [{"port": 70000}, {"port": -1},
             {"port": 80, "protocol": "GRE"}, {"port": 81, "nodePort": 99999}]}}
            """)
        #expect(read.clusterIPs == [IPAddress("10.96.0.1")!])
        #expect(read.ports == [Service.Port("", .tcp, 81)])
        for wrong in [
            #"{"spec": {}}"#, "{}", "[]", #"{"metadata": {"name": 1}}"#, #"{"metadata": {"name": "a"}, "spec": 1}"#,
        ] {
            #expect(throws: (any Error).self) { try service(wrong) }
        }
        #expect(throws: (any Error).self) { try slice(#"{"metadata": {"name": "a"}, "endpoints": {}}"#) }
    }

    @Test func aSliceOfEitherVersionIsRead() throws {
        let read = try slice(
            """
            {"metadata": {"namespace": "n", "name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
             "addressType": "IPv4", "ports": [{"name": "http", "port": 8080}, {"name": "all"}],
             "endpoints": [
              {"addresses": ["10.244.1.2", "10.244.1.3"], "nodeName": "node-1", "conditions": {"ready": true},
               "hints": {"forZones": [{"name": "z"}], "forNodes": [{"name": "node-1"}]}},
              {"addresses": ["10.244.1.4"], "conditions": {"ready": false, "serving": true, "terminating": true},
               "topology": {"kubernetes.io/hostname": "node-2"}},
              {"addresses": []}, {"addresses": ["nowhere"]}]}
            """)
        #expect(
            read.name == ObjectName("n", "web-x") && read.service == "web" && read.family == .v4 && !read.isHeadless)
        #expect(read.ports == [EndpointSlice.Port("http", .tcp, 8080), EndpointSlice.Port("all", .tcp, nil)])
        #expect(read.endpoints.map(\.address) == [IPAddress("10.244.1.2")!, IPAddress("10.244.1.4")!])
        #expect(read.endpoints[0].node == "node-1" && read.endpoints[0].hintedZones == ["z"])
        #expect(read.endpoints[0].hintedNodes == ["node-1"] && read.endpoints[0].conditions == .ready)
        #expect(read.endpoints[1].node == "node-2")
        #expect(read.endpoints[1].conditions == [.isServing, .isTerminating])
        #expect(try slice(#"{"metadata": {"name": "a"}, "addressType": "FQDN"}"#).family == nil)
    }

    /// As FuzzTests do, but for what comes from the API server: octets at random, and good objects with some changed.
    @Test func randomOctetsEndNothing() {
        var generator = SystemRandomNumberGenerator()
        let good = Array(
            #"{"metadata":{"name":"a","labels":{"x":"y"}},"spec":{"clusterIPs":["10.0.0.1"],"ports":[{"port":1}]},"endpoints":[]}"#
                .utf8)
        for _ in 0..<5000 {
            var octets = good
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                octets[Int.random(in: 0..<octets.count, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
            }
            _ = try? JSONDecoder().decode(ServiceObject.self, from: Data(octets))
            _ = try? JSONDecoder().decode(EndpointSliceObject.self, from: Data(octets))
            _ = try? JSONDecoder().decode(NodeObject.self, from: Data(octets))
        }
    }
}
