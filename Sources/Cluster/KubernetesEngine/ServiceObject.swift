internal import Addresses
internal import ClusterState
internal import FoundationEssentials

/// A Service of the Kubernetes API. What of it cannot be (an address that is none) is left out.
struct ServiceObject: WatchedObject {
    static let fields = [
        "metadata.creationTimestamp", "metadata.labels", "spec.type", "spec.ports.name", "spec.ports.protocol",
        "spec.ports.port",
        "spec.ports.nodePort", "spec.clusterIP", "spec.clusterIPs", "spec.externalIPs", "spec.internalTrafficPolicy",
        "spec.externalTrafficPolicy", "spec.sessionAffinity", "spec.sessionAffinityConfig",
        "spec.loadBalancerSourceRanges",
        "spec.healthCheckNodePort", "status.loadBalancer",
    ]

    let service: Service

    private struct Object: Decodable {
        var metadata: Metadata
        var spec: Spec?
        var status: Status?
    }
    private struct Metadata: Decodable {
        var namespace: String?
        var name: String
        var creationTimestamp: String?
        var labels: [String: String]?
    }
    private struct Spec: Decodable {
        var type: String?
        var ports: [Port]?
        var clusterIP: String?
        var clusterIPs: [String]?
        var externalIPs: [String]?
        var internalTrafficPolicy: String?
        var externalTrafficPolicy: String?
        var sessionAffinity: String?
        var sessionAffinityConfig: Affinity?
        var loadBalancerSourceRanges: [String]?
        var healthCheckNodePort: Int?
    }
    private struct Port: Decodable {
        var name: String?
        var `protocol`: String?
        var port: Int
        var nodePort: Int?
    }
    private struct Affinity: Decodable {
        struct ClientIP: Decodable { var timeoutSeconds: Int? }
        var clientIP: ClientIP?
    }
    private struct Status: Decodable {
        struct LoadBalancer: Decodable { var ingress: [Ingress]? }
        struct Ingress: Decodable {
            var ip: String?
            var ipMode: String?
        }
        var loadBalancer: LoadBalancer?
    }

    init(from decoder: any Decoder) throws {
        let object = try Object(from: decoder)
        let spec = object.spec
        let ports = (spec?.ports ?? []).compactMap { port -> Service.Port? in
            guard let transport = TransportProtocol(api: port.protocol), let number = UInt16(exactly: port.port) else {
                return nil
            }
            return Service.Port(
                port.name ?? "", transport, number,
                nodePort: port.nodePort.flatMap { UInt16(exactly: $0) }.flatMap { $0 == 0 ? nil : $0 })
        }
        let listed = spec?.clusterIPs ?? []
        var service = Service(
            ObjectName(object.metadata.namespace ?? "", object.metadata.name), ports: ports,
            // "None" is no address.
            clusterIPs: addresses(listed.isEmpty ? [spec?.clusterIP ?? ""] : listed))
        service.externalIPs = addresses(spec?.externalIPs ?? [])
        service.ingress = (object.status?.loadBalancer?.ingress ?? []).compactMap { ingress in
            ingress.ip.flatMap { IPAddress($0) }.map { Service.Ingress($0, isProxy: ingress.ipMode == "Proxy") }
        }
        service.internalPolicy = spec?.internalTrafficPolicy == "Local" ? .local : .cluster
        service.externalPolicy = spec?.externalTrafficPolicy == "Local" ? .local : .cluster
        if spec?.sessionAffinity == "ClientIP" {
            let seconds = spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds
            service.affinity = seconds.map { UInt32(clamping: $0) } ?? Service.usualAffinity
        }
        if let ranges = spec?.loadBalancerSourceRanges, !ranges.isEmpty {
            service.sourceRanges = ranges.compactMap { CIDR($0.filter { !$0.isWhitespace })?.network }
        }
        service.healthCheckPort = spec?.healthCheckNodePort.flatMap { UInt16(exactly: $0) }.flatMap {
            $0 == 0 ? nil : $0
        }
        if spec?.type == "ExternalName" {
            service.exemption = .externalName
        } else if object.metadata.labels?["service.kubernetes.io/service-proxy-name"] != nil {
            service.exemption = .otherProxy
        }
        service.age = secondsSince1970(object.metadata.creationTimestamp)
        self.service = service
    }
}

/// An EndpointSlice, of v1 or v1beta1.
struct EndpointSliceObject: WatchedObject {
    static let fields = [
        "metadata.labels", "addressType", "ports.name", "ports.protocol", "ports.port", "endpoints.addresses",
        "endpoints.conditions", "endpoints.nodeName", "endpoints.topology", "endpoints.hints",
    ]

    let slice: EndpointSlice

    private struct Object: Decodable {
        var metadata: Metadata
        var addressType: String?
        var ports: [Port]?
        var endpoints: [Endpoint]?
    }
    private struct Metadata: Decodable {
        var namespace: String?
        var name: String
        var labels: [String: String]?
    }
    private struct Port: Decodable {
        var name: String?
        var `protocol`: String?
        var port: Int?
    }
    private struct Endpoint: Decodable {
        struct Conditions: Decodable {
            var ready: Bool?
            var serving: Bool?
            var terminating: Bool?
        }
        struct Hints: Decodable {
            struct Name: Decodable { var name: String }
            var forZones: [Name]?
            var forNodes: [Name]?
        }
        var addresses: [String]?
        var conditions: Conditions?
        var nodeName: String?
        /// v1beta1
        var topology: [String: String]?
        var hints: Hints?
    }

    init(from decoder: any Decoder) throws {
        let object = try Object(from: decoder)
        let labels = object.metadata.labels ?? [:]
        let family: IPFamily? =
            switch object.addressType {
            case "IPv4": .v4
            case "IPv6": .v6
            default: nil
            }
        var slice = EndpointSlice(
            ObjectName(object.metadata.namespace ?? "", object.metadata.name),
            of: labels["kubernetes.io/service-name"] ?? "",
            family,
            ports: (object.ports ?? []).compactMap { port in
                TransportProtocol(api: port.protocol).map {
                    EndpointSlice.Port(port.name ?? "", $0, port.port.flatMap { UInt16(exactly: $0) })
                }
            },
            endpoints: (object.endpoints ?? []).compactMap { listed in
                guard let address = listed.addresses?.first.flatMap({ IPAddress($0) }) else { return nil }
                let conditions = listed.conditions
                var endpoint = EndpointSlice.Endpoint(
                    address,
                    .init(
                        ready: conditions?.ready, serving: conditions?.serving, terminating: conditions?.terminating),
                    node: listed.nodeName ?? listed.topology?["kubernetes.io/hostname"])
                endpoint.hintedNodes = (listed.hints?.forNodes ?? []).map(\.name)
                endpoint.hintedZones = (listed.hints?.forZones ?? []).map(\.name)
                return endpoint
            })
        slice.isHeadless = labels["service.kubernetes.io/headless"] != nil
        self.slice = slice
    }
}

extension TransportProtocol {
    /// Nil stands for TCP.
    fileprivate init?(api name: String?) {
        guard let known = TransportProtocol.allCases.first(where: { $0.description == name ?? "TCP" }) else {
            return nil
        }
        self = known
    }
}

private func addresses(_ texts: [String]) -> [IPAddress] { texts.compactMap { IPAddress($0) } }
