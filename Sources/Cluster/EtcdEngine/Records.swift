internal import Addresses
internal import ClusterEngine
internal import ClusterState
internal import Foundation

/// What stands in etcd: JSON with a version, which grows only when older agents could not read the value any more;
/// fields that a reader does not know are ignored.
protocol Record: Codable, Sendable {
    var version: Int { get }
}

/// Why a value of others cannot be used.
struct BadRecord: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

extension Record {
    static var longest: Int { 64 << 10 }

    /// The same value gives the same octets: transactions compare them.
    var encoded: Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts and integers can always be encoded.
        return try! encoder.encode(self)
    }

    init(_ value: Data) throws(BadRecord) {
        guard value.count <= Self.longest else { throw BadRecord("\(value.count) octets are too many") }
        let version = try? JSONDecoder().decode(AnyRecord.self, from: value).version
        guard let version else { throw BadRecord("not JSON with a version") }
        guard version == 1 else { throw BadRecord("version \(version) is not known here") }
        do { self = try JSONDecoder().decode(Self.self, from: value) } catch {
            throw BadRecord("fields are missing or of the wrong type")
        }
    }
}

private struct AnyRecord: Decodable {
    let version: Int
}

/// `nodes/NAME`: where a node is reached and what its pods' subnets are.
struct NodeRecord: Record {
    var version = 1
    var name: String
    var addresses: [String]
    var subnets: [String]
    /// The run of the agent that has written this.
    var instance: String
    /// See ``NodeIdentity``.
    var identity: String

    init(_ name: String, _ addresses: [IPAddress], _ subnets: [CIDR], instance: String, identity: String) {
        self.name = name
        self.addresses = addresses.map { "\($0)" }
        self.subnets = subnets.map { "\($0)" }
        self.instance = instance
        self.identity = identity
    }

    /// - Parameter age: the revision that created the key.
    func node(named name: String, age: Int64) throws(BadRecord) -> ClusterNode {
        guard self.name == name else { throw BadRecord("it calls itself \(self.name.prefix(80))") }
        guard addresses.count <= 64, subnets.count <= 64 else { throw BadRecord("too many addresses or subnets") }
        let addresses = self.addresses.compactMap { IPAddress($0) }
        let subnets = self.subnets.compactMap { CIDR($0) }.filter { $0.isNetwork }
        guard addresses.count == self.addresses.count else { throw BadRecord("an address that is none") }
        guard subnets.count == self.subnets.count else { throw BadRecord("a subnet that is none") }
        return ClusterNode(name, addresses: addresses, subnets: subnets, age: age)
    }
}

/// `subnets/ADDRESS-LENGTH`: whose it is.
struct SubnetRecord: Record {
    var version = 1
    var node: String

    init(_ node: String) { self.node = node }
}

/// `presence/NAME`, which goes away soon after its writer.
struct PresenceRecord: Record {
    var version = 1
    var instance: String
    var identity: String
}

/// `config`: what all nodes of a network must agree on.
struct NetworkConfiguration: Record, Equatable, CustomStringConvertible {
    struct Part: Codable, Sendable, Equatable {
        var range: String
        var subnetLength: Int
    }

    var version = 1
    var ranges: [Part]

    init(_ ranges: [SubnetRange]) {
        self.ranges = ranges.map { Part(range: "\($0.range)", subnetLength: $0.subnetLength) }
            .sorted { $0.range < $1.range }
    }

    /// - Throws: `.configuration` for no ranges, ranges that are none, or that overlap.
    @discardableResult
    func check() throws(EngineFailure) -> [SubnetRange] {
        guard (1...16).contains(ranges.count) else {
            throw EngineFailure(.configuration, "\(ranges.count) ranges of subnets", advice: "give 1 to 16")
        }
        var checked: [SubnetRange] = []
        for part in ranges {
            guard let range = CIDR(part.range) else {
                throw EngineFailure(.configuration, "range \(part.range.prefix(80)) is not ADDRESS/LENGTH")
            }
            if let other = checked.first(where: { $0.range.overlaps(range) }) {
                throw EngineFailure(.configuration, "ranges \(other.range) and \(range) overlap")
            }
            checked.append(try SubnetRange(range, subnetLength: part.subnetLength))
        }
        return checked
    }

    var description: String { ranges.map { "\($0.range) in /\($0.subnetLength)" }.joined(separator: ", ") }
}
