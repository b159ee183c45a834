internal import Addresses
internal import ClusterState
internal import FoundationEssentials

/// A Node of the Kubernetes API.
struct NodeObject: WatchedObject {
    static let fields = [
        "metadata.creationTimestamp", "metadata.labels", "spec.podCIDR", "spec.podCIDRs", "status.addresses",
    ]

    let name: String
    /// Seconds since 1970.
    let created: Int64
    let internalAddresses: [IPAddress]
    let externalAddresses: [IPAddress]
    let subnets: [CIDR]
    let zone: String?
    /// What it claims and cannot have, in words.
    let faults: [String]

    private enum CodingKeys: String, CodingKey { case metadata, spec, status }
    private struct Metadata: Decodable {
        var name: String
        var creationTimestamp: String?
        var labels: [String: String]?
    }
    private struct Spec: Decodable {
        var podCIDR: String?
        var podCIDRs: [String]?
    }
    private struct Status: Decodable { var addresses: [Address]? }
    private struct Address: Decodable {
        var type: String
        var address: String
    }

    /// The API server lets through at most one of each family; whoever answers in its place may send anything.
    private static let most = 16

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let metadata = try fields.decode(Metadata.self, forKey: .metadata)
        let spec = try fields.decodeIfPresent(Spec.self, forKey: .spec)
        let status = try fields.decodeIfPresent(Status.self, forKey: .status)
        name = metadata.name
        zone = metadata.labels?["topology.kubernetes.io/zone"]
        created = secondsSince1970(metadata.creationTimestamp)
        var faults: [String] = []
        var claims = spec?.podCIDRs ?? []
        if claims.isEmpty, let claim = spec?.podCIDR, !claim.isEmpty { claims = [claim] }
        var subnets: [CIDR] = []
        for claim in claims.prefix(Self.most) {
            if let subnet = Self.subnet(claim) {
                if !subnets.contains(subnet) { subnets.append(subnet) }
            } else {
                faults.append("podCIDR \(claim.prefix(64).debugDescription) is no subnet for pods")
            }
        }
        self.subnets = subnets
        var found: [String: [IPAddress]] = [:]
        for listed in (status?.addresses ?? []).prefix(Self.most)
        where listed.type == "InternalIP" || listed.type == "ExternalIP" {
            if let address = Self.address(listed.address) {
                if !found[listed.type, default: []].contains(address) {
                    found[listed.type, default: []].append(address)
                }
            } else {
                faults.append("\(listed.type) \(listed.address.prefix(64).debugDescription) is no address of a node")
            }
        }
        internalAddresses = found["InternalIP"] ?? []
        externalAddresses = found["ExternalIP"] ?? []
        self.faults = faults
    }

    /// - Parameter prefersExternal: addresses of the type ExternalIP come first.
    func node(prefersExternal: Bool) -> ClusterNode {
        let (first, second) =
            prefersExternal ? (externalAddresses, internalAddresses) : (internalAddresses, externalAddresses)
        var node = ClusterNode(
            name, addresses: first + second.filter { !first.contains($0) }, subnets: subnets, age: created)
        node.zone = zone
        return node
    }

    private static func subnet(_ text: String) -> CIDR? {
        guard let subnet = CIDR(text)?.unmapped?.network, subnet.prefixLength > 0,
            subnet.first.canServe, subnet.last.canServe
        else { return nil }
        return subnet
    }

    private static func address(_ text: String) -> IPAddress? {
        guard let address = IPAddress(text)?.unmapped, address.canServe else { return nil }
        return address
    }
}
