internal import Addresses
internal import ClusterEngine
internal import Foundation

/// What a node holds in etcd.
struct Claim: Sendable {
    /// One of each range, in their order.
    var subnets: [CIDR]
    /// The revision that created the node's key.
    var age: Int64
    /// The revision of the key's last change.
    var modified: Int64
    /// Old subnets that another node has got meanwhile.
    var lost: [(subnet: CIDR, holder: String)] = []
}

/// Who claims: one run of an agent.
struct Claimant: Sendable {
    let keys: EtcdKeys
    let name: String
    let instance: String
    let identity: String

    init(_ settings: EtcdSettings, instance: String) {
        keys = EtcdKeys(network: settings.network)
        name = settings.node
        self.instance = instance
        identity = settings.identity
    }

    /// The value of its subnets' keys.
    var mark: Data { SubnetRecord(name).encoded }

    func record(_ addresses: [IPAddress], _ subnets: [CIDR]) -> NodeRecord {
        NodeRecord(name, addresses, subnets, instance: instance, identity: identity)
    }

    /// The value of its presence's key.
    var presence: Data { PresenceRecord(instance: instance, identity: identity).encoded }

    func isOwn(_ presence: PresenceRecord) -> Bool { presence.instance == instance }
}

/// A lease that is kept.
struct Lease: Sendable {
    let id: Int64
    var certainty: ClaimCertainty
}
