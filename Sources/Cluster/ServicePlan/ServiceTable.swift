public import Addresses
public import ClusterState

/// What this node's kernel should do with packets to Services: elements of fixed maps.
public struct ServiceTable: Sendable, Hashable {
    public internal(set) var frontends: [Frontend: FrontendEntry] = [:]
    /// Endpoints on this node, which may be their own clients.
    public internal(set) var hairpins: Set<IPAddress> = []
    /// Cluster IPs outside of ``serviceRanges``.
    public internal(set) var clusterIPs: Set<IPAddress> = []
    /// Disjoint. What is sent to an address of these that is no frontend goes nowhere.
    public internal(set) var serviceRanges: [CIDR] = []
    /// Disjoint. Where clients of cluster IPs keep their addresses.
    public internal(set) var podRanges: [CIDR] = []
    /// This node's own, which count as pods' where only the client's place matters.
    public internal(set) var nodeAddresses: [IPAddress] = []

    public init() {}
}

/// Which parts of a table may have changed. Changes that follow each other may be merged, so that one batch makes them all.
public struct ServiceChange: Sendable, Hashable {
    public internal(set) var frontends: Set<Frontend> = []
    public internal(set) var hairpins: Set<IPAddress> = []
    public internal(set) var clusterIPs: Set<IPAddress> = []
    public internal(set) var concernsRanges = false
    /// What is newly found wrong with objects; for each object once, until it is mended.
    public internal(set) var objections: [Objection] = []

    public init() {}

    /// Whether the kernel needs to be told nothing.
    public var isEmpty: Bool { frontends.isEmpty && hairpins.isEmpty && clusterIPs.isEmpty && !concernsRanges }

    public mutating func merge(_ other: ServiceChange) {
        frontends.formUnion(other.frontends)
        hairpins.formUnion(other.hairpins)
        clusterIPs.formUnion(other.clusterIPs)
        concernsRanges = concernsRanges || other.concernsRanges
        objections += other.objections
    }
}

/// What is wrong with an object. It is left out as far as that goes; the rest of it, and everything else, is served.
public struct Objection: Sendable, Hashable, CustomStringConvertible {
    public let service: ObjectName
    public let fault: Fault

    public enum Fault: Sendable, Hashable {
        /// Nobody can connect to it: unspecified, loopback, link-local or multicast.
        case address(IPAddress)
        /// The same of an endpoint, or it is not of its slice's family.
        case endpoint(IPAddress)
        /// Port 0.
        case port(String)
        /// An affinity outside of 1 to 86400 seconds; the nearest of these counts.
        case affinity(UInt32)
        /// Another Service has precedence there.
        case conflict(Frontend, holder: ServicePortName)
    }

    public init(_ service: ObjectName, _ fault: Fault) {
        self.service = service
        self.fault = fault
    }

    public var description: String {
        switch fault {
        case .address(let address): "Service \(service): \(address) cannot be an address of a Service"
        case .endpoint(let address): "Service \(service): \(address) cannot be an endpoint"
        case .port(let name): "Service \(service): port \(name.isEmpty ? "" : "\(name) ")has the number 0"
        case .affinity(let seconds): "Service \(service): an affinity of \(seconds) s is outside of 1 to 86400 s"
        case .conflict(let frontend, let holder): "Service \(service): \(frontend) belongs to \(holder)"
        }
    }
}

extension [CIDR] {
    /// The same addresses without any that is in another, in a fixed order.
    var disjoint: [CIDR] {
        var kept: [CIDR] = []
        for range in networks.sorted(by: { ($0.prefixLength, $0.address) < ($1.prefixLength, $1.address) })
        where !kept.contains(where: { $0.overlaps(range) }) {
            kept.append(range)
        }
        return kept.sorted { ($0.address, $0.prefixLength) < ($1.address, $1.prefixLength) }
    }
}
