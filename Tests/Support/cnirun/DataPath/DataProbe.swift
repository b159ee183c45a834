import ContainerRuntime
import Foundation

/// One measurement between a pod and its counterpart.
struct DataProbe: Hashable {
    enum Destination: String, CaseIterable {
        /// Another pod on the same bridge.
        case pod
        /// The bridge's own address.
        case node
        /// A host beyond the node.
        case outside
    }
    enum Family: String, CaseIterable { case v4 = "IPv4", v6 = "IPv6" }
    enum Load: Hashable {
        /// iperf3 with that many connections.
        case streams(Int)
        /// One octet there and one back, repeatedly.
        case requests
    }

    var destination: Destination
    var family: Family
    var load: Load

    static func all(to destinations: [Destination]) -> [DataProbe] {
        destinations.flatMap { destination in
            Family.allCases.flatMap { family in
                [Load.streams(1), .streams(8), .requests].map {
                    DataProbe(destination: destination, family: family, load: $0)
                }
            }
        }
    }

    var description: String {
        let load =
            switch load {
            case .streams(let count): count == 1 ? "1 stream" : "\(count) streams"
            case .requests: "requests"
            }
        return "to \(destination.rawValue), \(family.rawValue), \(load)"
    }
}

/// The results of a probe. For rates more is better, for the others less.
enum Quantity: String, CaseIterable {
    case throughput = "Gbit/s"
    /// Of iperf3 at both ends, without kernel work that is not charged to a process.
    case processor = "processor s/GB"
    case requests = "requests/s"
    case median = "p50 µs"
    case tail = "p99 µs"

    var moreIsBetter: Bool { self == .throughput || self == .requests }
    /// Whether it counts for the aim; the others are there to explain.
    var isJudged: Bool { self != .processor }
}

/// The programs that produce the load, and the parsing of their output.
struct Loaders {
    static let streamPort = 5201
    static let requestPort = 5202

    /// Our own program for request-response: `make -C Benchmarks`.
    var rr: String
    var seconds: Int

    /// What has to run at the destination.
    var servers: [[String]] {
        [["iperf3", "-s", "-p", "\(Loaders.streamPort)"], [rr, "serve", "\(Loaders.requestPort)"]]
    }

    func command(_ load: DataProbe.Load, to address: String) -> [String] {
        switch load {
        case .streams(let count):
            // Sender and receiver each get a processor: their placement by the scheduler can make a factor of two.
            ["iperf3", "-c", address, "-p", "\(Loaders.streamPort)", "-t", "\(seconds)", "-P", "\(count)", "-J"]
                + ["-A", "0,1"]
        case .requests: [rr, "ask", address, "\(Loaders.requestPort)", "\(seconds * 500)"]
        }
    }

    func read(_ load: DataProbe.Load, _ output: String) throws -> [Quantity: Double] {
        switch load {
        case .streams:
            let end = try JSONValue(parsing: output)["end"]
            let processors = end?["cpu_utilization_percent"]
            guard let rate = end?["sum_received"]?["bits_per_second"]?.real, rate > 0,
                let time = end?["sum_received"]?["seconds"]?.real,
                let here = processors?["host_total"]?.real, let there = processors?["remote_total"]?.real
            else { throw VerificationError("iperf3 says nothing: \(output.prefix(300))") }
            let gigabytes = rate * time / 8e9
            return [.throughput: rate / 1e9, .processor: (here + there) / 100 * time / gigabytes]
        case .requests:
            let numbers = output.split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
            guard numbers.count == 4 else { throw VerificationError("rr says \(output)") }
            return [.requests: numbers[1], .median: numbers[2] / 1000, .tail: numbers[3] / 1000]
        }
    }
}
