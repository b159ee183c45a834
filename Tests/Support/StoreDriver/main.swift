// Runs one store operation in a separate process, so that tests can kill it, trace it and run many at once.
//
//   ipam-driver DATADIR NETWORK BOOTID LOCKMILLISECONDS COMMAND ARGUMENT...
//
// Range sets are separated by `;`, their pools by `,`; a pool is a subnet, or `SUBNET%LENGTH` for blocks.
import Addresses
import Attachments
import Glibc
import IPAM

func pool(_ text: Substring) throws -> Pool {
    let parts = text.split(separator: "%")
    return try Pool(subnet: CIDR(String(parts[0]))!, blockLength: parts.count == 2 ? Int(parts[1]) : nil)
}

func sets(_ text: String) throws -> [RangeSet] {
    try text.split(separator: ";").map { try RangeSet($0.split(separator: ",").map(pool)) }
}

func owners(_ text: String) -> Set<Attachment> {
    Set(
        text.split(separator: ",").map { pair in
            let parts = pair.split(separator: "/")
            return Attachment(containerID: String(parts[0]), ifname: String(parts[1]))
        })
}

/// The duration of many runs, in microseconds: median and maximum.
func measure(_ runs: Int, _ body: (Int) throws -> Void) rethrows -> String {
    let clock = ContinuousClock()
    var times: [Double] = []
    for run in 0..<runs { times.append(try clock.measure { try body(run) } / .microseconds(1)) }
    times.sort()
    return "\(times[times.count / 2]) \(times.last!)"
}

func run() throws {
    let arguments = CommandLine.arguments
    let store = Store(
        dataDirectory: arguments[1], network: arguments[2], bootID: arguments[3],
        lockTimeoutMilliseconds: UInt32(arguments[4])!)
    let rest = Array(arguments[6...])
    switch arguments[5] {
    case "add":
        let requested = rest.dropFirst(3).map { IPAddress($0)! }
        let owner = Attachment(containerID: rest[0], ifname: rest[1])
        for allocation in try store.reserve(owner, from: sets(rest[2]), requested: requested) {
            print(allocation.address)
        }
    case "del":
        try store.release(Attachment(containerID: rest[0], ifname: rest[1]))
    case "get":
        for unit in try store.reservations(of: Attachment(containerID: rest[0], ifname: rest[1])) { print(unit) }
    case "gc":
        for freed in try store.collectGarbage(keeping: owners(rest.first ?? "")) { print(freed.unit) }
    case "cycle":
        let sets = try sets(rest[1])
        let owner = Attachment(containerID: "cycle", ifname: "eth0")
        var added: [IPAddress] = []
        for _ in 0..<2 {
            _ = try store.reserve(owner, from: sets)
            try store.release(owner)
        }
        let both = try measure(Int(rest[0])!) { _ in
            added = try store.reserve(owner, from: sets).map(\.address.address)
            try store.release(owner, hints: added)
        }
        print(both)
    default:
        fatalError("unknown command")
    }
}

do { try run() } catch {
    print(error)
    exit(1)
}
